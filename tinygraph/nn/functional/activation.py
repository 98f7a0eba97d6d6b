"""Activation functions: what bends the line between two linear layers.

Here stand the smooth ones; those made of straight pieces are in `piecewise`, those that gate one
half of the features by the other in `gates`, and those that give probabilities in `probability`.
Integers are cast to float32 first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import abs, erf, expm1, logaddexp, where
from tinygraph.array.elementwise import sigmoid as sigmoid_of
from tinygraph.array.elementwise import tanh as tanh_of
from tinygraph.array.reduce import as_float_node, in_dtype, widened
from tinygraph.tensor import Tensor

__all__ = [
    "celu", "elu", "gelu", "identity", "logsigmoid", "mish", "selu", "sigmoid", "silu", "softplus",
    "softsign", "swish", "tanh", "tanhshrink",
]  # fmt: skip


Activation = TypeVar("Activation", bound=Callable[..., Tensor])


def floats(input: TensorLike) -> Tensor:
    """A Tensor of floats; integers and bool are cast to float32."""
    return Tensor(as_float_node(input))


def _in_32_bits(function: Activation) -> Activation:
    """`function`, which takes a difference of what may be nearly equal, or a power that 16 bits
    cannot hold, computed in 32 bits for an input of 16."""

    @wraps(function)
    def run(input: TensorLike, *args: Any, **kwargs: Any) -> Tensor:
        x = as_float_node(input)
        return Tensor(in_dtype(function(Tensor(widened(x)), *args, **kwargs).node, x.dtype))

    return cast(Activation, run)


@api
def identity(input: TensorLike) -> Tensor:
    """x: the linear activation, for output layers whose results are any numbers.

    >>> import tinygraph as tg
    >>> tg.nn.functional.identity(tg.tensor([-2.0, 3.0]))
    tensor([-2.,  3.])
    """
    return to_tensor(input)


@api
def sigmoid(input: TensorLike) -> Tensor:
    """1 / (1 + exp(-x)): from 0 to 1, 0.5 at 0; slope s (1 - s), at most 0.25.

    Also called the logistic function. It saturates: far from 0 its slope is 0 but for rounding.

    >>> import tinygraph as tg
    >>> tg.nn.functional.sigmoid(tg.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0. , 0.5, 1. ])
    """
    return sigmoid_of(input)


@api
def tanh(input: TensorLike) -> Tensor:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)): from -1 to 1, 0 at 0; slope 1 - tanh^2, at most 1.

    Its mean over a symmetric interval is 0, where that of the sigmoid is 0.5.

    Source: LeCun et al., "Efficient BackProp" (1998).

    >>> import tinygraph as tg
    >>> tg.nn.functional.tanh(tg.tensor([-100.0, 0.0, 100.0]))
    tensor([-1.,  0.,  1.])
    """
    return tanh_of(input)


@api
@_in_32_bits
def elu(input: TensorLike, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1).

    alpha: minus the limit for small x. With 1 it is differentiable at 0; with others the slope
    there is taken to be that from the left, alpha. inplace: ignored, results are always new.

    Source: Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear
    Units" (2016).

    >>> import tinygraph as tg
    >>> tg.nn.functional.elu(tg.tensor([-float("inf"), 0.0, 3.0]))
    tensor([-1.,  0.,  3.])
    """
    return _exponential_unit(floats(input), alpha, 1.0)


@api
@_in_32_bits
def celu(input: TensorLike, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)): an ELU with slope 1 at 0 for any alpha.

    inplace: ignored, results are always new. Raises ValueError for an alpha of 0.

    Source: Barron, "Continuously Differentiable Exponential Linear Units" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.functional.celu(tg.tensor([-float("inf"), 0.0, 3.0]), 2.0)
    tensor([-2.,  0.,  3.])
    """
    if alpha == 0:
        raise ValueError("celu: expected alpha other than 0, got 0")
    return _exponential_unit(floats(input), alpha, 1.0 / alpha)


SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@api
@_in_32_bits
def selu(input: TensorLike, inplace: bool = False) -> Tensor:
    """1.0507 * elu(x, 1.6733): keeps activations of mean 0 and variance 1 so, layer after layer.

    Wants weights drawn with variance 1 / fan_in, and `alpha_dropout` for dropout. inplace:
    ignored, results are always new.

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.functional.selu(tg.tensor([-float("inf"), 0.0, 1.0]))
    tensor([-1.7580993,  0.       ,  1.050701 ])
    """
    return SELU_SCALE * _exponential_unit(floats(input), SELU_ALPHA, 1.0)


def _exponential_unit(x: Tensor, alpha: float, inner: float) -> Tensor:
    """x where it is positive, else alpha * (exp(inner * x) - 1)."""
    positive = x > 0
    # the exponential of what is not used must not overflow: its slope would be 0 * inf
    negative = where(positive, 0.0, x)
    return where(positive, x, alpha * expm1(negative if inner == 1.0 else negative * inner))


@api
@_in_32_bits
def gelu(input: TensorLike, approximate: str = "none") -> Tensor:
    """x * Phi(x), Phi the distribution function of the standard normal distribution.

    approximate: "none" for Phi(x) = (1 + erf(x / sqrt(2))) / 2, "tanh" for
    Phi(x) ~ (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016).

    >>> import tinygraph as tg
    >>> tg.nn.functional.gelu(tg.tensor([-10.0, 0.0, 10.0]))
    tensor([-0.,  0., 10.])
    """
    x = floats(input)
    if approximate == "none":
        return x * (0.5 * (1.0 + erf(x * math.sqrt(0.5))))
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))
        return x * (0.5 * (1.0 + tanh_of(inner)))
    raise ValueError(f"gelu: expected approximate 'none' or 'tanh', got {approximate!r}")


@api
def silu(input: TensorLike, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), the sigmoid-weighted linear unit: `swish` with a beta of 1.

    inplace: ignored, results are always new.

    Source: Elfwing et al., "Sigmoid-Weighted Linear Units for Neural Network Function
    Approximation in Reinforcement Learning" (2018).

    >>> import tinygraph as tg
    >>> tg.nn.functional.silu(tg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    x = floats(input)
    return x * sigmoid_of(x)


@api
def swish(input: TensorLike, beta: TensorLike = 1.0) -> Tensor:
    """x * sigmoid(beta * x): x / 2 with a beta of 0, and near to ReLU with a large one.

    beta: a number, or a Tensor that broadcasts with x, which gradients reach.

    Source: Ramachandran et al., "Searching for Activation Functions" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.functional.swish(tg.tensor([-2.0, 0.0, 2.0]), beta=0.0)
    tensor([-1.,  0.,  1.])
    """
    x = floats(input)
    return x * sigmoid_of(beta * x)


@api
def mish(input: TensorLike, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)) = x * tanh(log(1 + exp(x))).

    inplace: ignored, results are always new.

    Source: Misra, "Mish: A Self Regularized Non-Monotonic Activation Function" (2020).

    >>> import tinygraph as tg
    >>> tg.nn.functional.mish(tg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    x = floats(input)
    return x * tanh_of(logaddexp(x, 0.0))


@api
def softplus(input: TensorLike, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, a smooth max(x, 0).

    threshold: where beta * x is above it, the result is x itself.

    Source: Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option
    Pricing" (2001).

    >>> import tinygraph as tg
    >>> tg.nn.functional.softplus(tg.tensor([-1000.0, 1000.0]))
    tensor([   0., 1000.])
    """
    x = floats(input)
    scaled = x if beta == 1.0 else beta * x
    smooth = logaddexp(scaled, 0.0)
    return where(scaled > threshold, x, smooth if beta == 1.0 else smooth / beta)


@api
def logsigmoid(input: TensorLike) -> Tensor:
    """log(1 / (1 + exp(-x))), finite where the sigmoid itself is too small to be written down.

    log(sigmoid(x)) and log(1 - sigmoid(x)), written so, and their slopes become this form when they
    are compiled; in eager mode they do not.

    >>> import tinygraph as tg
    >>> tg.nn.functional.logsigmoid(tg.tensor([-1000.0, 1000.0]))
    tensor([-1000.,    -0.])
    """
    return -logaddexp(-floats(input), 0.0)


@api
def softsign(input: TensorLike) -> Tensor:
    """x / (1 + |x|), which nears -1 and 1 more slowly than tanh.

    Source: Turian et al., "Quadratic Features and Deep Architectures for Chunking" (2009).

    >>> import tinygraph as tg
    >>> tg.nn.functional.softsign(tg.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.5 ,  0.  ,  0.75])
    """
    x = floats(input)
    return x / (1.0 + abs(x))


@api
def tanhshrink(input: TensorLike) -> Tensor:
    """x - tanh(x).

    >>> import tinygraph as tg
    >>> tg.nn.functional.tanhshrink(tg.tensor([-20.0, 0.0, 20.0]))
    tensor([-19.,   0.,  19.])
    """
    x = floats(input)
    return x - tanh_of(x)
