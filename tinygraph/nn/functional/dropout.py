"""Dropout: parts of a network left out at random, so that it does not rely on single ones.

What is left out is drawn from the default generator. No mask is kept for the gradient: the same
numbers are drawn again.
"""

from __future__ import annotations

import math

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import where
from tinygraph.errors import ShapeError
from tinygraph.graph.node import Shape
from tinygraph.nn.functional.activation import SELU_ALPHA, SELU_SCALE, floats
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "alpha_dropout", "drop_path", "dropout", "dropout1d", "dropout2d", "dropout3d",
    "feature_alpha_dropout",
]  # fmt: skip


def probability(name: str, p: float) -> float:
    """`p`. ValueError, which names the function or layer, if it is not from 0 to 1."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: expected p from 0 to 1, got {p}")
    return p


@api
def dropout(
    input: TensorLike,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    inverted: bool = True,
) -> Tensor:
    """x / (1 - p) with each element zeroed with probability p while training, else x.

    p: of dropping (some texts give that of keeping). inplace: ignored, results are always new.
    inverted: False for the form of the original paper: x without a scale while training, and
    x * (1 - p) afterwards. Raises ValueError for a p outside of [0, 1].

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting" (2014).

    >>> import tinygraph as tg
    >>> x = tg.tensor([1.0, 2.0])
    >>> tg.nn.functional.dropout(x, 0.5, training=False)
    tensor([1., 2.])
    >>> tg.nn.functional.dropout(x, 0.5, training=False, inverted=False)
    tensor([0.5, 1. ])
    """
    probability("dropout", p)
    if p == 0.0 or (inverted and not training):
        return to_tensor(input)
    x = floats(input)
    if not training:
        return x * (1.0 - p)
    return _thinned(x, p, x.shape, inverted)


def _thinned(x: Tensor, p: float, shape: Shape, scaled: bool = True) -> Tensor:
    """x with zeros, one draw for each element of `shape`, which broadcasts with x."""
    kept = random.bernoulli(1.0 - p, shape=shape)
    return where(kept, x / (1.0 - p) if scaled and p < 1.0 else x, 0.0)


@api
def dropout1d(
    input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """x / (1 - p) with whole channels zeroed, each with probability p, while training, else x.

    input: (batch, channel, length), or (channel, length). inplace: ignored, results are always
    new. Neighbours in a channel are alike, so that leaving out single ones would leave out
    little.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks" (2015).

    >>> import tinygraph as tg
    >>> tg.nn.functional.dropout1d(tg.ones((1, 2, 3)), 1.0).tolist()
    [[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]
    """
    return _without_channels("dropout1d", input, p, training, {2: 1, 3: 2})


@api
def dropout2d(
    input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """As `dropout1d`, for an input (batch, channel, height, width).

    One of three dimensions is taken as (batch, channel, length), as PyTorch does.

    >>> import tinygraph as tg
    >>> tg.nn.functional.dropout2d(tg.ones((1, 1, 2, 2)), training=False).shape
    (1, 1, 2, 2)
    """
    return _without_channels("dropout2d", input, p, training, {3: 2, 4: 2})


@api
def dropout3d(
    input: TensorLike, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """As `dropout1d`, for an input (batch, channel, depth, height, width), or without batch.

    >>> import tinygraph as tg
    >>> tg.nn.functional.dropout3d(tg.ones((1, 1, 2, 2, 2)), training=False).shape
    (1, 1, 2, 2, 2)
    """
    return _without_channels("dropout3d", input, p, training, {4: 1, 5: 2})


def _without_channels(
    name: str, input: TensorLike, p: float, training: bool, leading: dict[int, int]
) -> Tensor:
    """leading: for each number of dimensions allowed, how many of them come before the sizes."""
    probability(name, p)
    given = to_tensor(input)
    if given.ndim not in leading:
        raise ShapeError(
            f"expected an input with {' or '.join(map(str, leading))} dimensions, got shape "
            f"{show_shape(given.shape)}"
        )
    if p == 0.0 or not training:
        return given
    x = floats(given)
    return _thinned(x, p, _with_ones(x.shape, leading[x.ndim]))


def _with_ones(shape: Shape, kept: int) -> Shape:
    """`shape` with 1 for all but the first `kept` sizes."""
    return (*shape[:kept], *[1] * (len(shape) - kept))


@api
def alpha_dropout(
    input: TensorLike, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """a * x + b with each x set to -1.7581 with probability p while training, else x.

    -1.7581 is the least value of `selu`; with a = 1 / sqrt((1 - p) * (1 + p * 1.7581^2)) and
    b = 1.7581 * p * a, mean 0 and variance 1 stay so. inplace: ignored, results are always new.

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.functional.alpha_dropout(tg.tensor([1.0, 2.0]), training=False)
    tensor([1., 2.])
    """
    probability("alpha_dropout", p)
    given = to_tensor(input)
    return _saturated(given, p, given.shape) if training and p > 0.0 else given


@api
def feature_alpha_dropout(
    input: TensorLike, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """As `alpha_dropout`, of whole channels: the input is (batch, channel, ...).

    >>> import tinygraph as tg
    >>> tg.nn.functional.feature_alpha_dropout(tg.ones((1, 2, 3)), training=False).shape
    (1, 2, 3)
    """
    probability("feature_alpha_dropout", p)
    given = to_tensor(input)
    if given.ndim < 2:
        raise ShapeError(
            f"expected an input (batch, channel, ...), got shape {show_shape(given.shape)}"
        )
    return _saturated(given, p, _with_ones(given.shape, 2)) if training and p > 0.0 else given


def _saturated(input: Tensor, p: float, shape: Shape) -> Tensor:
    """a * x + b with some x at the least value of SELU; one draw for each element of `shape`."""
    x = floats(input)
    if p == 1.0:
        return _thinned(x, p, shape)
    least = -SELU_SCALE * SELU_ALPHA
    scale = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * least * least))
    shift = -least * p * scale
    kept = random.bernoulli(1.0 - p, shape=shape)
    return where(kept, scale * x + shift, scale * least + shift)


@api
def drop_path(input: TensorLike, p: float, training: bool = True) -> Tensor:
    """x / (1 - p) with whole samples zeroed, each with probability p, while training, else x.

    input: (batch, ...). On the branch of a residual block this leaves out the block for some of
    the samples: stochastic depth.

    Source: Huang et al., "Deep Networks with Stochastic Depth" (2016).

    >>> import tinygraph as tg
    >>> tg.nn.functional.drop_path(tg.ones((2, 3)), 0.0).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    probability("drop_path", p)
    given = to_tensor(input)
    if given.ndim == 0:
        raise ShapeError("expected an input (batch, ...), got shape ()")
    if p == 0.0 or not training:
        return given
    x = floats(given)
    return _thinned(x, p, _with_ones(x.shape, 1))
