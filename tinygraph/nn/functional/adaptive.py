"""Pooling to a size that is asked for, whatever the size of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.reduce import in_dtype, mean_node, widened
from tinygraph.array.sizes import known
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.nn.functional.parts import open_largest, open_means, parts_of
from tinygraph.nn.functional.pooling import Pooled, at_places, float_node, window_sums
from tinygraph.nn.functional.resample import weighted
from tinygraph.nn.functional.window import check_spatial, per_dimension
from tinygraph.ops.index import gather
from tinygraph.ops.movement import reshape
from tinygraph.ops.reduce import argmax
from tinygraph.ops.rules import product, show_shape
from tinygraph.ops.windows import Ints, no_padding, window_argmax
from tinygraph.tensor import Tensor, tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d",
]  # fmt: skip


def _counts(shape: Sequence[Size], output_size: Any, dims: int) -> tuple[Size, ...]:
    """The size asked for in each dimension of space; None keeps that of the input."""
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * dims
    if len(sizes) != dims:
        raise ShapeError(f"expected output_size to have {dims} entries, got {output_size!r}")
    if any(size == 0 for size in shape[-dims:]):
        raise ShapeError(f"has no elements to pool in an input of shape {show_shape(shape)}")
    return tuple(
        size if count is None else per_dimension("output_size", count, 1)[0]
        for count, size in zip(sizes, shape[-dims:], strict=True)
    )


# ---------------------------------------------------------------------------------- the mean


@api
def adaptive_avg_pool1d(input: TensorLike, output_size: Any) -> Tensor:
    """The means of `output_size` parts along one dimension; see `adaptive_avg_pool2d`."""
    return _mean_parts(1, input, output_size)


@api
def adaptive_avg_pool2d(input: TensorLike, output_size: Any) -> Tensor:
    """The means of parts, as equal as can be: part i is floor(i n / m) to ceil((i + 1) n / m).

    n is the size of the input, m that of the result; parts overlap where m does not divide n.

    input: (batch, channel, height, width), or without a batch. output_size: an integer or a
    pair; None keeps a size. 1 is the mean of the whole.

    Returns (batch, channel, *output_size).

    >>> import tinygraph as tg
    >>> x = tg.tensor([[[1.0, 2.0, 4.0], [3.0, 4.0, 6.0]]])
    >>> tg.nn.functional.adaptive_avg_pool2d(x, (1, 2))
    tensor([[[2.5, 4. ]]])
    """
    return _mean_parts(2, input, output_size)


@api
def adaptive_avg_pool3d(input: TensorLike, output_size: Any) -> Tensor:
    """The means of `output_size` parts along three dimensions; see `adaptive_avg_pool2d`."""
    return _mean_parts(3, input, output_size)


def _mean_parts(dims: int, input: TensorLike, output_size: Any) -> Tensor:
    x = float_node(input)
    check_spatial(x.shape, dims)
    counts = _counts(x.shape, output_size, dims)
    if all(count == 1 for count in counts):
        return Tensor(mean_node(x, tuple(range(x.ndim - dims, x.ndim)), True))
    kernel, steps, means = [1] * dims, [1] * dims, widened(x)
    for i, (size, count) in enumerate(zip(x.shape[-dims:], counts, strict=True)):
        axis = x.ndim - dims + i
        if size == count:
            continue
        if not is_known(size):
            means = open_means(means, axis, known(count))
        elif (parts := parts_of(known(size), known(count))).are_windows:
            kernel[i], steps[i] = parts.longest, parts.gap
        else:
            means = weighted(means, axis, parts.elements, parts.shares)
    if product(kernel) > 1:
        means = window_sums(means, tuple(kernel), tuple(steps)) / float(product(kernel))
    return Tensor(in_dtype(means, x.dtype))


# ------------------------------------------------------------------------------- the largest


@api
def adaptive_max_pool1d(input: TensorLike, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of `output_size` parts along one dimension; see `adaptive_max_pool2d`."""
    return _largest_parts(1, input, output_size, return_indices)


@api
def adaptive_max_pool2d(input: TensorLike, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of parts: part i of m is floor(i n / m) to ceil((i + 1) n / m).

    input: (batch, channel, height, width), or without a batch. output_size: an integer or a
    pair; None keeps a size. 1 is the largest of the whole. return_indices: return a pair, the
    second of which (int64) tells where in height * width each element was.

    Returns (batch, channel, *output_size). NaN counts as the largest. The gradient goes to the
    first of equal ones.

    >>> import tinygraph as tg
    >>> x = tg.tensor([[[1.0, 2.0, 4.0], [3.0, 6.0, 5.0]]])
    >>> tg.nn.functional.adaptive_max_pool2d(x, (2, 1), return_indices=True)
    (tensor([[[4.],
             [6.]]]), tensor([[[2],
             [4]]]))
    """
    return _largest_parts(2, input, output_size, return_indices)


@api
def adaptive_max_pool3d(input: TensorLike, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of `output_size` parts along three dimensions; see `adaptive_max_pool2d`."""
    return _largest_parts(3, input, output_size, return_indices)


def _largest_parts(dims: int, input: TensorLike, output_size: Any, return_indices: bool) -> Pooled:
    x = as_node(input)
    check_spatial(x.shape, dims)
    counts = _counts(x.shape, output_size, dims)
    if all(count == 1 for count in counts):
        places = place_of_largest(x, dims)
    elif is_known(*x.shape[-dims:]):
        places = _places_of_largest(x, tuple(map(known, counts)))
    else:
        places = open_largest(x, dims, counts)
    return at_places(x, places, dims, return_indices)


def _places_of_largest(x: Node, counts: Ints) -> Node:
    """Where in the last dimensions, counted through, each of `counts` parts is largest."""
    dims, sizes = len(counts), tuple(map(known, x.shape[-len(counts) :]))
    kernel, steps, origins, laid_out = [], [], [], x
    for axis, parts in enumerate(map(parts_of, sizes, counts), x.ndim - dims):
        origin, gap = np.arange(known(x.shape[axis])), parts.gap
        if not parts.are_windows:
            # the parts one behind the other, each with its own elements, and all equally long
            origin, gap = parts.elements.ravel(), parts.longest
            laid_out = weighted(laid_out, axis, origin[:, None], np.ones((len(origin), 1)))
        kernel.append(parts.longest)
        steps.append(gap)
        origins.append(origin)
    places = window_argmax(
        laid_out, kernel=tuple(kernel), stride=tuple(steps), dilation=(1,) * dims,
        padding=no_padding(dims),
    )  # fmt: skip
    if laid_out is x:
        return places
    grid = np.ravel_multi_index(np.ix_(*origins), sizes)
    return gather(tensor(grid.ravel()).node, places, axes=(0,))


def place_of_largest(x: Node, dims: int) -> Node:
    """Where in its last `dims` dimensions, counted through, x is largest; they have size 1."""
    lead = x.shape[:-dims]
    flat = reshape(x, shape=(*lead, product(x.shape[-dims:])))
    place = argmax(flat, axis=len(lead), keepdims=False)
    return reshape(place, shape=(*lead, *(1,) * dims))
