"""Losses of classes as modules: cross-entropies and focal losses."""

from __future__ import annotations

import math
from typing import Any

from tinygraph.array.shape import unflatten
from tinygraph.nn import functional as F
from tinygraph.nn.functional.loss import check_smoothing
from tinygraph.nn.layers.linear import Linear
from tinygraph.nn.layers.loss import _Loss, _WeightedLoss
from tinygraph.tensor import Tensor

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "BinaryCrossEntropy", "BinaryCrossentropy",
    "CategoricalCrossEntropy", "CategoricalCrossentropy", "CrossEntropyLoss", "FocalLoss",
    "LinearCrossEntropyLoss", "NLLLoss", "SigmoidFocalLoss", "SparseCategoricalCrossEntropy",
    "SparseCategoricalCrossentropy",
]  # fmt: skip


class CrossEntropyLoss(_WeightedLoss):
    """-log softmax(input) at the target class; see `nn.functional.cross_entropy`.

    weight: (class,), kept as a buffer.

    >>> import tinygraph as tg
    >>> tg.nn.CrossEntropyLoss()(tg.tensor([[0.0, 1000.0]]), tg.tensor([1])).item()
    0.0
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class LinearCrossEntropyLoss(_WeightedLoss):
    """-log softmax(input W^T + b) at the target class; see `nn.functional.linear_cross_entropy`.

    in_features: the last size of the input. num_classes, out_features: the logits have the shape
    (batch, num_classes, *out_features). bias: whether there is a b. weight: (class,), kept as a
    buffer.

    linear: the layer with W and b, whose rows are the classes and outputs laid out as one.

    >>> import tinygraph as tg
    >>> tg.nn.LinearCrossEntropyLoss(8, 3)(tg.ones((5, 8)), tg.zeros(5, dtype="int64")).shape
    ()
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        reduction: str = "mean",
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        dtype: Any = None,
    ) -> None:
        super().__init__(weight, reduction)
        check_smoothing(label_smoothing)
        self.num_classes, self.out_features = num_classes, out_features
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        rows = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, rows, bias, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        sizes, bias = (self.num_classes, *self.out_features), self.linear.bias
        return F.linear_cross_entropy(
            input,
            unflatten(self.linear.weight, 0, sizes),
            target,
            linear_bias=None if bias is None else unflatten(bias, 0, sizes),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}"
        )


class NLLLoss(_WeightedLoss):
    """-input at the target class, for log-probabilities; see `nn.functional.nll_loss`.

    weight: (class,), kept as a buffer.

    >>> import tinygraph as tg
    >>> tg.nn.NLLLoss()(tg.tensor([[-1.0, -3.0]]), tg.tensor([1])).item()
    3.0
    """

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CategoricalCrossEntropy(_Loss):
    """-sum_c y_c log(p_c), of one-hot targets; see `nn.functional.categorical_cross_entropy`.

    The input comes first, the target second.

    >>> import tinygraph as tg
    >>> loss = tg.nn.CategoricalCrossEntropy(from_logits=True)
    >>> round(loss(tg.tensor([[0.0, 0.0]]), tg.tensor([[1.0, 0.0]])).item(), 4)
    0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        check_smoothing(label_smoothing)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.categorical_cross_entropy(
            input, target, self.from_logits, self.label_smoothing, self.axis, self.reduction
        )


class SparseCategoricalCrossEntropy(_Loss):
    """-log(p_t) at class t; see `nn.functional.sparse_categorical_cross_entropy`.

    The input comes first, the target second.

    >>> import tinygraph as tg
    >>> loss = tg.nn.SparseCategoricalCrossEntropy()
    >>> round(loss(tg.tensor([[0.5, 0.5]]), tg.tensor([1])).item(), 4)
    0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.sparse_categorical_cross_entropy(
            input, target, self.from_logits, self.ignore_class, self.axis, self.reduction
        )


CategoricalCrossentropy = CategoricalCrossEntropy
SparseCategoricalCrossentropy = SparseCategoricalCrossEntropy


class BinaryCrossEntropy(_Loss):
    """-(y log(p) + (1 - y) log(1 - p)), as in Keras; see `nn.functional.binary_crossentropy`.

    The input comes first, the target second.

    >>> import tinygraph as tg
    >>> loss = tg.nn.BinaryCrossEntropy(from_logits=True)
    >>> round(loss(tg.tensor([0.0]), tg.tensor([1.0])).item(), 4)
    0.6931
    """

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        check_smoothing(label_smoothing)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_crossentropy(
            input, target, self.from_logits, self.label_smoothing, self.reduction
        )


BinaryCrossentropy = BinaryCrossEntropy


class BCELoss(_WeightedLoss):
    """-(y log(p) + (1 - y) log(1 - p)); see `nn.functional.binary_cross_entropy`.

    weight: factors, which broadcast; kept as a buffer.

    >>> import tinygraph as tg
    >>> tg.nn.BCELoss()(tg.tensor([0.0]), tg.tensor([1.0])).item()
    100.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """-(y log s(x) + (1 - y) log(1 - s(x))), s the sigmoid; see
    `nn.functional.binary_cross_entropy_with_logits`.

    weight, pos_weight: factors, which broadcast; kept as buffers.

    >>> import tinygraph as tg
    >>> tg.nn.BCEWithLogitsLoss()(tg.tensor([-1000.0]), tg.tensor([1.0])).item()
    1000.0
    """

    pos_weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, self.reduction, self.pos_weight
        )


class SigmoidFocalLoss(_Loss):
    """-alpha_t (1 - p_t)^gamma log(p_t), from logits; see `nn.functional.sigmoid_focal_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.SigmoidFocalLoss()(tg.tensor([-100.0, 100.0]), tg.tensor([1.0, 1.0])).item()
    12.5
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.alpha, self.gamma = alpha, gamma

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return F.sigmoid_focal_loss(inputs, targets, self.alpha, self.gamma, self.reduction)


class FocalLoss(_Loss):
    """-alpha_t (1 - p_t)^gamma log(p_t) at the target class; see `nn.functional.focal_loss`.

    alpha: (class,), a factor for each class, kept as a buffer; or one for all.

    >>> import tinygraph as tg
    >>> loss = tg.nn.FocalLoss(alpha=[1.0, 4.0], gamma=0.0)
    >>> round(loss(tg.tensor([[0.0, 0.0]]), tg.tensor([1])).item(), 4)
    2.7726
    """

    alpha: Tensor | None

    def __init__(
        self,
        alpha: Any = None,
        gamma: float = 2.0,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("alpha", alpha)
        self.gamma, self.ignore_index = gamma, ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.focal_loss(
            input, target, self.alpha, self.gamma, self.ignore_index, self.reduction
        )
