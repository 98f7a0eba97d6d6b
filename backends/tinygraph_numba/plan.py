"""Plan: how one instruction runs natively. What a provider answers, and the machine follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tinygraph.compiler.kernel import Instruction, Slot


@dataclass(frozen=True, slots=True)
class Plan:
    """A native kernel, what it is given, and how its work may be shared out.

    The work is [0, extent), cut into chunks of `grain`, and each chunk is one call

        status = kernel(args, lo, hi, scratch)

    The cut depends on shapes alone, so that results are bitwise the same for any number of
    threads; different chunks may run in different threads at the same time.
    """

    kernel: int  # its address
    # A Slot becomes the address of its first element, the view's offset included; one in the
    # place "index" has no memory and becomes the view's offset.
    args: tuple[int | Slot, ...]
    extent: int
    grain: int
    scratch: int = 0  # bytes that each thread needs for itself, at an aligned address
    # The addresses of kernels that are called once, alone, before there are chunks and when all
    # are done, as finish(args, 0, number of chunks, scratch); 0 for none.
    before: int = 0
    finish: int = 0
    # Bytes that all chunks of this instruction share; their address follows the last of args.
    shared: int = 0
    # Makes the exception from the args after a status other than 0.
    error: Callable[[Sequence[int]], Exception] | None = None
    # For an instruction that runs others: which of them ended the run, found from the args.
    inside: Callable[[Sequence[int]], list[Stop]] | None = None
    parallel: bool = False  # and whether some of them may be shared out


class Stop(NamedTuple):
    """An instruction with which a run ended, and what its args were then."""

    instruction: Instruction
    plan: Plan
    args: list[int]
