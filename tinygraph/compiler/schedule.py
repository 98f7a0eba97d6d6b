"""Lowering: a graph of concrete sizes becomes instructions on slots of storage.

`fuse` says which nodes are computed together; here each group becomes an instruction. Groups are
taken depth first from the outputs, so that a value is used soon after it is made. View ops cost
no instruction: who reads one reads the storage of its base through strides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tinygraph.compiler.chain import chained
from tinygraph.compiler.fuse import Fusion
from tinygraph.compiler.group import Group, Refusal
from tinygraph.compiler.homes import homes
from tinygraph.compiler.kernel import Instruction, Kernel, Slot, Storage, View, single
from tinygraph.compiler.loops import Loops, copying, loops
from tinygraph.compiler.sources import dense, extents_of, is_dense, size_of, through
from tinygraph.dtypes import DType, int64
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.movement import concat, identity
from tinygraph.ops.registry import CONST, ITEM
from tinygraph.ops.scan import sequences


@dataclass(slots=True)
class Schedule:
    """Instructions, and where the tape's inputs, constants and outputs lie. refusals: why nodes
    were not computed together."""

    inputs: list[Slot] = field(default_factory=list)
    constants: list[np.ndarray] = field(default_factory=list)
    constant_slots: list[Slot] = field(default_factory=list)
    outputs: list[Slot] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def nbytes(aval: Aval) -> int:
    """The size of a value in bytes."""
    return size_of(map(int, aval.shape)) * aval.dtype.itemsize


class _Lowering:
    def __init__(self, graph: Graph, updates: Collection[int], fuse: bool, loops: bool) -> None:
        self.graph = graph
        self.fusion = Fusion(graph, updates, fuse, loops)
        self.loops = self.fusion.loops
        self.program = Schedule(refusals=self.fusion.refusals)
        self.found: dict[int, Slot] = {}  # by the id of a base
        self.homes = homes(self.fusion) if fuse else {}
        self.views: dict[tuple[int, View], Slot] = {}
        self.items: dict[int, list[Node]] = {}  # by the id of a node with several results
        for node in graph.nodes:
            if node.op is ITEM:
                self.items.setdefault(id(node.inputs[0]), []).append(node)

    def run(self) -> Schedule:
        for index, node in enumerate(self.graph.inputs):
            self.program.inputs.append(self.place(node, "input", index))
        for group in self.in_order():
            if group.solid:
                self.emit(group.nodes[0])
            else:
                self.emit_loops(group)
        for index, node in enumerate(self.graph.outputs):
            self.deliver(node, index)
        return self.program

    def in_order(self) -> Iterator[Group]:
        """The groups, each after those whose results it reads, depth first from the outputs."""
        maker = {id(node): group for group in self.fusion.groups for node in group.outputs}
        done: set[int] = set()
        for output in self.graph.outputs:
            stack = [(self.fusion.sources[id(output)].base, False)]
            while stack:
                node, ready = stack.pop()
                source = node.inputs[0] if node.op is ITEM and id(node) not in maker else node
                group = maker.get(id(source))
                if group is None or id(group) in done:
                    continue
                if ready:
                    done.add(id(group))
                    yield group
                    continue
                stack.append((node, True))
                bases = [*self.bases(group)]
                stack += [(base, False) for base in reversed(bases) if base not in group.outputs]

    def bases(self, group: Group) -> Iterator[Node]:
        """What a group reads, in the order of the user's code."""
        wanted: dict[int, Node] = dict(group.needs)
        for places in group.places.values():
            for place in places.values():
                wanted.update((id(read.base), read.base) for read in place.reads)
        inside = set(map(id, group.nodes))
        found = [node for key, node in wanted.items() if key not in inside]
        return iter(sorted(found, key=lambda node: node.serial))

    # -------------------------------------------------------------------------------- storage

    def slot(self, storage: Storage, view: View, dtype: DType) -> Slot:
        slot = Slot(len(self.program.slots), storage, view, dtype)
        self.program.slots.append(slot)
        return slot

    def fresh(self, aval: Aval, place: str = "arena", index: int = 0) -> Slot:
        shape: tuple[int, ...] = tuple(map(int, aval.shape))
        return self.slot(Storage(place, index, nbytes(aval)), dense(shape), aval.dtype)

    def place(self, node: Node, place: str, index: int) -> Slot:
        slot = self.found[id(node)] = self.fresh(node.aval, place, index)
        return slot

    def result(self, node: Node) -> Slot:
        """Where a result is written: its home, or a storage of its own."""
        home = self.homes.get(id(node))
        if home is None:
            return self.found.get(id(node)) or self.place(node, "arena", 0)
        owner = self.result(home.owner)
        return self.slot(owner.storage, home.view, owner.dtype)

    def base(self, node: Node) -> Slot:
        """The slot of a base: that of a constant is made when it is needed first."""
        if id(node) not in self.found and (node.op is CONST or node.op.leaf):
            value = node.op.eval(np, **node.params) if node.op is CONST else node.buffer
            slot = self.place(node, "const", len(self.program.constants))
            self.program.constant_slots.append(slot)
            self.program.constants.append(np.asarray(value, order="C"))
        return self.found[id(node)]

    def seen(self, node: Node) -> Slot:
        """The slot of any node: a base, or a view of one."""
        base, lens, _ = self.fusion.sources[id(node)]
        extents = extents_of(base)
        view = through(dense(extents), size_of(extents), lens)
        assert view is not None
        return self.look(base, view)

    def look(self, base: Node | None, view: View) -> Slot:
        if base is None:
            nothing = Storage("index", 0, size_of(view.shape) * int64.itemsize)
            return self.slot(nothing, view, int64)
        whole = self.base(base)
        if view == whole.view:
            return whole
        key = (whole.number, view)
        if key not in self.views:
            self.views[key] = self.slot(whole.storage, view, whole.dtype)
        return self.views[key]

    # --------------------------------------------------------------------------- instructions

    def emit(self, node: Node) -> None:
        """One node as a kernel of its own."""
        if node.op is concat and self.loops:
            return self.emit_joined(node)
        if node.outs is None:
            outputs: tuple[Slot, ...] = (self.result(node),)
            self.found[id(node)] = outputs[0]
        else:
            outputs = tuple(self.fresh(aval) for aval in node.avals)
            for item in self.items[id(node)]:
                self.found[id(item)] = outputs[item.params["index"]]
        self.append(single(node), self.operands(node), outputs, node)

    def operands(self, node: Node) -> tuple[Slot, ...]:
        """What a kernel of one node reads. The body of a loop finds its inputs in row-major
        order, the slices of sequences too: what lies otherwise is copied once, before the loop."""
        slots = [self.seen(child) for child in node.inputs]
        if node.op.kind == "control" and self.loops:
            stepped = sequences(node.params)
            for number, child in enumerate(node.inputs):
                if not is_dense(slots[number].view, int(number in stepped)):
                    slots[number] = self.copied(child, self.fresh(child.aval))
        return tuple(slots)

    def copied(self, node: Node, target: Slot) -> Slot:
        """`target`, to which the value of `node` is copied."""
        source = self.seen(node)
        same = Node(identity, (node,), {}, node.aval, node.origin, False)
        if not self.loops:
            self.append(single(same), (source,), (target,), same)
        elif 0 not in target.view.shape:
            base = self.fusion.sources[id(node)].base
            found = copying(base, source.view, target.view, same)
            inputs = tuple(self.look(*access) for access in found.inputs)
            whole = self.slot(target.storage, found.outputs[0].view, target.dtype)
            self.append(found.kernel, inputs, (whole,), same)
        return target

    def emit_loops(self, group: Group) -> None:
        (first, *rest) = group.nodes
        if not rest and first.op.kind == "view" and self.is_there(first):
            return
        kernel = loops(group, self.homes)
        for node in group.outputs:
            self.result(self.homes[id(node)].owner if id(node) in self.homes else node)
        self.append_loops(kernel, first, group.nodes)

    def is_there(self, copy: Node) -> bool:
        """Whether what is to be copied was written to the right place at once."""
        source = self.fusion.sources[id(copy.inputs[0])].base
        home = self.homes.get(id(source))
        return home is not None and home.owner in (copy, self.homes.get(id(copy), home).owner)

    def append_loops(self, found: Loops, node: Node, nodes: Sequence[Node] = ()) -> None:
        if 0 in found.outputs[0].view.shape:
            return  # there is nothing to compute
        inputs = tuple(self.look(*access) for access in found.inputs)
        outputs = tuple(self.look(*access) for access in found.outputs)
        self.append(found.kernel, inputs, outputs, node, nodes)

    def emit_joined(self, node: Node) -> None:
        """A concatenation: each part is copied to its place."""
        whole = self.result(node)
        axis, start = node.params["axis"], 0
        for child in node.inputs:
            base, shape = self.fusion.sources[id(child)].base, extents_of(child)
            if id(base) not in self.homes and size_of(shape):
                target = View(start * whole.view.strides[axis], shape, whole.view.strides)
                self.append_loops(copying(base, self.seen(child).view, target, node), node)
            start += shape[axis]

    def append(
        self, kernel: Kernel, inputs: tuple[Slot, ...], outputs: tuple[Slot, ...], node: Node,
        nodes: Sequence[Node] = (),
    ) -> None:  # fmt: skip
        params = {} if kernel.kind == "loops" else node.params
        lines = tuple([each.origin for each in reversed(nodes or (node,))])
        self.program.instructions.append(
            Instruction(kernel, inputs, outputs, params, node.origin, lines=lines)
        )

    def deliver(self, node: Node, index: int) -> None:
        """Let an output's own storage be the result where it can; else copy."""
        slot = self.seen(node)
        storage = slot.storage
        whole = slot.view == dense(slot.view.shape)
        if storage.place == "arena" and whole and storage.nbytes == nbytes(node.aval):
            storage.place, storage.index = "output", index
        else:
            slot = self.copied(node, self.fresh(node.aval, "output", index))
        self.program.outputs.append(slot)


def lower(
    graph: Graph, updates: Collection[int] = (), fuse: bool = True, loops: bool = True
) -> Schedule:
    """The instructions of `graph`, whose sizes are all known. Storage is not placed yet.

    updates: the numbers of the outputs that are next values of state. fuse: whether nodes are
    computed together. loops: whether the backend takes kernels of loops, for single nodes too.
    """
    program = _Lowering(graph, updates, fuse, loops).run()
    if fuse:
        program.instructions = chained(program.instructions, updates)
    _number(program)
    return program


def defer_updates(program: Schedule, updates: Collection[int]) -> None:
    """Move the instructions that write the next values of state, and what needs these, behind
    all others.

    So a run that fails on its way (a wrong index, NaN under TINYGRAPH_CHECK) has changed no
    state yet, and the old values are free to be written over.
    """
    late = _after_updates(program, updates)
    last: list[Instruction] = []
    kept: list[Instruction] = []
    needed: set[int] = set()  # storages that an instruction which stays has to read
    for number, instruction in reversed(list(enumerate(program.instructions))):
        written = [id(slot.storage) for slot in instruction.outputs]
        if number in late and needed.isdisjoint(written):
            last.append(instruction)
        else:
            kept.append(instruction)
            needed.update(id(slot.storage) for slot in instruction.inputs)
    program.instructions = [*reversed(kept), *together(list(reversed(last)))]
    _number(program)


def together(instructions: list[Instruction]) -> list[Instruction]:
    """Instructions of one kernel that do not wait for each other become one of many parts: the
    optimizer's update of all parameters is a few instructions."""
    level: dict[int, int] = {}  # by the id of a storage: after how many waits it is there
    groups: dict[tuple[int, Kernel | int], list[Instruction]] = {}
    for number, instruction in enumerate(instructions):
        reads = [level.get(id(slot.storage), -1) for slot in instruction.inputs]
        now = 1 + max(reads, default=-1)
        for slot in instruction.outputs:  # of a concatenation each part is written by itself
            level[id(slot.storage)] = max(now, level.get(id(slot.storage), now))
        alike = instruction.kernel if _is_shared_out(instruction.kernel) else number
        groups.setdefault((now, alike), []).append(instruction)
    ordered = sorted(groups.items(), key=lambda item: item[0][0])
    return [_joined(group) for _, group in ordered]


def _is_shared_out(kernel: Kernel) -> bool:
    """Whether parts of the work can be done in any order: not where all becomes one number."""
    sums = [step for step in kernel.steps if step.op.kind == "reduce"]
    whole = any(step.params for step in sums) or (sums and set(kernel.roles) == {"i"})
    return kernel.kind == "loops" and not whole


def _joined(group: list[Instruction]) -> Instruction:
    if len(group) == 1:
        return group[0]
    inputs = tuple([slot for each in group for slot in each.inputs])
    outputs = tuple([slot for each in group for slot in each.outputs])
    lines = tuple([line for each in group for line in each.lines])
    return replace(group[0], inputs=inputs, outputs=outputs, parts=len(group), lines=lines)


def _after_updates(program: Schedule, updates: Collection[int]) -> set[int]:
    """The instructions that write state, or depend on a next value of it."""
    late: set[int] = set()
    fresh: set[int] = set()  # storages that hold next values, or depend on them
    for number, instruction in enumerate(program.instructions):
        writes = [slot.storage for slot in instruction.outputs]
        state = all(s.place == "output" and s.index in updates for s in writes)
        if state or any(id(slot.storage) in fresh for slot in instruction.inputs):
            late.add(number)
            fresh.update(map(id, writes))
    return late


def _number(program: Schedule) -> None:
    """Set when each storage is written first and read last."""
    for slot in program.slots:
        slot.storage.first = slot.storage.last = -1
    for now, instruction in enumerate(program.instructions):
        for slot in instruction.inputs:
            slot.storage.last = now
        for slot in instruction.outputs:
            if slot.storage.first < 0:
                slot.storage.first = now
            slot.storage.last = now
