"""What stands between the brackets of `x[...]`, by NumPy's rules.

An index is read once into a Selection: a cut (one slice for each dimension), then index arrays
for some of the dimensions, then an order and a shape for the result. `pick` follows it forwards,
`put` backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from tinygraph.array.convert import as_node
from tinygraph.array.join import front_to
from tinygraph.dtypes import int64, is_bool, is_integer, weak
from tinygraph.errors import DTypeError, ShapeError, TraceError, UnfedError
from tinygraph.graph.dim import Dim, Size, is_known
from tinygraph.graph.node import Node, Shape
from tinygraph.graph.origin import caller
from tinygraph.ops import elementwise as e
from tinygraph.ops.index import gather, scatter
from tinygraph.ops.movement import (
    Slices,
    broadcast_to,
    permute,
    reshape,
    slice_,
    slice_size,
    update_slice,
)
from tinygraph.ops.registry import cast
from tinygraph.ops.rules import Axes, broadcast_shapes, full, show_shape
from tinygraph.tensor import Tensor, tensor

Item = Any  # of an index: a Size, a slice, None, Ellipsis, or an array


class Selection(NamedTuple):
    """What an index picks.

    slices: (start, count, step) for each dimension, cut out first.
    axes, indices: the dimensions that index arrays name, and those arrays; none for a plain index.
    places: the shape S that the index arrays broadcast to.
    before: how many of the other dimensions stand before those of S in the result.
    shape: of the result, without the dimensions of integers and with those of None.
    """

    slices: Slices
    axes: Axes
    indices: tuple[Node, ...]
    places: Shape
    before: int
    shape: Shape


# ------------------------------------------------------------------------ reading an index


def select(shape: Shape, index: Any) -> Selection:
    """Read `index` for an array of `shape`.

    Raises IndexError where it reaches outside, DTypeError for what is no index, TraceError for
    a mask whose values are not known yet.
    """
    items = _expanded(shape, index)
    arrays = any(isinstance(item, Node) for item in items)
    slices: list[tuple[Size, Size, int]] = []
    axes: list[int] = []
    indices: list[Node] = []
    sizes: list[Size] = []  # of the result, without S
    for item in items:
        axis = len(slices)
        if item is Ellipsis:
            continue
        if item is None:
            sizes.append(1)
        elif isinstance(item, slice):
            slices.append(_bounds(item, shape[axis]))
            sizes.append(slices[-1][1])
        elif isinstance(item, Node) or arrays:  # beside an array an integer is an array too
            slices.append((0, shape[axis], 1))
            axes.append(axis)
            indices.append(item if isinstance(item, Node) else _number(item, shape[axis], axis))
        else:
            slices.append((_position(item, shape[axis], axis), 1, 1))
    places = broadcast_shapes((), *[node.shape for node in indices])
    ahead = _ahead_of_arrays(items) if arrays else []
    before = sum(1 for item in ahead if item is not None)
    result = (*sizes[: len(ahead)], *places, *sizes[len(ahead) :])
    return Selection(tuple(slices), tuple(axes), tuple(indices), places, before, result)


def _ahead_of_arrays(items: Sequence[Item]) -> list[Item]:
    """The slices and Nones whose dimensions stand ahead of those of the index arrays in the
    result: those that do in the index, if the arrays stand side by side, else none."""
    picking = [not (item is None or item is Ellipsis or isinstance(item, slice)) for item in items]
    first = picking.index(True)
    count = sum(picking)
    together = all(picking[first : first + count])
    return [item for item in items[:first] if item is not Ellipsis] if together else []


def _expanded(shape: Shape, index: Any) -> list[Item]:
    """The index with one item for each dimension (and for each None): sizes, slices and nodes;
    a mask is replaced by the places where it holds, "..." by whole slices. Where it stands for
    none it remains, because it parts the index arrays beside it."""
    given = list(index) if isinstance(index, tuple) else [index]
    if sum(1 for item in given if item is Ellipsis) > 1:
        raise index_error("an index has at most one '...'")
    items = [_read(item) for item in given]
    used = sum(_dimensions(item) for item in items)
    if used > len(shape):
        raise index_error(f"{used} indices for the {len(shape)} dimensions of shape "
                          f"{show_shape(shape)}")  # fmt: skip
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    result: list[Item] = []
    axis = 0
    for item in items:
        count = len(shape) - used if item is Ellipsis else _dimensions(item)
        if item is Ellipsis:
            result += [slice(None)] * count or [Ellipsis]
        elif isinstance(item, np.ndarray) and is_bool(item.dtype):
            result += _places_of(item, shape[axis : axis + count], axis)
        elif isinstance(item, np.ndarray):
            result.append(_checked(item, shape[axis], axis))
        else:
            result.append(item)
        axis += count
    return result


def _dimensions(item: Item) -> int:
    """How many dimensions of the array an item of the index is for."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and is_bool(item.dtype) else 1


def _read(item: Any) -> Item:
    """One item as a size, slice, None, Ellipsis, integer node or NumPy array."""
    if item is None or item is Ellipsis or isinstance(item, (slice, Dim)):
        return item
    if isinstance(item, (bool, np.bool_)):
        raise DTypeError("a single bool is no index; to choose between values use tg.where")
    if isinstance(item, Tensor):
        if is_integer(item.dtype):
            return item.node
        return _array(mask_values(item) if is_bool(item.dtype) else item)
    if isinstance(item, (np.ndarray, list, tuple, range)):
        return _array(np.asarray(item) if len(np.shape(item)) == 0 or len(item)
                      else np.zeros(np.shape(item), np.int64))  # fmt: skip
    if hasattr(item, "__index__"):
        return int(item.__index__())
    raise DTypeError(
        "an index is made of integers, slices, None, '...' and arrays of integers or bool, got "
        f"{type(item).__name__}"
    )


def _array(array: Any) -> np.ndarray:
    """An array of indices or a mask. DTypeError for another type."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iub":
        raise DTypeError(f"an index array holds integers or bool, got {array.dtype}")
    if is_bool(array.dtype) and not array.ndim:
        raise DTypeError("a single bool is no index; to choose between values use tg.where")
    return array


def mask_values(mask: Tensor) -> np.ndarray:
    """The values of a mask, on which the shape of the result depends. TraceError if they are
    not known yet."""
    try:
        return mask.numpy()
    except (TraceError, UnfedError):
        raise TraceError(
            "the shape of x[mask] depends on the values of the mask, which are known only when "
            "the graph runs; use tg.where(mask, x, other), or x[mask] = number, which need no "
            f"values\n  at {caller().where()}"
        ) from None


def _places_of(mask: np.ndarray, shape: Shape, axis: int) -> list[Node]:
    """The places where `mask` holds, as one index array for each of its dimensions."""
    for offset, (size, wanted) in enumerate(zip(mask.shape, shape, strict=True)):
        if size != wanted and is_known(wanted):
            raise index_error(
                f"a mask of shape {mask.shape} does not fit: dimension {axis + offset} has the "
                f"size {wanted}"
            )
    return [tensor(places, int64).node for places in np.nonzero(mask)]


def _checked(array: np.ndarray, size: Size, axis: int) -> Node:
    """A node of an index array whose values are known, which are checked here."""
    if is_known(size) and array.size:
        for value in (int(array.min()), int(array.max())):
            _position(value, size, axis)
    return tensor(array).node


def _position(value: Size, size: Size, axis: int) -> Size:
    """An index counted from the start. IndexError if it is outside."""
    if isinstance(value, Dim) or isinstance(size, Dim):
        negative = isinstance(value, int) and value < 0
        return size + value if negative else value
    if not -size <= value < size:
        raise index_error(f"index {value} is out of range for dimension {axis} of size {size}")
    return value % size


def _number(value: Size, size: Size, axis: int) -> Node:
    return full((), _position(value, size, axis), int64)


def _bounds(item: slice, size: Size) -> tuple[Size, Size, int]:
    """A slice as (start, count, step). Bounds beyond the end are cut off where the size is known;
    a size that is open is taken to reach as far as they ask, which is checked when it runs."""
    if not isinstance(size, Dim) and is_known(item.start, item.stop):
        within = range(*item.indices(size))
        return (within.start if within else 0), len(within), within.step
    step = 1 if item.step is None else int(item.step)
    if step == 0:
        raise ValueError("slice step cannot be zero")
    start = _end(item.start, size, 0 if step > 0 else size - 1)
    stop = _end(item.stop, size, size if step > 0 else -1)
    return start, slice_size(start, stop, step), step


def _end(bound: Size | None, size: Size, default: Size) -> Size:
    """An end of a slice, counted from the start."""
    if bound is None:
        return default
    return size + bound if isinstance(bound, int) and bound < 0 else bound


def index_error(text: str) -> IndexError:
    """An IndexError with the user's line."""
    return IndexError(f"{text}\n  at {caller().where()}")


# --------------------------------------------------------------------- picking and putting


def pick(x: Node, index: Any) -> Node:
    """x[index]."""
    chosen = select(x.shape, index)
    result = _cut(x, chosen.slices)
    if chosen.indices:
        result = gather(result, *chosen.indices, axes=chosen.axes)
        result = front_to(result, len(chosen.places), chosen.before)
    return result if result.shape == chosen.shape else reshape(result, shape=chosen.shape)


def _is_whole(slices: Slices, shape: Shape) -> bool:
    return slices == tuple((0, size, 1) for size in shape)


def _cut(x: Node, slices: Slices) -> Node:
    return x if _is_whole(slices, x.shape) else slice_(x, slices=slices)


_COMBINE = {"add": e.add, "multiply": e.multiply, "max": e.maximum, "min": e.minimum}


def put(x: Node, index: Any, value: Any, mode: str) -> Node:
    """A copy of x in which the elements that `index` picks are set to `value`, or combined with
    it: mode "set", "add", "multiply", "max" or "min".

    value: broadcasts to the shape of x[index]; it must not need a higher kind of dtype.
    """
    value = fitted(value, x)
    if _is_mask(index, x) and not value.shape:
        return _put_masked(x, index, value, mode)
    chosen = select(x.shape, index)
    if not chosen.indices:
        shape = tuple(count for _, count, _ in chosen.slices)
        new = _spread(value, chosen.shape, shape)
        if mode != "set":
            new = _COMBINE[mode](_cut(x, chosen.slices), new)
    else:
        new = scatter(_cut(x, chosen.slices), _in_front(value, chosen), *chosen.indices,
                      axes=chosen.axes, mode=mode)  # fmt: skip
    return new if _is_whole(chosen.slices, x.shape) else update_slice(x, new, slices=chosen.slices)


def fitted(value: Any, x: Node) -> Node:
    """`value` in the dtype of x. DTypeError where that would lose its kind: a float in integers,
    a number in bool."""
    if isinstance(value, (bool, int, float)):
        dtype = weak(value, x.dtype)
        node = as_node(value, dtype)
    else:
        node = as_node(value)
    if node.dtype == x.dtype:
        return node
    if _kind(node) > _kind(x):
        raise DTypeError(
            f"a value of {node.dtype.name} does not go into {x.dtype.name}; cast one with astype"
        )
    return cast(node, dtype=x.dtype)


def _kind(x: Node) -> int:
    return 0 if is_bool(x.dtype) else 1 if is_integer(x.dtype) else 2


def _is_mask(index: Any, x: Node) -> TypeGuard[Tensor | np.ndarray]:
    """Whether the index is one mask over the leading dimensions of x."""
    if not isinstance(index, (Tensor, np.ndarray)) or not is_bool(index.dtype):
        return False
    lead = x.shape[: index.ndim]
    return 0 < index.ndim <= x.ndim and (index.shape == lead or not is_known(*index.shape, *lead))


def _put_masked(x: Node, mask: Any, value: Node, mode: str) -> Node:
    """One number for all places of a mask: no need to know which they are."""
    node = as_node(mask)
    node = reshape(node, shape=(*node.shape, *[1] * (x.ndim - node.ndim)))
    return e.where(node, value if mode == "set" else _COMBINE[mode](x, value), x)


def _spread(value: Node, result: Shape, shape: Shape) -> Node:
    """`value`, broadcast to the shape of x[index] and then laid out in `shape`, which differs by
    dimensions of size 1."""
    if not value.shape:
        return broadcast_to(value, shape=shape)
    return reshape(broadcast_to(_without_lead(value, result), shape=result), shape=shape)


def _without_lead(value: Node, result: Shape) -> Node:
    """`value` without leading dimensions of size 1 that the result has not. ShapeError if it
    does not broadcast to the result."""
    lead = max(value.ndim - len(result), 0)
    fits = all(size == 1 for size in value.shape[:lead])
    if fits and lead:
        value = reshape(value, shape=value.shape[lead:])
    if not fits or not _broadcasts(value.shape, result):
        raise ShapeError(f"a value of shape {show_shape(value.shape)} cannot be put where "
                         f"{show_shape(result)} is needed")  # fmt: skip
    return value


def _broadcasts(shape: Shape, result: Shape) -> bool:
    pairs = zip(reversed(shape), reversed(result), strict=False)
    return all(size in (1, wanted) or not is_known(size, wanted) for size, wanted in pairs)


def _in_front(value: Node, chosen: Selection) -> Node:
    """`value` laid out as `scatter` takes it: the dimensions of the index arrays in front."""
    if not value.shape:
        return value
    count = len(chosen.places)
    others = [size for axis, (_, size, _) in enumerate(chosen.slices) if axis not in chosen.axes]
    before = chosen.before
    node = _spread(value, chosen.shape, (*others[:before], *chosen.places, *others[before:]))
    if not before or not count:
        return node
    order = (*range(before, before + count), *range(before), *range(before + count, node.ndim))
    return permute(node, axes=order)
