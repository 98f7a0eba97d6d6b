"""The memory plan: every temporary of a tape finds its place in one arena.

A storage lives from the instruction that writes it to the last one that reads it. Two that live
at the same time never overlap. Each is put into the smallest free gap that holds it (best fit);
an elementwise instruction writes onto an input that dies there.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

from tinygraph.compiler.kernel import Instruction, Slot, Storage, may_overwrite
from tinygraph.compiler.schedule import Schedule

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """peak: the size of the arena in bytes. lower_bound: the most bytes alive at one time, below
    which no plan can get. in_place: how many instructions write onto a dying input."""

    peak: int
    lower_bound: int
    in_place: int


def _rounded(nbytes: int) -> int:
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT


class _Gaps:
    """The free parts of the arena, as (offset, size) and by size."""

    def __init__(self) -> None:
        self.by_offset: list[tuple[int, int]] = []
        self.by_size: list[tuple[int, int]] = []
        self.top = 0

    def _remove(self, offset: int, size: int) -> None:
        del self.by_offset[bisect_left(self.by_offset, (offset, size))]
        del self.by_size[bisect_left(self.by_size, (size, offset))]

    def _insert(self, offset: int, size: int) -> None:
        insort(self.by_offset, (offset, size))
        insort(self.by_size, (size, offset))

    def take(self, size: int) -> int:
        index = bisect_left(self.by_size, (size, 0))
        if index < len(self.by_size):
            found, offset = self.by_size[index]
            self._remove(offset, found)
            if found > size:
                self._insert(offset + size, found - size)
            return offset
        if self.by_offset and sum(self.by_offset[-1]) == self.top:  # grow the last gap
            offset, found = self.by_offset[-1]
            self._remove(offset, found)
        else:
            offset = self.top
        self.top = offset + size
        return offset

    def give(self, offset: int, size: int) -> None:
        index = bisect_left(self.by_offset, (offset, 0))
        if index < len(self.by_offset) and self.by_offset[index][0] == offset + size:
            _, after = self.by_offset[index]
            self._remove(offset + size, after)
            size += after
        if index > 0 and sum(self.by_offset[index - 1]) == offset:
            start, before = self.by_offset[index - 1]
            self._remove(start, before)
            offset, size = start, before + size
        self._insert(offset, size)


def plan(program: Schedule) -> MemoryPlan:
    """Give each storage in the arena its offset."""
    dying = _dying(program.instructions)
    gaps = _Gaps()
    live = bound = reused = 0
    taken: set[int] = set()  # storages whose place was handed on to an output
    for index, instruction in enumerate(program.instructions):
        for slot in instruction.outputs:
            storage = slot.storage
            if storage.place != "arena" or storage.first != index:
                continue
            donor = _donor(instruction, slot, index, taken)
            if donor is not None:
                storage.offset = donor.offset
                taken.add(id(donor))
                reused += 1
            else:
                storage.offset = gaps.take(_rounded(storage.nbytes))
                live += _rounded(storage.nbytes)
                bound = max(bound, live)
        for storage in dying.get(index, ()):
            if id(storage) not in taken:
                gaps.give(storage.offset, _rounded(storage.nbytes))
                live -= _rounded(storage.nbytes)
    return MemoryPlan(gaps.top, bound, reused)


def _dying(instructions: list[Instruction]) -> dict[int, list[Storage]]:
    """For each instruction the arena storages that are not needed after it."""
    found: dict[int, list[Storage]] = {}
    seen: set[int] = set()
    for instruction in instructions:
        for slot in instruction.outputs:
            storage = slot.storage
            if storage.place == "arena" and id(storage) not in seen:
                seen.add(id(storage))
                found.setdefault(storage.last, []).append(storage)
    return found


def _donor(instruction: Instruction, slot: Slot, index: int, taken: set[int]) -> Storage | None:
    """An input that dies here, lies exactly as the output will, and may be written over."""
    for source in instruction.inputs:
        storage = source.storage
        if (
            storage.place == "arena"
            and storage.last == index
            and (storage.first < index or _is_passed_on(instruction, storage))
            and id(storage) not in taken
            and storage.nbytes == slot.storage.nbytes
            and sum(other.storage is storage for other in instruction.inputs) == 1
            and may_overwrite(instruction, source, slot)
        ):
            return storage
    return None


def _is_passed_on(instruction: Instruction, storage: Storage) -> bool:
    """Whether `storage` is written by one link of a chain and read by the last."""
    return any(slot.storage is storage for link in instruction.links[:-1] for slot in link.outputs)


def donations(program: Schedule, updates: dict[int, int]) -> dict[int, int]:
    """Which outputs may be written onto the input they replace.

    updates: output number -> the number of the input whose next value it is. Kept are those
    whose input is not read after (nor, but for an elementwise op on the very same layout,
    while) the output is written.
    """
    kept = {}
    for output, source in updates.items():
        target = program.outputs[output]
        given = program.inputs[source].storage
        if target.storage.first < 0:
            continue  # it has no elements, so that nothing writes it
        if target.view != program.inputs[source].view or given.last > target.storage.first:
            continue
        if given.last == target.storage.first and not _safe_onto(program, target, given):
            continue
        kept[output] = source
    return kept


def _safe_onto(program: Schedule, target: Slot, given: Storage) -> bool:
    writer = program.instructions[target.storage.first]
    written = next(slot for slot in writer.outputs if slot.storage is target.storage)
    reads = [slot for slot in writer.inputs if slot.storage is given]
    return all(may_overwrite(writer, slot, written) for slot in reads)
