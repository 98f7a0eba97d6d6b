"""Lowering: a graph of concrete sizes becomes instructions on slots of storage.

Nodes are taken in the graph's order, which runs depth first from the outputs, so that a value
is used soon after it is made. View ops cost no instruction: they look at their input's storage.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from tinygraph.compiler.kernel import Instruction, Kernel, Slot, Storage, View, row_major, single
from tinygraph.compiler.view import view_of
from tinygraph.dtypes import DType
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.movement import identity
from tinygraph.ops.registry import CONST, ITEM


@dataclass(slots=True)
class Schedule:
    """Instructions, and where the tape's inputs, constants and outputs lie."""

    inputs: list[Slot] = field(default_factory=list)
    constants: list[np.ndarray] = field(default_factory=list)
    constant_slots: list[Slot] = field(default_factory=list)
    outputs: list[Slot] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)


def nbytes(aval: Aval) -> int:
    """The size of a value in bytes."""
    count = 1
    for size in aval.shape:
        count *= int(size)
    return count * aval.dtype.itemsize


class _Lowering:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.program = Schedule()
        self.found: dict[int, tuple[Slot, ...]] = {}

    def run(self) -> Schedule:
        for index, node in enumerate(self.graph.inputs):
            self.program.inputs.append(self.place(node, "input", index))
        for node in self.graph.nodes:
            if id(node) not in self.found:
                self.lower(node)
        for index, node in enumerate(self.graph.outputs):
            self.deliver(node, index)
        return self.program

    def slot(self, storage: Storage, view: View, dtype: DType) -> Slot:
        slot = Slot(len(self.program.slots), storage, view, dtype)
        self.program.slots.append(slot)
        return slot

    def fresh(self, aval: Aval, place: str = "arena", index: int = 0) -> Slot:
        shape: tuple[int, ...] = tuple(map(int, aval.shape))
        storage = Storage(place, index, nbytes(aval))
        return self.slot(storage, View(0, shape, row_major(shape)), aval.dtype)

    def place(self, node: Node, place: str, index: int) -> Slot:
        slot = self.fresh(node.aval, place, index)
        self.found[id(node)] = (slot,)
        return slot

    def lower(self, node: Node) -> None:
        if node.op is CONST or node.op.leaf:
            value = node.op.eval(np, **node.params) if node.op is CONST else node.buffer
            self.program.constant_slots.append(
                self.place(node, "const", len(self.program.constants))
            )
            self.program.constants.append(np.asarray(value, order="C"))
        elif node.op is ITEM:
            self.found[id(node)] = (self.found[id(node.inputs[0])][node.params["index"]],)
        elif node.op.kind != "view" or not self.look(node):
            self.emit(node)

    def look(self, node: Node) -> bool:
        """Try to express a view op by its input's storage."""
        (source, *_) = self.found[id(node.inputs[0])]
        count = source.storage.nbytes // source.dtype.itemsize
        view = view_of(node.op, source.view, count, node.params, len(node.inputs))
        if view is None:
            return False
        if view == source.view:
            self.found[id(node)] = (source,)
        else:
            self.found[id(node)] = (self.slot(source.storage, view, source.dtype),)
        return True

    def emit(self, node: Node) -> None:
        outputs = tuple(self.fresh(aval) for aval in node.avals)
        inputs = tuple(self.found[id(child)][0] for child in node.inputs)
        self.append(single(node), inputs, outputs, node)
        self.found[id(node)] = outputs

    def append(
        self, kernel: Kernel, inputs: tuple[Slot, ...], outputs: tuple[Slot, ...], node: Node
    ) -> None:
        self.program.instructions.append(
            Instruction(kernel, inputs, outputs, node.params, node.origin)
        )

    def deliver(self, node: Node, index: int) -> None:
        """Let an output's own storage be the result where it can; else copy."""
        (slot, *_) = self.found[id(node)]
        storage = slot.storage
        if (
            storage.place == "arena"
            and slot.view.contiguous
            and storage.nbytes == nbytes(node.aval)
        ):
            storage.place, storage.index = "output", index
        else:
            copied = self.fresh(node.aval, "output", index)
            kernel = single(Node(identity, (node,), {}, node.aval, node.origin, False))
            self.append(kernel, (slot,), (copied,), Node(
                identity, (node,), {}, node.aval, node.origin, False))  # fmt: skip
            slot = copied
        self.program.outputs.append(slot)


def lower(graph: Graph) -> Schedule:
    """The instructions of `graph`, whose sizes are all known. Storage is not placed yet."""
    program = _Lowering(graph).run()
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
    program.instructions = [*reversed(kept), *reversed(last)]
    _number(program)


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
