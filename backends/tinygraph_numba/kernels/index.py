"""Gather: elements taken from places that arrays of integers name.

A gather runs over a space of positions, in which the result, each array of numbers and, for the
dimensions that no number is for, the array that is picked from lie with strides. What is picked
at a position lies where that array is there, plus a number times a stride for each array of
numbers. `gather` and `take_along_axis` are of this form, and `scatter.py` is the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinygraph.compiler.kernel import Instruction, Slot, View
from tinygraph.dtypes import UNSIGNED, DType
from tinygraph_numba.host import array_at
from tinygraph_numba.kernels import places
from tinygraph_numba.kernels.generic import arranged, specialised, type_name, word_name
from tinygraph_numba.kernels.places import BLOCK, NUMBERS, RECORD_SIZE, RECORDS
from tinygraph_numba.kernels.spaces import Space, Strides
from tinygraph_numba.plan import Plan

GRAIN = 16384  # elements in a chunk, about
WIDEST = 8192  # columns in a block, where there are more


@dataclass(frozen=True, slots=True)
class Numbers:
    """Arrays of numbers, and which dimension of `array` each is for."""

    slots: Sequence[Slot]
    axes: Sequence[int]
    array: View

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many places there are along each axis."""
        return tuple(self.array.shape[axis] for axis in self.axes)

    @property
    def any(self) -> bool:
        """Whether there is a number at all."""
        return any(0 not in slot.view.shape for slot in self.slots)

    def records(self, run_steps: Sequence[int], steps: Sequence[int]) -> list[int | Slot]:
        """The records for the kernels. run_steps: the strides of the numbers along the run;
        steps: those that a number is multiplied with."""
        args: list[int | Slot] = []
        for slot, size, run_step, step in zip(
            self.slots, self.sizes, run_steps, steps, strict=True
        ):
            wrap = 0 if slot.dtype in UNSIGNED else size
            args += [_resolver(slot), slot, run_step, size, wrap, step]
        return args

    def error(self, args: Sequence[int]) -> Exception:
        """The exception for the first number that is out of range."""
        for k, (slot, axis) in enumerate(zip(self.slots, self.axes, strict=True)):
            numbers = array_at(slot, args[RECORDS + k * RECORD_SIZE + NUMBERS])
            size = self.array.shape[axis]
            wrong = numbers[(numbers < -size) | (numbers >= size)]
            if wrong.size:
                return IndexError(
                    f"index {int(wrong[0])} is out of range for axis {axis} of size {size}"
                )
        raise AssertionError("all numbers are in range")


def _resolver(slot: Slot) -> int:
    if slot.storage.place == "index":
        return specialised(places.resolve_count)
    return specialised(places.resolve, Index=type_name(slot.dtype))


def plan(instruction: Instruction) -> Plan | None:
    """The plan of an instruction of kind gather; None where it has none."""
    provider = PROVIDERS.get(instruction.kernel.name)
    return provider(instruction) if provider is not None else None


def _gather(instruction: Instruction) -> Plan | None:
    x, *slots = instruction.inputs
    (out,) = instruction.outputs
    numbers = Numbers(slots, instruction.params["axes"], x.view)
    rest = others(len(x.view.shape), numbers.axes)
    picked = out.view.shape[: len(out.view.shape) - len(rest)]
    x_strides = (*(0 for _ in picked), *(x.view.strides[axis] for axis in rest))
    strides = [stretched(slot.view, picked) + (0,) * len(rest) for slot in slots]
    return _plan(out, x, Space(out.view.shape, (out.view.strides, x_strides, *strides)), numbers)


def _take_along_axis(instruction: Instruction) -> Plan | None:
    x, index = instruction.inputs
    (out,) = instruction.outputs
    axis = instruction.params["axis"]
    steps = tuple(0 if i == axis else step for i, step in enumerate(x.view.strides))
    space = Space(out.view.shape, (out.view.strides, steps, index.view.strides))
    return _plan(out, x, space, Numbers([index], [axis], x.view))


def _within(instruction: Instruction) -> Plan | None:
    """`within` copies numbers that must be below a limit. None where they have no memory."""
    (x,), (out,), params = instruction.inputs, instruction.outputs, instruction.params
    if x.storage.place == "index":
        return None
    space = Space(x.view.shape, (out.view.strides, x.view.strides)).collapsed()
    rows, run, steps = space.split()
    head = {
        places.OUT: out, places.X: x, places.LIMIT: params["size"], places.RUN: run,
        places.ROWS: RECORDS, places.OUT_RUN: steps[0], places.X_RUN: steps[1],
    }  # fmt: skip

    def error(args: Sequence[int]) -> Exception:
        try:
            instruction.kernel.steps[0].op.eval(np, array_at(x, args[places.X]), **params)
        except IndexError as error:
            return error
        raise AssertionError("all numbers are in range")

    return Plan(
        kernel=specialised(places.within, Index=type_name(x.dtype)),
        args=(*arranged(head, RECORDS), *rows.args()),
        extent=space.size,
        grain=GRAIN,
        error=error,
    )


PROVIDERS: dict[str, Callable[[Instruction], Plan | None]] = {
    "gather": _gather,
    "take_along_axis": _take_along_axis,
    "within": _within,
}


def _plan(out: Slot, x: Slot, space: Space, numbers: Numbers) -> Plan | None:
    """space: the positions; arrays out, x, and those of numbers.

    None where nothing is picked but there are numbers, which may be wrong; and where x has no
    memory.
    """
    if x.storage.place == "index" or (space.size == 0 and numbers.any):
        return None
    rest, columns, column_steps = split_columns(space.collapsed(), 2)
    rows, run, run_steps = rest.split()
    width = columns if columns <= 2 * WIDEST else WIDEST
    steps = [x.view.strides[axis] for axis in numbers.axes]
    records = numbers.records(run_steps[2:], steps)
    head: dict[int, int | Slot] = {
        places.OUT: out, places.X: x, places.ARRAYS: len(numbers.slots),
        places.WIDTH: width, places.COLUMNS: columns,
        places.OUT_COLUMN: column_steps[0], places.X_COLUMN: column_steps[1],
        places.ROWS: RECORDS + len(records), places.ROW_COUNT: rows.size,
        places.RUN: run, places.OUT_RUN: run_steps[0], places.X_RUN: run_steps[1],
        places.COPY_LINE: line_copier(x.dtype),
    }  # fmt: skip
    return Plan(
        kernel=specialised(places.gather, Word=word_name(x.dtype)),
        args=(*arranged(head, RECORDS), *records, *rows.args()),
        extent=rows.size * run * -(-columns // max(width, 1)),
        grain=max(1, GRAIN // max(width, 1)),
        scratch=2 * BLOCK * 8,
        error=numbers.error,
    )


def line_copier(dtype: DType) -> int:
    """The address of `copy_line` for elements of a dtype."""
    return specialised(places.copy_line, Word=word_name(dtype))


def others(ndim: int, axes: Sequence[int]) -> list[int]:
    """The dimensions that are not in `axes`, in order."""
    return [axis for axis in range(ndim) if axis not in axes]


def stretched(view: View, shape: tuple[int, ...]) -> Strides:
    """The strides of an array that is broadcast to `shape`."""
    steps = zip(view.shape, view.strides, strict=True)
    own = tuple(0 if size == 1 else step for size, step in steps)
    return (0,) * (len(shape) - len(own)) + own


def split_columns(space: Space, first: int) -> tuple[Space, int, Strides]:
    """`space.split()` if no array from `first` on varies along the last dimension; else the
    whole space, and one column."""
    if space.shape and not any(space.steps(-1)[first:]):
        return space.split()
    return space, 1, (0,) * len(space.strides)
