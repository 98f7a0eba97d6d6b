"""Losses of masks as modules. From logits take the sigmoid or the softmax first."""

from __future__ import annotations

from tinygraph.array.reduce import Axis
from tinygraph.nn import functional as F
from tinygraph.nn.layers.loss import _Loss
from tinygraph.tensor import Tensor

__all__ = ["DiceLoss", "FocalTverskyLoss", "JaccardLoss", "TverskyLoss"]


class _OverlapLoss(_Loss):
    def __init__(self, smooth: float, axis: Axis, reduction: str) -> None:
        super().__init__(reduction)
        self.smooth, self.axis = smooth, axis


class DiceLoss(_OverlapLoss):
    """1 - (2 sum(p y) + smooth) / (sum(p) + sum(y) + smooth); see `nn.functional.dice_loss`.

    >>> import tinygraph as tg
    >>> p, y = tg.tensor([[0.5, 0.5, 0.0, 0.0]]), tg.tensor([[1, 1, 0, 0]])
    >>> tg.nn.DiceLoss()(p, y).item()
    0.25
    """

    def __init__(self, smooth: float = 1.0, axis: Axis = None, reduction: str = "mean") -> None:
        super().__init__(smooth, axis, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.dice_loss(input, target, self.smooth, self.axis, self.reduction)


class JaccardLoss(_OverlapLoss):
    """1 - (sum(p y) + smooth) / (sum(p) + sum(y) - sum(p y) + smooth), of the IoU of masks; see
    `nn.functional.jaccard_loss`.

    >>> import tinygraph as tg
    >>> p, y = tg.tensor([[1.0, 1.0, 0.0, 0.0]]), tg.tensor([[0, 1, 1, 0]])
    >>> tg.nn.JaccardLoss()(p, y).item()
    0.5
    """

    def __init__(self, smooth: float = 1.0, axis: Axis = None, reduction: str = "mean") -> None:
        super().__init__(smooth, axis, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.jaccard_loss(input, target, self.smooth, self.axis, self.reduction)


class TverskyLoss(_OverlapLoss):
    """1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth); see `nn.functional.tversky_loss`.

    >>> import tinygraph as tg
    >>> p, y = tg.tensor([[1.0, 0.0, 0.0]]), tg.tensor([[1, 1, 0]])
    >>> tg.nn.TverskyLoss(alpha=0.0, beta=2.0)(p, y).item()
    0.5
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        smooth: float = 1.0,
        axis: Axis = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(smooth, axis, reduction)
        self.alpha, self.beta = alpha, beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.tversky_loss(
            input, target, self.alpha, self.beta, self.smooth, self.axis, self.reduction
        )


class FocalTverskyLoss(_OverlapLoss):
    """L^gamma, L the Tversky loss; see `nn.functional.focal_tversky_loss`.

    >>> import tinygraph as tg
    >>> p, y = tg.tensor([[1.0, 0.0, 0.0]]), tg.tensor([[1, 1, 0]])
    >>> tg.nn.FocalTverskyLoss(alpha=0.0, beta=2.0, gamma=2.0)(p, y).item()
    0.25
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 0.75,
        smooth: float = 1.0,
        axis: Axis = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(smooth, axis, reduction)
        self.alpha, self.beta, self.gamma = alpha, beta, gamma

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        options = self.alpha, self.beta, self.gamma, self.smooth, self.axis
        return F.focal_tversky_loss(input, target, *options, self.reduction)
