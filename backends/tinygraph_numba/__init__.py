"""Runs tapes on every core of the CPU, as native code that llvmlite compiles.

backend.py    the contract with the core; link.py makes the tables of a tape, from the plans
              (plan.py) of its instructions
machine.py    what walks the tables; pool.py its threads, memory.py its memory, host.py the
              way back to Python
loops/        kernels of loops, as the compiler fuses them: from a kernel to its source
kernels/      kernels written by hand: products, convolutions, gathering, sorting, ...
batch, chain, control      instructions that run other kernels
language/     the kernel language: from source to machine code, kept on disk
maths/        exp, tanh, sin, ... in the kernel language
"""

from tinygraph_numba.backend import NumbaBackend

__all__ = ["NumbaBackend"]
