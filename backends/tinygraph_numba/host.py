"""Instructions that Python runs: those that no provider has native code for.

The machine calls a Python object as it calls a kernel; see `machine.host`.
"""

from __future__ import annotations

import ctypes
import importlib
from contextlib import nullcontext

import numpy as np

from tinygraph.compiler.kernel import Instruction, Slot
from tinygraph.compiler.reference import index_numbers
from tinygraph_numba.blas_threads import single_threaded
from tinygraph_numba.natives import native
from tinygraph_numba.plan import Plan
from tinygraph_numpy.backend import runner


class HostCall:
    """One instruction, to be called with the address of its operands' addresses.

    The machine knows it by its own address: whoever uses its plan keeps it alive.
    """

    def __init__(self, instruction: Instruction) -> None:
        kernel = instruction.kernel
        if kernel.kind == "linalg":
            importlib.import_module("scipy.linalg")  # some of it is used: limit its BLAS, too
        self.limited = kernel.kind != "loops"  # these use no BLAS
        self.run, self.into = runner(kernel, instruction.params)
        self.lists = kernel.kind == "loops" or len(kernel.outputs) != 1
        self.inputs = len(instruction.inputs)
        self.slots = (*instruction.inputs, *instruction.outputs)
        self.last: tuple[list[int], list[np.ndarray]] = ([], [])

    def plan(self) -> Plan:
        """What the machine does to call it."""
        return Plan(native("host"), (id(self), *self.slots), extent=1, grain=1)

    def __call__(self, at: int) -> None:
        arrays = self.arrays((ctypes.c_int64 * len(self.slots)).from_address(at)[:])
        inputs, outputs = arrays[: self.inputs], arrays[self.inputs :]
        with np.errstate(all="ignore"), single_threaded() if self.limited else nullcontext():
            if self.lists:
                self.run(inputs, outputs)
            elif self.into:
                self.run(*inputs, out=outputs[0])
            else:
                outputs[0][...] = self.run(*inputs)

    def arrays(self, addresses: list[int]) -> list[np.ndarray]:
        """The operands. Most often they are where they were the last time."""
        known, arrays = self.last
        if addresses != known:
            arrays = [array_at(slot, at) for slot, at in zip(self.slots, addresses, strict=True)]
            self.last = (addresses, arrays)
        return arrays


def array_at(slot: Slot, address: int) -> np.ndarray:
    """The array that a slot is, its first element being at `address`."""
    view, size = slot.view, slot.dtype.itemsize
    if slot.storage.place == "index":
        return index_numbers(view)
    if 0 in view.shape:
        return np.empty(view.shape, slot.dtype)
    spans = [(n - 1) * stride * size for n, stride in zip(view.shape, view.strides, strict=True)]
    below = -sum(span for span in spans if span < 0)  # strides may be negative
    above = sum(span for span in spans if span > 0)
    room = (ctypes.c_char * (below + above + size)).from_address(address - below)
    strides = [stride * size for stride in view.strides]
    return np.ndarray(view.shape, slot.dtype, memoryview(room), below, strides)
