"""Activation functions whose results are probabilities: softmax and its relatives."""

from __future__ import annotations

from typing import Any

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike
from tinygraph.array.creation import arange
from tinygraph.array.cumulative import cumulative_sum
from tinygraph.array.elementwise import astype, equal, logical_not, where
from tinygraph.array.reduce import argmax, as_float_node, in_dtype, max, sum, widened
from tinygraph.array.shape import reshape
from tinygraph.array.softmax import log_softmax as log_softmax_over
from tinygraph.array.softmax import softmax as softmax_over
from tinygraph.array.sort import sort
from tinygraph.errors import ShapeError
from tinygraph.nn.functional.activation import floats
from tinygraph.ops.rules import normalize_axis, show_shape
from tinygraph.tensor import Tensor

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmax2d", "softmin", "sparsemax"]


def _along(dim: int | None) -> int:
    """The dimension meant; where PyTorch would guess one from the shape, it is the last."""
    return -1 if dim is None else dim


@api
def softmax(input: TensorLike, dim: int | None = -1, dtype: Any = None) -> Tensor:
    """exp(x) / sum(exp(x)) over `dim`: positive numbers that sum to 1.

    dim: None for the last one. dtype: what x is cast to before.

    Its Jacobian is diag(s) - s s^T, s the result; of [z, 0] it is [sigmoid(z), 1 - sigmoid(z)].

    Source: Bridle, "Training Stochastic Model Recognition Algorithms as Networks" (1990).

    >>> import tinygraph as tg
    >>> tg.nn.functional.softmax(tg.tensor([0.0, 0.0]), dim=0)
    tensor([0.5, 0.5])
    """
    return softmax_over(_cast(input, dtype), axis=_along(dim))


def _cast(input: TensorLike, dtype: Any) -> TensorLike:
    return input if dtype is None else astype(input, dtype)


@api
def softmax2d(input: TensorLike) -> Tensor:
    """exp(x) / sum(exp(x)) over the channels of each place: the softmax over dimension -3.

    input: (batch, channel, height, width), or without batch.

    >>> import tinygraph as tg
    >>> tg.nn.functional.softmax2d(tg.zeros((2, 1, 1))).tolist()
    [[[0.5]], [[0.5]]]
    """
    x = floats(input)
    if x.ndim not in (3, 4):
        raise ShapeError(
            f"expected an input with 3 or 4 dimensions, got shape {show_shape(x.shape)}"
        )
    return softmax_over(x, axis=-3)


@api
def softmin(input: TensorLike, dim: int | None = -1, dtype: Any = None) -> Tensor:
    """exp(-x) / sum(exp(-x)) over `dim`: the softmax of -x.

    dim: None for the last one. dtype: what x is cast to before.

    >>> import tinygraph as tg
    >>> tg.nn.functional.softmin(tg.tensor([0.0, 1000.0]), dim=0)
    tensor([1., 0.])
    """
    return softmax_over(-floats(_cast(input, dtype)), axis=_along(dim))


@api
def log_softmax(input: TensorLike, dim: int | None = -1, dtype: Any = None) -> Tensor:
    """log(softmax(x)) over `dim`, exact where a probability is too small to be written down.

    dim: None for the last one. dtype: what x is cast to before.

    >>> import tinygraph as tg
    >>> tg.nn.functional.log_softmax(tg.tensor([0.0, 1000.0]), dim=0)
    tensor([-1000.,     0.])
    """
    return log_softmax_over(_cast(input, dtype), axis=_along(dim))


@api
def gumbel_softmax(
    logits: TensorLike, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((logits + g) / tau) with g = -log(-log(u)), u evenly from (0, 1): a soft draw.

    The largest element of a result is where a draw from softmax(logits) would fall; gradients
    reach the logits. tau: the temperature; the lower, the nearer are the results to 0 and 1.
    hard: let the results be exactly 0 and 1, with the gradients of the soft ones. eps: ignored,
    the noise is finite without it. The numbers come from the default generator.

    Source: Jang et al., "Categorical Reparameterization with Gumbel-Softmax" (2017); Maddison et
    al., "The Concrete Distribution" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.functional.gumbel_softmax(tg.tensor([0.0, 100.0]), hard=True)
    tensor([0., 1.])
    """
    x = floats(logits)
    noise = random.gumbel(x.shape, dtype=x.dtype)
    soft = softmax_over((x + noise) / tau, axis=dim)
    if not hard:
        return soft
    axis = normalize_axis(dim, x.ndim)
    drawn = equal(_places(soft, axis), argmax(soft, axis=axis, keepdims=True))
    # exactly 0 is added, but with the slope of `soft`: the straight-through estimator
    return astype(drawn, x.dtype) + (soft - soft.detach())


def _places(x: Tensor, axis: int) -> Tensor:
    """0, 1, 2 ... along `axis`, shaped to broadcast with x."""
    after = (1,) * (x.ndim - axis - 1)
    return reshape(arange(x.shape[axis]), (x.shape[axis], *after))


@api
def sparsemax(input: TensorLike, dim: int = -1) -> Tensor:
    """max(x - t, 0) over `dim`, t such that the results sum to 1: a softmax with exact zeros.

    The point of the probability simplex that is nearest to x. Its Jacobian is
    diag(s) - s s^T / |s|, s the elements that are not zero and |s| their number.

    Source: Martins and Astudillo, "From Softmax to Sparsemax" (2016), algorithm 1.

    >>> import tinygraph as tg
    >>> tg.nn.functional.sparsemax(tg.tensor([1.0, 0.5, -1.0]))
    tensor([0.75, 0.25, 0.  ])
    """
    node = as_float_node(input)
    axis = normalize_axis(dim, node.ndim)
    if node.shape[axis] == 0:
        return Tensor(node)
    x = Tensor(widened(node))
    x = x - max(x, axis=axis, keepdims=True).detach()
    chosen = logical_not(x <= _sparse_threshold(x.detach(), axis))  # NaN is, and so stays
    count = sum(chosen, axis=axis, keepdims=True)
    # t again, of what is chosen alone: so the gradient does not pass through the sort
    total = sum(where(chosen, x, 0.0), axis=axis, keepdims=True)
    result = where(chosen, x - (total - 1.0) / astype(count, x.dtype), 0.0)
    return Tensor(in_dtype(result.node, node.dtype))


def _sparse_threshold(x: Tensor, axis: int) -> Tensor:
    """t, the largest of (z_1 + ... + z_k - 1) / k over all k, where z is x sorted downwards.

    As long as z_k is above the quotient before it, which is to say within the support, the
    quotients grow with k; after that they fall.
    """
    totals = cumulative_sum(sort(x, axis=axis, descending=True), axis=axis) - 1.0
    ranks = astype(_places(x, axis) + 1, x.dtype)
    return max(totals / ranks, axis=axis, keepdims=True)
