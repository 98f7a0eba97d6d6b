"""Shape and dtype rules that ops share, and small graph pieces for gradient rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygraph.dtypes import bool_, is_bool, is_float, is_integer
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Dim, Size
from tinygraph.graph.node import Aval, Node, Shape

Axes = tuple[int, ...]


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that `shapes` broadcast to, by NumPy's rule. ShapeError if they do not.

    A size that is open (Dim) is taken to be equal to what it meets; that is checked when the
    graph runs.
    """
    result = shapes[0]
    for shape in shapes[1:]:
        if shape != result:
            result = _broadcast(result, shape)
    return result


def _broadcast(a: Shape, b: Shape) -> Shape:
    if len(a) < len(b):
        a = (1,) * (len(b) - len(a)) + a
    elif len(b) < len(a):
        b = (1,) * (len(a) - len(b)) + b
    sizes: list[Size] = []
    for x, y in zip(a, b, strict=True):
        if x == y or y == 1 or (isinstance(y, Dim) and x != 1):
            sizes.append(x)
        elif x == 1 or isinstance(x, Dim):
            sizes.append(y)
        else:
            raise ShapeError(
                f"shapes {show_shape(a)} and {show_shape(b)} do not broadcast: sizes {x} and "
                f"{y} differ and neither is 1"
            )
    return tuple(sizes)


def show_shape(shape: Sequence[Size]) -> str:
    """`(2, 3)`, as Python writes it."""
    return str(tuple(shape))


def normalize_axis(axis: Any, ndim: int) -> int:
    """`axis` counted from the front. ShapeError if it is out of range, DTypeError if no integer."""
    try:
        index = axis.__index__()
    except AttributeError:
        raise DTypeError(f"an axis is an integer, got {axis!r}") from None
    if not -ndim <= index < max(ndim, 0):
        raise ShapeError(f"axis {axis} is out of range for an array with {ndim} dimensions")
    return int(index % ndim)


def check_axis(axis: int, ndim: int) -> None:
    """ShapeError unless `axis` names a dimension from the front, as it does in primitives."""
    if not 0 <= axis < ndim:
        raise ShapeError(f"axis {axis} is out of range for an array with {ndim} dimensions")


def normalize_axes(axis: Any, ndim: int) -> Axes:
    """`axis` (None: all, an integer, or a sequence) as a sorted tuple without repeats."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        return (normalize_axis(axis, ndim),)
    axes = tuple(sorted(normalize_axis(a, ndim) for a in axis))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"axis {tuple(axis)} names a dimension twice")
    return axes


def product(sizes: Sequence[Size]) -> Size:
    """The number of elements of a shape."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return total


def elementwise(*avals: Any) -> Aval:
    """Broadcast shape; the dtype of the first (they are promoted already)."""
    first = avals[0]
    for other in avals[1:]:
        if other.shape != first.shape:
            return Aval(broadcast_shapes(*[a.shape for a in avals]), first.dtype)
    return Aval(first.shape, first.dtype)


def floating(*avals: Any) -> Aval:
    """As `elementwise`, for ops that are defined on floats alone."""
    if not is_float(avals[0].dtype):
        raise DTypeError(f"needs a float, got {avals[0].dtype.name}; cast it with astype")
    return elementwise(*avals)


def numeric(*avals: Any) -> Aval:
    """As `elementwise`, for ops that are not defined on bool."""
    if is_bool(avals[0].dtype):
        raise DTypeError("is not defined on bool; use a logical function or cast with astype")
    return elementwise(*avals)


def integral(*avals: Any) -> Aval:
    """As `elementwise`, for bitwise ops: integers and bool."""
    if is_float(avals[0].dtype):
        raise DTypeError(f"needs an integer or bool, got {avals[0].dtype.name}")
    return elementwise(*avals)


def integer_only(*avals: Any) -> Aval:
    """As `elementwise`, for integers alone."""
    if not is_integer(avals[0].dtype):
        raise DTypeError(f"needs an integer, got {avals[0].dtype.name}")
    return elementwise(*avals)


def predicate(*avals: Any) -> Aval:
    """Broadcast shape; bool."""
    return Aval(elementwise(*avals).shape, bool_)


def zeros_like(x: Node | Aval) -> Node:
    """Zeros of the shape and dtype of `x`."""
    return full(x.shape, 0, x.dtype)


def ones_like(x: Node | Aval) -> Node:
    """Ones of the shape and dtype of `x`."""
    return full(x.shape, 1, x.dtype)


def full(shape: Shape, value: Any, dtype: Any) -> Node:
    """An array of one repeated value; costs no memory until it is written."""
    from tinygraph.ops.movement import broadcast_to
    from tinygraph.ops.registry import const

    scalar = const(value, dtype)
    return broadcast_to(scalar, shape=tuple(shape)) if shape else scalar


def widen(x: Any) -> Any:
    """The array x, in 32 bits if its floats have 16: BLAS and LAPACK do not know those."""
    return x.astype("float32") if x.dtype.itemsize < 4 else x


def unbroadcast(g: Node, shape: Shape) -> Node:
    """Sum `g` down to `shape`, the shape of an input that was broadcast."""
    if g.shape == shape:
        return g
    from tinygraph.ops.movement import reshape
    from tinygraph.ops.reduce import sum as reduce_sum

    lead = len(g.shape) - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, size in enumerate(shape) if size == 1 and g.shape[lead + i] != 1
    )
    if axes:
        g = reduce_sum(g, axis=axes, keepdims=False)
    return g if g.shape == shape else reshape(g, shape=shape)
