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
from tinygraph.ops.call import custom_vjp_nodes
from tinygraph.ops.movement import broadcast_to, concat, slice_, take_range, update_slice
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

Pair = tuple[Size, Size]
Slice = tuple[Size, Size, int]  # where it starts, how many elements, how far apart


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
    if mode != "constant" and mode not in _BORDERS:
        raise GraphError(f"mode {mode!r} is none of constant, {', '.join(_BORDERS)}")
    if mode in _SEE_ALL:
        return _cropped(_with_border(x, [_positive(pair) for pair in pairs], mode), pairs)[0]
    x, pairs = _cropped(x, pairs)
    if mode == "constant":
        return _with_constant(x, pairs, value) if any(pair != (0, 0) for pair in pairs) else x
    return _with_border(x, pairs, mode)


def _with_border(x: Node, pairs: Sequence[Pair], mode: str) -> Node:
    for axis, pair in enumerate(pairs):
        if pair != (0, 0):
            _check_fits(x, axis, pair, mode)
            x = _bordered(x, axis, pair, _BORDERS[mode](x.shape[axis], *pair))
    return x


def _bordered(x: Node, axis: int, pair: Pair, made_of: tuple[Slice, Slice]) -> Node:
    """x between two borders along `axis`, each made of a slice of x there."""
    size = x.shape[axis]

    def forward(nodes: list[Node]) -> tuple[list[Node], list[Node]]:
        (x,) = nodes
        before, after = (
            _repeated(_part(x, axis, part), axis, width)
            for part, width in zip(made_of, pair, strict=True)
        )
        return [concat(before, x, after, axis=axis)], []

    def backward(read: Sequence[Node], g: Sequence[Node]) -> list[Node]:
        # what arrives at a border is added where it came from, and nothing to all the rest
        total = take_range(g[0], axis, pair[0], size)
        for part, start, width in zip(made_of, (0, pair[0] + size), pair, strict=True):
            arrived = take_range(g[0], axis, start, width)
            if part[1] != width:
                arrived = reduce_sum(arrived, axis=(axis,), keepdims=True)
            total = _added(total, axis, part, arrived)
        return [total]

    (result,) = custom_vjp_nodes(forward, backward, [x])
    return result


def _part(x: Node, axis: int, part: Slice) -> Node:
    """A slice of x along one dimension."""
    return slice_(
        x, slices=tuple(part if i == axis else (0, size, 1) for i, size in enumerate(x.shape))
    )


def _repeated(x: Node, axis: int, width: Size) -> Node:
    """x, of that width along `axis` or of size 1 there, in that width."""
    shape = tuple(width if i == axis else size for i, size in enumerate(x.shape))
    return broadcast_to(x, shape=shape)


def _added(x: Node, axis: int, part: Slice, value: Node) -> Node:
    """x with `value` added to a slice along `axis`."""
    start, count, step = part
    if step < 0:
        start, value = start - count + 1, flipped(value, (axis,))
    end = start + count
    return concat(
        take_range(x, axis, 0, start),
        take_range(x, axis, start, count) + value,
        take_range(x, axis, end, x.shape[axis] - end),
        axis=axis,
    )


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


def _positive(pair: Pair) -> Pair:
    """The widths of a border alone."""
    before, after = pair
    return before + _negative(before), after + _negative(after)


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


def _reflect(size: Size, before: Size, after: Size) -> tuple[Slice, Slice]:
    return (before, before, -1), (size - 2, after, -1)


def _replicate(size: Size, before: Size, after: Size) -> tuple[Slice, Slice]:
    return (0, 1, 1), (size - 1, 1, 1)


def _circular(size: Size, before: Size, after: Size) -> tuple[Slice, Slice]:
    return (size - before, before, 1), (0, after, 1)


_BORDERS: dict[str, Callable[[Size, Size, Size], tuple[Slice, Slice]]] = {
    "reflect": _reflect,
    "replicate": _replicate,
    "edge": _replicate,
    "circular": _circular,
    "wrap": _circular,
}
# These mirror or repeat x as it is, even what is cut off at the other end. A ring closes after it.
_SEE_ALL = ("reflect", "replicate", "edge")
