"""Instructions of many parts: one kernel at work on many sets of slots, all parts at once."""

from __future__ import annotations

from collections.abc import Sequence

from tinygraph.compiler.kernel import Slot
from tinygraph.compiler.sources import size_of
from tinygraph_numba import batch_kernel
from tinygraph_numba.batch_kernel import HEAD, ROW
from tinygraph_numba.language import native, source_of
from tinygraph_numba.plan import Plan

ENOUGH = 1 << 15  # elements: some microseconds of work


def batched(plans: Sequence[Plan]) -> Plan | None:
    """One plan for several that need neither shared memory nor a kernel before or after them.

    args: how many parts; for each the chunk that it begins with, its kernel, where its args
    begin, its extent and grain; then the args of all. The work is the chunks of all parts.
    """
    if any(plan.before or plan.finish or plan.shared or plan.error for plan in plans):
        return None
    table: list[int] = []
    chunks, start = 0, HEAD + ROW * len(plans)
    for plan in plans:
        table += [chunks, plan.kernel, start, plan.extent, plan.grain]
        chunks += -(-plan.extent // plan.grain)
        start += len(plan.args)
    return Plan(
        kernel=native(source_of(batch_kernel.batch), "batch"),
        args=(len(plans), *table, *(arg for plan in plans for arg in plan.args)),
        extent=chunks,
        grain=_grain(plans, chunks),
        scratch=max(plan.scratch for plan in plans),
    )


def _grain(plans: Sequence[Plan], chunks: int) -> int:
    """How many chunks make one that is worth a thread's while: tiny arrays are many to one."""
    elements = sum(max(map(_size, plan.args), default=0) for plan in plans)
    return max(1, ENOUGH * chunks // max(1, elements))


def _size(arg: int | Slot) -> int:
    return size_of(arg.view.shape) if isinstance(arg, Slot) else 0
