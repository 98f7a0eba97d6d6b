"""The same elements under another shape or in another order of dimensions.

Nothing is copied by most of these: the result is a view of its input's memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.sizes import as_sizes
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node, Shape
from tinygraph.ops.movement import broadcast_to as broadcast_node
from tinygraph.ops.movement import concat, resolve_shape, slice_, swap_last, take_range
from tinygraph.ops.movement import permute as permute_node
from tinygraph.ops.movement import reshape as reshape_node
from tinygraph.ops.rules import (
    Axes,
    normalize_axes,
    normalize_axis,
    product,
    show_shape,
)
from tinygraph.ops.rules import broadcast_shapes as broadcast_sizes
from tinygraph.tensor import Tensor

# ------------------------------------------------------------------------- another shape


@api(size="shape")
def reshape(x: TensorLike, *shape: Any, copy: bool | None = None) -> Tensor:
    """The elements of x, row after row, under another shape: a tuple or separate sizes.

    One size may be -1: whatever is left. copy: True for a Tensor with a node of its own.

    >>> import tinygraph as tg
    >>> tg.reshape(tg.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    node = as_node(x)
    return Tensor(reshape_node(node, shape=resolve_shape(as_sizes(shape), product(node.shape))))


view = reshape


@api
def flatten(x: TensorLike, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """x with the dimensions from `start_dim` to `end_dim` (included) laid out as one.

    >>> import tinygraph as tg
    >>> tg.flatten(tg.zeros(2, 3, 4), 1).shape
    (2, 12)
    """
    node = as_node(x)
    if not node.ndim:
        return Tensor(reshape_node(node, shape=(1,)))
    first, last = normalize_axis(start_dim, node.ndim), normalize_axis(end_dim, node.ndim)
    if first > last:
        raise ShapeError(f"start_dim {start_dim} comes after end_dim {end_dim}")
    shape = node.shape
    joined = product(shape[first : last + 1])
    return Tensor(reshape_node(node, shape=(*shape[:first], joined, *shape[last + 1 :])))


@api
def ravel(x: TensorLike) -> Tensor:
    """All elements of x, row after row, in one dimension.

    >>> import tinygraph as tg
    >>> tg.ravel(tg.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    node = as_node(x)
    return Tensor(reshape_node(node, shape=(product(node.shape),)))


@api
def unflatten(x: TensorLike, axis: int, sizes: Sequence[int]) -> Tensor:
    """x with one dimension taken apart into `sizes`, of which one may be -1.

    >>> import tinygraph as tg
    >>> tg.unflatten(tg.zeros(2, 12), 1, (3, -1)).shape
    (2, 3, 4)
    """
    node = as_node(x)
    place = normalize_axis(axis, node.ndim)
    parts = resolve_shape(as_sizes(sizes), node.shape[place])
    shape = (*node.shape[:place], *parts, *node.shape[place + 1 :])
    return Tensor(reshape_node(node, shape=shape))


@api
def squeeze(x: TensorLike, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """x without dimensions of size 1: those in `axis`, or all of them.

    ShapeError where a dimension in `axis` has another size.

    >>> import tinygraph as tg
    >>> tg.squeeze(tg.zeros(1, 3, 1), 0).shape
    (3, 1)
    """
    node = as_node(x)
    if axis is None:
        gone = tuple(i for i, size in enumerate(node.shape) if size == 1)
    else:
        gone = normalize_axes(axis, node.ndim)
    for place in gone:
        if node.shape[place] != 1 and is_known(node.shape[place]):
            raise ShapeError(
                f"dimension {place} of shape {show_shape(node.shape)} is not of size 1"
            )
    return Tensor(_without(node, gone))


def _without(x: Node, axes: Axes) -> Node:
    return reshape_node(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in axes))


@api
def expand_dims(x: TensorLike, axis: int | tuple[int, ...] = 0) -> Tensor:
    """x with a new dimension of size 1 at the place `axis` of the result, or several.

    >>> import tinygraph as tg
    >>> tg.expand_dims(tg.zeros(2, 3), -1).shape
    (2, 3, 1)
    """
    node = as_node(x)
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    return Tensor(with_ones(node, normalize_axes(axis, node.ndim + count)))


unsqueeze = expand_dims


def with_ones(x: Node, places: Sequence[int]) -> Node:
    """x with dimensions of size 1 at `places` (of the result)."""
    sizes = iter(x.shape)
    ndim = x.ndim + len(places)
    return reshape_node(x, shape=tuple(1 if i in places else next(sizes) for i in range(ndim)))


# --------------------------------------------------------------------- order of dimensions


@api
def permute_dims(x: TensorLike, *axes: Any) -> Tensor:
    """The dimensions of x in another order: result dimension i is dimension axes[i] of x.

    axes: a tuple, or separate integers.

    >>> import tinygraph as tg
    >>> tg.permute_dims(tg.zeros(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return Tensor(_permuted(as_node(x), as_sizes(axes)))


permute = permute_dims


def _permuted(x: Node, axes: Sequence[Any]) -> Node:
    if len(axes) != x.ndim:
        raise ShapeError(f"axes {tuple(axes)} are not a permutation of {x.ndim} dimensions")
    order = tuple(normalize_axis(axis, x.ndim) for axis in axes)
    return permute_node(x, axes=order)


@api
def transpose(x: TensorLike, *axes: Any) -> Tensor:
    """The dimensions of x in another order.

    `transpose(x)` turns them all round and `transpose(x, (2, 0, 1))` puts them in that order, as
    in NumPy; `transpose(x, 0, 1)`, two integers, exchanges those two, as in PyTorch.

    >>> import tinygraph as tg
    >>> x = tg.zeros(2, 3, 4)
    >>> tg.transpose(x).shape, tg.transpose(x, 1, 2).shape, tg.transpose(x, (1, 2, 0)).shape
    ((4, 3, 2), (2, 4, 3), (3, 4, 2))
    """
    node = as_node(x)
    if not axes or axes == (None,):
        return Tensor(_permuted(node, range(node.ndim)[::-1]))
    if len(axes) == 2:
        return Tensor(_exchanged(node, *axes))
    return Tensor(_permuted(node, as_sizes(axes)))


def _exchanged(x: Node, first: int, second: int) -> Node:
    a, b = normalize_axis(first, x.ndim), normalize_axis(second, x.ndim)
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return permute_node(x, axes=tuple(order))


@api(axis0="axis1", axis1="axis2", dim0="axis1", dim1="axis2")
def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Tensor:
    """x with two of its dimensions exchanged.

    >>> import tinygraph as tg
    >>> tg.swapaxes(tg.zeros(2, 3, 4), 0, -1).shape
    (4, 3, 2)
    """
    return Tensor(_exchanged(as_node(x), axis1, axis2))


@api
def matrix_transpose(x: TensorLike) -> Tensor:
    """x, (..., m, n), with its last two dimensions exchanged: (..., n, m).

    >>> import tinygraph as tg
    >>> tg.matrix_transpose(tg.zeros(2, 3, 4)).shape
    (2, 4, 3)
    """
    node = as_node(x)
    if node.ndim < 2:
        raise ShapeError(f"needs at least 2 dimensions, got shape {show_shape(node.shape)}")
    return Tensor(swap_last(node))


@api
def moveaxis(
    x: TensorLike, source: int | tuple[int, ...], destination: int | tuple[int, ...]
) -> Tensor:
    """x with the dimensions `source` moved to the places `destination`, the others in order.

    >>> import tinygraph as tg
    >>> tg.moveaxis(tg.zeros(2, 3, 4), 0, -1).shape
    (3, 4, 2)
    """
    node = as_node(x)
    starts, ends = _places(source, node.ndim), _places(destination, node.ndim)
    if len(starts) != len(ends):
        raise ShapeError(f"{len(starts)} dimensions are moved to {len(ends)} places")
    order = [axis for axis in range(node.ndim) if axis not in starts]
    for end, start in sorted(zip(ends, starts, strict=True)):
        order.insert(end, start)
    return Tensor(permute_node(node, axes=tuple(order)))


def _places(axis: Any, ndim: int) -> Axes:
    """One axis or several, in the order given. ShapeError where one occurs twice."""
    normalize_axes(axis, ndim)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple(normalize_axis(a, ndim) for a in axes)


# ---------------------------------------------------------------------------- broadcasting


@api
def broadcast_to(x: TensorLike, *shape: Any) -> Tensor:
    """x repeated along dimensions of size 1 and along new leading ones, without a copy.

    >>> import tinygraph as tg
    >>> tg.broadcast_to(tg.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return Tensor(broadcast_node(as_node(x), shape=as_sizes(shape)))


@api
def expand(x: TensorLike, *sizes: Any) -> Tensor:
    """As `broadcast_to`; a size of -1 leaves the dimension as it is (PyTorch's form).

    >>> import tinygraph as tg
    >>> tg.expand(tg.zeros(3, 1), -1, 4).shape
    (3, 4)
    """
    node = as_node(x)
    wanted = list(as_sizes(sizes))
    lead = len(wanted) - node.ndim
    for axis, size in enumerate(wanted):
        if isinstance(size, int) and size == -1:
            if axis < lead:
                raise ShapeError(f"size -1 of dimension {axis}, which is new, says nothing")
            wanted[axis] = node.shape[axis - lead]
    return Tensor(broadcast_node(node, shape=tuple(wanted)))


@api
def broadcast_shapes(*shapes: Any) -> Shape:
    """The shape that `shapes` broadcast to. ShapeError if they do not.

    >>> import tinygraph as tg
    >>> tg.broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    return broadcast_sizes((), *[as_sizes((shape,)) for shape in shapes])


@api
def broadcast_arrays(*arrays: TensorLike) -> tuple[Tensor, ...]:
    """All the arrays, broadcast to one shape.

    >>> import tinygraph as tg
    >>> [x.shape for x in tg.broadcast_arrays(tg.zeros(2, 1), tg.zeros(3))]
    [(2, 3), (2, 3)]
    """
    nodes = [as_node(x) for x in arrays]
    shape = broadcast_sizes((), *[node.shape for node in nodes])
    return tuple(Tensor(broadcast_node(node, shape=shape)) for node in nodes)


# --------------------------------------------------------------------- order of elements


@api(dims="axis")
def flip(x: TensorLike, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """x with the order of its elements turned round along `axis`, or along every dimension.

    >>> import tinygraph as tg
    >>> tg.flip(tg.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    node = as_node(x)
    return Tensor(flipped(node, normalize_axes(axis, node.ndim)))


def flipped(x: Node, axes: Axes) -> Node:
    """x turned round along the dimensions `axes`."""
    slices = tuple(
        (size - 1, size, -1) if axis in axes else (0, size, 1) for axis, size in enumerate(x.shape)
    )
    return slice_(x, slices=slices)


@api(shifts="shift", dims="axis")
def roll(
    x: TensorLike, shift: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None
) -> Tensor:
    """x with its elements moved on by `shift` places along `axis`; those that leave at the end
    come in at the start. Without an axis x is rolled as if it had one dimension.

    >>> import tinygraph as tg
    >>> tg.roll(tg.tensor([1, 2, 3, 4]), 1)
    tensor([4, 1, 2, 3])
    """
    node = as_node(x)
    if axis is None:
        line = reshape_node(node, shape=(product(node.shape),))
        for places in shift if isinstance(shift, (tuple, list)) else (shift,):
            line = rolled(line, places, 0)
        return Tensor(reshape_node(line, shape=node.shape))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ShapeError(f"{len(shifts)} shifts for {len(axes)} dimensions")
    for places, along in zip(shifts, axes, strict=True):
        node = rolled(node, places, normalize_axis(along, node.ndim))
    return Tensor(node)


def rolled(x: Node, shift: Any, axis: int) -> Node:
    """x with its elements moved on by `shift` places along `axis`."""
    size = x.shape[axis]
    if size == 0:
        return x
    first: Size = shift % size
    if first == 0:
        return x
    end, start = take_range(x, axis, size - first, first), take_range(x, axis, 0, size - first)
    return concat(end, start, axis=axis)
