"""Several arrays that are stepped over together, as the hand-written kernels see them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tinygraph_numba.language.dialect import i64, ptr_i64

Strides = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Space:
    """Sizes, and for each of several arrays its strides in elements along them."""

    shape: tuple[int, ...]
    strides: tuple[Strides, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def collapsed(self) -> Space:
        """The same places in the same order, in as few dimensions as can be."""
        dims: list[tuple[int, Strides]] = []
        for axis, size in enumerate(self.shape):
            steps = tuple(strides[axis] for strides in self.strides)
            if size == 1:
                continue
            if dims and all(a == b * size for a, b in zip(dims[-1][1], steps, strict=True)):
                dims[-1] = (dims[-1][0] * size, steps)
            else:
                dims.append((size, steps))
        return self._of(dims)

    def _of(self, dims: Sequence[tuple[int, Strides]]) -> Space:
        columns = zip(*(steps for _, steps in dims), strict=True)
        strides = tuple(columns) if dims else ((),) * len(self.strides)
        return Space(tuple(size for size, _ in dims), strides)

    def picked(self, axes: Sequence[int]) -> Space:
        """The dimensions `axes` alone."""
        return Space(
            tuple(self.shape[axis] for axis in axes),
            tuple(tuple(strides[axis] for axis in axes) for strides in self.strides),
        )

    def times(self, inner: Space) -> Space:
        """The space of the dimensions of this and, within them, of those of `inner`."""
        strides = zip(self.strides, inner.strides, strict=True)
        return Space(self.shape + inner.shape, tuple(a + b for a, b in strides))

    def arrays(self, *numbers: int) -> Space:
        """The same dimensions, for some of the arrays."""
        return Space(self.shape, tuple(self.strides[number] for number in numbers))

    def steps(self, axis: int) -> Strides:
        """The stride of each array along one dimension."""
        return tuple(strides[axis] for strides in self.strides)

    def split(self) -> tuple[Space, int, Strides]:
        """All dimensions but the last; the size of that, and the stride of each array there."""
        if not self.shape:
            return self, 1, (0,) * len(self.strides)
        return self.picked(range(len(self.shape) - 1)), self.shape[-1], self.steps(-1)

    def args(self) -> tuple[int, ...]:
        """What `offset` reads: the number of dimensions, sizes, and strides array by array."""
        if not self.shape:
            return (1, 1, *(0 for _ in self.strides))
        return (len(self.shape), *self.shape, *(s for steps in self.strides for s in steps))


def offset(space: ptr_i64, array: i64, row: i64) -> i64:
    """Where in array number `array` of a space its place number `row` is, in elements."""
    rank = space[0]
    first = 1 + rank + array * rank
    left = row
    place = i64(0)
    axis = rank - 1
    while axis > 0:
        size = space[1 + axis]
        place += left % size * space[first + axis]
        left //= size
        axis -= 1
    return place + left * space[first]
