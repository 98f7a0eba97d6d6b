"""Runs a tape in one native call: every instruction by its address, large ones on all cores."""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from tinygraph import config
from tinygraph.compiler.kernel import Kernel, Slot
from tinygraph.compiler.tape import Tape
from tinygraph.errors import BackendError, TinygraphError
from tinygraph_numba import machine
from tinygraph_numba.host import array_at
from tinygraph_numba.language import STATISTICS
from tinygraph_numba.language import cache as disk_cache
from tinygraph_numba.link import HEAD, link
from tinygraph_numba.loops.render import render
from tinygraph_numba.memory import CONTEXT_BYTES, Memory
from tinygraph_numba.natives import held
from tinygraph_numba.plan import Stop
from tinygraph_numba.pool import Pool, cores
from tinygraph_numpy.backend import check_finite, holds_infinity

Arrays = Sequence[np.ndarray]
_ARRAY = {np.ndarray}
_UNSEEN = np.zeros(1, np.bool_)  # what tells that a run is done, where nobody asks

_IDLE: list[Memory] = []  # what no run uses now; each is taken by one and given back


class NumbaBackend:
    """See `tinygraph.runtime.backend.Backend`. Buffers are NumPy arrays."""

    name = "numba"
    fuses = True  # the compiler may make kernels of many nodes
    cache = disk_cache  # what `python -m tinygraph cache` shows and clears

    def __init__(self) -> None:
        self.pool = Pool(config.get("THREADS") or cores())
        _check_layout()

    def from_host(self, array: np.ndarray) -> np.ndarray:
        if type(array) is not np.ndarray:
            array = np.asarray(array)  # of a subclass, or a NumPy scalar
        return array if array.flags.aligned else array.copy()

    def to_host(self, buffer: np.ndarray) -> np.ndarray:
        return buffer

    def alloc(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        return np.empty(shape, dtype)

    def build(self, kernel: Kernel) -> Kernel:
        """The kernel itself: its code is found when a tape that has it is linked."""
        return kernel

    def source(self, kernel: Kernel) -> str | None:
        """What is compiled for a kernel of loops; None for other kernels, which are not written
        anew for each graph."""
        return render(kernel) if kernel.kind == "loops" else None

    def link(self, tape: Tape, handles: Sequence[Kernel]) -> NumbaExecutable:
        kind = CheckedExecutable if "nan" in config.get("CHECK") else NumbaExecutable
        with _timed():
            return kind(tape, self.pool)

    def sync(self) -> None:
        """Everything has run when the call returns."""


def _check_layout() -> None:
    """The machine reads from an array itself where its data are, as C code does."""
    probe = np.zeros(1)
    at = ctypes.c_void_p.from_address(id(probe) + HEAD * machine.WORD)
    if at.value != probe.ctypes.data:
        raise BackendError(f"the arrays of NumPy {np.__version__} are laid out in an unknown way")


@contextmanager
def _timed() -> Iterator[None]:
    """Print what had to be compiled, under TINYGRAPH_DEBUG=time."""
    before = replace(STATISTICS)
    yield
    if "time" in config.get("DEBUG"):
        print(
            f"numba: {STATISTICS.compiled - before.compiled} kernels compiled, "
            f"{STATISTICS.loaded - before.loaded} from disk, "
            f"in {(STATISTICS.seconds - before.seconds) * 1e3:.1f} ms",
            file=sys.stderr,
        )


class NumbaExecutable:
    """A linked tape. Any number of threads may run it at once, each in memory of its own.

    in_place: whether next values of state may be written onto the old ones.
    """

    def __init__(self, tape: Tape, pool: Pool) -> None:
        self.tape = tape
        self.pool = pool
        self.linked = link(tape, pool.address)
        self.in_place = self.linked.in_place
        self.template, self.count = self.linked.address, len(self.linked.instructions)
        self.state = CONTEXT_BYTES + self.linked.scratch  # where it begins in the memory
        self.nbytes = self.state + self.linked.nbytes
        self.given = self.state + machine.DONE * machine.WORD
        self.pack = struct.Struct(f"q8x{len(tape.inputs) + len(tape.outputs)}q").pack_into
        self.shares = self.linked.parallel and pool.threads > 1
        self.start = held("start")

    def __call__(self, inputs: Arrays, outputs: Arrays, done: np.ndarray = _UNSEEN) -> None:
        try:
            memory = _IDLE.pop()
        except IndexError:
            memory = Memory()
        if memory.nbytes < self.nbytes:
            memory.grow(self.nbytes)
        if self.shares:
            self.pool.ready(self.linked.scratch)
        try:
            self.run(memory, inputs, outputs, done)
        finally:
            _IDLE.append(memory)

    def run(self, memory: Memory, inputs: Arrays, outputs: Arrays, done: np.ndarray) -> None:
        """Run all instructions."""
        self.part(memory, (done, *inputs, *outputs), 0, self.count)

    def part(self, memory: Memory, arrays: Arrays, lo: int, hi: int) -> None:
        """Run the instructions [lo, hi). The exception of the one that fails is raised.

        arrays: what tells that all is done, then inputs and outputs.
        """
        if {*map(type, arrays)} != _ARRAY:  # a subclass, or a NumPy scalar: no such fields in it
            arrays = tuple(map(np.asarray, arrays))
        self.pack(memory.bytes, self.given, *map(id, arrays))
        try:
            if self.start(self.template, lo, hi, memory.scratch):
                raise self.error(memory)
        except TinygraphError:
            raise
        except Exception as error:
            for instruction, *_ in reversed(self.stops(memory)):
                error.add_note(f"in {instruction.kernel.name}\n  at {instruction.origin.where()}")
            raise

    def stops(self, memory: Memory) -> list[Stop]:
        """With what the run in this memory ended; the innermost instruction is the last."""
        return self.linked.stops(memory.scratch + self.linked.scratch)

    def error(self, memory: Memory) -> Exception:
        """What the instruction that failed says of it."""
        *_, (instruction, plan, args) = self.stops(memory)
        if plan.error is not None:
            return plan.error(args)
        where = instruction.origin.where()
        return BackendError(f"the native code of an instruction failed\n  at {where}")


class CheckedExecutable(NumbaExecutable):
    """Looks at every result, for TINYGRAPH_CHECK=nan. It may have to stop anywhere."""

    def __init__(self, tape: Tape, pool: Pool) -> None:
        super().__init__(tape, pool)
        self.in_place = False

    def run(self, memory: Memory, inputs: Arrays, outputs: Arrays, done: np.ndarray) -> None:
        def arrays(slots: Sequence[Slot]) -> list[np.ndarray]:
            return [array_at(slot, self.address(slot, memory, inputs, outputs)) for slot in slots]

        for number, instruction in enumerate(self.tape.instructions):
            # looked for now: an output may lie on an input
            known = holds_infinity(instruction.kernel, arrays(instruction.inputs))
            self.part(memory, (_UNSEEN, *inputs, *outputs), number, number + 1)
            check_finite(instruction, arrays(instruction.outputs), known)
        done[0] = True

    def address(self, slot: Slot, memory: Memory, inputs: Arrays, outputs: Arrays) -> int:
        """Where the first element of a slot is."""
        storage = slot.storage
        if storage.place == "index":
            return 0
        if storage.place == "arena":
            base = memory.scratch + self.linked.scratch + self.linked.template.nbytes
        else:
            arrays = {"input": inputs, "output": outputs, "const": self.tape.constants}
            base = arrays[storage.place][storage.index].ctypes.data
        return int(base + storage.offset + slot.view.offset * slot.dtype.itemsize)
