"""Losses of classes: how little probability a result gives to the right one."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import astype, where
from tinygraph.array.reduce import sum, widened
from tinygraph.array.softmax import log_softmax
from tinygraph.dtypes import DType, int64, is_float, is_integer
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.nn.functional.loss import check_reduction, check_same_shape
from tinygraph.ops.bounds import within
from tinygraph.ops.index import gather, take_along_axis
from tinygraph.ops.movement import reshape
from tinygraph.ops.registry import const
from tinygraph.ops.rules import product, show_shape
from tinygraph.tensor import Tensor

__all__ = ["cross_entropy", "nll_loss"]


@api
def cross_entropy(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input) at the target class.

    input: logits (batch, class, ...), or (class,). target: class numbers (batch, ...), or
    probabilities of the shape of `input`. weight: (class,), a factor for each class.
    ignore_index: a class number that does not count. label_smoothing: the share e of each
    target that is spread evenly over all classes, (1 - e) y + e / classes.

    reduction: "none", "sum", or "mean": for class numbers over the weights of those that count,
    for probabilities over the samples. IndexError, when it is computed, for a number that is no
    class.

    >>> import tinygraph as tg
    >>> logits = tg.tensor([[1000.0, 1000.0], [0.0, -1000.0]])
    >>> tg.nn.functional.cross_entropy(logits, tg.tensor([0, 1]), reduction="none")
    tensor([6.931472e-01, 1.000000e+03])
    """
    x, y = to_tensor(input), to_tensor(target)
    check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"expected label_smoothing from 0 to 1, got {label_smoothing}")
    axis = _class_axis(x)
    log_p = log_softmax(_widened(x), axis=axis)
    factors = _factors(weight, x.shape[axis], log_p.dtype)
    if is_float(y.dtype):
        loss = _of_probabilities(log_p, y, factors, reduction, label_smoothing)
    else:
        loss = _of_classes(log_p, y, factors, ignore_index, reduction, label_smoothing)
    return astype(loss, x.dtype)


@api
def nll_loss(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input at the target class: the negative log-likelihood.

    input: log-probabilities (batch, class, ...), or (class,). The other arguments are those of
    `cross_entropy`, for class numbers.

    >>> import tinygraph as tg
    >>> tg.nn.functional.nll_loss(tg.tensor([[-1.0, -3.0]]), tg.tensor([1])).item()
    3.0
    """
    x = to_tensor(input)
    check_reduction(reduction)
    axis = _class_axis(x)
    log_p = _widened(x)
    factors = _factors(weight, x.shape[axis], log_p.dtype)
    loss = _of_classes(log_p, to_tensor(target), factors, ignore_index, reduction, 0.0)
    return astype(loss, x.dtype)


def _widened(x: Tensor) -> Tensor:
    """x in 32 bits at least: the losses of a large batch, and their count, overflow 16 bits."""
    return Tensor(widened(x.node))


def _class_axis(x: Tensor) -> int:
    if not x.ndim or not is_float(x.dtype):
        raise ShapeError(f"expected floats (batch, class, ...) or (class,), got {x.node.aval}")
    return 0 if x.ndim == 1 else 1


def _factors(weight: TensorLike | None, classes: Size, dtype: DType) -> Tensor | None:
    if weight is None:
        return None
    factors = to_tensor(weight, dtype)
    if factors.shape != (classes,) and is_known(classes):
        raise ShapeError(
            f"expected a weight of shape ({classes},), one for each class, got "
            f"{show_shape(factors.shape)}"
        )
    return factors


def _of_classes(
    log_p: Tensor,
    target: Tensor,
    factors: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Tensor:
    """The loss for class numbers."""
    axis = _class_axis(log_p)
    _check_classes(log_p, target, axis)
    target = astype(target, int64)
    counts = target != ignore_index
    classes = within(where(counts, target, 0).node, size=log_p.shape[axis], what="class")
    column = reshape(classes, shape=_with_one(target.shape, axis))
    picked = take_along_axis(log_p.node, column, axis=axis)
    loss = -Tensor(reshape(picked, shape=target.shape))
    share = astype(counts, log_p.dtype)
    if factors is not None:
        own = Tensor(gather(factors.node, classes, axes=(0,)))
        loss, share = loss * own, share * own
    if smoothing:
        loss = loss * (1.0 - smoothing) + _evenly(log_p, factors, smoothing, axis)
    loss = where(counts, loss, 0.0)
    if reduction == "none":
        return loss
    return sum(loss) if reduction == "sum" else sum(loss) / sum(share)


def _check_classes(log_p: Tensor, target: Tensor, axis: int) -> None:
    if not is_integer(target.dtype):
        raise DTypeError(f"expected class numbers (integers) as target, got {target.dtype.name}")
    shape = (*log_p.shape[:axis], *log_p.shape[axis + 1 :])
    known = is_known(*shape, *target.shape)
    if target.ndim != len(shape) or (target.shape != shape and known):
        raise ShapeError(
            f"expected a target of shape {show_shape(shape)} for an input of shape "
            f"{show_shape(log_p.shape)}, got {show_shape(target.shape)}"
        )


def _with_one(shape: tuple[Size, ...], axis: int) -> tuple[Size, ...]:
    return (*shape[:axis], 1, *shape[axis:])


def _of_probabilities(
    log_p: Tensor, target: Tensor, factors: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    """The loss for targets that give each class a probability."""
    if target.ndim == log_p.ndim - 1:
        raise ShapeError(
            f"expected probabilities of the shape of the input, {show_shape(log_p.shape)}, got "
            f"{target.dtype.name} of shape {show_shape(target.shape)}; class numbers need an "
            'integer dtype: target.astype("int64")'
        )
    check_same_shape(log_p, target)
    axis = _class_axis(log_p)
    weighted = log_p if factors is None else log_p * _along(factors, log_p, axis)
    loss = -sum(weighted * target, axis=axis)
    if smoothing:
        loss = loss * (1.0 - smoothing) + _evenly(log_p, factors, smoothing, axis)
    if reduction == "none":
        return loss
    total = sum(loss)
    return total if reduction == "sum" else total / _number(product(loss.shape), total.dtype)


def _evenly(log_p: Tensor, factors: Tensor | None, smoothing: float, axis: int) -> Tensor:
    """The loss of the share `smoothing` of a target that is spread over all classes."""
    weighted = log_p if factors is None else log_p * _along(factors, log_p, axis)
    return sum(weighted, axis=axis) * (-smoothing / _number(log_p.shape[axis], log_p.dtype))


def _along(factors: Tensor, x: Tensor, axis: int) -> Tensor:
    """`factors` laid along the class axis of x."""
    shape = (*(1,) * axis, x.shape[axis], *(1,) * (x.ndim - axis - 1))
    return Tensor(reshape(factors.node, shape=shape))


def _number(size: Size, dtype: DType) -> Tensor:
    return Tensor(const(size, dtype))
