"""Losses of vectors that belong together or do not, as modules."""

from __future__ import annotations

from tinygraph.nn import functional as F
from tinygraph.nn.functional.contrastive import Distance, check_margin, check_temperature
from tinygraph.nn.layers.distance import PairwiseDistance
from tinygraph.nn.layers.loss import _Loss
from tinygraph.tensor import Tensor

__all__ = [
    "ContrastiveLoss", "CosineEmbeddingLoss", "InfoNCELoss", "NTXentLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]  # fmt: skip


class CosineEmbeddingLoss(_Loss):
    """1 - cos(input1, input2) where y is 1, and max(0, cos - margin) where y is -1; see
    `nn.functional.cosine_embedding_loss`.

    >>> import tinygraph as tg
    >>> x, y = tg.tensor([[3.0, 0.0], [1.0, 0.0]]), tg.tensor([[0.0, 1.0], [5.0, 0.0]])
    >>> tg.nn.CosineEmbeddingLoss(margin=0.5)(x, y, tg.tensor([1, -1])).item()
    0.75
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class ContrastiveLoss(_Loss):
    """y d² + (1 - y) max(0, margin - d)², y 1 for a pair that is alike; see
    `nn.functional.contrastive_loss`.

    >>> import tinygraph as tg
    >>> x, y = tg.tensor([[0.0, 0.0], [0.0, 0.0]]), tg.tensor([[0.0, 2.0], [0.0, 0.5]])
    >>> tg.nn.ContrastiveLoss()(x, y, tg.tensor([1, 0])).item()
    2.125
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.contrastive_loss(input1, input2, target, self.margin, self.reduction)


class TripletMarginLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d a norm; see
    `nn.functional.triplet_margin_loss`.

    p: the order of the norm. eps: added to each difference. swap: take the distance of the
    negative from the positive, where that is the smaller one.

    >>> import tinygraph as tg
    >>> a, p, n = tg.tensor([[0.0, 0.0]]), tg.tensor([[0.0, 3.0]]), tg.tensor([[4.0, 0.0]])
    >>> tg.nn.TripletMarginLoss(margin=1.5, eps=0.0)(a, p, n).item()
    0.5
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.margin, self.p, self.eps, self.swap = check_margin(margin), p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )


class TripletMarginWithDistanceLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with any distance d; see
    `nn.functional.triplet_margin_with_distance_loss`.

    distance_function: d(x, y), a function of two Tensors or a module, whose parameters are then
    those of the loss; None for `PairwiseDistance`.

    >>> import tinygraph as tg
    >>> a, p, n = tg.tensor([[0.0, 0.0]]), tg.tensor([[0.0, 3.0]]), tg.tensor([[4.0, 0.0]])
    >>> city = tg.nn.PairwiseDistance(p=1, eps=0.0)
    >>> tg.nn.TripletMarginWithDistanceLoss(distance_function=city, margin=1.5)(a, p, n).item()
    0.5
    """

    distance_function: Distance

    def __init__(
        self,
        *,
        distance_function: Distance | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.distance_function = (
            PairwiseDistance() if distance_function is None else distance_function
        )
        self.margin, self.swap = check_margin(margin), swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class NTXentLoss(_Loss):
    """-log(exp(s(z_i, z_j) / t) / sum_{k != i} exp(s(z_i, z_k) / t)), s the cosine; see
    `nn.functional.nt_xent_loss`.

    >>> import tinygraph as tg
    >>> z = tg.eye(2)
    >>> round(tg.nn.NTXentLoss(temperature=0.1)(z, 3 * z).item(), 6)
    9.1e-05
    """

    def __init__(self, temperature: float = 0.5, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.temperature = check_temperature(temperature)

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        return F.nt_xent_loss(z1, z2, self.temperature, self.reduction)


class InfoNCELoss(_Loss):
    """-log(exp(q·k+ / t) / sum_k exp(q·k / t)); see `nn.functional.info_nce_loss`.

    normalize: bring all vectors to length 1 first.

    >>> import tinygraph as tg
    >>> q, k = tg.tensor([[1.0, 0.0]]), tg.tensor([[2.0, 0.0]])
    >>> round(tg.nn.InfoNCELoss()(q, k, tg.tensor([[5.0, 0.0]])).item(), 4)
    0.6931
    """

    def __init__(
        self, temperature: float = 0.1, reduction: str = "mean", normalize: bool = True
    ) -> None:
        super().__init__(reduction)
        self.temperature, self.normalize = check_temperature(temperature), normalize

    def forward(
        self, query: Tensor, positive_key: Tensor, negative_keys: Tensor | None = None
    ) -> Tensor:
        return F.info_nce_loss(
            query, positive_key, negative_keys, self.temperature, self.reduction, self.normalize
        )
