"""Where a value is read from, and how: bases and lenses.

A base is a node whose elements lie in memory in row-major order: an input, a constant, or the
result of an instruction. View ops are no bases: who reads one reads its base through a lens.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from tinygraph.compiler.kernel import View, row_major
from tinygraph.compiler.view import view_of
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Node
from tinygraph.ops.movement import barrier, broadcast_to
from tinygraph.ops.registry import ITEM, Op

Extents = tuple[int, ...]
Look = tuple[Op, tuple[tuple[str, Any], ...], int]  # a view op, its parameters, its inputs
Lens = tuple[Look, ...]


class Source(NamedTuple):
    """A node as a lens on its base. `after`: what must be computed first (see `barrier`)."""

    base: Node
    lens: Lens
    after: tuple[Node, ...] = ()


def extents_of(node: Node) -> Extents:
    """The shape of a node whose sizes are known."""
    return tuple(map(int, node.shape))


def size_of(extents: Iterable[int]) -> int:
    """The number of elements."""
    count = 1
    for extent in extents:
        count *= extent
    return count


def dense(extents: Extents) -> View:
    """A whole array in row-major order."""
    return normal(View(0, extents, row_major(extents)))


def normal(view: View) -> View:
    """The view with stride 0 along dimensions of size 1, so that equal views compare equal."""
    strides = tuple([s if n != 1 else 0 for s, n in zip(view.strides, view.shape, strict=True)])
    return view if strides == view.strides else View(view.offset, view.shape, strides)


def is_dense(view: View, skip: int = 0) -> bool:
    """Whether the elements lie in row-major order without gaps, wherever they begin; along the
    first `skip` dimensions they may lie in any way."""
    inner = View(0, view.shape[skip:], view.strides[skip:])
    return 0 in view.shape or normal(inner) == dense(inner.shape)


def broadcast(shape: Extents) -> Look:
    """The look that stretches an array over `shape`."""
    return (broadcast_to, (("shape", shape),), 1)


def look_of(node: Node) -> Look:
    """A view node as a look."""
    return (node.op, tuple(node.params.items()), len(node.inputs))


@lru_cache(maxsize=1 << 15)
def through(view: View, size: int, lens: Lens) -> View | None:
    """What `lens` makes of a view of `size` elements; None where it would have to copy."""
    found: View | None = view
    for op, params, inputs in lens:
        if found is None:
            return None
        found = view_of(op, found, size, dict(params), inputs)
    return found if found is None else normal(found)


def sources(graph: Graph) -> dict[int, Source]:
    """For each node's id its source. A view that has to copy is a base of its own."""
    found: dict[int, Source] = {}
    given = set(map(id, graph.inputs))
    for node in graph.nodes:
        found[id(node)] = Source(node, ())
        if id(node) in given or node.op.kind != "view" or node.op is ITEM:
            continue
        base, lens, after = found[id(node.inputs[0])]
        longer = lens if _keeps(node) else (*lens, look_of(node))
        extents = extents_of(base)
        if through(dense(extents), size_of(extents), longer) is None:
            continue
        if node.op is barrier:
            after = (*after, found[id(node.inputs[1])].base)
        found[id(node)] = Source(base, longer, after)
    return found


def _keeps(node: Node) -> bool:
    """Whether a view op shows its input as it is."""
    return node.op.name in ("identity", "stop_gradient", "barrier", "assign")
