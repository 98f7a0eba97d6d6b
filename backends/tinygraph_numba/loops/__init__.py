"""Plans for kernels of kind "loops": which source, with which sizes, in how many chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from tinygraph.compiler.kernel import Instruction, Kernel, Operand, Slot, View
from tinygraph_numba.language import native
from tinygraph_numba.language.scalars import SCALARS
from tinygraph_numba.loops.accumulate import accumulators
from tinygraph_numba.loops.arrange import arranged
from tinygraph_numba.loops.nest import Nest, lay_out
from tinygraph_numba.loops.operands import buffers
from tinygraph_numba.loops.render import COLUMN_BLOCK, ROW_BLOCK, render
from tinygraph_numba.plan import Plan

CHUNK = 1 << 18  # additions in a chunk: some microseconds of work
LINE = 64  # bytes of a cache line; no two threads should write to one
INFINITY = 0x7FF0_0000_0000_0000  # the bits of a float64
SHARES = 8  # chunks that may run at the same time: so many are enough
TILED_ROWS = 16  # rows that share the lines of an input that lies across them


@cache
def layout(kernel: Kernel, down: bool = False, tiny: tuple[int, ...] = ()) -> Nest:
    """The kernel's nest of loops."""
    return lay_out(kernel, down, tiny)


def cost(nest: Nest) -> int:
    """The time that all passes take for one element, in additions."""
    total = 1
    for sweep in nest.passes:
        total += sum(nest.costs(sweep))
        total += len(sweep.buffered) + len(sweep.kept) + len(sweep.reductions) + len(sweep.stores)
    return total


def plan(instruction: Instruction) -> Plan | None:
    """How an instruction of kind "loops" runs; None if an op of it is not in the language."""
    nest = layout(instruction.kernel)
    found, tiny = arranged(instruction, nest, cost(nest))
    return plan_rows(cut(found, tiny), tiny)


def plan_rows(instruction: Instruction, tiny: tuple[int, ...] = ()) -> Plan | None:
    """A plan whose work is in the order of the rows. tiny: see `Nest`."""
    kernel, extents = instruction.kernel, instruction.outputs[0].view.shape
    down = not tiny and goes_down(layout(kernel), extents)
    source, nest = render(kernel, down, tiny), layout(kernel, down, tiny)
    if source is None:
        return None
    slots = (*instruction.outputs, *instruction.inputs)
    strides = [stride for slot in slots for stride in slot.view.strides]
    extent, grain = work(nest, extents)
    columns = math.prod(extents[dim] for dim in nest.columns)
    kinds = buffers(nest, accumulators(nest)).values()
    room = buffer_room(nest, extents, max((SCALARS[kind].nbytes for kind in kinds), default=0))
    numbers = (*extents, *strides, INFINITY, grain, room, 0, *(0 for _ in nest.checks))
    args: tuple[int | Slot, ...] = (*slots, *numbers)
    return Plan(
        kernel=native(source),
        args=args,
        extent=extent,
        grain=grain,
        scratch=room * len(kinds),
        finish=native(source, "finish") if nest.partial else 0,
        shared=8 * len(nest.partial) * -(-extent // grain) * (columns if nest.down else 1),
        error=_error(nest, len(args)) if nest.checks else None,
    )


def cut(instruction: Instruction, tiny: tuple[int, ...] = ()) -> Instruction:
    """The same, where rows are few and long with each row in several equal parts: the first part
    of all rows, then the second. Rows that are reduced, or checked in order, stay whole. Of tiny
    rows, those along the lane are what is long; of columns, those side by side."""
    kernel, extents = instruction.kernel, instruction.outputs[0].view.shape
    nest = layout(kernel, False, tiny)
    whole = nest.reductions and not (tiny or len(nest.columns) == 1)
    if not nest.rows or whole or nest.partial or nest.checks:
        return instruction
    dim = len(extents) - 1 - len(tiny)
    rows, length = max(1, math.prod(extents[each] for each in nest.rows)), extents[dim]
    least = -(-min(SHARES, wanted_chunks(nest, extents)) * row_unit(nest) // rows)
    parts = next((each for each in range(least, 2 * least) if length % each == 0), 1)
    if least <= 1 or parts == 1:
        return instruction
    cut_kernel = replace(
        kernel,
        roles="o" + kernel.roles,
        inputs=tuple(_cut_operand(operand, dim) for operand in kernel.inputs),
        outputs=tuple(_cut_operand(operand, dim) for operand in kernel.outputs),
    )
    return replace(
        instruction,
        kernel=cut_kernel,
        inputs=tuple(_cut_slot(slot, dim, parts) for slot in instruction.inputs),
        outputs=tuple(_cut_slot(slot, dim, parts) for slot in instruction.outputs),
    )


def _cut_operand(operand: Operand, dim: int) -> Operand:
    step = "0" if operand.layout[dim] == "0" else "s"
    return replace(operand, ndim=operand.ndim + 1, layout=step + operand.layout)


def _cut_slot(slot: Slot, dim: int, parts: int) -> Slot:
    shape, strides = slot.view.shape, slot.view.strides
    length = shape[dim] // parts
    shape = (parts, *shape[:dim], length, *shape[dim + 1 :])
    return replace(slot, view=View(slot.view.offset, shape, (strides[dim] * length, *strides)))


def goes_down(nest: Nest, extents: tuple[int, ...]) -> bool:
    """Whether chunks are parts of all columns: where there are too few columns to share out."""
    if not nest.may_go_down:
        return False
    shares = extents[nest.inner[0]] / (LINE if len(nest.inner) == 1 else 1)
    return shares < min(SHARES, wanted_chunks(nest, extents))


def wanted_chunks(nest: Nest, extents: tuple[int, ...]) -> int:
    """How many chunks the work is worth."""
    return max(1, round(math.prod(extents) * cost(nest) / CHUNK))


def row_unit(nest: Nest) -> int:
    """How many rows stay together."""
    return TILED_ROWS if nest.tiled else 1


def work(nest: Nest, extents: tuple[int, ...]) -> tuple[int, int]:
    """The extent of the work, and the size of its chunks."""
    chunks = wanted_chunks(nest, extents)
    if nest.along is None:
        extent = math.prod(extents[dim] for dim in nest.rows)
        unit = row_unit(nest)
    else:
        extent, unit = extents[nest.along], 1
        if nest.along in (nest.sweep[-1], nest.lane):
            unit = ROW_BLOCK if nest.partial else LINE
        elif nest.down and len(nest.sweep) == len(nest.columns) + 1:
            unit = COLUMN_BLOCK
    return extent, -(-max(extent, 1) // (chunks * unit)) * unit


def buffer_room(nest: Nest, extents: tuple[int, ...], itemsize: int) -> int:
    """The bytes from one buffer of a row to the next. More than the elements take: buffers that
    lie a multiple of 4096 bytes apart get in each other's way in the cache."""
    count = math.prod(extents[dim] for dim in nest.inner)
    if nest.inner == (nest.along,) and not nest.columns:
        count = work(nest, extents)[1]  # of a chunk
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
