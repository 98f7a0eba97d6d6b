"""Focal losses: cross-entropies in which what is already right counts little, so that many easy
samples do not outweigh the few hard ones.

Source: Lin et al., "Focal Loss for Dense Object Detection" (2017).
"""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import astype, expm1, maximum, pow, sigmoid, where
from tinygraph.array.reduce import sum
from tinygraph.array.softmax import log_softmax
from tinygraph.dtypes import is_float
from tinygraph.nn.functional.binary import entropy_of_logits
from tinygraph.nn.functional.classification import (
    check_probabilities,
    class_axis,
    class_factors,
    pick,
    times,
)
from tinygraph.nn.functional.loss import alike, check_reduction, operands, reduced
from tinygraph.tensor import Tensor

__all__ = ["focal_loss", "sigmoid_focal_loss"]

LEAST = 1e-30  # of 1 - p, to a power below 1


@api(input="inputs", target="targets", y_pred="inputs", y_true="targets")
def sigmoid_focal_loss(
    inputs: TensorLike,
    targets: TensorLike,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "none",
) -> Tensor:
    """-alpha_t (1 - p_t)^gamma log(p_t), p_t the probability that a logit gives to its target.

    With p = sigmoid(inputs), p_t is p where the target is 1 and 1 - p where it is 0; alpha_t is
    alpha and 1 - alpha. inputs: logits, of any shape. targets: of the same shape, 0 or 1, or
    probabilities in between. alpha: the weight of the positive class; a negative one leaves the
    weights out. gamma: how little counts what is right already; 0 gives the cross-entropy.
    reduction: "none" (the default here, as in torchvision), "mean" or "sum".

    Source: Lin et al., "Focal Loss for Dense Object Detection" (2017), the values of alpha and
    gamma too.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.sigmoid_focal_loss
    >>> loss(tg.tensor([100.0, -100.0]), tg.tensor([1.0, 1.0]))
    tensor([ 0., 25.])
    """
    dtype, x, y = alike(inputs, targets)
    missing = sigmoid(-x) * y + sigmoid(x) * (1.0 - y)  # 1 - p_t, exact where it is tiny
    loss = _modulator(missing, gamma) * entropy_of_logits(x, y)
    if alpha >= 0:
        loss = loss * (alpha * y + (1.0 - alpha) * (1.0 - y))
    return reduced(loss, reduction, dtype)


@api(y_pred="input", y_true="target")
def focal_loss(
    input: TensorLike,
    target: TensorLike,
    alpha: TensorLike | None = None,
    gamma: float = 2.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-alpha_t (1 - p_t)^gamma log(p_t), where p_t is softmax(input) at the target class.

    input: logits (batch, class, ...), or (class,). target: class numbers (batch, ...), or
    probabilities y of the shape of `input`, for which the loss of a sample is

        -sum_c alpha_c y_c (1 - p_c)^gamma log(p_c)

    alpha: (class,), a factor for each class, or one for all of them. gamma: how little counts
    what is right already; 0 gives the cross-entropy. ignore_index: a class number that does not
    count. reduction: "none", "sum", or "mean" over the samples that count; unlike that of
    `cross_entropy` it does not divide by the factors.

    Source: Lin et al., "Focal Loss for Dense Object Detection" (2017).

    >>> import tinygraph as tg
    >>> logits = tg.tensor([[100.0, 0.0], [0.0, 100.0]])
    >>> tg.nn.functional.focal_loss(logits, tg.tensor([0, 0])).item()
    50.0
    """
    x, y = to_tensor(input), to_tensor(target)
    axis = class_axis(x)
    if is_float(y.dtype):
        dtype, (x, y) = operands(x, y)
        check_probabilities(x, y)
        loss = sum(times(_alpha(alpha, x), _focal(log_softmax(x, axis=axis), gamma)) * y, axis=axis)
        return reduced(loss, reduction, dtype)
    check_reduction(reduction)
    dtype, (x,) = operands(x)
    picked = pick(log_softmax(x, axis=axis), y, ignore_index)
    loss, factors = _focal(picked.values, gamma), _alpha(alpha, x)
    if factors is not None:
        loss = loss * (picked.own(factors, axis) if factors.ndim else factors)
    loss = where(picked.counts, loss, 0.0)
    if reduction == "mean":
        return astype(sum(loss) / sum(astype(picked.counts, loss.dtype)), dtype)
    return reduced(loss, reduction, dtype)


def _alpha(alpha: TensorLike | None, x: Tensor) -> Tensor | None:
    """The factors of the classes, or the one for all."""
    if alpha is not None and not to_tensor(alpha).ndim:
        return to_tensor(alpha, x.dtype)
    return class_factors(alpha, x)


def _focal(log_p: Tensor, gamma: float) -> Tensor:
    return _modulator(-expm1(log_p), gamma) * -log_p


def _modulator(missing: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma, where `missing` is 1 - p."""
    if gamma < 1.0:  # the slope at 0 would be infinite
        missing = maximum(missing, LEAST)
    return pow(missing, gamma)
