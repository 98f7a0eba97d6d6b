"""Losses of boxes as modules."""

from __future__ import annotations

from tinygraph.nn import functional as F
from tinygraph.nn.layers.loss import _Loss
from tinygraph.tensor import Tensor

__all__ = ["CIoULoss", "DIoULoss", "GIoULoss", "IoULoss"]


class _BoxLoss(_Loss):
    def __init__(self, reduction: str = "mean", eps: float = 1e-7) -> None:
        super().__init__(reduction)
        self.eps = eps


class IoULoss(_BoxLoss):
    """1 - IoU, IoU = intersection area / union area of two boxes; see `nn.functional.iou_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.IoULoss()(tg.tensor([[0, 0, 2.0, 2]]), tg.tensor([[0, 0, 2.0, 1]])).item()
    0.5
    """

    def forward(self, boxes1: Tensor, boxes2: Tensor) -> Tensor:
        return F.iou_loss(boxes1, boxes2, self.reduction, self.eps)


class GIoULoss(_BoxLoss):
    """1 - IoU + (C - U) / C, C the area of the smallest box around both and U that of their union;
    see `nn.functional.generalized_box_iou_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.GIoULoss()(tg.tensor([[0, 0, 1.0, 1]]), tg.tensor([[3.0, 0, 4, 1]])).item()
    1.5
    """

    def forward(self, boxes1: Tensor, boxes2: Tensor) -> Tensor:
        return F.generalized_box_iou_loss(boxes1, boxes2, self.reduction, self.eps)


class DIoULoss(_BoxLoss):
    """1 - IoU + d² / c², d the distance of the centres, c the diagonal of the box around both; see
    `nn.functional.distance_box_iou_loss`.

    >>> import tinygraph as tg
    >>> loss = tg.nn.DIoULoss()
    >>> round(loss(tg.tensor([[0, 0, 3.0, 2]]), tg.tensor([[0, 2, 3.0, 4]])).item(), 4)
    1.16
    """

    def forward(self, boxes1: Tensor, boxes2: Tensor) -> Tensor:
        return F.distance_box_iou_loss(boxes1, boxes2, self.reduction, self.eps)


class CIoULoss(_BoxLoss):
    """1 - IoU + d² / c² + a v, v the difference of the shapes; see
    `nn.functional.complete_box_iou_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.CIoULoss()(tg.tensor([[0, 0, 1.0, 1]]), tg.tensor([[0, 0, 2.0, 2]])).item()
    0.8125
    """

    def forward(self, boxes1: Tensor, boxes2: Tensor) -> Tensor:
        return F.complete_box_iou_loss(boxes1, boxes2, self.reduction, self.eps)
