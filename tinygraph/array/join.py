"""Arrays put together and taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.shape import with_ones
from tinygraph.array.sizes import as_size, as_sizes, known
from tinygraph.dtypes import int64, is_integer
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.ops.index import gather
from tinygraph.ops.movement import broadcast_to, permute, reshape, take_range
from tinygraph.ops.movement import concat as concat_node
from tinygraph.ops.rules import normalize_axis, product, show_shape
from tinygraph.tensor import Tensor, tensor

# ------------------------------------------------------------------------------- together


def _nodes(arrays: Sequence[TensorLike]) -> list[Node]:
    if isinstance(arrays, Tensor):
        arrays = list(arrays)
    if not isinstance(arrays, (list, tuple)):
        raise DTypeError(f"needs a list or tuple of Tensors, got {type(arrays).__name__}")
    if not arrays:
        raise ShapeError("needs at least one Tensor, got none")
    return [as_node(x) for x in arrays]


def _check_axis(axis: Any) -> None:
    """DTypeError for a second array where the axis is expected, as in `concat(x, y)`."""
    if isinstance(axis, (Tensor, np.ndarray)) and axis.ndim:
        raise DTypeError(
            "takes a list or tuple of Tensors, then the axis, as in ([x, y], 0); got a second "
            "Tensor as the axis"
        )


@api(tensors="arrays")
def concat(arrays: Sequence[TensorLike], axis: int | None = 0) -> Tensor:
    """The arrays one behind the other along `axis`; their other sizes are equal. With None each
    is laid out in one dimension before.

    >>> import tinygraph as tg
    >>> tg.concat([tg.zeros(1, 2), tg.ones(2, 2)]).shape
    (3, 2)
    """
    _check_axis(axis)
    nodes = _nodes(arrays)
    if axis is None:
        nodes = [reshape(node, shape=(product(node.shape),)) for node in nodes]
        axis = 0
    return Tensor(concat_node(*nodes, axis=normalize_axis(axis, nodes[0].ndim)))


cat = concatenate = concat


@api(tensors="arrays")
def stack(arrays: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Arrays of one shape, side by side along a new dimension at the place `axis`.

    >>> import tinygraph as tg
    >>> tg.stack([tg.tensor([1, 2]), tg.tensor([3, 4])], axis=1)
    tensor([[1, 3],
            [2, 4]])
    """
    _check_axis(axis)
    nodes = _nodes(arrays)
    shape = nodes[0].shape
    for node in nodes:
        if node.shape != shape and (node.ndim != len(shape) or is_known(*node.shape, *shape)):
            raise ShapeError(
                f"needs arrays of one shape, got {show_shape(shape)} and {show_shape(node.shape)}"
            )
    place = normalize_axis(axis, len(shape) + 1)
    return Tensor(concat_node(*[with_ones(node, (place,)) for node in nodes], axis=place))


@api(tensors="arrays")
def hstack(arrays: Sequence[TensorLike]) -> Tensor:
    """The arrays one behind the other along dimension 1, or 0 if they have no more.

    >>> import tinygraph as tg
    >>> tg.hstack([tg.tensor([1]), tg.tensor([2, 3])])
    tensor([1, 2, 3])
    """
    nodes = [with_ones(node, (0,)) if not node.ndim else node for node in _nodes(arrays)]
    return Tensor(concat_node(*nodes, axis=0 if nodes[0].ndim == 1 else 1))


@api(tensors="arrays")
def vstack(arrays: Sequence[TensorLike]) -> Tensor:
    """The arrays below each other: vectors become the rows of a matrix.

    >>> import tinygraph as tg
    >>> tg.vstack([tg.tensor([1, 2]), tg.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    nodes = [
        reshape(node, shape=(1, product(node.shape))) if node.ndim < 2 else node
        for node in _nodes(arrays)
    ]
    return Tensor(concat_node(*nodes, axis=0))


# ---------------------------------------------------------------------------------- apart


@api(split_size_or_sections="sizes", split_size="sizes")
def split(x: TensorLike, sizes: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """x cut along `axis` into parts.

    sizes: the size of each part, the last one smaller where it does not come out even; or a
    list with one size for each (PyTorch's form; `chunk` takes the number of parts).

    >>> import tinygraph as tg
    >>> [part.shape for part in tg.split(tg.zeros(5, 2), 2)]
    [(2, 2), (2, 2), (1, 2)]
    """
    node = as_node(x)
    place = normalize_axis(axis, node.ndim)
    size = node.shape[place]
    if isinstance(sizes, (list, tuple)):
        return _parts(node, as_sizes(sizes), place)
    part, total = known(as_size(sizes)), known(size)
    if part < 1:
        raise ShapeError(f"a part has a size of at least 1, got {part}")
    starts = range(0, total, part) if total else (0,)
    return _parts(node, [min(part, total - start) for start in starts], place)


def _parts(x: Node, sizes: Sequence[Size], axis: int) -> tuple[Tensor, ...]:
    total = sum(sizes)
    if total != x.shape[axis] and is_known(total, x.shape[axis]):
        raise ShapeError(
            f"the sizes {tuple(sizes)} add up to {total}, dimension {axis} of shape "
            f"{show_shape(x.shape)} has {x.shape[axis]}"
        )
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise ShapeError(f"a size is not negative, got {tuple(sizes)}")
    start: Size = 0
    parts = []
    for size in sizes:
        parts.append(Tensor(take_range(x, axis, start, size)))
        start = start + size
    return tuple(parts)


@api
def chunk(x: TensorLike, chunks: int, axis: int = 0) -> tuple[Tensor, ...]:
    """x cut along `axis` into `chunks` parts of equal size; the last may be smaller, and where
    the elements are too few, there are fewer parts.

    >>> import tinygraph as tg
    >>> [part.shape for part in tg.chunk(tg.zeros(5), 3)]
    [(2,), (2,), (1,)]
    """
    node = as_node(x)
    place = normalize_axis(axis, node.ndim)
    if chunks < 1:
        raise ShapeError(f"the number of parts is at least 1, got {chunks}")
    size = node.shape[place]
    part: Size = (size + chunks - 1) // chunks
    if is_known(part):
        result: tuple[Tensor, ...] = split(Tensor(node), max(part, 1), axis=place)
        return result
    return _parts(node, [*[part] * (chunks - 1), size - part * (chunks - 1)], place)


@api
def unstack(x: TensorLike, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along `axis`, each without that dimension.

    >>> import tinygraph as tg
    >>> tg.unstack(tg.tensor([[1, 2], [3, 4]]))[1]
    tensor([3, 4])
    """
    node = as_node(x)
    place = normalize_axis(axis, node.ndim)
    shape = (*node.shape[:place], *node.shape[place + 1 :])
    return tuple(
        Tensor(reshape(take_range(node, place, index, 1), shape=shape))
        for index in range(known(node.shape[place]))
    )


unbind = unstack

# ----------------------------------------------------------------------------- over again


@api(dims="repetitions", reps="repetitions")
def tile(x: TensorLike, *repetitions: Any) -> Tensor:
    """x over and over again: repetitions[i] times along dimension i.

    Where there are fewer repetitions than dimensions they are of the last ones; where there are
    more, x gets new leading dimensions.

    >>> import tinygraph as tg
    >>> tg.tile(tg.tensor([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    node, times = as_node(x), as_sizes(repetitions)
    times = (*[1] * (node.ndim - len(times)), *times)
    sizes = (*[1] * (len(times) - node.ndim), *node.shape)
    pairs = list(zip(times, sizes, strict=True))
    # each dimension is stretched in a dimension of its own before it
    apart = reshape(node, shape=tuple(n for _, size in pairs for n in (1, size)))
    apart = broadcast_to(apart, shape=tuple(n for pair in pairs for n in pair))
    return Tensor(reshape(apart, shape=tuple(count * size for count, size in pairs)))


@api
def repeat(x: TensorLike, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element of x `repeats` times over, along `axis`; without one x is laid out in one
    dimension before. (PyTorch's `repeat` is `tile` here.)

    repeats: one number, or one for each element along `axis`, whose values must be known.

    >>> import tinygraph as tg
    >>> tg.repeat(tg.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    >>> tg.repeat(tg.tensor([1, 2]), [3, 1])
    tensor([1, 1, 1, 2])
    """
    node = as_node(x)
    if axis is None:
        node, axis = reshape(node, shape=(product(node.shape),)), 0
    place = normalize_axis(axis, node.ndim)
    if not isinstance(repeats, (Tensor, np.ndarray, list, tuple)):
        return Tensor(_stretched(node, as_size(repeats), place))
    counts = np.asarray(repeats)
    if not is_integer(counts.dtype) or counts.ndim > 1:
        raise DTypeError(f"repeats are integers in one dimension, got {counts.dtype} with "
                         f"{counts.ndim}")  # fmt: skip
    counts = np.broadcast_to(counts, (known(node.shape[place]),))
    index = tensor(np.repeat(np.arange(counts.size), counts), int64).node
    picked = gather(node, index, axes=(place,))
    return Tensor(front_to(picked, 1, place))


repeat_interleave = repeat


def front_to(x: Node, count: int, place: int) -> Node:
    """x with its first `count` dimensions moved behind the `place` dimensions after them."""
    if not place:
        return x
    order = [*range(count, count + place), *range(count), *range(count + place, x.ndim)]
    return permute(x, axes=tuple(order))


def _stretched(x: Node, count: Size, axis: int) -> Node:
    """Each slice along `axis` `count` times over."""
    if isinstance(count, int) and count < 0:
        raise ShapeError(f"an element is repeated at least 0 times, got {count}")
    before, size, behind = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    apart = broadcast_to(with_ones(x, (axis + 1,)), shape=(*before, size, count, *behind))
    return reshape(apart, shape=(*before, size * count, *behind))
