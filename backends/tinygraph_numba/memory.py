"""The memory that one run needs for itself: context, scratch, state and arena, in one block."""

from __future__ import annotations

import ctypes
import time
from functools import cache

import numpy as np

from tinygraph.compiler.memory import ALIGNMENT
from tinygraph_numba import machine

CONTEXT_BYTES = machine.CONTEXT_SIZE * machine.WORD
SMALLEST = 1 << 16
SYSTEM = ctypes.CDLL(None)  # the C library of this process


def aligned(nbytes: int) -> np.ndarray:
    """Fresh memory whose values are not set."""
    room = np.empty(nbytes + ALIGNMENT, np.uint8)
    skip = -room.ctypes.data % ALIGNMENT
    return room[skip : skip + nbytes]


def rounded(nbytes: int) -> int:
    """`nbytes`, or a little more so that what follows is aligned."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class Memory:
    """A block that any tape can run in, one at a time.

    A run takes one that nobody uses and gives it back. So threads never share one, and neither
    do a run and another that Python starts while it handles a signal within the first.
    """

    def __init__(self) -> None:
        self.grow(SMALLEST)

    def grow(self, nbytes: int) -> None:
        """A larger block. What was in the old one is lost."""
        self.nbytes = nbytes
        self.block = aligned(nbytes)
        self.bytes = self.block.data
        self.scratch = self.block.ctypes.data + CONTEXT_BYTES
        self.words(0, machine.CONTEXT_SIZE)[:] = new_context()

    def words(self, start: int, count: int) -> np.ndarray:
        """Some of the block's 64-bit words, from byte `start` on."""
        return self.block[start : start + count * machine.WORD].view(np.int64)


@cache
def new_context() -> tuple[int, ...]:
    """What is the same in every context: the functions that the machine calls."""
    words = [0] * machine.CONTEXT_SIZE
    words[machine.SAVE] = address_of("PyEval_SaveThread")
    words[machine.RESTORE] = address_of("PyEval_RestoreThread")
    words[machine.SIGNALS] = address_of("PyErr_CheckSignals")
    words[machine.CALL] = address_of("PyObject_CallOneArg")
    words[machine.NUMBER] = address_of("PyLong_FromLongLong")
    words[machine.RELEASE] = address_of("Py_DecRef")
    words[machine.CLOCK] = address_of("clock_gettime", SYSTEM)
    words[machine.CLOCK_ID] = time.CLOCK_MONOTONIC
    return tuple(words)


def address_of(name: str, library: ctypes.CDLL = ctypes.pythonapi) -> int:
    """Where a function of Python, or of the system's C library, is."""
    found = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    assert found is not None
    return found
