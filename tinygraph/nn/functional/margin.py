"""Losses of many scores: by how much the score of a right class exceeds those of the others."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange
from tinygraph.array.cumulative import cumulative_sum
from tinygraph.array.elementwise import logical_and, relu, square, where
from tinygraph.array.reduce import any, sum
from tinygraph.array.select import take_along_axis
from tinygraph.array.shape import expand_dims
from tinygraph.dtypes import DType, is_float
from tinygraph.errors import ShapeError
from tinygraph.nn.functional.binary import entropy_of_logits
from tinygraph.nn.functional.classification import class_factors, class_numbers, integers
from tinygraph.nn.functional.loss import check_same_shape, operands, reduced
from tinygraph.ops.bounds import within
from tinygraph.ops.registry import const
from tinygraph.tensor import Tensor

__all__ = ["multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss"]


@api
def multi_margin_loss(
    input: TensorLike,
    target: TensorLike,
    p: int = 1,
    margin: float = 1.0,
    weight: TensorLike | None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over c != t of w_t max(0, margin - x_t + x_c)^p / classes, t the target class.

    input: scores x (batch, class), or (class,). target: class numbers (batch,), or one. p: 1 or
    2. weight: w (class,), a factor for each class. reduction: "sum", "none" or "mean", over the
    samples. IndexError, when it is computed, for a number that is no class.

    Source: Crammer and Singer, "On the Algorithmic Implementation of Multiclass Kernel-based
    Vector Machines" (2001); the sum over all classes is that of Weston and Watkins (1998).

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.multi_margin_loss
    >>> loss(tg.tensor([[3.0, 2.5, 0.0, 4.0]]), tg.tensor([0])).item()
    0.625
    """
    check_power(p)
    dtype, x = _scores(input)
    t = integers(target)
    if x.ndim == t.ndim == 1:
        x = expand_dims(x, 0)  # a batch of one
    own = expand_dims(_checked(class_numbers(x, t), x), -1) == arange(x.shape[-1])
    right = sum(where(own, x, 0.0), axis=-1, keepdims=True)
    excess = relu(margin - right + x)
    if p == 2:
        excess = square(excess)
    factors = class_factors(weight, x)
    if factors is not None:
        excess = excess * sum(where(own, factors, 0.0), axis=-1, keepdims=True)
    loss = _over_classes(where(own, 0.0, excess), x)
    return reduced(loss, reduction, dtype)


def check_power(p: int) -> None:
    """ValueError for a power that the loss has no form for."""
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: expected p to be 1 or 2, got {p}")


def _scores(input: TensorLike) -> tuple[DType, Tensor]:
    """Scores (batch, class) or (class,), and the dtype of their loss."""
    x = to_tensor(input)
    if x.ndim not in (1, 2) or not is_float(x.dtype):
        raise ShapeError(f"expected floats (batch, class) or (class,), got {x.node.aval}")
    if x.shape[-1] == 0:
        raise ShapeError(f"expected a class at least, got {x.node.aval}")
    dtype, (wide,) = operands(x)
    return dtype, wide


def _checked(numbers: Tensor, x: Tensor) -> Tensor:
    """Class numbers, each of which must be one of x."""
    return Tensor(within(numbers.node, size=x.shape[-1], what="class"))


def _over_classes(terms: Tensor, x: Tensor, axis: int | tuple[int, ...] = -1) -> Tensor:
    """The sum over `axis`, divided by the number of classes."""
    return sum(terms, axis=axis) / Tensor(const(x.shape[-1], x.dtype))


@api
def multilabel_margin_loss(
    input: TensorLike, target: TensorLike, reduction: str = "mean"
) -> Tensor:
    """sum over targets t and other classes c of max(0, 1 - x_t + x_c) / classes.

    input: scores x (batch, class), or (class,). target: of the same shape: the numbers of the
    right classes, as many as there are, then -1; what follows the first -1 does not count.
    reduction: "sum", "none" or "mean", over the samples. IndexError, when it is computed, for a
    number below -1 or one that is no class.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.multilabel_margin_loss
    >>> x = tg.tensor([[0.1, 0.2, 0.4, 0.8]])
    >>> round(loss(x, tg.tensor([[3, 0, -1, 1]])).item(), 6)
    0.85
    """
    dtype, x = _scores(input)
    t = integers(target)
    check_same_shape(x, t)
    end = t == -1
    counts = cumulative_sum(end, axis=-1) == 0
    numbers = _checked(where(end, 0, t), x)
    # (..., target, class): which class each target names
    named = logical_and(expand_dims(counts, -1), expand_dims(numbers, -1) == arange(x.shape[-1]))
    pairs = logical_and(expand_dims(counts, -1), ~any(named, axis=-2, keepdims=True))
    right = expand_dims(take_along_axis(x, numbers, axis=-1), -1)
    excess = where(pairs, relu(1.0 - right + expand_dims(x, -2)), 0.0)
    return reduced(_over_classes(excess, x, (-2, -1)), reduction, dtype)


@api
def multilabel_soft_margin_loss(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(y log s(x) + (1 - y) log(1 - s(x))), s the sigmoid, averaged over the classes.

    input: logits x (..., class). target: y, 0 or 1 for each class, of the same shape or one that
    broadcasts. weight: factors for the classes, which broadcast. Returns: with reduction "none"
    (...), one number for each sample; with "sum" their sum, with "mean" their mean.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.multilabel_soft_margin_loss
    >>> loss(tg.tensor([[0.0, 1000.0]]), tg.tensor([[1.0, 0.0]]), reduction="none")
    tensor([500.3466])
    """
    dtype, (x, y) = operands(input, target)
    if not x.ndim:
        raise ShapeError("expected logits (..., class), got a single number")
    loss = entropy_of_logits(x, y)
    if weight is not None:
        loss = loss * to_tensor(weight, loss.dtype)
    return reduced(_over_classes(loss, x), reduction, dtype)
