"""The memory mappings of loaded kernels, of which Linux allows a process some 65,000.

LLVM maps the code of each kernel and its constants apart, for the one can be run and the other
only be read: two mappings each, and when there are no more it ends the process. Neighbours with
the same rights count as one, so from time to time the constants between two kernels get the right
to be run, too. Nothing can be written in either.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from typing import NamedTuple

OFTEN = 2048  # kernels from one time to the next
_READ, _EXECUTE = 1, 4  # as in <sys/mman.h>
_MAPS = "/proc/self/maps"


class Mapping(NamedTuple):
    """A stretch of addresses that belongs to no file."""

    start: int
    end: int
    rights: str


def join() -> int:
    """Give one right to all pages of kernels that lie side by side; returns how many stretches
    they are now. Does nothing where the system does not count mappings."""
    if not os.path.exists(_MAPS):
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    runs = list(_runs(_mappings()))
    for start, end in runs:
        # a refusal leaves the rights as they are, which is as good
        libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _READ | _EXECUTE)
    return len(runs)


def _mappings() -> Iterator[Mapping]:
    """What is mapped for reading or running, without a file, in order of addresses."""
    with open(_MAPS, encoding="ascii", errors="replace") as file:
        for line in file:
            place, rights, _, _, inode, *name = line.split()
            if inode == "0" and not name and rights in ("r--p", "r-xp"):
                start, end = (int(number, 16) for number in place.split("-"))
                yield Mapping(start, end, rights)


def _runs(mappings: Iterator[Mapping]) -> Iterator[tuple[int, int]]:
    """From and to where mappings follow each other without a gap, code first and last."""
    start = end = after = 0  # of the run so far, and of what may still belong to it
    for mapping in mappings:
        if mapping.start != after:
            if end > start:
                yield start, end
            start = end = mapping.start
        after = mapping.end
        if mapping.rights == "r-xp":
            end = after
        elif end == start:  # constants before the first code
            start = end = after
    if end > start:
        yield start, end
