"""Plans for kernels of kind "loops": which source, with which sizes, in how many chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from tinygraph.compiler.kernel import Instruction, Kernel, Slot
from tinygraph_numba.accumulate import accumulators
from tinygraph_numba.language import native
from tinygraph_numba.nest import COSTS, Nest, lay_out
from tinygraph_numba.operands import buffers
from tinygraph_numba.plan import Plan
from tinygraph_numba.render import ROW_BLOCK, render
from tinygraph_numba.scalars import SCALARS

CHUNK = 1 << 18  # additions in a chunk: some microseconds of work
LINE = 64  # bytes of a cache line; no two threads should write to one
INFINITY = 0x7FF0_0000_0000_0000  # the bits of a float64
TILED_ROWS = 16  # rows that share the lines of an input that lies across them


@cache
def layout(kernel: Kernel) -> Nest:
    """The kernel's nest of loops."""
    return lay_out(kernel)


def cost(nest: Nest) -> int:
    """The time that all passes take for one element, in additions."""
    total = 1
    for sweep in nest.passes:
        steps = [nest.values[ref].step for ref in sweep.values]
        total += sum(COSTS.get(step.op.name, 1) if step is not None else 1 for step in steps)
        total += len(sweep.buffered) + len(sweep.kept) + len(sweep.reductions) + len(sweep.stores)
    return total


def plan(instruction: Instruction) -> Plan | None:
    """How an instruction of kind "loops" runs; None if an op of it is not in the language."""
    source = render(instruction.kernel)
    if source is None:
        return None
    nest = layout(instruction.kernel)
    extents = instruction.outputs[0].view.shape
    slots = (*instruction.outputs, *instruction.inputs)
    strides = [stride for slot in slots for stride in slot.view.strides]
    extent, grain = work(nest, extents)
    kinds = buffers(nest, accumulators(nest)).values()
    room = buffer_room(nest, extents, max((SCALARS[kind].nbytes for kind in kinds), default=0))
    numbers = (*extents, *strides, INFINITY, grain, room, *(0 for _ in nest.checks))
    args: tuple[int | Slot, ...] = (*slots, *numbers)
    return Plan(
        kernel=native(source),
        args=args,
        extent=extent,
        grain=grain,
        scratch=room * len(kinds),
        finish=native(source, "finish") if nest.partial else 0,
        shared=8 * len(nest.partial) * -(-extent // grain),
        error=_error(nest, len(args)) if nest.checks else None,
    )


def work(nest: Nest, extents: tuple[int, ...]) -> tuple[int, int]:
    """The extent of the work, and the size of its chunks."""
    chunks = max(1, round(math.prod(extents) * cost(nest) / CHUNK))
    if nest.along is None:
        extent = math.prod(extents[dim] for dim in nest.rows)
        unit = TILED_ROWS if nest.tiled else 1
    else:
        extent, unit = extents[nest.along], 1
        if nest.along == nest.sweep[-1]:
            unit = ROW_BLOCK if nest.partial else LINE
    return extent, -(-max(extent, 1) // (chunks * unit)) * unit


def buffer_room(nest: Nest, extents: tuple[int, ...], itemsize: int) -> int:
    """The bytes from one buffer of a row to the next. More than the elements take: buffers that
    lie a multiple of 4096 bytes apart get in each other's way in the cache."""
    count = math.prod(extents[dim] for dim in nest.inner)
    return (itemsize * count + LINE + LINE - 1) // LINE * LINE


def _error(nest: Nest, count: int) -> Callable[[Sequence[int]], Exception]:
    """What makes the exception from `count` args, the last of which are the wrong numbers."""

    def error(args: Sequence[int]) -> Exception:
        for ref, word in zip(nest.checks, args[count - len(nest.checks) : count], strict=True):
            step = nest.values[ref].step
            assert step is not None
            try:
                number = np.array([word], np.int64).astype(nest.values[ref].dtype)
                step.op.eval(np, number, **dict(step.params))
            except IndexError as error:
                return error
        raise AssertionError("all numbers are in range")

    return error
