"""Chains: a matrix product, and loops that run on each block of its rows at once."""

from __future__ import annotations

from tinygraph.compiler.kernel import Instruction
from tinygraph_numba import chain_kernel, loops
from tinygraph_numba.chain_kernel import HEAD
from tinygraph_numba.kernels import contract
from tinygraph_numba.language import native, source_of
from tinygraph_numba.plan import Plan


def plan(instruction: Instruction) -> Plan | None:
    """One plan for both links; None if they cannot share their chunks.

    args: the rows of a product and of a block, the work of the loops for each row; for either link
    its kernel and where its args begin; then the args of both.
    """
    product, after = instruction.links
    found, second = contract.plan_rows(product), loops.plan_rows(after)
    if found is None or second is None or second.finish or second.before or second.shared:
        return None
    first = found.plan
    each, rest = divmod(second.extent, found.total)
    if rest or second.error or first.before or first.finish or first.shared:
        return None
    start = HEAD + len(first.args)
    return Plan(
        kernel=native(source_of(chain_kernel.chain), "chain"),
        args=(found.rows, found.block, each, first.kernel, HEAD, second.kernel, start,
              *first.args, *second.args),
        extent=first.extent,
        grain=first.grain,
        scratch=max(first.scratch, second.scratch),
    )  # fmt: skip
