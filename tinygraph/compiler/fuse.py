"""Fusion: which nodes are computed together, in one pass over one iteration space.

The nodes are taken from the outputs to the inputs. Each joins the group of what reads it, or
starts a group of its own. A group is a nest of loops over one iteration space, or "solid": a
node that is a kernel alone, as a matrix product is. What several groups read is computed again
in each where that is cheaper than to keep it; else one of them keeps it for the others.

Every group has a rank: above that of all groups that read its results. So groups never wait for
each other in a circle: a node joins the group G of one reader only if G's rank is, or can be made,
above the ranks of all its other readers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice

from tinygraph.compiler.group import (
    Group,
    Place,
    Read,
    Refusal,
    checks_all,
    covers,
    innermost,
    level,
    runs_over_results,
)
from tinygraph.compiler.kernel import View
from tinygraph.compiler.sources import (
    Extents,
    Lens,
    Source,
    broadcast,
    dense,
    extents_of,
    size_of,
    sources,
    through,
)
from tinygraph.compiler.spaces import (
    by_rows,
    cost,
    element,
    fixed_dims,
    is_loops,
    is_reduction,
    laid_over,
    root_form,
    rows_over,
    stretched,
    varies_inside,
)
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Node
from tinygraph.ops.bounds import within
from tinygraph.ops.movement import iota
from tinygraph.ops.random import random_bits
from tinygraph.ops.registry import CONST, ITEM

MAX_STEPS = 64  # of a kernel: bounds what has to be compiled at once
MAX_OPERANDS = 24
MAX_COPIES = 4  # of a node in one group, seen through different lenses
MAX_RECOMPUTED = 32  # the cost, in additions, of what a group may compute a second time
NEAR = 8  # of the groups that read an array, so many are looked at for one to join
FEW_ROWS, SMALL = 8, 1 << 14  # fewer rows are not worth a pass each, if they are not small


class Fusion:
    """The groups of a graph. `updates`: the numbers of the outputs that are next values of state.
    fuse: whether nodes are computed together; else, with `loops`, those that can be are loops,
    each by itself.

    groups: in no particular order. sources: of each node. refusals: why nodes stay apart.
    """

    def __init__(
        self, graph: Graph, updates: Collection[int] = (), fuse: bool = True, loops: bool = True
    ) -> None:
        self.graph = graph
        self.fuse = fuse
        self.loops = loops or fuse
        self.sources: dict[int, Source] = sources(graph)
        self.order = {id(node): place for place, node in enumerate(graph.nodes)}
        self.groups: list[Group] = []
        self.refusals: list[Refusal] = []
        self.readers: dict[int, dict[int, Group]] = {}  # base id -> the groups that read it
        self.states = Group(None, (), 0, solid=True, late=True)
        self._start(updates)
        given = set(map(id, graph.inputs))
        for node in reversed(graph.nodes):
            if id(node) not in given and id(node) in self.readers:
                self._place(node)
        if fuse:
            self._merge()

    def _start(self, updates: Collection[int]) -> None:
        """The outputs are read by two groups that are no kernels: results, and next states."""
        results = Group(None, (), 0, solid=True)
        for index, node in enumerate(self.graph.outputs):
            self._read(self.states if index in updates else results, self.sources[id(node)])

    # --------------------------------------------------------------------------- the readers

    def _read(self, group: Group, source: Source) -> None:
        """`group` needs `source` in memory."""
        for base in (source.base, *source.after):
            group.needs[id(base)] = base
            self.readers.setdefault(id(base), {})[id(group)] = group

    def _place(self, node: Node) -> None:
        readers = list(self.readers[id(node)].values())
        if node.op is ITEM:  # whoever reads one of several results reads the node that has them
            origin = self.readers.setdefault(id(node.inputs[0]), {})
            origin.update((id(group), group) for group in readers)
        elif node.op.leaf or node.op is CONST:
            return
        elif is_loops(node) and self.loops and not (node.op is within and self.states in readers):
            self._place_loops(node, readers if self.fuse else [], readers)
        else:
            self._alone(node, readers)

    def _alone(self, node: Node, readers: list[Group]) -> None:
        """A kernel of its own for a node that is no loop, or is not to be fused."""
        group = self._group(node, (), readers, solid=True)
        for child in node.inputs:
            self._read(group, self.sources[id(child)])
        self._feeds(group, readers)

    def _group(
        self, node: Node, space: Extents, readers: Iterable[Group], solid: bool = False
    ) -> Group:
        readers = list(readers)
        rank = 1 + max(group.rank for group in readers)
        group = Group(node, space, rank, solid, self.states in readers)
        group.nodes.append(node)
        group.outputs.append(node)
        self.groups.append(group)
        return group

    def _feeds(self, group: Group, readers: Iterable[Group]) -> None:
        for reader in readers:
            reader.floor = min(reader.floor, group.rank)

    # ------------------------------------------------------------------------ where it may go

    def _place_loops(self, node: Node, chosen: list[Group], readers: list[Group]) -> None:
        """Find a group among `chosen` for a node that `readers` read, or start one."""
        joinable = [group for group in chosen if self._fits(node, group)]
        alone = len(joinable) == 1
        if len(joinable) == len(readers) and (alone or self._again(node, joinable)):
            for group in joinable:
                group.recomputed += 0 if alone else cost(node)
                self._join(node, group)
            return
        if len(joinable) == len(readers) > 1 and self._unite(joinable):
            self._join(node, joinable[0])
            return
        for group in sorted(joinable, key=lambda group: (-group.rank, group.columns)):
            others = [other for other in readers if other is not group]
            if self._may_keep(node, group, others):
                self._join(node, group)
                group.outputs.append(node)
                self._feeds(group, others)
                return
        for group in joinable:
            self._refuse(node, group, "other kernels read it too, and it is kept for all")
        self._own(node, readers)

    def _unite(self, groups: list[Group]) -> bool:
        """Let `groups` be one, if they run over the same space and none waits for another."""
        first, *rest = groups
        forms = {(group.space, group.reduced, group.columns, group.late) for group in groups}
        steps, operands = sum(g.steps for g in groups), sum(g.operands for g in groups)
        if len(forms) > 1 or steps > MAX_STEPS or operands > MAX_OPERANDS:
            return False
        if not all(level(first, other) for other in rest):
            return False
        for other in rest:
            self._absorb(first, other)
            self.groups.remove(other)
            for readers in self.readers.values():
                if readers.pop(id(other), None) is not None:
                    readers[id(first)] = first
        return True

    def _refuse(self, node: Node, group: Group, reason: str) -> bool:
        self.refusals.append(Refusal(node, group.root, reason))
        return False

    def _fits(self, node: Node, group: Group) -> bool:
        """Whether `node` can be computed in the loops of `group`, which reads it."""
        if group.solid or id(node) not in group.wants:
            what = "the result is needed in memory" if group.root is None or group.solid else (
                "it must be computed before"
            )  # fmt: skip
            return self._refuse(node, group, what)
        views = group.wants[id(node)]
        if group.steps + len(views) > MAX_STEPS:
            return self._refuse(node, group, f"the kernel would have more than {MAX_STEPS} steps")
        if group.operands + len(node.inputs) > MAX_OPERANDS:
            return self._refuse(node, group, f"it would have over {MAX_OPERANDS} operands")
        if len(views) > MAX_COPIES:
            return self._refuse(node, group, "it is seen in too many different ways")
        if node.op.kind == "view":
            return self._refuse(node, group, "its elements have to be put into another order")
        if is_reduction(node):
            return self._fits_reduction(node, group, views) or self._refuse(
                node, group, "it is over another iteration space"
            )
        if node.op is not iota and not all(map(varies_inside, views)):
            return self._refuse(node, group, "it would be computed again for every row")
        if node.op is within and (group.late or not checks_all(views, node, group)):
            return self._refuse(node, group, "all its elements are checked, once and in order")
        if any(self._reads(node, lens) is None for lens in views.values()):
            return self._refuse(node, group, "its operands cannot be read in this order")
        return True

    def _fits_reduction(self, node: Node, group: Group, views: dict[View, Lens]) -> bool:
        shape = extents_of(node.inputs[0])
        if group.columns or len(views) > 1:
            return False
        (view,) = views
        space = group.space
        if runs_over_results(group, node):
            space, view = shape, stretched(node)
            if not by_rows(node) or not self._may_widen(node, group):
                return False
        reduced = fixed_dims(view)
        lens = laid_over(shape, space)
        widened = space != group.space
        if not reduced or size_of(shape) != size_of(space):
            return False
        if view != through(stretched(node), size_of(shape), lens):
            return False
        rows = size_of(n for d, n in enumerate(space) if d not in reduced)
        few = rows < FEW_ROWS and size_of(space) > SMALL  # too few to be run through twice
        return (
            (widened or group.reduced is None or group.reduced == reduced)
            and (widened or not few)
            and (innermost(reduced, space) or not any(each.op is within for each in group.nodes))
            and self._reads(node, lens) is not None
        )

    def _may_widen(self, node: Node, group: Group) -> bool:
        """Whether all of `group` can be computed once for each row that `node` reduces."""
        extra = rows_over(node)
        return all(
            self._reads(member, (*place.lens, *extra)) is not None
            for member in group.nodes
            for place in group.places[id(member)].values()
        )

    def _widen(self, node: Node, group: Group) -> None:
        """Lay `group`, which runs over the results of `node`, over what `node` reduces."""
        extra = rows_over(node)
        places, group.places, group.wants = group.places, {}, {}
        group.space = extents_of(node.inputs[0])
        for member in group.nodes:
            views = {}
            for view, place in places[id(member)].items():
                wider = through(view, size_of(extents_of(member)), extra)
                assert wider is not None
                views[wider] = (*place.lens, *extra)
            self._enter(member, group, views)

    def _again(self, node: Node, groups: list[Group]) -> bool:
        """Whether to compute `node` in each of `groups`, rather than to keep it."""
        if is_reduction(node) or node.op is within:
            return False
        size = size_of(extents_of(node))
        whole = {
            id(self.sources[id(child)].base)
            for child in node.inputs
            if size_of(extents_of(child)) == size
        }
        price = cost(node)
        if len(whole) > 1 and size > 1:
            return False
        return all(group.recomputed + price <= MAX_RECOMPUTED for group in groups)

    def _may_keep(self, node: Node, group: Group, others: list[Group]) -> bool:
        """Whether `group` may compute `node` for itself and write it for `others`."""
        writes = self.states in others
        if writes != group.late and (writes or not all(other.late for other in others)):
            return self._refuse(node, group, "state is written after everything else")
        views = group.wants[id(node)]
        if len(views) > 1 or not covers(next(iter(views)), node, group):
            return self._refuse(node, group, "it is not computed there as a whole")
        return self._lift(group, others) or self._refuse(
            node, group, "what else reads it must run before"
        )

    def _lift(self, group: Group, others: list[Group]) -> bool:
        """Put the rank of `group` above those of `others`, if it can be."""
        needed = 1 + max((other.rank for other in others), default=-1)
        if group.rank < needed:
            if needed >= group.floor:
                return False
            group.rank = needed
        return True

    # ---------------------------------------------------------------------------- the joining

    def _reads(self, node: Node, lens: Lens) -> tuple[Read, ...] | None:
        """The operands of `node` where `lens` lays it over a space; None if a view cannot."""
        found = []
        for source, longer in self._operands(node, lens):
            whole = (*source.lens, *longer)
            extents = extents_of(source.base)
            view = through(dense(extents), size_of(extents), whole)
            if view is None:
                return None
            found.append(Read(source.base, whole, view))
        return tuple(found)

    def _operands(self, node: Node, lens: Lens) -> list[tuple[Source, Lens]]:
        if node.op is random_bits:  # the seed and the draw, which the state holds
            state = self.sources[id(node.inputs[0])]
            return [(state, (*element(i), broadcast(extents_of(node)), *lens)) for i in (0, 1)]
        shape = extents_of(node)
        operands = []
        for child in node.inputs:
            stretch = node.op.kind == "elementwise" and extents_of(child) != shape
            operands.append(
                (self.sources[id(child)], (broadcast(shape), *lens) if stretch else lens)
            )
        return operands

    def _join(self, node: Node, group: Group) -> None:
        """Compute `node` in the loops of `group`, under every view that is wanted of it."""
        if is_reduction(node):
            if runs_over_results(group, node):
                group.across = group.reduced is not None
                self._widen(node, group)
            (view,) = group.wants[id(node)]
            group.wants[id(node)] = {view: laid_over(extents_of(node.inputs[0]), group.space)}
            group.reduced = fixed_dims(view)
        views = group.wants.pop(id(node))
        group.nodes.append(node)
        self._enter(node, group, views)

    def _enter(self, node: Node, group: Group, views: dict[View, Lens]) -> None:
        places = group.places.setdefault(id(node), {})
        for view, lens in views.items():
            reads = self._reads(node, lens)
            assert reads is not None
            places[view] = Place(lens, reads)
            for read in reads:
                group.wants.setdefault(id(read.base), {})[read.view] = read.lens
                self.readers.setdefault(id(read.base), {})[id(group)] = group
        for child in node.inputs:
            for base in self.sources[id(child)].after:
                group.needs[id(base)] = base
                self.readers.setdefault(id(base), {})[id(group)] = group

    # --------------------------------------------------------------------------- a new group

    def _own(self, node: Node, readers: list[Group]) -> None:
        """Start a group with `node`, or let it join one that runs through the same arrays."""
        space, view, reduced, columns = root_form(node)
        lens: Lens = ()
        reads = self._reads(node, lens)
        assert reads is not None
        group = None
        if self.fuse:
            group = self._sibling(node, readers, reads, (space, reduced, columns))
        if group is None:
            group = self._group(node, space, readers)
        else:
            group.nodes.append(node)
            group.outputs.append(node)
        if reduced:
            group.reduced, group.columns = reduced, columns
        self._enter(node, group, {view: lens})
        self._feeds(group, readers)

    def _merge(self) -> None:
        """Let groups that run through the same array be one, where none waits for another."""
        gone: set[int] = set()
        for readers in list(self.readers.values()):
            alike: dict[tuple[object, ...], Group] = {}
            for group in readers.values():
                if group.solid or id(group) in gone:
                    continue
                form = (group.space, group.reduced, group.columns, group.late)
                first = alike.setdefault(form, group)
                if first is not group and self._share(first, group) and level(first, group):
                    self._absorb(first, group)
                    gone.add(id(group))
        self.groups = [group for group in self.groups if id(group) not in gone]

    def _share(self, one: Group, other: Group) -> bool:
        """Whether two groups read a whole array in common, and are not too large together."""
        both = one.wants.keys() & other.wants.keys()
        whole = any(
            size_of(view.shape) > 1
            and all(view.strides[d] for d, n in enumerate(view.shape) if n > 1)
            for key in both
            for view in one.wants[key].keys() & other.wants[key].keys()
        )
        return (
            whole
            and one.steps + other.steps <= MAX_STEPS
            and one.operands + other.operands <= MAX_OPERANDS
        )

    def _absorb(self, one: Group, other: Group) -> None:
        members = {id(node): node for node in (*one.nodes, *other.nodes)}
        one.nodes = sorted(members.values(), key=lambda node: -self.order[id(node)])
        one.outputs += other.outputs
        one.needs.update(other.needs)
        one.recomputed += other.recomputed
        one.across = one.across or other.across
        one.floor = min(one.floor, other.floor)
        for key, places in other.places.items():
            one.places.setdefault(key, {}).update(places)
        for key, views in other.wants.items():
            one.wants.setdefault(key, {}).update(views)
            self.readers[key][id(one)] = one

    def _sibling(
        self, node: Node, readers: list[Group], reads: tuple[Read, ...],
        form: tuple[Extents, frozenset[int] | None, bool],
    ) -> Group | None:  # fmt: skip
        """A group that reads one of the same arrays over the same space, and may run before
        all `readers`."""
        space, reduced, columns = form
        for read in reads:
            if read.base.op is CONST or size_of(extents_of(read.base)) != size_of(space):
                continue
            beside = reversed(self.readers.get(id(read.base), {}).values())
            for group in islice(beside, NEAR):
                if (
                    not group.solid
                    and group.space == space
                    and group not in readers
                    and (group.reduced, group.columns) == (reduced, columns)
                    and group.late == (self.states in readers)
                    and group.steps < MAX_STEPS
                    and group.operands + len(reads) < MAX_OPERANDS
                    and self._lift(group, readers)
                ):
                    return group
        return None
