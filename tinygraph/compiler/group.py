"""Group: nodes that become one kernel, while it is being put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tinygraph.compiler.kernel import View
from tinygraph.compiler.sources import Extents, Lens, dense, extents_of, size_of
from tinygraph.compiler.spaces import fixed_dims, is_reduction
from tinygraph.graph.node import Node


class Read(NamedTuple):
    """One operand of a node in a group: its base, and the view of it over the space."""

    base: Node
    lens: Lens
    view: View


class Place(NamedTuple):
    """How a node is laid over the space of its group (a reduction: how its operand is)."""

    lens: Lens
    reads: tuple[Read, ...]


class Refusal(NamedTuple):
    """Why `node` is not computed together with `reader`, one that reads it."""

    node: Node
    reader: Node | None
    reason: str

    def __str__(self) -> str:
        reader = "the outputs" if self.reader is None else f"{self.reader.op.name}"
        where = "" if self.reader is None else f" (at {self.reader.origin})"
        return (
            f"{self.node.op.name} (at {self.node.origin}) is not fused with {reader}{where}: "
            f"{self.reason}"
        )


@dataclass(slots=True, eq=False)
class Group:
    """Nodes that become one kernel.

    root: the node that started it; None stands for what the caller receives. solid: a kernel of
    one node. places: for each member's id the views (over its elements, in row-major order)
    under which it is computed. wants: for each base's id the views that
    members read it under. reduced: the dimensions that are reduced, `columns`: one row after
    another. across: the results of rows are reduced too. floor: no group that feeds this one has
    a rank below. late: it writes state.
    """

    root: Node | None
    space: Extents
    rank: int
    solid: bool = False
    late: bool = False
    reduced: frozenset[int] | None = None
    columns: bool = False
    across: bool = False
    floor: float = float("inf")
    recomputed: int = 0
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Node] = field(default_factory=list)
    places: dict[int, dict[View, Place]] = field(default_factory=dict)
    wants: dict[int, dict[View, Lens]] = field(default_factory=dict)
    needs: dict[int, Node] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """How many steps the kernel has so far."""
        return sum(map(len, self.places.values()))

    @property
    def operands(self) -> int:
        """About how many arrays it reads and writes."""
        return len(self.wants) + len(self.outputs)


def runs_over_results(group: Group, node: Node) -> bool:
    """Whether the space of `group` is that of the results of the reduction `node`, so that all
    else there comes after it. There may be reductions over that whole space, if nothing there
    waits for them: they are not known before the last row."""
    views = group.wants[id(node)]
    everything = frozenset(d for d, n in enumerate(group.space) if n != 1)
    return (
        size_of(group.space) == size_of(extents_of(node))
        and list(views) == [dense(group.space)]
        and (group.reduced is None or (group.reduced == everything and not group.columns))
        and not _waits(group)
    )


def _waits(group: Group) -> bool:
    """Whether something that varies over the space of `group` reads a reduction over all of it,
    or a number made from one."""
    late: set[int] = set()
    for member in reversed(group.nodes):
        places = group.places[id(member)]
        reduces = is_reduction(member)
        reads = any(id(read.base) in late for place in places.values() for read in place.reads)
        if reads and (reduces or any(stride for view in places for stride in view.strides)):
            return True
        if reads or reduces:
            late.add(id(member))
    return False


def covers(view: View, node: Node, group: Group) -> bool:
    """Whether `view` has every element of `node`: once, or once for each row that is reduced."""
    dims = [(s, n) for s, n in zip(view.strides, view.shape, strict=True) if s]
    zeros = fixed_dims(view)
    reduced = zeros if is_reduction(node) else group.reduced
    if view.offset or (zeros and (group.columns or zeros != reduced)):
        return False
    expected = 1
    for stride, extent in sorted(dims):
        if stride != expected:
            return False
        expected *= extent
    return expected == size_of(extents_of(node))


def checks_all(views: Iterable[View], node: Node, group: Group) -> bool:
    """Whether the loops of `group` meet every element of `node`, in the order that they have."""
    (view, *others) = views
    strides = [stride for stride in view.strides if stride]
    return (
        not others
        and not group.columns
        and strides == sorted(strides, reverse=True)
        and covers(view, node, group)
        and (bool(fixed_dims(view)) or innermost(group.reduced or (), group.space))
    )


def innermost(dims: Collection[int], space: Extents) -> bool:
    """Whether no other dimension of `space` comes after these."""
    others = [d for d, n in enumerate(space) if n != 1 and d not in dims]
    return not dims or max(others, default=-1) < min(dims)


def level(one: Group, other: Group) -> bool:
    """Whether two groups have one rank, or the lower can be lifted: so that neither waits for
    the other."""
    low, high = (one, other) if one.rank < other.rank else (other, one)
    if high.rank >= low.floor:
        return False
    low.rank = high.rank
    return True
