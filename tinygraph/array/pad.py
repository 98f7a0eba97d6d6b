"""A border around an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.creation import filled
from tinygraph.array.shape import flipped
from tinygraph.array.sizes import as_size
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.ops.movement import broadcast_to, concat, slice_, take_range, update_slice
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

Pair = tuple[Size, Size]


@api(constant_values="value")
def pad(x: TensorLike, pad_width: Any, mode: str = "constant", value: TensorLike = 0) -> Tensor:
    """x with a border; negative widths cut elements off instead.

    pad_width: (before, after) for each dimension, one such pair for all of them, or one number.
    mode: what the border holds: "constant", `value` (a number, or a Tensor of no dimensions);
    "reflect", the elements mirrored at the outermost ones, which are not repeated;
    "replicate" (or "edge"), the outermost elements; "circular" (or "wrap"), those of the other
    end. (`nn.functional.pad` takes PyTorch's flat list of widths, last dimension first.)

    >>> import tinygraph as tg
    >>> tg.pad(tg.tensor([1, 2, 3]), (1, 2))
    tensor([0, 1, 2, 3, 0, 0])
    >>> tg.pad(tg.tensor([1, 2, 3]), 2, mode="reflect")
    tensor([3, 2, 1, 2, 3, 2, 1])
    """
    node = as_node(x)
    return Tensor(pad_node(node, _pairs(pad_width, node.ndim), mode, value))


def pad_node(x: Node, pairs: Sequence[Pair], mode: str, value: TensorLike = 0) -> Node:
    """x with a border of `pairs` (before, after), one for each dimension; see `pad`."""
    if mode == "constant":
        x, pairs = _cropped(x, pairs)
        return _with_constant(x, pairs, value) if any(pair != (0, 0) for pair in pairs) else x
    if mode not in _BORDERS:
        raise GraphError(f"mode {mode!r} is none of constant, {', '.join(_BORDERS)}")
    x, pairs = _cropped(x, pairs)
    for axis, pair in enumerate(pairs):
        if pair != (0, 0):
            _check_fits(x, axis, pair, mode)
            before, after = _BORDERS[mode](x, axis, *pair)
            x = concat(before, x, after, axis=axis)
    return x


def _pairs(pad_width: Any, ndim: int) -> list[Pair]:
    """(before, after) for each of `ndim` dimensions."""
    if not isinstance(pad_width, (tuple, list)):
        return [(as_size(pad_width),) * 2] * ndim
    if len(pad_width) == 2 and not any(isinstance(part, (tuple, list)) for part in pad_width):
        return [(as_size(pad_width[0]), as_size(pad_width[1]))] * ndim
    pairs = list(pad_width) * ndim if len(pad_width) == 1 else list(pad_width)
    if len(pairs) != ndim or not all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs
    ):
        raise ShapeError(
            f"pad_width is a number, a pair, or a pair for each of the {ndim} dimensions, got "
            f"{pad_width}"
        )
    return [(as_size(before), as_size(after)) for before, after in pairs]


def _cropped(x: Node, pairs: Sequence[Pair]) -> tuple[Node, Sequence[Pair]]:
    """x without what negative widths cut off, and the widths that are left."""
    cuts = [(_negative(before), _negative(after)) for before, after in pairs]
    if all(cut == (0, 0) for cut in cuts):
        return x, pairs
    slices = []
    for axis, ((before, after), size) in enumerate(zip(cuts, x.shape, strict=True)):
        count = size - before - after
        if isinstance(count, int) and count < 0:
            raise ShapeError(
                f"dimension {axis} of shape {show_shape(x.shape)} has not enough elements to cut "
                f"off {before} and {after}"
            )
        slices.append((before, count, 1))
    left = [(before + cut[0], after + cut[1]) for (before, after), cut in zip(pairs, cuts)]
    return slice_(x, slices=tuple(slices)), left


def _negative(width: Size) -> int:
    """How many elements a width cuts off."""
    return -width if isinstance(width, int) and width < 0 else 0


def _with_constant(x: Node, pairs: Sequence[Pair], value: TensorLike) -> Node:
    shape = tuple(
        before + size + after for (before, after), size in zip(pairs, x.shape, strict=True)
    )
    inner = tuple((before, size, 1) for (before, _), size in zip(pairs, x.shape, strict=True))
    return update_slice(filled(shape, value, x.dtype), x, slices=inner)


def _check_fits(x: Node, axis: int, pair: Pair, mode: str) -> None:
    """ShapeError where a dimension has not the elements that the border is made of."""
    size = x.shape[axis]
    if not is_known(size, *pair):
        return
    most = {"reflect": size - 1, "circular": size, "wrap": size}.get(mode)
    if size == 0 or (most is not None and max(pair) > most):
        raise ShapeError(
            f"mode {mode!r}: dimension {axis} of shape {show_shape(x.shape)} cannot have a border "
            f"of {pair}" + ("" if most is None else f"; at most {most} on a side")
        )


def _reflect(x: Node, axis: int, before: Size, after: Size) -> tuple[Node, Node]:
    size = x.shape[axis]
    left = take_range(x, axis, 1, before)
    right = take_range(x, axis, size - 1 - after, after)
    return flipped(left, (axis,)), flipped(right, (axis,))


def _replicate(x: Node, axis: int, before: Size, after: Size) -> tuple[Node, Node]:
    def edge(start: Size, count: Size) -> Node:
        shape = tuple(count if i == axis else size for i, size in enumerate(x.shape))
        return broadcast_to(take_range(x, axis, start, 1), shape=shape)

    return edge(0, before), edge(x.shape[axis] - 1, after)


def _circular(x: Node, axis: int, before: Size, after: Size) -> tuple[Node, Node]:
    size = x.shape[axis]
    return take_range(x, axis, size - before, before), take_range(x, axis, 0, after)


_BORDERS: dict[str, Callable[[Node, int, Size, Size], tuple[Node, Node]]] = {
    "reflect": _reflect,
    "replicate": _replicate,
    "edge": _replicate,
    "circular": _circular,
    "wrap": _circular,
}
