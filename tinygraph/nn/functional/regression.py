"""Losses of numbers: how far each element of a result is from its target.

`input` and `target` have the same shape: another one is a ShapeError, where PyTorch warns and
broadcasts. `reduction` is "mean", "sum" or "none".
"""

from __future__ import annotations

import math

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import (
    abs,
    astype,
    clip,
    log1p,
    maximum,
    sinh,
    square,
    where,
)
from tinygraph.array.reduce import sum
from tinygraph.dtypes import DType
from tinygraph.nn.functional.loss import alike, check_same_shape, reduced
from tinygraph.tensor import Tensor

__all__ = [
    "huber_loss", "l1_loss", "log_cosh_loss", "mae_loss", "mape_loss", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error",
    "mse_loss", "msle_loss", "smooth_l1_loss",
]  # fmt: skip


@api(y_pred="input", y_true="target")
def mse_loss(
    input: TensorLike,
    target: TensorLike,
    reduction: str = "mean",
    weight: TensorLike | None = None,
) -> Tensor:
    """(input - target)², the squared error; outliers dominate its mean.

    weight: of the shape of `input`, a factor for each element; the mean is over the weights,
    sum(weight * error) / sum(weight).

    >>> import tinygraph as tg
    >>> tg.nn.functional.mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0])).item()
    2.0
    """
    dtype, x, y = alike(input, target)
    return _over_weights(square(x - y), weight, reduction, dtype)


@api(y_pred="input", y_true="target")
def l1_loss(
    input: TensorLike,
    target: TensorLike,
    reduction: str = "mean",
    weight: TensorLike | None = None,
) -> Tensor:
    """|input - target|, the absolute error; its slope is -1 or 1, and 0 where both are equal.

    weight: of the shape of `input`, a factor for each element; the mean is over the weights,
    sum(weight * error) / sum(weight).

    >>> import tinygraph as tg
    >>> tg.nn.functional.l1_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0])).item()
    1.0
    """
    dtype, x, y = alike(input, target)
    return _over_weights(abs(x - y), weight, reduction, dtype)


mae_loss = mean_absolute_error = l1_loss
mean_squared_error = mse_loss


def _over_weights(loss: Tensor, weight: TensorLike | None, reduction: str, dtype: DType) -> Tensor:
    """`loss` reduced, where the mean is over the weights."""
    if weight is None:
        return reduced(loss, reduction, dtype)
    factors = to_tensor(weight, loss.dtype)
    check_same_shape(loss, factors, "weight")
    if reduction == "mean":
        return astype(sum(loss * factors) / sum(factors), dtype)
    return reduced(loss * factors, reduction, dtype)


@api(y_pred="input", y_true="target")
def huber_loss(
    input: TensorLike,
    target: TensorLike,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: TensorLike | None = None,
) -> Tensor:
    """e²/2 for |e| <= delta, else delta (|e| - delta/2), where e = input - target.

    Its slope never exceeds delta. delta: where the parabola turns into lines, more than 0.
    weight: of the shape of `input`, a factor for each element; the mean is over the elements.

    Source: Huber, "Robust Estimation of a Location Parameter" (1964).

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.huber_loss
    >>> loss(tg.tensor([1.0, 10.0]), tg.tensor([0.0, 0.0]), "none", delta=2.0)
    tensor([ 0.5, 18. ])
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: expected a delta of more than 0, got {delta}")
    dtype, x, y = alike(input, target)
    loss = _huber(x - y, delta)
    if weight is not None:
        factors = to_tensor(weight, loss.dtype)
        check_same_shape(loss, factors, "weight")
        loss = loss * factors
    return reduced(loss, reduction, dtype)


def _huber(error: Tensor, delta: float) -> Tensor:
    # one product for both cases: within, it is e * e/2; beyond, ±delta * (e -+ delta/2)
    near = clip(error, -delta, delta)
    return near * (error - 0.5 * near)


@api(y_pred="input", y_true="target")
def smooth_l1_loss(
    input: TensorLike, target: TensorLike, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """e²/(2 beta) for |e| < beta, else |e| - beta/2, where e = input - target.

    That is the Huber loss with delta = beta, divided by beta. beta: 0 gives the L1 loss.

    Source: Girshick, "Fast R-CNN" (2015).

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.smooth_l1_loss
    >>> loss(tg.tensor([1.0, 10.0]), tg.tensor([0.0, 0.0]), "none", beta=2.0)
    tensor([0.25, 9.  ])
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: expected a beta from 0, got {beta}")
    dtype, x, y = alike(input, target)
    loss = _huber(x - y, beta) / beta if beta else abs(x - y)
    return reduced(loss, reduction, dtype)


@api(y_pred="input", y_true="target")
def log_cosh_loss(input: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """log(cosh(input - target)): about e²/2 near 0 and |e| - log(2) far from it; slope tanh(e).

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.log_cosh_loss
    >>> small, large = loss(tg.tensor([0.0001, 1000.0]), tg.tensor([0.0, 0.0]), "none").tolist()
    >>> round(small * 1e9, 4), round(large, 2)
    (5.0, 999.31)
    """
    dtype, x, y = alike(input, target)
    error = x - y
    near = abs(error) < 20.0  # beyond, cosh(e) is exp(|e|) / 2 to all digits
    half = sinh(0.5 * where(near, error, 0.0))
    # cosh(e) - 1 is 2 sinh(e/2)², of which no digit is lost where e is small
    loss = where(near, log1p(2.0 * square(half)), abs(error) - math.log(2.0))
    return reduced(loss, reduction, dtype)


@api(y_pred="input", y_true="target")
def mape_loss(
    input: TensorLike, target: TensorLike, reduction: str = "mean", eps: float = 1e-7
) -> Tensor:
    """100 |input - target| / |target|, the absolute percentage error.

    eps: what |target| is at least, so that a target of 0 divides by no zero.

    >>> import tinygraph as tg
    >>> tg.nn.functional.mape_loss(tg.tensor([1.5, 4.0]), tg.tensor([1.0, 4.0])).item()
    25.0
    """
    dtype, x, y = alike(input, target)
    return reduced(100.0 * abs(x - y) / maximum(abs(y), eps), reduction, dtype)


@api(y_pred="input", y_true="target")
def msle_loss(
    input: TensorLike, target: TensorLike, reduction: str = "mean", eps: float = 1e-7
) -> Tensor:
    """(log(1 + input) - log(1 + target))², the squared logarithmic error.

    eps: what `input` and `target` are at least; a smaller one counts as `eps`.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.msle_loss(tg.tensor([0.0]), tg.tensor([1.718282]))
    >>> round(loss.item(), 4)
    1.0
    """
    dtype, x, y = alike(input, target)
    return reduced(square(log1p(maximum(x, eps)) - log1p(maximum(y, eps))), reduction, dtype)


mean_absolute_percentage_error = mape_loss
mean_squared_logarithmic_error = msle_loss
