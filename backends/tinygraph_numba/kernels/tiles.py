"""Tiles of a matrix product, on the processor at hand.

A tile is the part of a result that stays in registers while its sum is run through: `rows` rows
of `vectors` vectors. Each step reads one vector of the right operand for each column of the tile
and one number of the left operand for each row, and does `rows * vectors` multiplications with
them; the registers must hold all sums, the vectors and one number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tinygraph.dtypes import DType
from tinygraph_numba.kernels import spaces
from tinygraph_numba.kernels.generic import type_name
from tinygraph_numba.language import native, source_of
from tinygraph_numba.language.emit import host


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile's shape. width: of a vector, in elements."""

    rows: int
    vectors: int
    width: int

    @property
    def span(self) -> int:
        """The columns of a tile."""
        return self.vectors * self.width


@cache
def compiled(
    entry: Callable[..., Any], shape: Tile, dtype: DType, *parts: Callable[..., Any]
) -> int:
    """The address of a kernel with tiles of this shape, on numbers of type `dtype`.

    It may use the modules that the functions `parts` stand in. In all of these the constants
    Rows, Vectors, Width, Span and Stages, and the type Value, are made what they are to be.
    """
    source = "\n".join(map(source_of, (*parts, entry)))
    numbers = {
        "Rows": shape.rows, "Vectors": shape.vectors, "Width": shape.width, "Span": shape.span,
        "Stages": shape.width.bit_length() - 1,
    }  # fmt: skip
    for name, number in numbers.items():
        source = re.sub(rf"(?m)^{name} = .*$", f"{name} = {number}", source)
    source = re.sub(r"\b(ptr_)?Value\b", rf"\g<1>{type_name(dtype)}", source)
    return native(source, entry.__name__, (spaces,))


@cache
def registers() -> tuple[int, int]:
    """How many vector registers the processor has, and their size in bytes."""
    features = host()[1].split(",")
    if "+avx512f" in features:
        return 32, 64
    if "+avx2" in features and "+fma" in features:
        return 16, 32
    return (32 if "+neon" in features else 16), 16


@cache
def tile(dtype: DType, columns: int, tall: bool = False) -> Tile:
    """The tile for results of so many columns.

    A multiply-add takes about four cycles and two begin in each: eight sums at least keep the
    processor busy. tall: with as many rows as the registers can hold, where the vectors come
    from further away.
    """
    count, size = registers()
    width = size // dtype.itemsize
    if columns <= width:
        return Tile(12, 1, width)
    rows = {16: 6, 32: 12 if tall else 8}[count]
    return Tile(rows, 2, width)


def fitting(shape: Tile, rows: int) -> Tile:
    """The tile with so few rows less that `rows` rows leave little of the last one unused."""
    return replace(shape, rows=-(-rows // -(-rows // shape.rows)))
