"""The kernel of an instruction of many parts, in the kernel language."""

from __future__ import annotations

from tinygraph_numba.language.dialect import address, call, i64, minimum, pointer, ptr_i64

HEAD = 1  # args before the rows of the parts
ROW = 5  # words of a row
FIRST, KERNEL, ARGS, EXTENT, GRAIN = 0, 1, 2, 3, 4


def batch(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """Run the chunks [lo, hi), counted over all parts."""
    for number in range(lo, hi):
        part = args[0] - 1
        while args[HEAD + part * ROW + FIRST] > number:
            part -= 1
        row = pointer(i64, address(args, HEAD + part * ROW))
        start = (number - row[FIRST]) * row[GRAIN]
        end = minimum(start + row[GRAIN], row[EXTENT])
        status = call(row[KERNEL], address(args, row[ARGS]), start, end, scratch)
        if status != 0:
            return status
    return 0
