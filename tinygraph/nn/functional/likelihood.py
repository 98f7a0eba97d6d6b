"""Losses of distributions: divergences, and negative logarithms of likelihoods."""

from __future__ import annotations

import math

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import exp, log, maximum, square, where
from tinygraph.array.reduce import sum
from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.functional.loss import REDUCTIONS, check_reduction, operands, reduced
from tinygraph.ops.movement import reshape
from tinygraph.ops.registry import const
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor
from tinygraph.transforms import stop_gradient

__all__ = ["gaussian_nll_loss", "kl_div", "poisson_nll_loss"]

DIVERGENCES = (*REDUCTIONS, "batchmean")


@api
def kl_div(
    input: TensorLike, target: TensorLike, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target (log(target) - input): the Kullback-Leibler divergence from log-probabilities.

    Summed over the classes it is KL(target || exp(input)). The two broadcast.

    input: log-probabilities. target: probabilities, or with `log_target` their logarithms; a
    probability of 0 adds nothing. reduction: "sum", "none", "batchmean" (the sum divided by the
    first size: the divergence of each sample, averaged) or "mean", which divides by the number
    of all elements.

    Source: Kullback and Leibler, "On Information and Sufficiency" (1951).

    >>> import tinygraph as tg
    >>> half = tg.log(tg.tensor([[0.5, 0.5]]))
    >>> round(tg.nn.functional.kl_div(half, tg.tensor([[1.0, 0.0]]), "batchmean").item(), 4)
    0.6931
    """
    check_reduction(reduction, DIVERGENCES)
    for name, value in (("input", to_tensor(input)), ("target", to_tensor(target))):
        if not is_float(value.dtype):
            raise DTypeError(f"expected floats as {name}, got {value.dtype.name}")
    dtype, (x, y) = operands(input, target)
    if log_target:
        loss = exp(y) * (y - x)
    else:
        # 0 log(0) is 0; the inner `where` keeps it, and its slope, from being NaN
        loss = y * (log(where(y == 0.0, 1.0, y)) - x)
    if reduction != "batchmean":
        return reduced(loss, reduction, dtype)
    batch = x.shape[0] if x.ndim else 1
    return reduced(sum(loss) / Tensor(const(batch, loss.dtype)), "none", dtype)


@api
def gaussian_nll_loss(
    input: TensorLike,
    target: TensorLike,
    var: TensorLike,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log(var) + (input - target)² / var) / 2: of targets from N(input, var).

    input: the expected values, (batch, ...). target: of the same shape, or one that broadcasts.
    var: the variances: of the shape of `input`, with a size of 1 in one place, without the last
    dimension (one for each row), or a number. full: add log(2 pi) / 2. eps: what a variance is
    at least; its gradient is that at `eps`, but not 0. reduction: "mean", "sum" or "none".

    A negative number as `var` is a ValueError. In a Tensor it counts as `eps`, where PyTorch
    looks at the values.

    Source: Nix and Weigend, "Estimating the Mean and Variance of the Target Probability
    Distribution" (1994).

    >>> import tinygraph as tg
    >>> tg.nn.functional.gaussian_nll_loss(tg.tensor([1.0]), tg.tensor([3.0]), 1.0).item()
    2.0
    """
    if isinstance(var, (int, float)) and var < 0:
        raise ValueError(f"gaussian_nll_loss: expected a variance from 0, got {var}")
    dtype, (x, y, v) = operands(input, target, var)
    v = _for_each(v, x)
    # the bound is added as a constant, so that a variance that is too small still learns
    v = v + stop_gradient(maximum(v, eps) - v)
    loss = 0.5 * (log(v) + square(x - y) / v)
    if full:
        loss = loss + 0.5 * math.log(2.0 * math.pi)
    return reduced(loss, reduction, dtype)


def _for_each(v: Tensor, x: Tensor) -> Tensor:
    """The variances v so that they broadcast with x. ShapeError where they do not fit."""
    if v.ndim == 0 or v.shape == x.shape:
        return v
    if v.shape == x.shape[:-1]:
        return Tensor(reshape(v.node, shape=(*v.shape, 1)))
    unlike = [b for a, b in zip(x.shape, v.shape, strict=False) if a != b]
    if v.ndim == x.ndim and (unlike == [1] or not is_known(*x.shape, *v.shape)):
        return v
    raise ShapeError(
        f"expected var of the shape of the input, {show_shape(x.shape)}, with a size of 1 in one "
        f"place or without the last dimension, got {show_shape(v.shape)}"
    )


@api
def poisson_nll_loss(
    input: TensorLike,
    target: TensorLike,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target input: of counts from Poisson(exp(input)).

    input: the logarithms of the expected counts; without `log_input` the counts themselves, for
    which the loss is input - target log(input + eps). target: the counts. The two broadcast.
    full: add Stirling's approximation of log(target!), for targets above 1:

        target log(target) - target + log(2 pi target) / 2

    reduction: "mean", "sum" or "none".

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.poisson_nll_loss
    >>> loss(tg.tensor([0.0, 4.0]), tg.tensor([1.0, 0.0]), log_input=False, eps=1.0).item()
    2.0
    """
    dtype, (x, y) = operands(input, target)
    loss = exp(x) - y * x if log_input else x - y * log(x + eps)
    if full:
        many = where(y > 1.0, y, 1.0)
        stirling = many * log(many) - many + 0.5 * log(2.0 * math.pi * many)
        loss = loss + where(y > 1.0, stirling, 0.0)
    return reduced(loss, reduction, dtype)
