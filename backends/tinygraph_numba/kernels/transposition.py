"""Squares of numbers turned over in registers: for kernels that bring an operand into the order
in which tiles read it. `tiles.compiled` puts this before their own source."""

from __future__ import annotations

from tinygraph_numba.language.dialect import (
    f32,
    i64,
    load,
    ptr_f32,
    stack,
    store,
    unroll,
    zip_high,
    zip_low,
)  # fmt: skip

Value = f32
ptr_Value = ptr_f32
Width = 16
Stages = 4  # log2(Width)


def transpose(out: ptr_Value, to: i64, out_step: i64, x: ptr_Value, at: i64, x_step: i64) -> None:
    """`Width` rows of as many elements of x become columns of `out`. Steps: from row to row.

    Zipping vector i with vector i + Width / 2 moves the highest bit of a row's number below the
    lowest bit of the column's; after as many times as the numbers have bits, they have changed
    places.
    """
    square = stack(Value, (Stages + 1) * Width * Width)
    for i in unroll(0, Width):
        store(square, i * Width, load(x, at + i * x_step, Width))
    for stage in unroll(0, Stages):
        for i in unroll(0, Width // 2):
            place = (stage * Width + i) * Width
            a = load(square, place, Width)
            b = load(square, place + Width // 2 * Width, Width)
            into = ((stage + 1) * Width + 2 * i) * Width
            store(square, into, zip_low(a, b))
            store(square, into + Width, zip_high(a, b))
    for i in unroll(0, Width):
        store(out, to + i * out_step, load(square, (Stages * Width + i) * Width, Width))
