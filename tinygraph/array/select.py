"""Elements picked by index arrays, conditions and comparisons."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.elementwise import where as choose
from tinygraph.array.index import fitted, mask_values
from tinygraph.array.join import front_to
from tinygraph.array.sizes import known
from tinygraph.dtypes import int64, is_integer
from tinygraph.errors import DTypeError, ShapeError, TraceError, UnfedError
from tinygraph.graph.node import Node, Shape
from tinygraph.graph.origin import caller
from tinygraph.ops import elementwise as e
from tinygraph.ops import index as i
from tinygraph.ops.movement import broadcast_to, reshape, slice_, update_slice
from tinygraph.ops.reduce import any as any_node
from tinygraph.ops.rules import broadcast_shapes, full, normalize_axis, product, show_shape
from tinygraph.tensor import Tensor, tensor

# ------------------------------------------------------------------------------ by index


def _index(values: Any) -> Node:
    node = as_node(np.asarray(values) if isinstance(values, (list, tuple)) else values)
    if not is_integer(node.dtype):
        raise DTypeError(f"an index is an array of integers, got {node.dtype.name}")
    return node


@api(index="indices")
def take(x: TensorLike, indices: Any, axis: int | None = None) -> Tensor:
    """The slices of x at `indices` along `axis`, whose dimension is replaced by theirs.

    indices: integers of any shape, or a list of them; negative ones count from the end.
    axis: may be left out for an array of one dimension. IndexError when the graph runs where an
    index is out of range.

    >>> import tinygraph as tg
    >>> tg.take(tg.tensor([[1, 2], [3, 4], [5, 6]]), [2, 0], axis=0)
    tensor([[5, 6],
            [1, 2]])
    """
    node, index = as_node(x), _index(indices)
    if axis is None and node.ndim != 1:
        raise ShapeError(f"needs an axis for an array of shape {show_shape(node.shape)}")
    place = normalize_axis(0 if axis is None else axis, node.ndim)
    return Tensor(front_to(i.gather(node, index, axes=(place,)), index.ndim, place))


@api
def index_select(x: TensorLike, axis: int, index: Any) -> Tensor:
    """`take` with PyTorch's order of arguments.

    >>> import tinygraph as tg
    >>> tg.index_select(tg.tensor([[1, 2], [3, 4]]), 1, tg.tensor([1]))
    tensor([[2],
            [4]])
    """
    result: Tensor = take(x, index, axis)
    return result


@api
def take_along_axis(x: TensorLike, indices: TensorLike, axis: int = -1) -> Tensor:
    """For axis 1: result[i, j, k] = x[i, indices[i, j, k], k]; likewise for the others.

    x and indices have equal sizes, or 1, but along `axis`.

    >>> import tinygraph as tg
    >>> x = tg.tensor([[3, 1, 2], [9, 8, 7]])
    >>> tg.take_along_axis(x, tg.argsort(x), axis=1)
    tensor([[1, 2, 3],
            [7, 8, 9]])
    """
    node, index = as_node(x), _index(indices)
    place = normalize_axis(axis, node.ndim)
    node, index = _matched(node, index, place)
    return Tensor(i.take_along_axis(node, index, axis=place))


def _matched(x: Node, index: Node, axis: int) -> tuple[Node, Node]:
    """x and index, broadcast to each other but along `axis`."""
    if x.ndim != index.ndim:
        raise ShapeError(
            f"indices of shape {show_shape(index.shape)} do not fit an array of shape "
            f"{show_shape(x.shape)}: they need as many dimensions"
        )
    others = [tuple(1 if d == axis else n for d, n in enumerate(node.shape)) for node in (x, index)]
    common = broadcast_shapes(*others)

    def widened(node: Node) -> Node:
        shape = (*common[:axis], node.shape[axis], *common[axis + 1 :])
        return broadcast_to(node, shape=shape)

    return widened(x), widened(index)


@api(indices="index")
def gather(x: TensorLike, axis: int, index: TensorLike) -> Tensor:
    """As `take_along_axis`, with PyTorch's order of arguments: where `index` is smaller than x in
    another dimension, the first elements of x there are used.

    >>> import tinygraph as tg
    >>> tg.gather(tg.tensor([[1, 2], [3, 4]]), 1, tg.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    node, places = as_node(x), _index(index)
    along = normalize_axis(axis, node.ndim)
    window = _window(node, places.shape, along)
    return Tensor(i.take_along_axis(slice_(node, slices=window), places, axis=along))


def _window(x: Node, shape: Shape, axis: int) -> tuple[Any, ...]:
    """The slices of x that start at 0 and have the sizes of `shape`, but whole along `axis`."""
    if len(shape) != x.ndim:
        raise ShapeError(f"an index of shape {show_shape(shape)} does not fit an array of shape "
                         f"{show_shape(x.shape)}: it needs as many dimensions")  # fmt: skip
    sizes = [x.shape[axis] if d == axis else n for d, n in enumerate(shape)]
    return tuple((0, size, 1) for size in sizes)


@api(src="value", source="value", indices="index")
def scatter(x: TensorLike, axis: int, index: TensorLike, value: TensorLike) -> Tensor:
    """x in which, for axis 1, value[i, j, k] is put at [i, index[i, j, k], k]; likewise for the
    others (PyTorch's form). Of several values for one place the last stays.

    value: a number, or an array that broadcasts to the shape of `index`.

    >>> import tinygraph as tg
    >>> tg.scatter(tg.zeros(2, 3), 1, tg.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    return Tensor(_scattered(as_node(x), axis, _index(index), value, "set"))


@api(src="value", source="value", indices="index")
def scatter_add(x: TensorLike, axis: int, index: TensorLike, value: TensorLike) -> Tensor:
    """As `scatter`, but the values are added to what is there, and to each other.

    >>> import tinygraph as tg
    >>> tg.scatter_add(tg.zeros(3), 0, tg.tensor([2, 0, 2]), tg.tensor([1.0, 2.0, 4.0]))
    tensor([2., 0., 5.])
    """
    return Tensor(_scattered(as_node(x), axis, _index(index), value, "add"))


def _scattered(x: Node, axis: int, index: Node, value: TensorLike, mode: str) -> Node:
    along = normalize_axis(axis, x.ndim)
    window = _window(x, index.shape, along)
    spread = broadcast_to(fitted(value, x), shape=index.shape)
    part = i.scatter_along_axis(slice_(x, slices=window), index, spread, axis=along, mode=mode)
    return update_slice(x, part, slices=window)


# -------------------------------------------------------------------------- by condition


@api
def masked_fill(x: TensorLike, mask: TensorLike, value: TensorLike) -> Tensor:
    """x with `value` where `mask` (bool) holds; the three broadcast.

    >>> import tinygraph as tg
    >>> tg.masked_fill(tg.tensor([1.0, 2.0]), tg.tensor([True, False]), -1e9)
    tensor([-1.e+09,  2.e+00])
    """
    node = as_node(x)
    return Tensor(e.where(as_node(mask), fitted(value, node), node))


@api
def masked_select(x: TensorLike, mask: TensorLike) -> Tensor:
    """The elements of x where `mask` holds, in one dimension; the two broadcast. The values of
    the mask must be known.

    >>> import tinygraph as tg
    >>> tg.masked_select(tg.tensor([1, 2, 3]), tg.tensor([True, False, True]))
    tensor([1, 3])
    """
    node, condition = as_node(x), as_node(mask)
    shape = broadcast_shapes(node.shape, condition.shape)
    places = mask_values(Tensor(broadcast_to(condition, shape=shape)))
    flat = reshape(broadcast_to(node, shape=shape), shape=(product(shape),))
    return Tensor(i.gather(flat, tensor(np.flatnonzero(places), int64).node, axes=(0,)))


@api
def where(condition: TensorLike, x: TensorLike | None = None, y: TensorLike | None = None) -> Any:
    """x where `condition` (bool) holds, else y; the three broadcast. With the condition alone it
    is `nonzero`.

    >>> import tinygraph as tg
    >>> tg.where(tg.tensor([True, False]), 1.0, tg.tensor([5.0, 6.0]))
    tensor([1., 6.])
    """
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise TypeError("where: needs both x and y, or neither")
    return choose(condition, x, y)


# ------------------------------------------------------------- results whose size is data


def _values(x: TensorLike) -> np.ndarray:
    """The values of x, on which a shape depends. TraceError if they are not known yet."""
    try:
        return Tensor(as_node(x)).numpy()
    except (TraceError, UnfedError):
        raise TraceError(
            "the shape of the result depends on values that are known only when the graph runs"
            f"\n  at {caller().where()}"
        ) from None


@api
def nonzero(x: TensorLike, *, as_tuple: bool = True) -> tuple[Tensor, ...] | Tensor:
    """The places of the elements that are not zero: one array of indices for each dimension of x.
    The values of x must be known.

    as_tuple: False for one array of a row for each place, which is PyTorch's default.

    >>> import tinygraph as tg
    >>> tg.nonzero(tg.tensor([0, 3, 0, 4]))[0]
    tensor([1, 3])
    >>> tg.nonzero(tg.tensor([[0, 3], [4, 0]]), as_tuple=False)
    tensor([[0, 1],
            [1, 0]])
    """
    values = _values(x)
    if not values.ndim:
        raise ShapeError("an array with no dimensions has no places")
    if not as_tuple:
        return tensor(np.argwhere(values), int64)
    return tuple(tensor(places, int64) for places in np.nonzero(values))


class UniqueAll(NamedTuple):
    """values: the distinct ones. indices: where each occurs first. inverse_indices: for each
    element the number of its value. counts: how often each occurs."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """values: the distinct ones. counts: how often each occurs."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """values: the distinct ones. inverse_indices: for each element the number of its value."""

    values: Tensor
    inverse_indices: Tensor


@api
def unique_all(x: TensorLike) -> UniqueAll:
    """The distinct values of x, sorted, and where and how often they occur; see `UniqueAll`. Each
    NaN is a value of its own. The values of x must be known.

    >>> import tinygraph as tg
    >>> tg.unique_all(tg.tensor([3, 1, 3])).indices
    tensor([1, 0])
    """
    found = np.unique_all(_values(x))
    return UniqueAll(
        tensor(found.values),
        tensor(found.indices, int64),
        tensor(found.inverse_indices, int64),
        tensor(found.counts, int64),
    )


@api
def unique_counts(x: TensorLike) -> UniqueCounts:
    """The distinct values of x, sorted, and how often each occurs.

    >>> import tinygraph as tg
    >>> tg.unique_counts(tg.tensor([3, 1, 3])).counts
    tensor([1, 2])
    """
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


@api
def unique_inverse(x: TensorLike) -> UniqueInverse:
    """The distinct values of x, sorted, and for each element the number of its value.

    >>> import tinygraph as tg
    >>> tg.unique_inverse(tg.tensor([3, 1, 3])).inverse_indices
    tensor([1, 0, 1])
    """
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


@api
def unique_values(x: TensorLike) -> Tensor:
    """The distinct values of x, sorted.

    >>> import tinygraph as tg
    >>> tg.unique_values(tg.tensor([3, 1, 3]))
    tensor([1, 3])
    """
    values: Tensor = unique_all(x).values
    return values


# ----------------------------------------------------------------------- in sorted order


@api
def searchsorted(
    x1: TensorLike, x2: TensorLike, side: str = "left", sorter: TensorLike | None = None
) -> Tensor:
    """Where each element of x2 goes into x1, (n,), which is sorted upwards: int64 in 0 ... n.

    side: "left" for the first such place, "right" for the last. sorter: indices that sort x1.

    >>> import tinygraph as tg
    >>> tg.searchsorted(tg.tensor([1, 3, 5]), tg.tensor([0, 3, 9]))
    tensor([0, 1, 3])
    """
    line, values = as_node(x1), as_node(x2)
    if line.ndim != 1:
        raise ShapeError(f"x1 has one dimension, got shape {show_shape(line.shape)}")
    if side not in ("left", "right"):
        raise ShapeError(f"side is 'left' or 'right', got {side!r}")
    if sorter is not None:
        line = i.gather(line, _index(sorter), axes=(0,))
    size = known(line.shape[0])
    found = full(values.shape, 0, int64)
    # from the highest bit of the result down: a bit is set if that many elements come before
    for bit in reversed(range(size.bit_length())):
        more = found + (1 << bit)
        inside = e.less_equal(more, size)
        last = i.gather(line, e.where(inside, more - 1, 0), axes=(0,))
        before = _precedes(last, values, side)
        found = e.where(e.logical_and(inside, before), more, found)
    return Tensor(found)


def _precedes(x: Node, y: Node, side: str) -> Node:
    """Whether x comes before y, or with side "right" beside it, as `sort` has it: NaN last."""
    if side == "right":
        return e.logical_or(e.less_equal(x, y), _is_nan(y))
    return e.logical_or(e.less(x, y), e.logical_and(_is_nan(y), e.logical_not(_is_nan(x))))


def _is_nan(x: Node) -> Node:
    return e.not_equal(x, x)


@api
def isin(x: TensorLike, values: TensorLike) -> Tensor:
    """Whether each element of x is among `values` (bool, of the shape of x).

    >>> import tinygraph as tg
    >>> tg.isin(tg.tensor([1, 2, 3]), tg.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    node, others = as_node(x), as_node(values)
    line = reshape(others, shape=(product(others.shape),))
    same = e.equal(reshape(node, shape=(*node.shape, 1)), line)
    return Tensor(any_node(same, axis=(node.ndim,), keepdims=False))
