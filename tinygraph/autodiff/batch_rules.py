"""How each op is applied to a batch: a rule for each, by name.

A rule is `rule(op, inputs, places, /, **params) -> (result, place)`: places gives for each input 0
where its first dimension is the mapped one, and None where it is the same for the whole batch.
The place that is returned is the dimension of the result that is mapped, or None. Several
results come as a sequence, and so do their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tinygraph.dtypes import int64
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node, Shape
from tinygraph.ops.movement import broadcast_to, iota, permute, reshape
from tinygraph.ops.registry import Op, items
from tinygraph.ops.scan import scan_nodes

Nodes = Sequence[Node]
Place = int | None
Places = Sequence[Place]
Mapped = Any  # (Node, Place), or (Nodes, Places) for several results
BatchRule = Callable[..., Mapped]
Ints = tuple[int, ...]
Pairs = tuple[Ints, Ints]


def spread(x: Node, place: Place, size: Size) -> Node:
    """x as a batch: repeated `size` times along a new first dimension unless it is mapped."""
    return broadcast_to(x, shape=(size, *x.shape)) if place is None else x


def _size(inputs: Nodes, places: Places) -> Size:
    return next(x.shape[0] for x, place in zip(inputs, places, strict=True) if place is not None)


def _spread_all(inputs: Nodes, places: Places) -> list[Node]:
    size = _size(inputs, places)
    return [spread(x, place, size) for x, place in zip(inputs, places, strict=True)]


def _rank(x: Node, place: Place) -> int:
    """The number of dimensions of one example."""
    return x.ndim if place is None else x.ndim - 1


def _with_rank(x: Node, place: Place, ndim: int) -> Node:
    """x with dimensions of size 1 behind the mapped one, so that one example has `ndim`.
    What is not mapped broadcasts as it is."""
    missing = 1 + ndim - x.ndim
    if place is None or missing == 0:
        return x
    return reshape(x, shape=(x.shape[0], *[1] * missing, *x.shape[1:]))


# ------------------------------------------------------------------------- whole sorts of ops


def loop(op: Op, inputs: Nodes, places: Places, /, **params: Any) -> Mapped:
    """Any op: one example after the other."""

    def step(carry: list[Node], slices: list[Node]) -> tuple[Nodes, Nodes]:
        examples = iter(slices)
        arguments = [
            x if place is None else next(examples) for x, place in zip(inputs, places, strict=True)
        ]
        node = op(*arguments, **params)
        return [], items(node) if node.outs is not None else [node]

    mapped = [x for x, place in zip(inputs, places, strict=True) if place is not None]
    _, stacked = scan_nodes(step, [], mapped)
    return stacked, [0] * len(stacked)


def _broadcasting(op: Op, inputs: Nodes, places: Places, /, **params: Any) -> Mapped:
    """Ops whose leading dimensions broadcast, once the ranks of one example are the same."""
    ndim = max(map(_rank, inputs, places))
    aligned = [_with_rank(x, place, ndim) for x, place in zip(inputs, places, strict=True)]
    node = op(*aligned, **params)
    return (node, 0) if node.outs is None else (items(node), [0] * len(node.outs))


def _shifted(op: Op, inputs: Nodes, places: Places, /, *, axis: Any, **params: Any) -> Mapped:
    """Ops that work along `axis`, which stands one further back in a batch."""
    moved = tuple(map(_behind, axis)) if isinstance(axis, tuple) else _behind(axis)
    return op(*_spread_all(inputs, places), axis=moved, **params), 0


def _behind(axis: int) -> int:
    return axis + 1 if axis >= 0 else axis


def _first_alone(op: Op, inputs: Nodes, places: Places, /) -> Mapped:
    """Ops whose result is their first input, whatever the others are."""
    return op(*inputs), places[0]


# ---------------------------------------------------------------------------------- movement


def _reshape(op: Op, inputs: Nodes, places: Places, /, *, shape: Shape) -> Mapped:
    (x,) = inputs
    return op(x, shape=(x.shape[0], *shape)), 0


def _permute(op: Op, inputs: Nodes, places: Places, /, *, axes: Ints) -> Mapped:
    (x,) = inputs
    return op(x, axes=(0, *map(_behind, axes))), 0


def _broadcast_to(op: Op, inputs: Nodes, places: Places, /, *, shape: Shape) -> Mapped:
    (x,) = inputs
    return op(_with_rank(x, 0, len(shape)), shape=(x.shape[0], *shape)), 0


def _sliced(op: Op, inputs: Nodes, places: Places, /, *, slices: Any) -> Mapped:
    whole = (0, _size(inputs, places), 1)
    return op(*_spread_all(inputs, places), slices=(whole, *slices)), 0


# ---------------------------------------------------------------------------------- indexing


def _aligned_indices(indices: Nodes, places: Places) -> list[Node]:
    ndim = max(map(_rank, indices, places))
    return [_with_rank(index, place, ndim) for index, place in zip(indices, places, strict=True)]


def _example_number(size: Size, ndim: int) -> Node:
    """The number of the example, for index arrays that have `ndim` dimensions in one example."""
    return reshape(iota(size=size, dtype=int64), shape=(size, *[1] * ndim))


def _gather(op: Op, inputs: Nodes, places: Places, /, *, axes: Ints) -> Mapped:
    x, *indices = inputs
    ndim = max(map(_rank, indices, places[1:]))
    if all(place is None for place in places[1:]):  # the batch is one more dimension of x
        return op(x, *indices, axes=tuple(map(_behind, axes))), ndim
    aligned = _aligned_indices(indices, places[1:])
    if places[0] is None:
        return op(x, *aligned, axes=axes), 0
    number = _example_number(x.shape[0], ndim)
    return op(x, number, *aligned, axes=(0, *map(_behind, axes))), 0


def _scatter(op: Op, inputs: Nodes, places: Places, /, *, axes: Ints, mode: str) -> Mapped:
    size = _size(inputs, places)
    x, value, *indices = inputs
    ndim = max(map(_rank, indices, places[2:]))
    others = _rank(x, places[0]) - len(axes)
    value = _with_rank(value, places[1], ndim + others)
    aligned = _aligned_indices(indices, places[2:])
    number = _example_number(size, ndim)
    target = spread(x, places[0], size)
    return op(target, value, number, *aligned, axes=(0, *map(_behind, axes)), mode=mode), 0


# ------------------------------------------------------------------------------- contraction


def _shift_pairs(pairs: Pairs, places: Places) -> Pairs:
    left, right = (
        axes if place is None else tuple(map(_behind, axes))
        for axes, place in zip(pairs, places, strict=True)
    )
    return left, right


def _dot_general(
    op: Op, inputs: Nodes, places: Places, /, *, contract: Pairs, batch: Pairs
) -> Mapped:
    """A batch dimension if both sides are mapped, else a free dimension of the side that is."""
    lhs, rhs = inputs
    inner, outer = _shift_pairs(contract, places), _shift_pairs(batch, places)
    if None not in places:
        outer = (0, *outer[0]), (0, *outer[1])
        return op(lhs, rhs, contract=inner, batch=outer), 0
    node = op(lhs, rhs, contract=inner, batch=outer)
    count = len(outer[0])
    if places[1] is None:
        return node, count
    return node, count + lhs.ndim - count - len(inner[0])


# ------------------------------------------------------------------------------- convolution


def _fold_in(x: Node, axis: int) -> Node:
    """The mapped dimension of x joined with the dimension `axis` of one example."""
    order = list(range(1, x.ndim))
    order.insert(axis, 0)
    x = permute(x, axes=tuple(order))
    return reshape(x, shape=(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1],
                             *x.shape[axis + 2 :]))  # fmt: skip


def _take_out(x: Node, axis: int, size: Size) -> Node:
    """The mapped dimension as a dimension of its own again, at `axis`."""
    return reshape(x, shape=(*x.shape[:axis], size, x.shape[axis] // size, *x.shape[axis + 1 :]))


def _conv(
    joins: tuple[int, int, int], op: Op, inputs: Nodes, places: Places, /, **params: Any
) -> Mapped:
    """Each example is a group of channels of its own.

    joins: which dimension of either input, and of the result, the groups divide. Where the
    weight is the same for all, the examples are one long batch instead.
    """
    size = _size(inputs, places)
    if op.name != "conv_weight" and places[1] is None:
        return _take_out(op(_fold_in(inputs[0], 0), inputs[1], **params), 0, size), 0
    if not is_known(size):
        return loop(op, inputs, places, **params)
    one, other = _spread_all(inputs, places)
    params["groups"] *= size
    node = op(_fold_in(one, joins[0]), _fold_in(other, joins[1]), **params)
    return _take_out(node, joins[2], size), joins[2]


RULES: dict[str, BatchRule] = {
    "reshape": _reshape,
    "permute": _permute,
    "broadcast_to": _broadcast_to,
    **dict.fromkeys(("slice", "update_slice"), _sliced),
    **dict.fromkeys(("barrier", "assign"), _first_alone),
    **dict.fromkeys(
        ("identity", "stop_gradient", "windows", "fold", "window_sum", "window_argmax"),
        _broadcasting,
    ),
    **dict.fromkeys(
        (
            "concat", "sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "cumsum",
            "cumprod", "cummax", "cummin", "linear_recurrence", "sort", "argsort",
            "take_along_axis", "scatter_along_axis",
        ),
        _shifted,
    ),
    "gather": _gather,
    "scatter": _scatter,
    "dot_general": _dot_general,
    "conv": partial(_conv, (1, 0, 1)),
    "conv_input": partial(_conv, (1, 0, 1)),
    "conv_weight": partial(_conv, (1, 1, 0)),
}  # fmt: skip

BY_KIND: dict[str, BatchRule] = {"elementwise": _broadcasting, "linalg": _broadcasting}
"""For ops that have no rule of their own; all others take `loop`."""


def rule_of(op: Op) -> BatchRule:
    """How `op` is applied to a batch."""
    return op.batch or RULES.get(op.name) or BY_KIND.get(op.kind) or loop
