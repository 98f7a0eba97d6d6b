"""Loss functions: how far a network's result is from the target."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node, to_tensor
from tinygraph.array.elementwise import abs, where
from tinygraph.array.reduce import mean, sum
from tinygraph.array.softmax import log_softmax
from tinygraph.dtypes import is_float, is_integer
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.functional.linear import from_zero
from tinygraph.ops.index import gather, take_along_axis
from tinygraph.ops.movement import reshape
from tinygraph.ops.registry import const
from tinygraph.ops.rules import product, show_shape
from tinygraph.tensor import Tensor

REDUCTIONS = ("mean", "sum", "none")


@api
def mse_loss(input: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """(input - target)², of the same shape. reduction: "mean", "sum" or "none".

    >>> import tinygraph as tg
    >>> tg.nn.functional.mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0])).item()
    2.0
    """
    difference = _difference(input, target)
    return _reduced(difference * difference, reduction)


@api
def l1_loss(input: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """|input - target|, of the same shape. reduction: "mean", "sum" or "none".

    >>> import tinygraph as tg
    >>> tg.nn.functional.l1_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0])).item()
    1.0
    """
    return _reduced(abs(_difference(input, target)), reduction)


def _difference(input: TensorLike, target: TensorLike) -> Tensor:
    x, y = to_tensor(input), to_tensor(target)
    _check_same_shape(x, y)
    return x - y


def _check_same_shape(x: Tensor, y: Tensor) -> None:
    """Broadcasting is refused: (n,) against (n, 1) would compare all with all."""
    if x.shape != y.shape and is_known(*x.shape, *y.shape):
        raise ShapeError(f"expected a target of the shape of the input, {show_shape(x.shape)}, got "
                         f"{show_shape(y.shape)}")
    if len(x.shape) != len(y.shape):
        raise ShapeError(f"expected a target with {x.ndim} dimensions, got {y.ndim}")


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    _check_reduction(reduction)
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def _check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"expected reduction out of {', '.join(REDUCTIONS)}, got {reduction!r}")


@api
def binary_cross_entropy_with_logits(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    reduction: str = "mean",
    pos_weight: TensorLike | None = None,
) -> Tensor:
    """-(y log s(x) + (1 - y) log(1 - s(x))), s the sigmoid, without overflow.

    input: logits. target: probabilities of the same shape. weight: a factor for each element.
    pos_weight: a factor for the part of the positive class. reduction: "mean", "sum" or "none".

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.binary_cross_entropy_with_logits
    >>> loss(tg.tensor([1000.0, -1000.0]), tg.tensor([1.0, 1.0]), reduction="none")
    tensor([   0., 1000.])
    """
    from tinygraph.array.elementwise import logaddexp

    x, y = to_tensor(input), to_tensor(target)
    _check_same_shape(x, y)
    softplus = logaddexp(-x, 0.0)  # -log s(x)
    if pos_weight is None:
        loss = (1.0 - y) * x + softplus
    else:
        loss = (1.0 - y) * x + (1.0 + (to_tensor(pos_weight) - 1.0) * y) * softplus
    return _reduced(loss if weight is None else loss * to_tensor(weight), reduction)


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
    ignore_index: a target that does not count. label_smoothing: the share e of each target that
    is spread evenly over all classes, (1 - e) y + e / classes.

    reduction: "mean" (over the weights of the targets, where they are class numbers), "sum" or
    "none". IndexError, when it is computed, for a target that is no class.

    >>> import tinygraph as tg
    >>> logits = tg.tensor([[0.0, 0.0], [0.0, 1000.0]])
    >>> tg.nn.functional.cross_entropy(logits, tg.tensor([0, 1]), reduction="none")
    tensor([0.6931472, 0.       ])
    """
    x, y = to_tensor(input), to_tensor(target)
    _check_logits(x)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"expected label_smoothing from 0 to 1, got {label_smoothing}")
    axis = _class_axis(x)
    log_p = log_softmax(x, axis=axis)
    if is_float(y.dtype):
        return _soft_cross_entropy(log_p, y, weight, reduction, label_smoothing)
    loss = nll_loss(log_p, y, weight, ignore_index, reduction)
    if not label_smoothing:
        return loss
    share = label_smoothing / const_like(x, axis)
    even = _even_loss(log_p, y, weight, ignore_index, reduction)
    return loss * (1.0 - label_smoothing) + even * share
