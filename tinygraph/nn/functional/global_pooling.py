"""Pooling whole images: a vector from each, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.join import concat
from tinygraph.array.reduce import mean_node
from tinygraph.errors import ShapeError
from tinygraph.graph.node import Node
from tinygraph.nn.functional.adaptive import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    place_of_largest,
)
from tinygraph.nn.functional.pooling import at_places, float_node
from tinygraph.nn.functional.window import check_spatial, per_dimension
from tinygraph.ops.movement import reshape
from tinygraph.ops.rules import product, show_shape
from tinygraph.ops.windows import Ints
from tinygraph.tensor import Tensor

__all__ = ["global_avg_pool", "global_max_pool", "spatial_pyramid_pool"]


@api
def global_avg_pool(input: TensorLike, dims: int | None = None, keepdims: bool = False) -> Tensor:
    """The mean over all of space: out[b, c] = mean_ij x[b, c, i, j].

    input: (batch, channel, *size). dims: how many dimensions of space it has, if not all but two:
    (channel, *size) has all but one. keepdims: leave them, with size 1.

    Returns (batch, channel). So a network takes images of any size.

    Source: Lin et al., "Network in Network" (2014).

    >>> import tinygraph as tg
    >>> tg.nn.functional.global_avg_pool(tg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    tensor([[2.5]])
    """
    x = float_node(input)
    count = _space(x, dims)
    return Tensor(mean_node(x, tuple(range(x.ndim - count, x.ndim)), keepdims))


@api
def global_max_pool(input: TensorLike, dims: int | None = None, keepdims: bool = False) -> Tensor:
    """The largest element of all of space: out[b, c] = max_ij x[b, c, i, j].

    input: (batch, channel, *size). dims: how many dimensions of space it has, if not all but two:
    (channel, *size) has all but one. keepdims: leave them, with size 1.

    Returns (batch, channel). The gradient goes to the first of equal ones.

    >>> import tinygraph as tg
    >>> tg.nn.functional.global_max_pool(tg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    tensor([[4.]])
    """
    x = as_node(input)
    count = _space(x, dims)
    result: Any = at_places(x, place_of_largest(x, count), count, False)
    return result if keepdims else Tensor(reshape(result.node, shape=x.shape[:-count]))


def _space(x: Node, dims: int | None) -> int:
    """How many dimensions of space x has."""
    if dims is not None:
        check_spatial(x.shape, dims)
    elif x.ndim < 3:
        raise ShapeError(f"expected (batch, channel, *size), got shape {show_shape(x.shape)}")
    return x.ndim - 2 if dims is None else dims


@api
def spatial_pyramid_pool(
    input: TensorLike, levels: Sequence[int] = (1, 2, 4), mode: str = "max"
) -> Tensor:
    """The parts of pooled grids of n x n, for each n of `levels`, as one vector.

    input: (batch, channel, height, width), or without a batch. levels: how many parts each grid
    has in height and in width. mode: "max" or "avg", what is taken of each part; see
    `adaptive_max_pool2d`.

    Returns (batch, channel * sum of n * n), whatever the size of the images: first the grid of
    the first level, in it the parts of the first channel before those of the second.

    Source: He et al., "Spatial Pyramid Pooling in Deep Convolutional Networks for Visual
    Recognition" (2014).

    >>> import tinygraph as tg
    >>> tg.nn.functional.spatial_pyramid_pool(tg.ones((5, 3, 13, 17))).shape
    (5, 63)
    """
    counts = pyramid_levels(levels, mode)
    x = as_node(input)
    check_spatial(x.shape, 2)
    pool = adaptive_max_pool2d if mode == "max" else adaptive_avg_pool2d
    return concat([_vectors(as_node(pool(input, count))) for count in counts], axis=-1)


def pyramid_levels(levels: Sequence[int], mode: str) -> Ints:
    """The levels, checked. ShapeError for none or wrong ones, ValueError for a wrong mode."""
    if mode not in ("max", "avg"):
        raise ValueError(f"expected mode 'max' or 'avg', got {mode!r}")
    if not isinstance(levels, (tuple, list)) or not levels:
        raise ShapeError(f"expected levels to be one or more integers, got {levels!r}")
    return per_dimension("levels", levels, len(levels))


def _vectors(x: Node) -> Tensor:
    """(..., channel, height, width) with these three laid out as one."""
    return Tensor(reshape(x, shape=(*x.shape[:-3], product(x.shape[-3:]))))
