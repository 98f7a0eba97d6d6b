"""From a tape to the tables that the machine walks.

Each instruction is given to the provider of its kind, which plans how it runs natively; what a
provider has no case for is run by Python.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from tinygraph.compiler.kernel import Instruction, Slot
from tinygraph.compiler.tape import Tape
from tinygraph_numba import chain, machine
from tinygraph_numba.batch import batched
from tinygraph_numba.host import HostCall
from tinygraph_numba.memory import rounded
from tinygraph_numba.natives import native
from tinygraph_numba.plan import Plan, Stop

Provider = Callable[[Instruction], Plan | None]

PROVIDERS = {
    "loops": "loops", "contract": "kernels.contract", "control": "control",
    "conv": "kernels.conv", "window": "kernels.windows", "gather": "kernels.index",
    "scatter": "kernels.scatter", "sort": "kernels.order", "argreduce": "kernels.order",
    "cumulative": "kernels.cumulative",
}  # fmt: skip
HEAD = object.__basicsize__ // machine.WORD


@cache
def provider(kind: str) -> Provider | None:
    """What plans the instructions of a kind; None if Python runs them all."""
    if kind not in PROVIDERS:
        return None
    found: Provider = importlib.import_module(f"tinygraph_numba.{PROVIDERS[kind]}").plan
    return found


@dataclass(frozen=True, slots=True)
class Linked:
    """A tape as the machine knows it. It can run in any memory of enough bytes.

    nbytes: of the state and, right behind it, the arena and what the chunks of an instruction
    share. scratch: bytes that each thread needs. parallel: some instruction may be shared out.
    in_place: from the first instruction on that may write over state none can fail. args: for
    each instruction, which words of the state are its args.
    """

    template: np.ndarray
    nbytes: int
    scratch: int
    parallel: bool
    in_place: bool
    instructions: tuple[Instruction, ...]
    plans: tuple[Plan, ...]
    args: tuple[slice, ...]
    kept: tuple[object, ...]  # what the template has addresses of

    @property
    def address(self) -> int:
        return int(self.template.ctypes.data)

    def stops(self, state: int) -> list[Stop]:
        """With what the run of the state at this address ended: an instruction, then the one
        within it, and so on."""
        (number,) = _words(state, machine.AT, 1)
        plan, span = self.plans[number], self.args[number]
        args = _words(state, span.start, span.stop - span.start)
        stop = Stop(self.instructions[number], plan, args)
        return [stop, *(plan.inside(args) if plan.inside else ())]


def _words(state: int, start: int, count: int) -> list[int]:
    """Words of the state at an address."""
    at = state + start * machine.WORD
    return list((ctypes.c_int64 * count).from_address(at))


def link(tape: Tape, pool: int = 0) -> Linked:
    """Plan all instructions of a tape, and make its tables.

    pool: where the pool is whose workers may help, for a tape that Python starts.
    """
    calls: list[HostCall] = []
    pairs = [pair for each in tape.instructions for pair in _plans_of(each, calls)]
    instructions, plans = [each for each, _ in pairs], [found for _, found in pairs]
    table = _Table(tape)
    rows = [table.row(plan) for plan in plans]
    template = table.template(rows)
    first = _first_update(tape, instructions)
    in_place = not any(map(_may_fail, plans[first:]))
    template[machine.WHOLE_FROM] = first if in_place else len(plans)
    scratch = rounded(max((plan.scratch for plan in plans), default=0))
    template[machine.POOL], template[machine.STATE_AT] = pool, scratch
    return Linked(
        template,
        nbytes=rounded(template.nbytes) + table.arena + max((p.shared for p in plans), default=0),
        scratch=scratch,
        parallel=any(plan.parallel or _chunks(plan) > 1 for plan in plans),
        in_place=in_place,
        instructions=tuple(instructions),
        plans=tuple(plans),
        args=tuple(table.args),
        kept=(*table.kept, *calls, *tape.constants),
    )


def _plans_of(instruction: Instruction, calls: list[HostCall]) -> list[tuple[Instruction, Plan]]:
    """An instruction and its plan; the links of a chain alone, where they do not run together."""
    if not instruction.links:
        return [(instruction, _planned(instruction, calls))]
    together = chain.plan(instruction)
    if together is not None:
        return [(instruction, together)]
    return [(link, _planned(link, calls)) for link in instruction.links]


def _planned(instruction: Instruction, calls: list[HostCall]) -> Plan:
    find = provider(instruction.kernel.kind)
    parts = [find(part) if find else None for part in instruction.split()]
    found = [plan for plan in parts if plan is not None]
    plan = None
    if len(found) == len(parts):
        plan = found[0] if len(found) == 1 else batched(found)
    if plan is None:
        calls.append(HostCall(instruction))
        plan = calls[-1].plan()
    return plan


def _chunks(plan: Plan) -> int:
    return -(-plan.extent // plan.grain)


class _Table:
    """The words of a template while they are being written."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.arena = rounded(tape.memory.peak)
        self.bases = 1 + len(tape.inputs) + len(tape.outputs)
        self.words: list[int] = []  # the args of all instructions
        self.args: list[slice] = []
        self.patches: list[tuple[int, int, int]] = []
        self.kept: list[np.ndarray] = []

    @property
    def end(self) -> int:
        """Where the next arg will stand in the state."""
        return machine.BASES + self.bases + len(self.words)

    def row(self, plan: Plan) -> list[int]:
        """The row of one instruction, whose args are added."""
        first = self.end
        for arg in plan.args:
            self.words.append(self.operand(arg) if isinstance(arg, Slot) else arg)
        if plan.shared:
            self.words.append(self.patched(0, self.arena))
        self.args.append(slice(first, self.end))
        row = [0] * machine.ROW_SIZE
        row[machine.BEFORE], row[machine.FINISH] = plan.before, plan.finish
        row[machine.KERNEL] = plan.kernel
        row[machine.EXTENT], row[machine.GRAIN] = plan.extent, plan.grain
        row[machine.ARGS], row[machine.CHUNKS] = first, _chunks(plan)
        return row

    def operand(self, slot: Slot) -> int:
        """The arg that stands for a slot."""
        storage = slot.storage
        offset = slot.view.offset * slot.dtype.itemsize
        if storage.place == "index":
            return slot.view.offset
        if storage.place == "const":
            return int(self.tape.constants[storage.index].ctypes.data) + offset
        if storage.place == "arena":
            return self.patched(0, storage.offset + offset)
        before = 1 if storage.place == "input" else 1 + len(self.tape.inputs)
        return self.patched(before + storage.index, offset)

    def patched(self, base: int, offset: int) -> int:
        """An arg that each run sets, to `offset` bytes from a base."""
        self.patches.append((self.end, machine.BASES + base, offset))
        return 0

    def template(self, rows: list[list[int]]) -> np.ndarray:
        """The words of the template. It is as long as whole lines, so that the arena, which
        follows the state, is aligned."""
        size = rounded(self.end * machine.WORD) // machine.WORD
        template = np.zeros(size, np.int64)
        template[self.end - len(self.words) : self.end] = self.words
        template[machine.ROWS] = self._keep(rows)
        template[machine.PATCHES] = self._keep(self.patches)
        template[machine.PATCH_COUNT] = len(self.patches)
        template[machine.SIZE] = size
        template[machine.BASE_COUNT] = self.bases - 1
        template[machine.HEAD] = HEAD
        return template

    def _keep(self, rows: Sequence[Sequence[int]]) -> int:
        """The address of a table."""
        self.kept.append(np.array(rows, np.int64))
        return int(self.kept[-1].ctypes.data)


def _first_update(tape: Tape, instructions: Sequence[Instruction]) -> int:
    """The first instruction that may write onto state."""
    for number, instruction in enumerate(instructions):
        for slot in instruction.outputs:
            if slot.storage.place == "output" and slot.storage.index in tape.donated:
                return number
    return len(instructions)


def _may_fail(plan: Plan) -> bool:
    """Whether a run may end here. Python may be interrupted anywhere."""
    return bool(plan.error or plan.inside) or plan.kernel == native("host")
