"""The kernel of a chain, in the kernel language."""

from __future__ import annotations

from tinygraph_numba.language.dialect import address, call, i64, minimum, ptr_i64

ROWS, BLOCK, EACH = 0, 1, 2
FIRST, FIRST_ARGS, SECOND, SECOND_ARGS = 3, 4, 5, 6
HEAD = 7


def chain(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """The blocks of rows [lo, hi): the product first, then the loops while it is in the cache."""
    down = (args[ROWS] + args[BLOCK] - 1) // args[BLOCK]
    for number in range(lo, hi):
        status = call(args[FIRST], address(args, args[FIRST_ARGS]), number, number + 1, scratch)
        if status != 0:
            return status
        end = (number // down + 1) * args[ROWS]
        row = number // down * args[ROWS] + number % down * args[BLOCK]
        last = minimum(row + args[BLOCK], end)
        start = row * args[EACH]
        stop = last * args[EACH]
        status = call(args[SECOND], address(args, args[SECOND_ARGS]), start, stop, scratch)
        if status != 0:
            return status
    return 0
