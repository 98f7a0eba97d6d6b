"""Scatter: values put at places that arrays of integers name, or combined with what is there.

The work is shared out by what is written, never by what is read. A unit is a row of the
dimensions that no number is for, a block of its columns, and a part of the first dimension that
numbers are for. It copies its share of x, goes through all values in order, and takes those that
belong to it. So what lands on one place does so one after another, in the order of the values:
the result does not depend on the number of threads, and of several values that are set the last
stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinygraph.compiler.kernel import Instruction, Slot
from tinygraph_numba.kernels import places, slices
from tinygraph_numba.kernels.generic import arranged, number_name, specialised, word_name, work_name
from tinygraph_numba.kernels.index import Numbers, line_copier, others, split_columns, stretched
from tinygraph_numba.kernels.places import BLOCK, RECORDS
from tinygraph_numba.kernels.spaces import Space
from tinygraph_numba.plan import Plan

MODES = {"set": "replace", "add": "add", "multiply": "multiply", "max": "larger", "min": "smaller"}

UNIT = 32768  # elements that a unit reads and writes, about
MOST_PARTS = 32
NARROWEST = 32  # columns in a block
SUMS = 65536  # elements that a unit adds up in scratch memory, about


@dataclass(frozen=True, slots=True)
class Scatter:
    """One scatter, in terms of spaces.

    shared: the dimensions that no number is for; arrays out, x, values, and those of numbers.
    sources: the dimensions of the values alone; arrays values, and those of numbers.
    named: the dimensions that numbers are for, in that order; arrays out and x.
    """

    out: Slot
    x: Slot
    values: Slot
    numbers: Numbers
    mode: str
    shared: Space
    sources: Space

    @property
    def named(self) -> Space:
        axes = self.numbers.axes
        return Space(self.numbers.sizes, (_along(self.out, axes), _along(self.x, axes)))

    @property
    def wide(self) -> bool:
        """Whether it is added up in a wider type than it is stored in."""
        return self.mode == "add" and work_name(self.x.dtype) != number_name(self.x.dtype)


def plan(instruction: Instruction) -> Plan | None:
    """The plan of an instruction of kind scatter; None where it has none."""
    provider = PROVIDERS.get(instruction.kernel.name)
    return provider(instruction) if provider is not None else None


def _along(slot: Slot, axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(slot.view.strides[axis] for axis in axes)


def _scatter(instruction: Instruction) -> Plan | None:
    x, values, *slots = instruction.inputs
    (out,) = instruction.outputs
    numbers = Numbers(slots, instruction.params["axes"], x.view)
    rest = others(len(x.view.shape), numbers.axes)
    shape = np.broadcast_shapes(*(slot.view.shape for slot in slots))
    kept = tuple(x.view.shape[axis] for axis in rest)
    steps = stretched(values.view, shape + kept)
    flat = (0,) * len(rest)
    shared = Space(
        kept, (_along(out, rest), _along(x, rest), steps[len(shape) :], *(flat for _ in slots))
    )
    sources = Space(shape, (steps[: len(shape)], *(stretched(s.view, shape) for s in slots)))
    return _plan(Scatter(out, x, values, numbers, instruction.params["mode"], shared, sources))


def _scatter_along_axis(instruction: Instruction) -> Plan | None:
    x, index, values = instruction.inputs
    (out,) = instruction.outputs
    axis = instruction.params["axis"]
    rest = others(len(x.view.shape), [axis])
    shared = Space(
        tuple(x.view.shape[i] for i in rest),
        tuple(_along(slot, rest) for slot in (out, x, values, index)),
    )
    sources = Space((index.view.shape[axis],), (_along(values, [axis]), _along(index, [axis])))
    numbers = Numbers([index], [axis], x.view)
    return _plan(Scatter(out, x, values, numbers, instruction.params["mode"], shared, sources))


PROVIDERS: dict[str, Callable[[Instruction], Plan | None]] = {
    "scatter": _scatter,
    "scatter_along_axis": _scatter_along_axis,
    "update_slice": slices.plan,
}


@dataclass(frozen=True, slots=True)
class Shares:
    """How the work is cut: in blocks of columns of some width, and in parts of the first named
    dimension, for each row."""

    blocks: int
    width: int
    parts: int


def _shares(scatter: Scatter, rows: int, columns: int) -> Shares:
    """Few units, because each reads all numbers; but some, and none of them large.

    Where most of the time goes to the values these are cut by columns, since their places may
    all lie in one part.
    """
    depth, copied = scatter.named.shape[0], scatter.named.size * columns
    put = scatter.sources.size * columns
    wanted = -(-(rows * (copied + put)) // UNIT) // max(rows, 1)
    blocks = parts = 1
    if put > copied:
        blocks = max(1, min(wanted, columns // NARROWEST))
    else:
        worth = (copied + put) // max(16 * scatter.sources.size, 1)
        parts = max(1, min(wanted, depth, worth, MOST_PARTS))
    width = -(-columns // blocks)
    if scatter.wide:
        parts = max(parts, min(depth, -(-(scatter.named.size * width) // SUMS)))
    return Shares(-(-columns // max(width, 1)), width, max(parts, 1))


def _plan(scatter: Scatter) -> Plan | None:
    """None where nothing is put but there are numbers, which may be wrong; and where an operand
    has no memory."""
    slots = (scatter.x, scatter.values)
    put = scatter.sources.size * scatter.shared.size
    if any(slot.storage.place == "index" for slot in slots) or (put == 0 and scatter.numbers.any):
        return None
    outer, columns, column_steps = split_columns(scatter.shared.collapsed(), 3)
    shares = _shares(scatter, outer.size, columns)
    depth = scatter.named.shape[0]
    sums = -(-depth // shares.parts) * scatter.named.size // max(depth, 1) * shares.width
    return Plan(
        kernel=_kernel(scatter),
        args=tuple(_args(scatter, outer, columns, column_steps, shares)),
        extent=outer.size * shares.blocks * shares.parts if columns else 0,
        grain=max(1, UNIT // max(1, (scatter.named.size + scatter.sources.size) * columns)),
        scratch=3 * BLOCK * 8 + (4 * sums if scatter.wide else 0),
        error=scatter.numbers.error,
    )


def _args(
    scatter: Scatter, outer: Space, columns: int, column_steps: Sequence[int], shares: Shares
) -> list[int | Slot]:
    sources, run, run_steps = scatter.sources.collapsed().split()
    rows = outer.arrays(*range(2, len(outer.strides))).times(sources)
    lines, count, length, line_steps = _lines(scatter, columns, column_steps, shares)
    records = scatter.numbers.records(run_steps[1:], _steps(scatter, shares))
    rows_at = RECORDS + len(records)
    outer_at = rows_at + len(rows.args())
    lines_at = outer_at + len(outer.args())
    head: dict[int, int | Slot] = {
        places.OUT: scatter.out, places.X: scatter.x, places.VALUES: scatter.values,
        places.ARRAYS: len(scatter.numbers.slots), places.DEPTH: scatter.named.shape[0],
        places.WIDTH: shares.width, places.COLUMNS: columns,
        places.PARTS: shares.parts, places.BLOCKS: shares.blocks,
        places.ROWS: rows_at, places.ROW_COUNT: sources.size, places.RUN: run,
        places.VALUE_RUN: run_steps[0], places.VALUE_COLUMN: column_steps[2],
        places.OUTER: outer_at, places.LINES: lines_at, places.LINE_COUNT: count,
        places.LENGTH: length, places.OUT_LINE: line_steps[0], places.X_LINE: line_steps[1],
        places.COPY_LINE: line_copier(scatter.x.dtype),
    }  # fmt: skip
    spaces = (*rows.args(), *outer.args(), *lines.args())
    return [*arranged(head, RECORDS), *records, *spaces]


def _steps(scatter: Scatter, shares: Shares) -> Sequence[int]:
    """What a number is multiplied with: the strides of the result, or of a unit's sums."""
    if not scatter.wide:
        return scatter.named.strides[0]
    sizes = scatter.named.shape
    return [math.prod(sizes[k + 1 :]) * shares.width for k in range(len(sizes))]


def _lines(
    scatter: Scatter, columns: int, column_steps: Sequence[int], shares: Shares
) -> tuple[Space, int, int, Sequence[int]]:
    """The lines that a row is copied in; how many there are for each place along the first
    named dimension, 0 for one that is all of them; their length, and steps in out and x."""
    named = scatter.named
    column = Space((columns,), tuple((step,) for step in column_steps[:2]))
    whole = named.times(column)
    if shares.blocks == 1 and len(whole.collapsed().shape) <= 1:
        _, _, steps = whole.collapsed().split()
        return whole, 0, whole.size // max(named.shape[0], 1), steps
    behind = named.picked(range(1, len(named.shape)))
    behind = behind.times(column)
    if shares.blocks == 1:
        behind = behind.collapsed()
    before, length, steps = behind.split()
    return named.picked([0]).times(before), before.size, length, steps


def _kernel(scatter: Scatter) -> int:
    dtype = scatter.x.dtype
    if scatter.wide:
        return specialised(
            places.scatter_wide, Value=number_name(dtype), Work="f32", Target="f32", combine="add"
        )
    stored, work = number_name(dtype), work_name(dtype)
    if scatter.mode == "set":
        stored = work = word_name(dtype)
    return specialised(
        places.scatter, Value=stored, Target=stored, Work=work, combine=MODES[scatter.mode]
    )  # fmt: skip
