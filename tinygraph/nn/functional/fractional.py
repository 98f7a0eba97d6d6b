"""Fractional max pooling: windows at random places, for sizes that shrink by any factor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.reduce import in_dtype
from tinygraph.array.sizes import known
from tinygraph.dtypes import int64
from tinygraph.errors import ShapeError
from tinygraph.graph.node import Node
from tinygraph.nn.functional.pooling import Pooled, at_places, float_node
from tinygraph.nn.functional.window import Sizes, check_spatial, per_dimension
from tinygraph.ops import elementwise as e
from tinygraph.ops.index import take_along_axis
from tinygraph.ops.movement import concat, iota, reshape, take_range
from tinygraph.ops.reduce import argmax
from tinygraph.ops.registry import cast
from tinygraph.ops.rules import full, product, show_shape

__all__ = ["fractional_max_pool2d", "fractional_max_pool3d"]


@api
def fractional_max_pool2d(
    input: TensorLike,
    kernel_size: Sizes,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: TensorLike | None = None,
) -> Any:
    """The largest element of each window, which starts at floor((i + u) a) - floor(u a), u random.

    a = (size - kernel) / (new size - 1); the last window ends with the input. u is drawn for each
    example, channel and dimension from [0, 1).

    input: (batch, channel, height, width), or without a batch. kernel_size, and either
    output_size, the new size, or output_ratio, what the size is multiplied with (between 0 and
    1): a number or a pair. return_indices: return a pair, the second of which (int64) tells where
    in height * width each element was. _random_samples: u, (batch, channel, 2), that of the width
    first.

    Source: Graham, "Fractional Max-Pooling" (2014).

    >>> import tinygraph as tg
    >>> tg.nn.functional.fractional_max_pool2d(tg.ones((2, 3, 9, 9)), 2, output_ratio=0.7).shape
    (2, 3, 6, 6)
    """
    return _fractional(
        2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


@api
def fractional_max_pool3d(
    input: TensorLike,
    kernel_size: Sizes,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: TensorLike | None = None,
) -> Any:
    """Fractional max pooling along three dimensions; see `fractional_max_pool2d`.

    _random_samples: (batch, channel, 3), that of the first dimension first.
    """
    return _fractional(
        3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def _fractional(
    dims: int,
    input: TensorLike,
    kernel_size: Sizes,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: TensorLike | None,
) -> Pooled:
    x = float_node(input)
    check_spatial(x.shape, dims)
    lead, sizes = x.shape[:-dims], tuple(map(known, x.shape[-dims:]))
    kernel = per_dimension("kernel_size", kernel_size, dims)
    counts = new_size(dims, sizes, output_size, output_ratio)
    if any(n + k - 1 > size for n, k, size in zip(counts, kernel, sizes, strict=True)):
        raise ShapeError(
            f"expected output_size + kernel_size - 1 of at most the size {sizes}, got {counts} "
            f"and {kernel}"
        )
    wide = lead if len(lead) == 2 else (1, *lead)
    drawn = random.rand(*wide, dims, dtype=x.dtype) if samples is None else samples
    u = in_dtype(as_node(drawn), x.dtype)
    if u.shape != (*wide, dims):
        raise ShapeError(
            f"expected _random_samples of shape {show_shape((*wide, dims))}, got "
            f"{show_shape(u.shape)}"
        )
    places = _places(reshape(u, shape=(*lead, dims)), sizes, kernel, counts)
    return at_places(x, _largest(x, places, dims), dims, return_indices)


def new_size(dims: int, sizes: Sequence[int], output_size: Any, output_ratio: Any) -> Any:
    """The size that either of the two asks for. ValueError unless one is given."""
    check_either(dims, output_size, output_ratio)
    if output_size is not None:
        return per_dimension("output_size", output_size, dims)
    ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * dims
    return tuple(math.floor(size * ratio) for size, ratio in zip(sizes, ratios, strict=True))


def check_either(dims: int, output_size: Any, output_ratio: Any) -> None:
    """ValueError unless a size is given or a ratio, between 0 and 1."""
    if (output_size is None) == (output_ratio is None):
        raise ValueError(
            f"expected either output_size or output_ratio, got {output_size!r} and {output_ratio!r}"
        )
    if output_ratio is not None:
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * dims
        if len(ratios) != dims or not all(0 < ratio < 1 for ratio in ratios):
            raise ValueError(f"expected {dims} ratios between 0 and 1, got {output_ratio!r}")


def _places(u: Node, sizes: Sequence[int], kernel: Sequence[int], counts: Sequence[int]) -> Node:
    """(*lead, *counts, *kernel): the place of each element of each window in flattened space."""
    dims, lead = len(sizes), u.shape[:-1]
    total = full((), 0, int64)
    for axis in range(dims):
        # in two dimensions PyTorch's first number is that of the width
        sample = take_range(u, len(lead), dims - 1 - axis if dims == 2 else axis, 1)
        starts = _starts(sample, sizes[axis], kernel[axis], counts[axis])
        ones = [1] * dims
        ones[axis] = counts[axis]
        first = reshape(starts, shape=(*lead, *ones, *[1] * dims))
        within = [kernel[axis] if i == axis else 1 for i in range(dims)]
        offset = reshape(iota(size=kernel[axis], dtype=int64), shape=tuple(within))
        total = total * sizes[axis] + (first + offset)
    return total


def _starts(u: Node, size: int, kernel: int, count: int) -> Node:
    """(*lead, count): where the windows along one dimension start; u: (*lead, 1)."""
    last = full((*u.shape[:-1], 1), size - kernel, int64)
    if count == 1:
        return last
    step = (size - kernel) / (count - 1)
    number = iota(size=count - 1, dtype=u.dtype)
    starts = e.floor((number + u) * step) - e.floor(u * step)
    return concat(cast(starts, dtype=int64), last, axis=len(u.shape) - 1)


def _largest(x: Node, places: Node, dims: int) -> Node:
    """(*lead, *counts): the place of the largest element of each window."""
    lead = x.ndim - dims
    counts, kernel = places.shape[lead : lead + dims], places.shape[lead + dims :]
    flat = (*x.shape[:lead], product(places.shape[lead:]))
    seen = take_along_axis(
        reshape(x, shape=(*x.shape[:lead], product(x.shape[lead:]))),
        reshape(places, shape=flat), axis=lead,
    )  # fmt: skip
    windows = (*x.shape[:lead], product(counts), product(kernel))
    best = argmax(reshape(seen, shape=windows), axis=lead + 1, keepdims=True)
    found = take_along_axis(reshape(places, shape=windows), best, axis=lead + 1)
    return reshape(found, shape=(*x.shape[:lead], *counts))
