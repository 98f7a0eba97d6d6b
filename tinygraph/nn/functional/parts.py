"""The parts of a dimension, as equal as can be: what adaptive pooling pools.

Part i of m, of a dimension of size n, runs from floor(i n / m) to ceil((i + 1) n / m): the parts
overlap where m does not divide n. Of a size that is not known while the graph is defined they are
found when it runs: each part then looks at the whole dimension.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygraph.dtypes import int64, is_float
from tinygraph.graph.dim import Size
from tinygraph.graph.node import Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.index import take_along_axis
from tinygraph.ops.movement import iota, reshape
from tinygraph.ops.reduce import argmax
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import cast, const
from tinygraph.ops.rules import full


class Parts(NamedTuple):
    """The parts of a dimension of known size, from `starts` to before `stops`."""

    starts: np.ndarray
    stops: np.ndarray

    @property
    def longest(self) -> int:
        return int((self.stops - self.starts).max())

    @property
    def gap(self) -> int:
        """From the start of the first part to that of the second."""
        return int(self.starts[1] - self.starts[0]) if len(self.starts) > 1 else self.longest

    @property
    def are_windows(self) -> bool:
        """Whether all are equally long and equally far apart, and not all the same."""
        lengths, gaps = self.stops - self.starts, np.diff(self.starts)
        return bool(self.gap and np.all(lengths == lengths[0]) and np.all(gaps == self.gap))

    @property
    def elements(self) -> np.ndarray:
        """(part, place): the elements of each part; a shorter one has its last element again."""
        places = self.starts[:, None] + np.arange(self.longest)
        elements: np.ndarray = np.minimum(places, self.stops[:, None] - 1)
        return elements

    @property
    def shares(self) -> np.ndarray:
        """(part, place): what each of `elements` adds to the mean of its part."""
        lengths = (self.stops - self.starts)[:, None]
        shares: np.ndarray = (np.arange(self.longest) < lengths) / lengths
        return shares


def parts_of(size: int, count: int) -> Parts:
    """`count` parts of a dimension."""
    number = np.arange(count)
    return Parts(number * size // count, -(-(number + 1) * size // count))


# ------------------------------------------------------------------ of a size that is not known


class _OpenParts(NamedTuple):
    """starts, stops: (part, 1). inside: (part, element), whether an element belongs to a part."""

    starts: Node
    stops: Node
    inside: Node


def _open_parts(size: Size, count: int) -> _OpenParts:
    whole, number = const(size, int64), reshape(iota(size=count, dtype=int64), shape=(count, 1))
    starts = e.floor_divide(number * whole, count)
    stops = e.floor_divide((number + 1) * whole + (count - 1), count)
    place = iota(size=size, dtype=int64)
    return _OpenParts(starts, stops, (starts <= place) & (place < stops))


def open_means(x: Node, axis: int, count: int) -> Node:
    """Along `axis` the means of `count` parts."""
    parts = _open_parts(x.shape[axis], count)
    total = reduce_sum(_of_each_part(x, axis, parts, 0), axis=(axis + 1,), keepdims=False)
    lengths = cast(parts.stops - parts.starts, dtype=x.dtype)
    return total / reshape(lengths, shape=(count, *(1,) * (x.ndim - 1 - axis)))


def open_places(x: Node, axis: int, count: int) -> Node:
    """Along `axis` the index of the first largest element of each of `count` parts."""
    parts = _open_parts(x.shape[axis], count)
    lowest = -np.inf if is_float(x.dtype) else int(np.iinfo(x.dtype).min)
    place = argmax(_of_each_part(x, axis, parts, lowest), axis=axis + 1, keepdims=False)
    # where a part has nothing but the lowest number, the first one may lie before it
    return e.maximum(place, reshape(parts.starts, shape=(count, *(1,) * (x.ndim - 1 - axis))))


def _of_each_part(x: Node, axis: int, parts: _OpenParts, outside: float) -> Node:
    """x with a dimension for the part before `axis`: its elements, and `outside` elsewhere."""
    inside = reshape(parts.inside, shape=(*parts.inside.shape, *(1,) * (x.ndim - 1 - axis)))
    return e.where(inside, reshape(x, shape=(*x.shape[:axis], 1, *x.shape[axis:])), outside)


def open_largest(x: Node, dims: int, counts: tuple[Size, ...]) -> Node:
    """Where in its last `dims` dimensions, counted through, x has the first largest element of
    each part. A dimension whose count is its size is left as it is."""
    lead = x.ndim - dims
    places = _counted_through(x, dims)
    for axis in reversed(range(lead, x.ndim)):  # so that the first in the order of rows is found
        count = counts[axis - lead]
        if count != x.shape[axis]:
            assert isinstance(count, int)
            index = open_places(x, axis, count)
            x = take_along_axis(x, index, axis=axis)
            places = take_along_axis(places, index, axis=axis)
    return places


def _counted_through(x: Node, dims: int) -> Node:
    """Of the shape of x: the place of each element in the last `dims` dimensions."""
    step: Size = 1
    places = full(x.shape, 0, int64)
    for axis in reversed(range(x.ndim - dims, x.ndim)):
        number = iota(size=x.shape[axis], dtype=int64) * const(step, int64)
        places = places + reshape(number, shape=(x.shape[axis], *(1,) * (x.ndim - 1 - axis)))
        step = step * x.shape[axis]
    return places
