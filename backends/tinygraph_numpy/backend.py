"""Runs a tape with NumPy: one call of each op's `eval` an instruction, `out=` in the arena."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygraph import config
from tinygraph.compiler.kernel import Instruction, Kernel, Slot
from tinygraph.compiler.tape import Tape
from tinygraph.errors import NonFiniteError, TinygraphError

Arrays = Sequence[np.ndarray]
Handle = Callable[[Arrays, Arrays, Mapping[str, Any]], None]


class NumpyBackend:
    """See `tinygraph.runtime.backend.Backend`. Buffers are NumPy arrays; nothing is compiled."""

    name = "numpy"

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


def _runner(kernel: Kernel, params: Mapping[str, Any]) -> tuple[Callable[..., Any], bool]:
    """A function for one instruction, and whether it takes `out=` itself."""
    if len(kernel.steps) == 1 and len(kernel.outputs) == 1:
        op = kernel.steps[0].op
        run = partial(op.eval, np, **params)
        return (partial(_only, run), False) if op.kind == "control" else (run, op.into)
    return partial(run_kernel, kernel, params), False


def _only(run: Callable[..., tuple[Any, ...]], *arrays: Any) -> Any:
    """The result of a scan, cond, ... that has one: these return a tuple in any case."""
    (result,) = run(*arrays)
    return result


class NumpyExecutable:
    """A linked tape. Arrays in the arena and constants are laid out once; those that look at
    an input or output of the call are laid out at each call."""

    def __init__(self, tape: Tape, kernels: Sequence[Kernel]) -> None:
        self.tape = tape
        self.arena = np.empty(max(tape.memory.peak, 1), np.uint8)
        self.fixed: list[Any] = [None] * len(tape.slots)
        self.moving: list[Slot] = []
        constants = dict(
            zip([id(s.storage) for s in tape.constant_slots], tape.constants, strict=True)
        )
        for slot in tape.slots:
            if slot.storage.place == "arena":
                self.fixed[slot.number] = _layout(slot, self.arena, slot.storage.offset)
            elif slot.storage.place == "const":
                self.fixed[slot.number] = _layout(slot, constants[id(slot.storage)], 0)
            else:
                self.moving.append(slot)
        self.check = "nan" in config.get("CHECK")
        self.program = [
            (*_runner(kernel, ins.params), [s.number for s in ins.inputs],
             [s.number for s in ins.outputs], len(kernel.outputs) == 1, ins)
            for kernel, ins in zip(kernels, tape.instructions, strict=True)
        ]  # fmt: skip

    def __call__(self, inputs: Arrays, outputs: Arrays) -> None:
        values = self.fixed.copy()
        for slot in self.moving:
            storage = slot.storage
            base = (inputs if storage.place == "input" else outputs)[storage.index]
            whole = slot.view.contiguous and base.shape == slot.view.shape
            values[slot.number] = base if whole else _layout(slot, base, 0)
        with np.errstate(all="ignore"):
            for run, into, args, outs, single, instruction in self.program:
                arrays = [values[i] for i in args]
                try:
                    if not single:
                        run(arrays, [values[i] for i in outs])
                    elif into:
                        run(*arrays, out=values[outs[0]])
                    else:
                        values[outs[0]][...] = run(*arrays)
                except TinygraphError:
                    raise
                except Exception as error:
                    error.add_note(
                        f"in {instruction.kernel.name}\n  at {instruction.origin.where()}"
                    )
                    raise
                if self.check:
                    check_finite(instruction, [values[i] for i in outs])


def _layout(slot: Slot, base: np.ndarray, offset: int) -> np.ndarray:
    """The array that a slot is, over the memory of `base`."""
    view, size = slot.view, slot.dtype.itemsize
    room = base.reshape(-1).view(np.uint8)  # bytes: not every dtype can be a buffer (bfloat16)
    strides = tuple(s * size for s in view.strides)
    return np.ndarray(view.shape, slot.dtype, room, offset + view.offset * size, strides)


def check_finite(instruction: Instruction, outputs: Arrays) -> None:
    """Raise NonFiniteError where an output holds NaN or infinity."""
    for array in outputs:
        if array.dtype.kind not in "fV" or np.isfinite(array).all():
            continue
        what = "NaN" if np.isnan(array).any() else "infinity"
        raise NonFiniteError(
            f"{instruction.kernel.name} yielded {what} (shape {array.shape}); it is the first "
            f"operation that did\n  at {instruction.origin.where()}"
        )
