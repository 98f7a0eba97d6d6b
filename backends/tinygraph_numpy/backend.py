"""Runs a tape with NumPy: one call of each op's `eval` an instruction, `out=` in the arena."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygraph import config
from tinygraph.compiler.kernel import Instruction, Kernel, Slot
from tinygraph.compiler.memory import ALIGNMENT
from tinygraph.compiler.reference import index_numbers, run_loops
from tinygraph.compiler.tape import Tape
from tinygraph.errors import NonFiniteError, TinygraphError
from tinygraph.ops.registry import CONST

Arrays = Sequence[np.ndarray]
Handle = Callable[[Arrays, Arrays, Mapping[str, Any]], None]


class NumpyBackend:
    """See `tinygraph.runtime.backend.Backend`. Buffers are NumPy arrays; nothing is compiled."""

    name = "numpy"

    def __init__(self) -> None:
        threads = config.get("THREADS")
        if threads is not None:  # NumPy's own work is done by one; its BLAS may have several
            import threadpoolctl

            threadpoolctl.threadpool_limits(threads, user_api="blas")

    def from_host(self, array: np.ndarray) -> np.ndarray:
        return array

    def to_host(self, buffer: np.ndarray) -> np.ndarray:
        return buffer

    def alloc(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        return np.empty(shape, dtype)

    def build(self, kernel: Kernel) -> Kernel:
        return kernel

    def link(self, tape: Tape, handles: Sequence[Kernel]) -> NumpyExecutable:
        return NumpyExecutable(tape, handles)

    def sync(self) -> None:
        """Everything has run when the call returns."""


def run_kernel(kernel: Kernel, params: Mapping[str, Any], inputs: Arrays, outputs: Arrays) -> None:
    """A kernel's steps in order; its results are written to `outputs`."""
    values: list[Any] = list(inputs)
    for step in kernel.steps:
        args = [values[ref] for ref in step.args]
        values.append(step.op.eval(np, *args, **{**dict(step.params), **params}))
    results = [values[ref] for ref in kernel.results]
    if len(set(kernel.results)) == 1 and len(outputs) > 1:
        results = list(results[0])
    for out, result in zip(outputs, results, strict=True):
        out[...] = result


def run_fused(kernel: Kernel, inputs: Arrays, outputs: Arrays) -> None:
    """A kernel of loops, one step after another; for each part of the instruction."""
    ins, outs = len(kernel.inputs), len(kernel.outputs)
    for part in range(len(outputs) // outs):
        arrays = inputs[part * ins : (part + 1) * ins]
        results = outputs[part * outs : (part + 1) * outs]
        shape = arrays[0].shape if arrays else results[0].shape
        for out, result in zip(results, run_loops(kernel, shape, arrays), strict=True):
            out[...] = result


def runner(kernel: Kernel, params: Mapping[str, Any]) -> tuple[Callable[..., Any], bool]:
    """A function for one instruction, and whether it takes `out=` itself."""
    if kernel.kind == "loops":
        return partial(run_fused, kernel), False
    if len(kernel.steps) == 1 and len(kernel.outputs) == 1:
        op = kernel.steps[0].op
        run = partial(op.eval, np, **params)
        return (partial(_only, run), False) if op.kind == "control" else (run, op.into)
    return partial(run_kernel, kernel, params), False


def _only(run: Callable[..., tuple[Any, ...]], *arrays: Any) -> Any:
    """The result of a scan, cond, ... that has one: these return a tuple in any case."""
    (result,) = run(*arrays)
    return result


class Arena(threading.local):
    """The memory for temporaries. Each thread has one, which all its tapes share: a tape keeps
    nothing there between two calls."""

    def __init__(self) -> None:
        self.memory = np.empty(0, np.uint8)

    def at_least(self, nbytes: int) -> np.ndarray:
        """The memory, made larger where `nbytes` need it; aligned."""
        if self.memory.size < nbytes:
            room = np.empty(max(nbytes, self.memory.size * 3 // 2) + ALIGNMENT, np.uint8)
            skip = -room.ctypes.data % ALIGNMENT
            self.memory = room[skip : skip + room.size - ALIGNMENT]
        return self.memory


ARENA = Arena()


class _Laid(threading.local):
    """The arrays of a tape's slots over the arena of the running thread."""

    arena: np.ndarray | None = None
    values: list[Any]


class NumpyExecutable:
    """A linked tape. Arrays in the arena and constants are laid out once; those that look at
    an input or output of the call are laid out at each call."""

    def __init__(self, tape: Tape, kernels: Sequence[Kernel]) -> None:
        self.tape = tape
        self.laid = _Laid()
        self.moving = [
            (slot, slot.storage.place == "input", slot.storage.index, slot.view.contiguous)
            for slot in tape.slots if slot.storage.place in ("input", "output")
        ]  # fmt: skip
        self.check = "nan" in config.get("CHECK")
        instructions = [link for ins in tape.instructions for link in ins.links or (ins,)]
        self.program = [
            (*runner(ins.kernel, ins.params), [s.number for s in ins.inputs],
             [s.number for s in ins.outputs], len(ins.kernel.outputs) == 1, ins)
            for ins in instructions
        ]  # fmt: skip

    def _values(self) -> list[Any]:
        """The array of each slot; None for those that belong to the call."""
        arena = ARENA.at_least(self.tape.memory.peak)
        if self.laid.arena is not arena:
            tape = self.tape
            places = [id(slot.storage) for slot in tape.constant_slots]
            constants = dict(zip(places, tape.constants, strict=True))
            values: list[Any] = [None] * len(tape.slots)
            for slot in tape.slots:
                if slot.storage.place == "arena":
                    values[slot.number] = _layout(slot, arena, slot.storage.offset)
                elif slot.storage.place == "index":
                    values[slot.number] = index_numbers(slot.view)
                elif slot.storage.place == "const":
                    values[slot.number] = _layout(slot, constants[id(slot.storage)], 0)
            self.laid.arena, self.laid.values = arena, values
        return self.laid.values.copy()

    def __call__(self, inputs: Arrays, outputs: Arrays) -> None:
        values = self._values()
        for slot, is_input, index, contiguous in self.moving:
            base = (inputs if is_input else outputs)[index]
            whole = contiguous and base.shape == slot.view.shape
            values[slot.number] = base if whole else _layout(slot, base, 0)
        with np.errstate(all="ignore"):
            for step in self.program:
                try:
                    self._run(values, *step)
                except TinygraphError:
                    raise
                except Exception as error:
                    name, origin = step[-1].kernel.name, step[-1].origin
                    error.add_note(f"in {name}\n  at {origin.where()}")
                    raise

    def _run(
        self, values: list[Any], run: Callable[..., Any], into: bool, args: list[int],
        outs: list[int], single: bool, instruction: Instruction,
    ) -> None:  # fmt: skip
        arrays = [values[i] for i in args]
        # looked for now: an output may lie on an input
        known = self.check and holds_infinity(instruction.kernel, arrays)
        if not single or instruction.kernel.kind == "loops":
            run(arrays, [values[i] for i in outs])
        elif into:
            run(*arrays, out=values[outs[0]])
        else:
            values[outs[0]][...] = run(*arrays)
        if self.check:
            check_finite(instruction, [values[i] for i in outs], known)


def _layout(slot: Slot, base: np.ndarray, offset: int) -> np.ndarray:
    """The array that a slot is, over the memory of `base`."""
    view, size = slot.view, slot.dtype.itemsize
    room = base.reshape(-1).view(np.uint8)  # bytes: not every dtype can be a buffer (bfloat16)
    strides = tuple(s * size for s in view.strides)
    return np.ndarray(view.shape, slot.dtype, room, offset + view.offset * size, strides)


def holds_infinity(kernel: Kernel, arrays: Arrays) -> bool:
    """Whether some element that the kernel reads, or a constant in it, is infinite, as the scores
    of a mask are."""
    for step in kernel.steps:
        if step.op is CONST and abs(dict(step.params)["value"]) == np.inf:
            return True
    return any(array.dtype.kind in "fV" and np.isinf(array).any() for array in arrays)


def check_finite(instruction: Instruction, outputs: Arrays, known: bool) -> None:
    """Raise NonFiniteError where an output holds NaN, or infinity. Infinity is passed on freely
    where it is `known`: some input held it already."""
    for array in outputs:
        if array.dtype.kind not in "fV" or np.isfinite(array).all():
            continue
        what = "NaN" if np.isnan(array).any() else "infinity"
        if known and what == "infinity":
            continue
        raise NonFiniteError(
            f"{instruction.kernel.name} yielded {what} (shape {array.shape}); it is the first "
            f"operation that did\n  at {instruction.origin.where()}"
        )
