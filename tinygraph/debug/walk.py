"""Running a tape on one backend; or on two, instruction by instruction, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygraph.compiler.kernel import Instruction, Slot, Storage, View
from tinygraph.compiler.memory import MemoryPlan
from tinygraph.compiler.tape import Tape
from tinygraph.debug.compare import nudged
from tinygraph.runtime.backend import Backend

Arrays = Sequence[np.ndarray]


def run_tape(tape: Tape, inputs: Arrays, backend: Backend) -> list[np.ndarray]:
    """The outputs of a tape that runs on `backend`. The inputs stay as they are."""
    run = backend.link(tape, [backend.build(each.kernel) for each in tape.instructions])
    outputs = [backend.alloc(slot.view.shape, slot.dtype) for slot in tape.outputs]
    run([backend.from_host(array) for array in inputs], outputs)
    backend.sync()
    return [np.array(backend.to_host(buffer)) for buffer in outputs]


class Results(NamedTuple):
    """What an instruction yields: on the reference, on the backend, and on the reference from
    inputs that are `nudged`."""

    expected: list[np.ndarray]
    got: list[np.ndarray]
    nudged: list[np.ndarray]


def walk(tape: Tape, inputs: Arrays, reference: Backend, backend: Backend) -> Iterator[Results]:
    """The results of each instruction, which is always given what the reference computed before."""
    values = [*zip(tape.inputs, inputs, strict=True),
              *zip(tape.constant_slots, tape.constants, strict=True)]  # fmt: skip
    memory = {id(slot.storage): array.reshape(-1) for slot, array in values}
    for number, instruction in enumerate(tape.instructions):
        alone = _alone(instruction)
        given = [memory[id(slot.storage)] for slot in _reads(instruction)]
        results = Results(
            _results(alone, given, reference),
            _results(alone, given, backend),
            _results(alone, [nudged(array) for array in given], reference),
        )
        for slot, result in zip(instruction.outputs, results.expected, strict=True):
            room = memory.setdefault(id(slot.storage), np.zeros(_length(slot), slot.dtype))
            _seen(room, slot)[...] = result
        for slot in (*instruction.inputs, *instruction.outputs):
            if slot.storage.last <= number:
                memory.pop(id(slot.storage), None)
        yield results


def _results(alone: Tape, given: Arrays, backend: Backend) -> list[np.ndarray]:
    """What the only instruction of a tape yields."""
    written = run_tape(alone, given, backend)
    return [_seen(written[slot.storage.index], slot) for slot in alone.instructions[0].outputs]


def _alone(instruction: Instruction) -> Tape:
    """The tape of one instruction. What it reads and writes comes in and goes out as vectors,
    each of which is a whole storage."""
    inputs = _reads(instruction)
    outputs = _wholes(instruction.outputs)
    storages = {
        id(slot.storage): Storage(place, index, slot.storage.nbytes)
        for place, slots in (("input", inputs), ("output", outputs))
        for index, slot in enumerate(slots)
    }
    slots: list[Slot] = []

    def moved(old: Iterable[Slot]) -> tuple[Slot, ...]:
        first = len(slots)
        for number, slot in enumerate(old, first):
            storage = storages.get(id(slot.storage), slot.storage)
            slots.append(replace(slot, number=number, storage=storage))
        return tuple(slots[first:])

    def rebuilt(old: Instruction) -> Instruction:
        return replace(
            old, inputs=moved(old.inputs), outputs=moved(old.outputs),
            links=tuple([rebuilt(link) for link in old.links]),
        )  # fmt: skip

    return Tape(
        instructions=(rebuilt(instruction),), inputs=moved(inputs), constants=(),
        constant_slots=(), outputs=moved(outputs), slots=tuple(slots),
        memory=MemoryPlan(0, 0, 0), donated={}, names=("",) * len(inputs),
    )  # fmt: skip


def _reads(instruction: Instruction) -> list[Slot]:
    """What must be there before an instruction runs. What one link of a chain writes for the
    next one need not be."""
    written = {id(slot.storage) for slot in instruction.outputs}
    return [slot for slot in _wholes(instruction.inputs) if id(slot.storage) not in written]


def _wholes(slots: Iterable[Slot]) -> list[Slot]:
    """A slot for each storage that has memory, as a vector of all that is in it."""
    found = {id(slot.storage): slot for slot in slots if slot.storage.place != "index"}
    return [replace(slot, view=View(0, (_length(slot),), (1,))) for slot in found.values()]


def _length(slot: Slot) -> int:
    return slot.storage.nbytes // slot.dtype.itemsize


def _seen(vector: np.ndarray, slot: Slot) -> np.ndarray:
    """The part of a storage's elements that a slot is."""
    strides = [stride * slot.dtype.itemsize for stride in slot.view.strides]
    return as_strided(vector[slot.view.offset :], slot.view.shape, strides)
