"""Losses of numbers: how far each element of a result is from its target."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import abs, logaddexp
from tinygraph.array.reduce import mean, sum
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["binary_cross_entropy_with_logits", "l1_loss", "mse_loss"]

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
    check_same_shape(x, y)
    return x - y


def check_same_shape(x: Tensor, y: Tensor) -> None:
    """Broadcasting is refused: (n,) against (n, 1) would compare all with all."""
    if x.shape != y.shape and is_known(*x.shape, *y.shape):
        raise ShapeError(
            f"expected a target of the shape of the input, {show_shape(x.shape)}, got "
            f"{show_shape(y.shape)}"
        )
    if len(x.shape) != len(y.shape):
        raise ShapeError(f"expected a target with {x.ndim} dimensions, got {y.ndim}")


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    check_reduction(reduction)
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def check_reduction(reduction: str) -> None:
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
    x, y = to_tensor(input), to_tensor(target)
    check_same_shape(x, y)
    softplus = logaddexp(-x, 0.0)  # -log s(x)
    if pos_weight is None:
        loss = (1.0 - y) * x + softplus
    else:
        loss = (1.0 - y) * x + (1.0 + (to_tensor(pos_weight) - 1.0) * y) * softplus
    return _reduced(loss if weight is None else loss * to_tensor(weight), reduction)
