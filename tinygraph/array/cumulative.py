"""Running sums, products and extremes along one dimension, and differences.

`axis` may be left out for an array of one dimension.
"""

from __future__ import annotations

from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.reduce import in_dtype
from tinygraph.dtypes import is_bool
from tinygraph.errors import ShapeError
from tinygraph.graph.node import Node
from tinygraph.ops import cumulative as c
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import concat, take_range
from tinygraph.ops.registry import Op
from tinygraph.ops.rules import full, normalize_axis, show_shape
from tinygraph.tensor import Tensor


def _running(op: Op, x: TensorLike, axis: int | None, dtype: Any = None) -> tuple[Node, int]:
    """The running values, and the dimension they run along."""
    node = in_dtype(as_node(x), dtype)
    if axis is None and node.ndim != 1:
        raise ShapeError(f"needs an axis for an array of shape {show_shape(node.shape)}")
    along = normalize_axis(0 if axis is None else axis, node.ndim)
    return in_dtype(op(node, axis=along, reverse=False), dtype), along


def _after(first: int, values: Node, axis: int) -> Node:
    """`values` behind one more element along `axis`."""
    shape = tuple(1 if i == axis else size for i, size in enumerate(values.shape))
    return concat(full(shape, first, values.dtype), values, axis=axis)


@api
def cumulative_sum(
    x: TensorLike, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """The running sum along `axis`. Integers are summed in 64 bits, bool is counted.

    include_initial: start with the empty sum, 0; the result is one longer then.

    >>> import tinygraph as tg
    >>> tg.cumulative_sum(tg.tensor([1, 2, 3]))
    tensor([1, 3, 6])
    """
    values, along = _running(c.cumsum, x, axis, dtype)
    return Tensor(_after(0, values, along) if include_initial else values)


@api
def cumulative_prod(
    x: TensorLike, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """The running product along `axis`. Integers are multiplied in 64 bits.

    include_initial: start with the empty product, 1; the result is one longer then.

    >>> import tinygraph as tg
    >>> tg.cumulative_prod(tg.tensor([1, 2, 3]))
    tensor([1, 2, 6])
    """
    values, along = _running(c.cumprod, x, axis, dtype)
    return Tensor(_after(1, values, along) if include_initial else values)


cumsum, cumprod = cumulative_sum, cumulative_prod


@api
def cummax(x: TensorLike, axis: int | None = None) -> Tensor:
    """The running maximum along `axis`: the values alone. NaN stays from where it occurs.

    >>> import tinygraph as tg
    >>> tg.cummax(tg.tensor([1, 3, 2, 5]))
    tensor([1, 3, 3, 5])
    """
    return Tensor(_running(c.cummax, x, axis)[0])


@api
def cummin(x: TensorLike, axis: int | None = None) -> Tensor:
    """The running minimum along `axis`: the values alone. NaN stays from where it occurs.

    >>> import tinygraph as tg
    >>> tg.cummin(tg.tensor([4, 3, 5, 1]))
    tensor([4, 3, 3, 1])
    """
    return Tensor(_running(c.cummin, x, axis)[0])


@api
def diff(
    x: TensorLike,
    axis: int = -1,
    n: int = 1,
    prepend: TensorLike | None = None,
    append: TensorLike | None = None,
) -> Tensor:
    """The differences of neighbours along `axis`, `n` times over; each time one element fewer.

    prepend, append: arrays that are joined to x along `axis` before. Of bool: whether
    neighbours differ.

    >>> import tinygraph as tg
    >>> tg.diff(tg.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    node = as_node(x)
    along = normalize_axis(axis, node.ndim)
    parts = [as_node(part) for part in (prepend, x, append) if part is not None]
    if len(parts) > 1:
        node = concat(*parts, axis=along)
    if n < 0:
        raise ShapeError(f"the differences are taken n times, got n = {n}")
    minus = e.not_equal if is_bool(node.dtype) else e.subtract
    for _ in range(n):
        rest = node.shape[along] - 1
        if rest == -1:
            return Tensor(node)
        node = minus(take_range(node, along, 1, rest), take_range(node, along, 0, rest))
    return Tensor(node)
