"""Runs tapes on every core of the CPU, as native code that llvmlite compiles."""

from tinygraph_numba.backend import NumbaBackend

__all__ = ["NumbaBackend"]
