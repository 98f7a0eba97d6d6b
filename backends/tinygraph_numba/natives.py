"""The compiled functions of the machine, to be called from Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

from tinygraph_numba import language, machine

Native = Callable[[int, int, int, int], int]
_WORD = ctypes.c_int64


@cache
def native(name: str) -> int:
    """The address of a function of `machine`."""
    return language.native(language.source_of(machine.start), name)


@cache
def free(name: str) -> Native:
    """A function of `machine` that runs without the GIL."""
    return ctypes.CFUNCTYPE(_WORD, _WORD, _WORD, _WORD, _WORD)(native(name))


@cache
def held(name: str) -> Native:
    """A function of `machine` that holds the GIL when it begins and ends, and may raise."""
    return ctypes.PYFUNCTYPE(_WORD, _WORD, _WORD, _WORD, _WORD)(native(name))
