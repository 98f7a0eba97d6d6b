"""Contractions: matrix products, batched or not, of operands with any strides.

The dimensions of a `dot_general` are brought into as few as can be. Of those that are left, one
of the left operand alone becomes the rows of a matrix product, one of the right operand alone
its columns, one of both its inner dimension. Further ones make a number of such products, or,
where they are summed over, segments of the inner dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from tinygraph.compiler.kernel import Instruction, Slot, row_major
from tinygraph.dtypes import DType, float32, float64
from tinygraph_numba.kernels import products
from tinygraph_numba.kernels.generic import specialised, type_name, work_name
from tinygraph_numba.kernels.spaces import Space
from tinygraph_numba.kernels.tiles import Tile, compiled, tile
from tinygraph_numba.kernels.transposition import transpose
from tinygraph_numba.plan import Plan

Axes = tuple[int, ...]

FIRST_CACHE = 1 << 15  # bytes that stay in it, with some room for others
INNER_BLOCK = 256  # a panel of this depth stays in the first cache
CHUNK = 1 << 20  # multiplications that make up for starting a thread on them
MOST_ROWS, FEWEST_ROWS = 256, 32  # of a block that is as wide as the result
LOW = 5  # so few rows do not pay for bringing the right operand into panels
SMALL = 1 << 13  # elements of a right operand for which that costs next to nothing


@dataclass(frozen=True, slots=True)
class Matrices:
    """The products: `products` over (result, left, right), `segments` over (left, right).

    rows, columns, depth: of each. steps: of the result's rows and columns, of the left operand's
    rows and inner dimension, of the right one's inner dimension and columns.
    """

    dtype: DType
    products: Space
    segments: Space
    rows: int
    columns: int
    depth: int
    steps: tuple[int, int, int, int, int, int]

    @property
    def work(self) -> int:
        """Multiplications in one product."""
        return self.rows * self.columns * self.depth * self.segments.size


class RowBlocks(NamedTuple):
    """A plan for blocks of rows. rows: of each product; block: of each block, but for the last of
    a product; total: of all products."""

    plan: Plan
    rows: int
    block: int
    total: int


def plan(instruction: Instruction) -> Plan | None:
    """The plan of a `dot_general`; None if the result is empty."""
    (out,), (left, right) = instruction.outputs, instruction.inputs
    if prod(out.view.shape) == 0:
        return None
    params = instruction.params
    matrices, swapped = matrices_of(out, left, right, params["contract"], params["batch"])
    slots = (out, right, left) if swapped else (out, left, right)
    return plan_products(matrices, slots)


def matrices_of(
    out: Slot, left: Slot, right: Slot, contract: tuple[Axes, Axes], batch: tuple[Axes, Axes]
) -> tuple[Matrices, bool]:
    """The products that a contraction is, and whether the operands have changed places."""
    own_left = _others(left, contract[0] + batch[0])
    own_right = _others(right, contract[1] + batch[1])
    first, last = len(batch[0]), len(batch[0]) + len(own_left)
    shape, steps = out.view.shape, out.view.strides
    none_left, none_right = (0,) * len(own_left), (0,) * len(own_right)
    paired = Space(
        shape[:first], (steps[:first], _picked(left, batch[0]), _picked(right, batch[1]))
    )
    rows = Space(shape[first:last], (steps[first:last], _picked(left, own_left), none_left))
    columns = Space(shape[last:], (steps[last:], none_right, _picked(right, own_right)))
    over = sorted(zip(*contract, strict=True), key=lambda pair: -abs(left.view.strides[pair[0]]))
    inner = Space(
        tuple(left.view.shape[a] for a, _ in over),
        (_picked(left, [a for a, _ in over]), _picked(right, [b for _, b in over])),
    ).collapsed()
    rows, columns = rows.collapsed(), columns.collapsed()
    swapped = _is_better_swapped(rows, columns)
    if swapped:
        rows, columns = columns.arrays(0, 2, 1), rows.arrays(0, 2, 1)
        paired, inner = paired.arrays(0, 2, 1), inner.arrays(1, 0)
    return arranged(out.dtype, paired, rows, columns, inner), swapped


def _is_better_swapped(rows: Space, columns: Space) -> bool:
    """Whether the elements of the result that are neighbours are in its rows, or its columns are
    but one."""
    if rows.size == 1 or columns.size == 1:
        return rows.size > 1
    return columns.steps(-1)[0] != 1 and rows.steps(-1)[0] == 1


def _others(slot: Slot, taken: Axes) -> Axes:
    return tuple(axis for axis in range(len(slot.view.shape)) if axis not in taken)


def _picked(slot: Slot, axes: Axes | list[int]) -> Axes:
    return tuple(slot.view.strides[axis] for axis in axes)


def arranged(dtype: DType, paired: Space, rows: Space, columns: Space, inner: Space) -> Matrices:
    """One dimension of each kind for the product; the others beside them."""
    more_rows, row_count, row_steps = rows.split()
    more_columns, column_count, column_steps = columns.split()
    segments, depth, (left_inner, right_inner) = inner.split()
    spaces = (paired, more_rows, more_columns)
    around = Space(
        sum((space.shape for space in spaces), ()),
        tuple(sum((space.strides[k] for space in spaces), ()) for k in range(3)),
    ).collapsed()  # fmt: skip
    left_steps, right_steps = (row_steps[1], left_inner), (right_inner, column_steps[2])
    steps = (row_steps[0], column_steps[0], *left_steps, *right_steps)
    return Matrices(dtype, around, segments, row_count, column_count, depth, steps)


# ----------------------------------------------------------------------------------- planning


def plan_products(matrices: Matrices, slots: tuple[Slot, Slot, Slot]) -> Plan:
    """The plan for products of the slots (result, left, right)."""
    if not _in_tiles(matrices):
        return _plain(matrices, slots)
    return _tiled(matrices, slots, _blocks(matrices, tile(matrices.dtype, matrices.columns)))


def _in_tiles(matrices: Matrices) -> bool:
    if matrices.dtype not in (float32, float64) or matrices.work == 0:
        return False
    small = matrices.depth * matrices.columns <= SMALL
    return matrices.rows > LOW or (matrices.rows > 1 and small)


def plan_rows(instruction: Instruction) -> RowBlocks | None:
    """A plan whose chunks make whole rows of the result, one block of rows after another. None
    if the result is not laid out like that, or is too low to be shared out by rows."""
    (out,), (left, right) = instruction.outputs, instruction.inputs
    params = instruction.params
    matrices, swapped = matrices_of(out, left, right, params["contract"], params["batch"])
    whole = tuple(s * matrices.rows * matrices.columns for s in row_major(matrices.products.shape))
    in_order = matrices.products.strides[0] == whole and matrices.steps[:2] == (matrices.columns, 1)
    if swapped or not in_order or not _in_tiles(matrices):
        return None
    rows, wanted = MOST_ROWS, min(8, max(1, matrices.work * matrices.products.size // CHUNK))
    while rows > FEWEST_ROWS and -(-matrices.rows // rows) * matrices.products.size < wanted:
        rows //= 2
    plan = _tiled(matrices, (out, left, right), (rows, matrices.columns))
    if plan.extent < min(wanted, 2):
        return None
    return RowBlocks(plan, matrices.rows, rows, matrices.rows * matrices.products.size)


def _tiled(matrices: Matrices, slots: tuple[Slot, Slot, Slot], blocks: tuple[int, int]) -> Plan:
    """In blocks of so many rows and columns."""
    shape = tile(matrices.dtype, matrices.columns)
    rows, columns = blocks
    count = -(-matrices.rows // rows) * -(-matrices.columns // columns) * matrices.products.size
    depth = min(matrices.depth, INNER_BLOCK)
    each = min(rows, matrices.rows) * min(columns, matrices.columns) * matrices.depth
    panel_bytes = depth * abs(matrices.steps[4]) * matrices.dtype.itemsize
    in_place = matrices.steps[5] == 1 and (rows <= 4 * shape.rows or panel_bytes <= FIRST_CACHE)
    return Plan(
        kernel=compiled(products.tiled, shape, matrices.dtype, transpose),
        args=_args(matrices, slots, (rows, columns, depth), in_place),
        extent=count,
        grain=max(1, min(CHUNK // max(1, each), count // 8)),
        scratch=depth * shape.span * matrices.dtype.itemsize,
    )


def _blocks(matrices: Matrices, shape: Tile) -> tuple[int, int]:
    """Rows and columns of a block: large, as each block packs its part of the right operand
    anew, but small enough that there are some for each thread."""
    rows, columns = 256, 256
    total = matrices.work * matrices.products.size
    wanted = min(8, max(1, total // CHUNK))
    while True:
        count = -(-matrices.rows // rows) * -(-matrices.columns // columns)
        if count * matrices.products.size >= wanted:
            return rows, columns
        if columns > 2 * shape.span and matrices.columns > columns // 2:
            columns //= 2
        elif rows > shape.rows:
            rows //= 2
        else:
            return rows, columns


def _plain(matrices: Matrices, slots: tuple[Slot, Slot, Slot]) -> Plan:
    steps = matrices.steps
    dots = steps[3] == steps[4] == 1 and steps[5] != 1 and matrices.depth > 8
    columns = max(1, min(matrices.columns, max(512, CHUNK // 8 // max(1, matrices.depth))))
    parts = -(-matrices.columns // columns) * matrices.rows * matrices.products.size
    each = columns * matrices.depth * matrices.segments.size + 8
    entry, dtype = products.dots if dots else products.plain, matrices.dtype
    work = 8  # bytes of the widest type of a sum
    return Plan(
        kernel=specialised(entry, Value=type_name(dtype), Work=work_name(dtype)),
        args=_args(matrices, slots, (1, columns, matrices.depth), in_place=True),
        extent=parts,
        grain=max(1, min(CHUNK // 8 // each, parts)),
        scratch=columns * work,
    )


def _args(
    matrices: Matrices, slots: tuple[Slot, Slot, Slot], blocks: tuple[int, int, int], in_place: bool
) -> tuple[int | Slot, ...]:
    around = matrices.products.args()
    first = products.FIRST_SPACE
    return (
        *slots, matrices.rows, matrices.columns, matrices.depth, *matrices.steps, *blocks,
        int(in_place), first, first + len(around), matrices.segments.size,
        *around, *matrices.segments.args(),
    )  # fmt: skip
