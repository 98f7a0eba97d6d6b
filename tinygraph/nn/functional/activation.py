"""Activation functions: what bends the line between two linear layers."""

from __future__ import annotations

import math
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.elementwise import (
    astype,
    erf,
    expm1,
    logaddexp,
    relu,
    sigmoid,
    tanh,
    where,
)
from tinygraph.array.softmax import log_softmax as log_softmax_over
from tinygraph.array.softmax import softmax as softmax_over
from tinygraph.tensor import Tensor

__all__ = [
    "elu", "gelu", "leaky_relu", "log_softmax", "relu", "sigmoid", "silu", "softmax", "softplus",
    "swish", "tanh",
]  # fmt: skip


@api
def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where it is positive, else negative_slope * x.

    >>> import tinygraph as tg
    >>> tg.nn.functional.leaky_relu(tg.tensor([-2.0, 3.0]), 0.1)
    tensor([-0.2,  3. ])
    """
    return where(input > 0, input, negative_slope * input)


@api
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where it is positive, else alpha * (exp(x) - 1).

    Source: Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear
    Units" (2016).

    >>> import tinygraph as tg
    >>> tg.nn.functional.elu(tg.tensor([-float("inf"), 0.0, 3.0]))
    tensor([-1.,  0.,  3.])
    """
    positive = input > 0
    # the exponential of what is not used must not overflow: its slope would be 0 * inf
    negative = where(positive, 0.0, input)
    return where(positive, input, alpha * expm1(negative))


@api
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), Phi the distribution function of the standard normal distribution.

    approximate: "none" for Phi(x) = (1 + erf(x / sqrt(2))) / 2, "tanh" for
    Phi(x) ~ (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016).

    >>> import tinygraph as tg
    >>> tg.nn.functional.gelu(tg.tensor([-10.0, 0.0, 10.0]))
    tensor([-0.,  0., 10.])
    """
    if approximate == "none":
        return input * (0.5 * (1.0 + erf(input * math.sqrt(0.5))))
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (input + 0.044715 * (input * input * input))
        return input * (0.5 * (1.0 + tanh(inner)))
    raise ValueError(f"gelu: expected approximate 'none' or 'tanh', got {approximate!r}")


@api
def silu(input: Tensor) -> Tensor:
    """x * sigmoid(x), also called swish.

    >>> import tinygraph as tg
    >>> tg.nn.functional.silu(tg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return input * sigmoid(input)


swish = silu


@api
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above `threshold`.

    >>> import tinygraph as tg
    >>> tg.nn.functional.softplus(tg.tensor([-1000.0, 1000.0]))
    tensor([   0., 1000.])
    """
    scaled = input if beta == 1.0 else beta * input
    smooth = logaddexp(scaled, 0.0)
    return where(scaled > threshold, input, smooth if beta == 1.0 else smooth / beta)


@api
def softmax(input: Tensor, dim: int = -1, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) over `dim`: positive numbers that sum to 1.

    dtype: what x is cast to before.

    >>> import tinygraph as tg
    >>> tg.nn.functional.softmax(tg.tensor([0.0, 0.0]), dim=0)
    tensor([0.5, 0.5])
    """
    return softmax_over(input if dtype is None else astype(input, dtype), axis=dim)


@api
def log_softmax(input: Tensor, dim: int = -1, dtype: Any = None) -> Tensor:
    """log(softmax(x)) over `dim`, exact where a probability is too small to be written down.

    dtype: what x is cast to before.

    >>> import tinygraph as tg
    >>> tg.nn.functional.log_softmax(tg.tensor([0.0, 1000.0]), dim=0)
    tensor([-1000.,     0.])
    """
    return log_softmax_over(input if dtype is None else astype(input, dtype), axis=dim)
