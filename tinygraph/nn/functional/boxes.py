"""Boxes: their area and overlap, and losses that draw one box onto another. The names are those of
torchvision.

A box is four numbers, (..., 4): x1, y1, x2, y2, two corners with x1 <= x2 and y1 <= y2, unless
another format is named. A box without area overlaps no other, and nothing here is NaN for it.
"""

from __future__ import annotations

import math

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike
from tinygraph.array.elementwise import (
    abs,
    astype,
    atan2,
    maximum,
    minimum,
    relu,
    square,
    where,
)
from tinygraph.array.join import concat, stack, unstack
from tinygraph.array.reduce import sum
from tinygraph.array.shape import expand_dims
from tinygraph.dtypes import DType
from tinygraph.errors import ShapeError
from tinygraph.nn.functional.loss import check_same_shape, operands, reduced
from tinygraph.ops.registry import const
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor
from tinygraph.transforms import stop_gradient

__all__ = [
    "box_area", "box_convert", "box_iou", "ciou_loss", "complete_box_iou_loss", "diou_loss",
    "distance_box_iou_loss", "generalized_box_iou_loss", "giou_loss", "iou_loss",
]  # fmt: skip

FORMATS = ("xyxy", "xywh", "cxcywh")
Sides = tuple[Tensor, Tensor, Tensor, Tensor]


# ------------------------------------------------------------------------------- measures


@api
def box_convert(boxes: TensorLike, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes in another format: "xyxy" corners, "xywh" corner and size, "cxcywh" centre and size.

    boxes: (..., 4). in_fmt, out_fmt: the format that they have and the one that they get. Returns
    (..., 4). ValueError for another format.

    >>> import tinygraph as tg
    >>> tg.nn.functional.box_convert(tg.tensor([10.0, 20.0, 30.0, 60.0]), "xyxy", "cxcywh")
    tensor([20., 40., 20., 40.])
    """
    dtype, (wide,) = operands(boxes)
    _check(wide, in_fmt)
    low, high = _ends(wide[..., :2], wide[..., 2:], in_fmt)
    size = high - low
    _check_format(out_fmt)
    if out_fmt == "xyxy":
        parts = [low, high]
    elif out_fmt == "xywh":
        parts = [low, size]
    else:
        parts = [low + 0.5 * size, size]
    return astype(concat(parts, axis=-1), dtype)


def _ends(first: Tensor, second: Tensor, fmt: str) -> tuple[Tensor, Tensor]:
    """Where a side begins and where it ends, from what stands for it in the first half of a box
    and in the second."""
    if fmt == "xyxy":
        return first, second
    low = first - 0.5 * second if fmt == "cxcywh" else first
    return low, low + second


def _corners(boxes: Tensor, fmt: str = "xyxy") -> Sides:
    """x1, y1, x2, y2 of boxes in any format."""
    _check(boxes, fmt)
    a, b, c, d = (boxes[..., i] for i in range(4))
    (x1, x2), (y1, y2) = _ends(a, c, fmt), _ends(b, d, fmt)
    return x1, y1, x2, y2


def _columns(boxes: Tensor, fmt: str = "xyxy") -> Sides:
    """The corners, each of them an array of its own in memory: read often, it is read faster so
    than as every fourth number of the boxes."""
    x1, y1, x2, y2 = unstack(stack(_corners(boxes, fmt)))
    return x1, y1, x2, y2


def _check(boxes: Tensor, fmt: str = "xyxy") -> None:
    _check_format(fmt)
    if not boxes.ndim or boxes.shape[-1] != 4:
        raise ShapeError(f"expected boxes (..., 4), got shape {show_shape(boxes.shape)}")


def _check_format(fmt: str) -> None:
    if fmt not in FORMATS:
        raise ValueError(f"expected a format out of {', '.join(FORMATS)}, got {fmt!r}")


@api
def box_area(boxes: TensorLike, fmt: str = "xyxy") -> Tensor:
    """(x2 - x1) (y2 - y1), the area of each box.

    boxes: (..., 4). fmt: "xyxy", "xywh" or "cxcywh"; see `box_convert`. Returns (...,).

    >>> import tinygraph as tg
    >>> tg.nn.functional.box_area(tg.tensor([[1.0, 2.0, 3.0, 5.0]]))
    tensor([6.])
    """
    dtype, (wide,) = operands(boxes)
    return astype(_area(_corners(wide, fmt)), dtype)


def _area(box: Sides) -> Tensor:
    x1, y1, x2, y2 = box
    return (x2 - x1) * (y2 - y1)


@api
def box_iou(boxes1: TensorLike, boxes2: TensorLike, fmt: str = "xyxy") -> Tensor:
    """Intersection area / union area, of each box of the one set with each of the other.

    boxes1: (..., n, 4). boxes2: (..., m, 4). fmt: "xyxy", "xywh" or "cxcywh"; see `box_convert`.
    Returns (..., n, m), from 0 (apart) to 1 (the same); 0 where the union has no area.

    Source: Everingham et al., "The PASCAL Visual Object Classes Challenge" (2010).

    >>> import tinygraph as tg
    >>> a, b = tg.tensor([[0.0, 0.0, 2.0, 2.0]]), tg.tensor([[1.0, 1.0, 3.0, 2.0], [5, 5, 6, 6]])
    >>> tg.nn.functional.box_iou(a, b)
    tensor([[0.2, 0. ]])
    """
    dtype, (a, b) = operands(boxes1, boxes2)
    for name, boxes in (("boxes1", a), ("boxes2", b)):
        if boxes.ndim < 2:
            raise ShapeError(f"expected {name} (..., n, 4), got shape {show_shape(boxes.shape)}")
    common, union = _overlap(_columns(expand_dims(a, -2), fmt), _columns(expand_dims(b, -3), fmt))
    none = union == 0.0
    return astype(where(none, 0.0, common / where(none, 1.0, union)), dtype)


def _overlap(a: Sides, b: Sides) -> tuple[Tensor, Tensor]:
    """The areas of the intersection and of the union."""
    width = minimum(a[2], b[2]) - maximum(a[0], b[0])
    height = minimum(a[3], b[3]) - maximum(a[1], b[1])
    common = relu(width) * relu(height)
    return common, _area(a) + _area(b) - common


# ---------------------------------------------------------------------------------- losses


@api
def iou_loss(
    boxes1: TensorLike, boxes2: TensorLike, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - IoU, IoU = intersection area / union area of two boxes.

    It has no slope where they do not touch: the other losses here have. boxes1, boxes2: x1, y1,
    x2, y2 (..., 4), of the same shape. reduction: "none", "sum" or "mean", 0 of no boxes. eps:
    added to the union.

    >>> import tinygraph as tg
    >>> a, b = tg.tensor([[0.0, 0.0, 2.0, 2.0]]), tg.tensor([[0.0, 0.0, 2.0, 1.0]])
    >>> tg.nn.functional.iou_loss(a, b)
    tensor([0.5])
    """
    dtype, a, b = _pair(boxes1, boxes2)
    common, union = _overlap(a, b)
    return _over_boxes(1.0 - common / (union + eps), reduction, dtype)


@api
def generalized_box_iou_loss(
    boxes1: TensorLike, boxes2: TensorLike, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - IoU + (C - U) / C, U the area of the union, C that of the smallest box around both.

    So boxes that do not touch are drawn together. boxes1, boxes2: x1, y1, x2, y2 (..., 4), of the
    same shape. reduction: "none", "sum" or "mean", 0 of no boxes. eps: added to what is divided by.

    Source: Rezatofighi et al., "Generalized Intersection over Union" (2019).

    >>> import tinygraph as tg
    >>> a, b = tg.tensor([[0.0, 0.0, 1.0, 1.0]]), tg.tensor([[3.0, 0.0, 4.0, 1.0]])
    >>> tg.nn.functional.generalized_box_iou_loss(a, b)
    tensor([1.5])
    """
    dtype, a, b = _pair(boxes1, boxes2)
    common, union = _overlap(a, b)
    around = _area(_around(a, b))
    loss = 1.0 - common / (union + eps) + (around - union) / (around + eps)
    return _over_boxes(loss, reduction, dtype)


@api
def distance_box_iou_loss(
    boxes1: TensorLike, boxes2: TensorLike, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - IoU + d² / c², d the distance of the centres, c the diagonal of the box around both.

    boxes1, boxes2: x1, y1, x2, y2 (..., 4), of the same shape. reduction: "none", "sum" or "mean",
    0 of no boxes. eps: added to what is divided by.

    Source: Zheng et al., "Distance-IoU Loss: Faster and Better Learning for Bounding Box
    Regression" (2020).

    >>> import tinygraph as tg
    >>> a, b = tg.tensor([[0.0, 0.0, 3.0, 2.0]]), tg.tensor([[0.0, 2.0, 3.0, 4.0]])
    >>> tg.nn.functional.distance_box_iou_loss(a, b)
    tensor([1.16])
    """
    dtype, a, b = _pair(boxes1, boxes2)
    return _over_boxes(_distance_loss(a, b, eps)[0], reduction, dtype)


@api
def complete_box_iou_loss(
    boxes1: TensorLike, boxes2: TensorLike, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - IoU + d² / c² + a v: as `distance_box_iou_loss`, and both are to have the same shape.

        v = 4/pi² (atan(w2 / h2) - atan(w1 / h1))²,  a = v / (1 - IoU + v)

    a is a constant for the gradient. boxes1, boxes2: x1, y1, x2, y2 (..., 4), of the same shape.
    reduction: "none", "sum" or "mean", 0 of no boxes. eps: added to what is divided by.

    Source: Zheng et al., "Distance-IoU Loss: Faster and Better Learning for Bounding Box
    Regression" (2020).

    >>> import tinygraph as tg
    >>> a, b = tg.tensor([[0.0, 0.0, 1.0, 1.0]]), tg.tensor([[0.0, 0.0, 2.0, 2.0]])
    >>> tg.nn.functional.complete_box_iou_loss(a, b)
    tensor([0.8125])
    """
    dtype, a, b = _pair(boxes1, boxes2)
    loss, iou = _distance_loss(a, b, eps)
    v = 4.0 / math.pi**2 * square(_slope(b) - _slope(a))
    alpha = stop_gradient(v / (1.0 - iou + v + eps))
    return _over_boxes(loss + alpha * v, reduction, dtype)


giou_loss = generalized_box_iou_loss
diou_loss = distance_box_iou_loss
ciou_loss = complete_box_iou_loss


def _pair(boxes1: TensorLike, boxes2: TensorLike) -> tuple[DType, Sides, Sides]:
    dtype, (a, b) = operands(boxes1, boxes2)
    check_same_shape(a, b, "boxes2")
    return dtype, _columns(a), _columns(b)


def _around(a: Sides, b: Sides) -> Sides:
    """The smallest box around both."""
    return minimum(a[0], b[0]), minimum(a[1], b[1]), maximum(a[2], b[2]), maximum(a[3], b[3])


def _distance_loss(a: Sides, b: Sides, eps: float) -> tuple[Tensor, Tensor]:
    """The loss of distances, and the IoU."""
    common, union = _overlap(a, b)
    iou = common / (union + eps)
    x1, y1, x2, y2 = _around(a, b)
    diagonal = square(x2 - x1) + square(y2 - y1) + eps
    between = square(_middle(a, 0) - _middle(b, 0)) + square(_middle(a, 1) - _middle(b, 1))
    return 1.0 - iou + between / diagonal, iou


def _middle(box: Sides, axis: int) -> Tensor:
    return 0.5 * (box[axis] + box[axis + 2])


def _slope(box: Sides) -> Tensor:
    """atan(width / height); 0 for a point, which has no shape."""
    x1, y1, x2, y2 = box
    w, h = x2 - x1, y2 - y1
    point = square(w) + square(h) == 0.0  # by this sum the gradient is divided
    return atan2(where(h < 0.0, -w, w), where(point, 1.0, abs(h)))


def _over_boxes(loss: Tensor, reduction: str, dtype: DType) -> Tensor:
    """As `reduced`, but that the mean of no boxes is 0: a picture may have none."""
    if reduction != "mean":
        return reduced(loss, reduction, dtype)
    count = maximum(Tensor(const(loss.size, loss.dtype)), 1.0)
    return astype(sum(loss) / count, dtype)
