"""Losses of masks: what share of two areas is not common to both.

`input` has a probability for each place: (batch, class, place...), or for a single class
(batch, place) or (place,). `target` has masks of the same shape, 0 or 1 or something in between;
or the number of the class at each place, (batch, place...). From logits take the sigmoid or, of
classes that exclude each other, the softmax over axis 1 first.

All are made of three sums over the places of one class in one sample: TP, the input within the
target; FP, the input outside of it; FN, the target without the input. So a class with few places
counts as much as one with many. `axis` says what other sums to take: (0, 2, 3) those over a whole
batch of images, `tuple(range(input.ndim))` one for everything, as Keras does.

`smooth` keeps the quotient from 0 / 0: where both masks are empty the loss is 0. Keras has 1e-7
for it. `reduction` is "mean", "sum", or "none" for the losses of each sample and class.
"""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange
from tinygraph.array.elementwise import astype, maximum, pow, where
from tinygraph.array.reduce import Axis, sum
from tinygraph.array.shape import expand_dims, reshape
from tinygraph.dtypes import DType, is_integer
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.functional.loss import alike, operands, reduced
from tinygraph.ops.bounds import within
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["dice_loss", "focal_tversky_loss", "jaccard_loss", "tversky_loss"]

LEAST = 1e-30  # of a loss, to a power below 1


@api(y_pred="input", y_true="target")
def dice_loss(
    input: TensorLike,
    target: TensorLike,
    smooth: float = 1.0,
    axis: Axis = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - (2 sum(p y) + smooth) / (sum(p) + sum(y) + smooth), p the input, y the target.

    input: probabilities (batch, class, place...). target: masks of the same shape, or class
    numbers (batch, place...). The sums are over the places, or over `axis`.

    Source: Milletari et al., "V-Net" (2016), where the sums below are of squares.

    >>> import tinygraph as tg
    >>> p, y = tg.tensor([[0.5, 0.5, 0.0, 0.0]]), tg.tensor([[1, 1, 0, 0]])
    >>> tg.nn.functional.dice_loss(p, y).item()
    0.25
    """
    dtype, loss = _missed(input, target, 0.5, 0.5, 0.5 * smooth, axis)
    return reduced(loss, reduction, dtype)


@api(y_pred="input", y_true="target")
def jaccard_loss(
    input: TensorLike,
    target: TensorLike,
    smooth: float = 1.0,
    axis: Axis = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - (sum(p y) + smooth) / (sum(p) + sum(y) - sum(p y) + smooth): of the IoU of masks.

    The IoU, the intersection over the union, is Jaccard's index. input: probabilities p (batch,
    class, place...). target: masks y of the same shape, or class numbers (batch, place...). The
    sums are over the places, or over `axis`.

    Source: Rahman and Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for Image
    Segmentation" (2016).

    >>> import tinygraph as tg
    >>> p, y = tg.tensor([[1.0, 1.0, 0.0, 0.0]]), tg.tensor([[0, 1, 1, 0]])
    >>> tg.nn.functional.jaccard_loss(p, y).item()
    0.5
    """
    dtype, loss = _missed(input, target, 1.0, 1.0, smooth, axis)
    return reduced(loss, reduction, dtype)


@api(y_pred="input", y_true="target")
def tversky_loss(
    input: TensorLike,
    target: TensorLike,
    alpha: float = 0.5,
    beta: float = 0.5,
    smooth: float = 1.0,
    axis: Axis = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth).

    TP = sum(p y), FP = sum(p (1 - y)), FN = sum((1 - p) y), over the places, or over `axis`.
    input: probabilities p (batch, class, place...). target: masks y of the same shape, or class
    numbers (batch, place...). alpha: what a place costs that is falsely included; beta: one that
    is missed. Both 1/2 give the Dice loss (of twice the `smooth`), both 1 the Jaccard loss.

    Source: Salehi et al., "Tversky loss function for image segmentation using 3D fully
    convolutional deep networks" (2017), where alpha=0.3 and beta=0.7 were best.

    >>> import tinygraph as tg
    >>> p, y = tg.tensor([[1.0, 0.0, 0.0]]), tg.tensor([[1, 1, 0]])
    >>> tg.nn.functional.tversky_loss(p, y, alpha=0.0, beta=2.0).item()
    0.5
    """
    dtype, loss = _missed(input, target, alpha, beta, smooth, axis)
    return reduced(loss, reduction, dtype)


@api(y_pred="input", y_true="target")
def focal_tversky_loss(
    input: TensorLike,
    target: TensorLike,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 0.75,
    smooth: float = 1.0,
    axis: Axis = None,
    reduction: str = "mean",
) -> Tensor:
    """L^gamma, L the Tversky loss: with a gamma below 1, hard classes count more.

    The arguments are those of `tversky_loss`. The paper writes the power as 1 / gamma, with a
    gamma of 4/3, and has alpha and beta the other way round.

    Source: Abraham and Khan, "A Novel Focal Tversky Loss Function with Improved Attention U-Net
    for Lesion Segmentation" (2019).

    >>> import tinygraph as tg
    >>> p, y = tg.tensor([[1.0, 0.0, 0.0]]), tg.tensor([[1, 1, 0]])
    >>> tg.nn.functional.focal_tversky_loss(p, y, 0.0, 2.0, gamma=2.0).item()
    0.25
    """
    dtype, loss = _missed(input, target, alpha, beta, smooth, axis)
    if gamma < 1.0:  # the slope at 0 would be infinite
        loss = maximum(loss, LEAST)
    return reduced(pow(loss, gamma), reduction, dtype)


def _missed(
    input: TensorLike, target: TensorLike, alpha: float, beta: float, smooth: float, axis: Axis
) -> tuple[DType, Tensor]:
    """(alpha FP + beta FN) / (TP + alpha FP + beta FN + smooth), and the dtype of the result.

    That is the Tversky loss: written so, no digit is lost where it is small.
    """
    dtype, p, y = _masks(input, target)
    over = _places(p) if axis is None else axis
    wrong = sum(alpha * p * (1.0 - y) + beta * y * (1.0 - p), axis=over)
    whole = sum(p * y, axis=over) + wrong + smooth
    none = whole == 0.0  # nothing is there, so nothing is missed
    return dtype, where(none, 0.0, wrong / where(none, 1.0, whole))


def _places(p: Tensor) -> tuple[int, ...]:
    """The axes beyond batch and class; without classes, that beyond the batch."""
    if not p.ndim:
        raise ShapeError("expected probabilities (batch, class, place...), got a single number")
    return tuple(range(min(2, p.ndim - 1), p.ndim))


def _masks(input: TensorLike, target: TensorLike) -> tuple[DType, Tensor, Tensor]:
    """The probabilities and a mask for each class, as floats of one shape, and their dtype."""
    x, y = to_tensor(input), to_tensor(target)
    if y.ndim != x.ndim - 1 or not is_integer(y.dtype):
        return alike(x, y)
    dtype, (p,) = operands(x)
    shape = (x.shape[0], *x.shape[2:])
    if x.ndim < 3 or (y.shape != shape and is_known(*y.shape, *shape)):
        raise ShapeError(
            "expected probabilities (batch, class, place...) and class numbers (batch, place...), "
            f"got {show_shape(x.shape)} and {show_shape(y.shape)}"
        )
    classes = x.shape[1]
    column = reshape(arange(classes, dtype=y.dtype), (classes, *[1] * (x.ndim - 2)))
    numbers = Tensor(within(y.node, size=classes, what="class"))
    return dtype, p, astype(expand_dims(numbers, 1) == column, p.dtype)
