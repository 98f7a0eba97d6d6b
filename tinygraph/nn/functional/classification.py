"""Losses of classes: how little probability a result gives to the right one."""

from __future__ import annotations

from typing import NamedTuple

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange
from tinygraph.array.elementwise import astype, where
from tinygraph.array.reduce import sum
from tinygraph.array.shape import expand_dims, flatten, unflatten
from tinygraph.array.softmax import log_softmax
from tinygraph.dtypes import DType, int64, is_float, is_integer
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.functional.linear import linear
from tinygraph.nn.functional.loss import (
    check_reduction,
    check_same_shape,
    check_smoothing,
    operands,
    reduced,
)
from tinygraph.ops.bounds import within
from tinygraph.ops.index import take_along_axis
from tinygraph.ops.movement import reshape
from tinygraph.ops.registry import const
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["cross_entropy", "linear_cross_entropy", "nll_loss"]


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
    check_smoothing(label_smoothing)
    axis = class_axis(x)
    if is_float(y.dtype):
        dtype, (x, y) = operands(x, y)
        losses = of_probabilities(log_softmax(x, axis=axis), y, weight, label_smoothing)
        return reduced(losses, reduction, dtype)
    dtype, (wide,) = operands(x)
    log_p = log_softmax(wide, axis=axis)
    return of_classes(log_p, y, weight, ignore_index, reduction, label_smoothing, dtype)


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
    class_axis(to_tensor(input))
    dtype, (log_p,) = operands(input)
    return of_classes(log_p, to_tensor(target), weight, ignore_index, reduction, 0.0, dtype)


@api
def linear_cross_entropy(
    input: TensorLike,
    linear_weight: TensorLike,
    target: TensorLike,
    *,
    linear_bias: TensorLike | None = None,
    weight: TensorLike | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input W^T + b) at the target class: a linear layer and its cross-entropy.

    input: features (batch, in) or (in,). linear_weight: W (class, in), or (class, ..., in) for
    logits (batch, class, ...). linear_bias: b (class, ...). The other arguments are those of
    `cross_entropy`; PyTorch's `options`, how to split the work, are left to the compiler.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.linear_cross_entropy
    >>> round(loss(tg.ones((1, 2)), tg.zeros((4, 2)), tg.tensor([3])).item(), 4)
    1.3863
    """
    x, w = to_tensor(input), to_tensor(linear_weight)
    if x.ndim not in (1, 2) or w.ndim < 2 or (x.ndim == 1 and w.ndim > 2):
        raise ShapeError(
            "expected features (batch, in) and a linear_weight (class, ..., in), or (in,) and "
            f"(class, in), got {show_shape(x.shape)} and {show_shape(w.shape)}"
        )
    bias = None if linear_bias is None else flatten(linear_bias)
    logits = unflatten(linear(x, flatten(w, 0, -2), bias), -1, w.shape[:-1])
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(logits, target, weight, ignored, reduction, label_smoothing)


def class_axis(x: Tensor) -> int:
    """Which dimension of x are the classes. ShapeError where x cannot have them."""
    if not x.ndim or not is_float(x.dtype):
        raise ShapeError(f"expected floats (batch, class, ...) or (class,), got {x.node.aval}")
    return 0 if x.ndim == 1 else 1


def class_factors(weight: TensorLike | None, x: Tensor) -> Tensor | None:
    """`weight`, one number for each class of x, in the dtype of x. ShapeError for another shape."""
    if weight is None:
        return None
    factors, classes = to_tensor(weight, x.dtype), x.shape[class_axis(x)]
    if factors.shape != (classes,) and is_known(classes):
        raise ShapeError(
            f"expected a weight of shape ({classes},), one for each class, got "
            f"{show_shape(factors.shape)}"
        )
    return factors


def integers(target: TensorLike) -> Tensor:
    """`target` as int64. DTypeError where it is of floats or of bool."""
    numbers = to_tensor(target)
    if not is_integer(numbers.dtype):
        raise DTypeError(f"expected class numbers (integers) as target, got {numbers.dtype.name}")
    return astype(numbers, int64)


def class_numbers(x: Tensor, target: TensorLike) -> Tensor:
    """`target` as int64, one number for each sample of x. ShapeError for another shape."""
    numbers, axis = integers(target), class_axis(x)
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    known = is_known(*shape, *numbers.shape)
    if numbers.ndim != len(shape) or (numbers.shape != shape and known):
        raise ShapeError(
            f"expected a target of shape {show_shape(shape)} for an input of shape "
            f"{show_shape(x.shape)}, got {show_shape(numbers.shape)}"
        )
    return numbers


class Picked(NamedTuple):
    """What stands at the target class of each sample."""

    values: Tensor
    classes: Tensor  # 0 where the sample does not count
    counts: Tensor  # bool

    def own(self, factors: Tensor, axis: int) -> Tensor:
        """The factor of each sample's class. They are compared, not gathered: that is one step in
        the loops over the classes, where a gather is a kernel of its own."""
        numbers = _along(arange(factors.shape[0]), self.classes.ndim + 1, axis)
        here = expand_dims(self.classes, axis) == numbers
        return sum(where(here, _along(factors, here.ndim, axis), 0.0), axis=axis)


def pick(x: Tensor, target: Tensor, ignore_index: int) -> Picked:
    """The values of x (batch, class, ...) at `target` (batch, ...), after checks."""
    axis = class_axis(x)
    target = class_numbers(x, target)
    counts = target != ignore_index
    classes = within(where(counts, target, 0).node, size=x.shape[axis], what="class")
    column = reshape(classes, shape=(*target.shape[:axis], 1, *target.shape[axis:]))
    values = reshape(take_along_axis(x.node, column, axis=axis), shape=target.shape)
    return Picked(Tensor(values), Tensor(classes), counts)


def of_classes(
    log_p: Tensor,
    target: Tensor,
    weight: TensorLike | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    dtype: DType,
) -> Tensor:
    """The loss for class numbers, whose mean is over the weights of those that count."""
    check_reduction(reduction)
    factors = class_factors(weight, log_p)
    # of -log_p, not of log_p: what is picked of an expression is picked in the loops that make it
    picked = pick(-log_p, target, ignore_index)
    loss, share = picked.values, astype(picked.counts, log_p.dtype)
    if factors is not None:
        own = picked.own(factors, class_axis(log_p))
        loss, share = loss * own, share * own
    if smoothing:
        loss = loss * (1.0 - smoothing) + _evenly(log_p, factors, smoothing)
    loss = where(picked.counts, loss, 0.0)
    if reduction == "mean":
        return astype(sum(loss) / sum(share), dtype)
    return reduced(loss, reduction, dtype)


def of_probabilities(
    log_p: Tensor, target: Tensor, weight: TensorLike | None, smoothing: float = 0.0
) -> Tensor:
    """The loss of each sample for targets that give each class a probability."""
    check_probabilities(log_p, target)
    factors = class_factors(weight, log_p)
    loss = -sum(times(factors, log_p) * target, axis=class_axis(log_p))
    if smoothing:
        loss = loss * (1.0 - smoothing) + _evenly(log_p, factors, smoothing)
    return loss


def check_probabilities(x: Tensor, target: Tensor) -> None:
    """ShapeError where `target` has no probability for each class of x."""
    if target.ndim == x.ndim - 1:
        raise ShapeError(
            f"expected probabilities of the shape of the input, {show_shape(x.shape)}, got "
            f"{target.dtype.name} of shape {show_shape(target.shape)}; class numbers need an "
            'integer dtype: target.astype("int64")'
        )
    check_same_shape(x, target)


def _evenly(log_p: Tensor, factors: Tensor | None, smoothing: float) -> Tensor:
    """The loss of the share `smoothing` of a target that is spread over all classes."""
    axis = class_axis(log_p)
    classes = Tensor(const(log_p.shape[axis], log_p.dtype))
    return sum(times(factors, log_p), axis=axis) * (-smoothing / classes)


def times(factors: Tensor | None, x: Tensor) -> Tensor:
    """x, with each class times its factor."""
    if factors is None:
        return x
    return x * _along(factors, x.ndim, class_axis(x))


def _along(factors: Tensor, ndim: int, axis: int) -> Tensor:
    """`factors` laid along one dimension of many."""
    return expand_dims(factors, tuple(i for i in range(ndim) if i != axis))
