"""update_slice: a copy of an array in which a slice has other values.

It is two copies, of the whole array and of the values. The work is shared out along one
dimension: each chunk does both copies as far as they lie in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinygraph.compiler.kernel import Instruction, Slot
from tinygraph_numba.kernels import places
from tinygraph_numba.kernels.generic import specialised
from tinygraph_numba.kernels.index import line_copier, others
from tinygraph_numba.kernels.spaces import Space
from tinygraph_numba.plan import Plan

GRAIN = 16384  # elements in a chunk, about
LONG = 8  # so many places are enough to share the work out
SHORT = 16  # so long a line should be
HEAD = 5  # the args before the parts

Slices = Sequence[tuple[int, int, int]]


def plan(instruction: Instruction) -> Plan | None:
    """The plan of `update_slice`; None where an operand has no memory."""
    x, values = instruction.inputs
    (out,) = instruction.outputs
    if "index" in (x.storage.place, values.storage.place):
        return None
    slices = instruction.params["slices"] or ((0, 1, 1),)
    copied = Space(x.view.shape, (out.view.strides, x.view.strides))
    put, starts = _put(out, values, instruction.params["slices"])
    if not x.view.shape:
        copied, put = (Space((1,), ((0,), (0,))) for _ in range(2))
    axis = _cut(copied.shape)
    copy = _part(out, x, (0, 0), copied, axis)
    first, count, stride = _forwards(slices)[axis]
    size = copied.shape[axis]
    return Plan(
        kernel=specialised(places.update_slice),
        args=(
            first, count, stride, HEAD, HEAD + len(copy), *copy,
            *_part(out, values, starts, put, axis),
        ),
        extent=size if copied.size else 0,
        grain=max(1, GRAIN * size // max(1, copied.size)),
    )  # fmt: skip


def _forwards(slices: Slices) -> Slices:
    """The same places, from the first to the last of them; the count is 0 where there are none
    at all."""
    empty = any(count == 0 for _, count, _ in slices)
    return [
        (first + (count - 1) * stride if stride < 0 else first, 0 if empty else count, abs(stride))
        for first, count, stride in slices
    ]


def _put(out: Slot, values: Slot, slices: Slices) -> tuple[Space, tuple[int, int]]:
    """The space of the values, arrays out and values; and where each begins."""
    forwards = _forwards(slices)
    signs = [1 if stride > 0 else -1 for _, _, stride in slices]
    out_steps = out.view.strides
    steps = tuple(s * sign for s, sign in zip(values.view.strides, signs, strict=True))
    to = sum(first * s for (first, _, _), s in zip(forwards, out_steps, strict=True))
    turned = zip(values.view.shape, values.view.strides, signs, strict=True)
    at = sum((size - 1) * step for size, step, sign in turned if sign < 0)
    strides = tuple(s * stride for (_, _, stride), s in zip(forwards, out_steps, strict=True))
    return Space(values.view.shape, (strides, steps)), (to, at)


def _cut(shape: Sequence[int]) -> int:
    """The dimension that the work is shared out along: the first long one, else the longest."""
    for axis, size in enumerate(shape):
        if size >= LONG:
            return axis
    return max(range(len(shape)), key=lambda axis: shape[axis])


def _part(
    to: Slot, source: Slot, starts: tuple[int, int], space: Space, axis: int
) -> list[int | Slot]:
    """The record of a copy of `space`, arrays `to` and `source`, that is cut along `axis`."""
    cut = space.picked([axis])
    rest = space.picked(others(len(space.shape), [axis])).collapsed()
    whole = cut.times(rest)
    size = cut.shape[0]
    head: list[int | Slot] = [line_copier(to.dtype), to, source, *starts]
    if len(whole.collapsed().shape) <= 1:
        _, _, steps = whole.collapsed().split()
        return [*head, 0, 1, whole.size // max(size, 1), *steps, *Space((), ((), ())).args()]
    rows, length, steps = rest.split()
    if length < min(SHORT, size):
        return [*head, 0, rest.size, 1, *cut.steps(0), *rest.args()]
    return [*head, rows.size, 0, length, *steps, *cut.times(rows).args()]
