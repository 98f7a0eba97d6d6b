"""Losses with margins as modules."""

from __future__ import annotations

from typing import Any

from tinygraph.nn import functional as F
from tinygraph.nn.functional.margin import check_power
from tinygraph.nn.layers.loss import _Loss, _WeightedLoss
from tinygraph.tensor import Tensor

__all__ = [
    "CategoricalHingeLoss", "HingeEmbeddingLoss", "HingeLoss", "MarginRankingLoss",
    "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "PerceptronLoss",
    "SoftMarginLoss", "SquaredHingeLoss",
]  # fmt: skip


class PerceptronLoss(_Loss):
    """max(0, -y f), y -1 or 1; see `nn.functional.perceptron_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.PerceptronLoss()(tg.tensor([2.0, -3.0]), tg.tensor([1.0, 1.0])).item()
    3.0
    """

    def __init__(self, reduction: str = "sum") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.perceptron_loss(input, target, self.reduction)


class HingeLoss(_Loss):
    """max(0, 1 - y f), y -1 or 1; see `nn.functional.hinge_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.HingeLoss()(tg.tensor([2.0, 0.5]), tg.tensor([1.0, 1.0])).item()
    0.25
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_loss(input, target, self.reduction)


class SquaredHingeLoss(_Loss):
    """max(0, 1 - y f)², y -1 or 1; see `nn.functional.squared_hinge_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.SquaredHingeLoss()(tg.tensor([2.0, 0.5]), tg.tensor([1.0, 1.0])).item()
    0.125
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.squared_hinge_loss(input, target, self.reduction)


class CategoricalHingeLoss(_Loss):
    """max(0, 1 + max_c (1 - y_c) f_c - sum_c y_c f_c); see `nn.functional.categorical_hinge_loss`.

    >>> import tinygraph as tg
    >>> loss = tg.nn.CategoricalHingeLoss()
    >>> loss(tg.tensor([[3.0, 2.5, 0.0]]), tg.tensor([[1.0, 0.0, 0.0]])).item()
    0.5
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.categorical_hinge_loss(input, target, self.reduction)


class SoftMarginLoss(_Loss):
    """log(1 + exp(-y f)), y -1 or 1; see `nn.functional.soft_margin_loss`.

    >>> import tinygraph as tg
    >>> round(tg.nn.SoftMarginLoss()(tg.tensor([0.0]), tg.tensor([1.0])).item(), 4)
    0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, self.reduction)


class MarginRankingLoss(_Loss):
    """max(0, -y (input1 - input2) + margin); see `nn.functional.margin_ranking_loss`.

    >>> import tinygraph as tg
    >>> loss = tg.nn.MarginRankingLoss(margin=0.5)
    >>> loss(tg.tensor([1.0]), tg.tensor([3.0]), tg.tensor([1.0])).item()
    2.5
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


class HingeEmbeddingLoss(_Loss):
    """x where y is 1, max(0, margin - x) where it is -1; see `nn.functional.hinge_embedding_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.HingeEmbeddingLoss()(tg.tensor([0.25]), tg.tensor([-1.0])).item()
    0.75
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, self.margin, self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """sum over c != t of w_t max(0, margin - x_t + x_c)^p / classes; see
    `nn.functional.multi_margin_loss`.

    weight: (class,), kept as a buffer.

    >>> import tinygraph as tg
    >>> tg.nn.MultiMarginLoss()(tg.tensor([[3.0, 2.5, 0.0, 4.0]]), tg.tensor([0])).item()
    0.625
    """

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction)
        check_power(p)
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


class MultiLabelMarginLoss(_Loss):
    """sum over targets t and other classes c of max(0, 1 - x_t + x_c) / classes; see
    `nn.functional.multilabel_margin_loss`.

    >>> import tinygraph as tg
    >>> loss = tg.nn.MultiLabelMarginLoss()
    >>> round(loss(tg.tensor([0.1, 0.2, 0.4, 0.8]), tg.tensor([3, 0, -1, 1])).item(), 6)
    0.85
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """-(y log s(x) + (1 - y) log(1 - s(x))), averaged over the classes; see
    `nn.functional.multilabel_soft_margin_loss`.

    weight: factors for the classes, which broadcast; kept as a buffer.

    >>> import tinygraph as tg
    >>> loss = tg.nn.MultiLabelSoftMarginLoss()
    >>> round(loss(tg.tensor([[0.0, 1000.0]]), tg.tensor([[1.0, 1.0]])).item(), 4)
    0.3466
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, self.weight, self.reduction)
