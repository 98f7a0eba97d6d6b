"""Chains: a matrix product, and the loops that follow it on each block of rows.

What is done to a product, to add a bias or to normalise its rows, can be done to some rows as soon
as they are there, and finds them in the cache. So the two become one instruction, of two links.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tinygraph.compiler.kernel import Instruction, Kernel, Ref
from tinygraph.compiler.sources import dense, size_of


def chained(instructions: list[Instruction], updates: Collection[int]) -> list[Instruction]:
    """`instructions`, in which products and the loops that read them first are linked.

    updates: the numbers of the outputs that are next values of state; these are written later,
    and not with a product.
    """
    reader = _first_readers(instructions)
    follows: dict[int, int] = {}  # the number of the loops -> that of the product
    for number, product in enumerate(instructions):
        after = reader.get(id(product.outputs[0].storage))
        if after is None or product.kernel.kind != "contract" or after in follows:
            continue
        if _fits(product, instructions[after], updates):
            follows[after] = number
    moved = set(follows.values())
    return [
        _linked(instructions[follows[number]], each) if number in follows else each
        for number, each in enumerate(instructions)
        if number not in moved
    ]


def _first_readers(instructions: list[Instruction]) -> dict[int, int]:
    """For each storage's id the first instruction that reads it."""
    found: dict[int, int] = {}
    for number, instruction in enumerate(instructions):
        for slot in instruction.inputs:
            found.setdefault(id(slot.storage), number)
    return found


def _fits(product: Instruction, loops: Instruction, updates: Collection[int]) -> bool:
    """Whether `loops` can run on some rows of the product while others are not there yet."""
    (result,) = product.outputs
    kernel = loops.kernel
    sums = [step for step in kernel.steps if step.op.kind == "reduce"]
    if kernel.kind != "loops" or loops.parts > 1 or "r" in kernel.roles or "i" not in kernel.roles:
        return False
    if any(step.params for step in sums) or (sums and "o" not in kernel.roles):
        return False
    if any(s.storage.place == "output" and s.storage.index in updates for s in loops.outputs):
        return False
    for slot in loops.inputs:
        if slot.storage is result.storage and slot.view != dense(slot.view.shape):
            return False
    shape = loops.outputs[0].view.shape
    inner = size_of(n for n, role in zip(shape, kernel.roles, strict=True) if role == "i")
    columns = columns_of(product)
    whole = result.view == dense(result.view.shape) and size_of(shape) == size_of(result.view.shape)
    return whole and (inner == columns or set(kernel.roles) == {"i"})


def columns_of(product: Instruction) -> int:
    """The number of columns of a contraction: the elements of a row of its result."""
    right = product.inputs[1]
    taken = {*product.params["contract"][1], *product.params["batch"][1]}
    return size_of(n for axis, n in enumerate(right.view.shape) if axis not in taken)


def _linked(product: Instruction, loops: Instruction) -> Instruction:
    kernel = _joined(product.kernel, loops.kernel)
    return replace(
        product,
        kernel=kernel,
        inputs=(*product.inputs, *loops.inputs),
        outputs=(*product.outputs, *loops.outputs),
        lines=(*product.lines, *loops.lines),
        links=(product, loops),
    )


def _joined(one: Kernel, other: Kernel) -> Kernel:
    """The kernels of two links as one, to be counted and printed."""
    own, count = len(other.inputs), len(one.inputs)
    ahead = count + len(one.steps)  # by how much the steps of the second one move back

    def moved(refs: tuple[Ref, ...]) -> tuple[Ref, ...]:
        return tuple([ref + (count if ref < own else ahead) for ref in refs])

    first = tuple([replace(step, args=_after(step.args, count, own)) for step in one.steps])
    second = tuple([replace(step, args=moved(step.args)) for step in other.steps])
    results = (*_after(one.results, count, own), *moved(other.results))
    inputs, outputs = (*one.inputs, *other.inputs), (*one.outputs, *other.outputs)
    return Kernel("chain", (*first, *second), inputs, outputs, results, other.roles)


def _after(refs: tuple[Ref, ...], count: int, more: int) -> tuple[Ref, ...]:
    """References of a kernel with `count` inputs, when `more` inputs come after these."""
    return tuple([ref if ref < count else ref + more for ref in refs])
