"""Another order of a kernel's dimensions, so that its loop of vectors runs where vectors are full.

*Tiny rows.* A loop of vectors over two or three elements costs more than what is computed in it.
Where the rows of a kernel are tiny, all of one is written out, and the loop of vectors runs over
many of them, along the dimension where the arrays lie best for that: the lane. The copy of a
pixel shuffle by 2 reads one element and writes two side by side; it becomes

    for i in lanes(0, n2):
        out0[out0_row + i * 2] = x0[x0_row + i]
        out0[out0_row + i * 2 + 1] = x0[x0_row + i + x0_s3]

in which LLVM finds the stores that fill whole vectors. For that it has to know small strides.

*Rows that lie across.* Where the elements of a row that is reduced lie far apart, while those of
different rows lie side by side, as in the softmax of an image's channels, the rows become columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from typing import NamedTuple

from tinygraph.compiler.kernel import Instruction, Operand, Slot, View
from tinygraph.ops.random import philox
from tinygraph_numba.loops.nest import Nest

SHORT = 16  # rows this long fill vectors of their own
COPIED = 8  # elements of a tiny row where nothing is reduced: so many fill whole vectors together
REDUCED = 49  # and where something is: a window of 7 by 7
WRITTEN = 256  # additions that a row may cost, all of which are compiled
LEAST = 8  # rows side by side, to be worth it
START = 32  # what it costs to begin with a run of rows, in elements of a vector
CLOSE = 1.5  # and what an element costs that lies among others which are needed, too
APART = 4  # and one that lies by itself


class Arranged(NamedTuple):
    """An instruction whose rows are written out, with these extents; none if they are not."""

    instruction: Instruction
    tiny: tuple[int, ...] = ()


def arranged(instruction: Instruction, nest: Nest, cost: int) -> Arranged:
    """The same, in another order where that is better. nest: as it is laid out; cost: of one
    element, in additions."""
    extents = instruction.outputs[0].view.shape
    if 0 in extents or not _is_free(nest):
        return Arranged(instruction)
    if not nest.rows and not nest.columns:
        return Arranged(_in_order_of_memory(instruction))
    tiny = _tiny_dims(nest, extents)
    size = math.prod(extents[dim] for dim in tiny)
    lane = _lane(instruction, tiny) if size * cost <= WRITTEN else None
    if tiny and lane is not None:
        roles = "o" * (len(extents) - len(tiny)) + "i" * len(tiny)
        order = [*_others(extents, (lane, *tiny)), lane, *tiny]
        found = _in_order(instruction, order, roles, (lane, *tiny))
        return Arranged(found, tuple(extents[dim] for dim in tiny))
    if nest.reductions and nest.sweep and not nest.columns:
        return Arranged(_in_columns(instruction, nest))
    return Arranged(instruction)


def _is_free(nest: Nest) -> bool:
    """Whether the rows may be run through in any way: nothing is over all of them, checked in
    their order, or drawn for a whole row at once."""
    steps = [value.step for value in nest.values if value.step is not None]
    across = any(value.across for value in nest.values)
    return not (across or nest.checks or any(step.op is philox for step in steps))


def _others(extents: Sequence[int], dims: Sequence[int]) -> list[int]:
    return [dim for dim in range(len(extents)) if dim not in dims]


def _tiny_dims(nest: Nest, extents: Sequence[int]) -> tuple[int, ...]:
    """The dimensions that are to be written out; none where rows are not tiny."""
    if nest.columns:
        reduced = tuple(dim for dim in nest.sweep if dim not in nest.columns)
        return reduced if math.prod(extents[dim] for dim in reduced) < SHORT else ()
    if extents[-1] >= SHORT:
        return ()
    if nest.reductions:
        small = math.prod(extents[dim] for dim in nest.sweep) <= REDUCED
        return nest.sweep if small else ()
    first = len(extents)
    while first > 1 and math.prod(extents[first - 1 :]) <= COPIED:
        first -= 1
    return tuple(range(first, len(extents)))


def _lane(instruction: Instruction, tiny: Sequence[int]) -> int | None:
    """The dimension for vectors, where rows are written out; None if there is none."""
    slots = [*instruction.outputs, *instruction.inputs]
    extents = slots[0].view.shape
    size = math.prod(extents[dim] for dim in tiny)
    prices = {}
    for dim in _others(extents, tiny):
        if extents[dim] >= LEAST:
            reach = sum(_reach(slot.view, dim, tiny, size) for slot in slots)
            prices[dim] = START / (extents[dim] * size) + reach
    return min(prices, key=lambda dim: (prices[dim], -dim), default=None)


def _reach(view: View, lane: int, tiny: Sequence[int] = (), size: int = 1) -> float:
    """What it costs to reach an element of an array, with vectors along `lane`."""
    stride = view.strides[lane]
    if stride in (0, 1):
        return stride
    return CLOSE if 1 < stride <= size and any(view.strides[dim] for dim in tiny) else APART


def _in_columns(instruction: Instruction, nest: Nest) -> Instruction:
    """The same, with the dimensions of its rows reduced as columns, if these lie better: for
    what is read in each pass rather than for what is written in the last."""
    rows = nest.sweep
    slots = [*instruction.outputs, *instruction.inputs * len(nest.passes)]
    slots = [slot for slot in slots if slot.storage.place != "index"]
    extents = slots[0].view.shape
    views = [slot.view for slot in slots if any(slot.view.strides[dim] for dim in rows)]
    others = [dim for dim in _others(extents, rows) if extents[dim] >= SHORT]
    prices = {dim: sum(_reach(view, dim) for view in views) for dim in (*others, rows[-1])}
    lane = min(others, key=lambda dim: (prices[dim], -dim), default=rows[-1])
    good = extents[rows[-1]] >= SHORT and prices[rows[-1]] < prices[lane] + APART / 2
    if lane in rows or good or not views:
        return instruction
    outer = _others(extents, (lane, *rows))
    roles = "o" * len(outer) + "r" * len(rows) + "i"
    return _in_order(instruction, [*outer, *rows, lane], roles)


def _in_order_of_memory(instruction: Instruction) -> Instruction:
    """The same, a reduction over everything, with vectors along the dimension that lies best."""
    slots = [slot for slot in instruction.inputs if slot.storage.place != "index"]
    extents = instruction.outputs[0].view.shape
    prices = {
        dim: sum(_reach(slot.view, dim) for slot in slots)
        for dim, extent in enumerate(extents)
        if extent >= SHORT
    }
    lane = min(prices, key=lambda dim: (prices[dim], -dim), default=len(extents) - 1)
    if lane == len(extents) - 1 or not slots:
        return instruction
    order = [*_others(extents, [lane]), lane]
    return _in_order(instruction, order, instruction.kernel.roles)


def _in_order(
    instruction: Instruction, order: Sequence[int], roles: str, near: Sequence[int] = ()
) -> Instruction:
    """The same, with its dimensions in another order. near: those of them along which small
    strides become part of the layout."""
    kernel = instruction.kernel
    extents = instruction.outputs[0].view.shape
    size = math.prod(extents[dim] for dim in near[1:])
    most = [min(size, 9) if dim in near else int(dim == order[-1]) for dim in order]
    inputs = tuple(_slot(slot, order) for slot in instruction.inputs)
    outputs = tuple(_slot(slot, order) for slot in instruction.outputs)
    kernel = replace(
        kernel,
        roles=roles,
        inputs=tuple(map(_operand, kernel.inputs, inputs, repeat(most))),
        outputs=tuple(map(_operand, kernel.outputs, outputs, repeat(most))),
    )
    return replace(instruction, kernel=kernel, inputs=inputs, outputs=outputs)


def _slot(slot: Slot, order: Sequence[int]) -> Slot:
    view = slot.view
    shape, strides = (tuple(each[dim] for dim in order) for each in (view.shape, view.strides))
    return replace(slot, view=View(view.offset, shape, strides))


def _operand(operand: Operand, slot: Slot, most: Sequence[int]) -> Operand:
    """With its layout in the order of `slot`. most: for each dimension, up to which stride this
    becomes part of the layout, as a digit."""
    ways = [
        "0" if stride == 0 else str(stride) if 1 <= stride <= known else "s"
        for stride, known in zip(slot.view.strides, most, strict=True)
    ]
    return replace(operand, layout="".join(ways))
