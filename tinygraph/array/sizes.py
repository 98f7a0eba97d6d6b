"""Sizes and shapes as users give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygraph.errors import DTypeError, ShapeError, TraceError
from tinygraph.graph.dim import Dim, Size
from tinygraph.graph.node import Shape
from tinygraph.ops.rules import show_shape


def as_size(value: Any) -> Size:
    """An integer as a plain one; an open size as it is. DTypeError for the rest."""
    if isinstance(value, Dim):
        return value
    try:
        return int(value.__index__())
    except AttributeError:
        raise DTypeError(f"a size is an integer, got {value!r}") from None


def as_sizes(values: Sequence[Any]) -> Shape:
    """The integers that a caller gave as one tuple or list, or as separate arguments."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = values[0]
    return tuple(map(as_size, values))


def as_shape(values: Sequence[Any]) -> Shape:
    """As `as_sizes`, for a shape. ShapeError for a negative size."""
    shape = as_sizes(values)
    if any(isinstance(size, int) and size < 0 for size in shape):
        raise ShapeError(f"a size is not negative, got the shape {show_shape(shape)}")
    return shape


def known(size: Size) -> int:
    """A size that has to be known while the graph is built. TraceError where it is open."""
    if isinstance(size, Dim):
        raise TraceError(
            f"has to know the size {size}, which a placeholder left open; give the placeholder a "
            "fixed size"
        )
    return size
