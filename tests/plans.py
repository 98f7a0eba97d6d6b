"""Checks of a memory plan, slow and obvious, for the tests of the compiler."""

from itertools import combinations


def arena_storages(tape):
    """Every storage of the arena, once, with the instruction that writes it."""
    found = {}
    for index, instruction in enumerate(tape.instructions):
        for slot in instruction.outputs:
            if slot.storage.place == "arena":
                found.setdefault(id(slot.storage), (slot.storage, index))
    return [storage for storage, _ in found.values()]


def lifetimes(tape):
    """For each storage the first instruction that writes it, and the last that touches it: read
    off the instructions, not off what the plan says."""
    found = {}
    for index, instruction in enumerate(tape.instructions):
        for slot in (*instruction.inputs, *instruction.outputs):
            first, _ = found.get(id(slot.storage), (index, index))
            found[id(slot.storage)] = (first, index)
    return found


def written_over(tape, old, new):
    """Whether the instruction that makes `new` may write it onto `old`, which dies there."""
    index = lifetimes(tape)[id(new)][0]
    instruction = tape.instructions[index]
    target, *_ = (slot for slot in instruction.outputs if slot.storage is new)
    readers = [slot for slot in instruction.inputs if slot.storage is old]
    return (
        finds_no_use(instruction, target)
        and lifetimes(tape)[id(old)][1] == index
        and old.offset == new.offset
        and len(readers) == 1
        and readers[0].view == target.view
        and readers[0].dtype == target.dtype
    )


def finds_no_use(instruction, target):
    """Whether nothing that the instruction still reads can lie where it has written `target`: an
    elementwise op, or loops that write it in their last run through a row."""
    if instruction.links:
        *others, last = instruction.links
        first = [slot for link in others for slot in link.outputs]
        return not any(slot is target for slot in first) and finds_no_use(last, target)
    kernel = instruction.kernel
    if kernel.kind != "loops":
        return kernel.steps[-1].op.alias
    place = next(i for i, slot in enumerate(instruction.outputs) if slot is target)
    result = kernel.results[place % len(kernel.outputs)]
    runs = [0] * len(kernel.inputs)
    for step in kernel.steps:
        reduces = step.op.kind == "reduce" and "r" not in kernel.roles and not step.params
        runs.append(max([runs[ref] for ref in step.args], default=0) + reduces)
    return runs[result] == max(runs)


def check_plan(tape):
    """No two storages that live at one time overlap, and the figures of the plan are true."""
    alive = lifetimes(tape)
    storages = arena_storages(tape)
    for storage in storages:
        assert storage.offset % 64 == 0
        assert storage.offset + storage.nbytes <= tape.memory.peak
    reused = 0
    for one, other in combinations(storages, 2):
        if max(one.offset, other.offset) >= min(
            one.offset + one.nbytes, other.offset + other.nbytes
        ):
            continue  # they lie apart
        (a0, a1), (b0, b1) = alive[id(one)], alive[id(other)]
        if max(a0, b0) > min(a1, b1):
            continue  # one is dead before the other lives
        old, new = (one, other) if a0 < b0 else (other, one)
        in_chain = a0 == b0 and written_over(tape, new, old)  # both are results of its links
        assert in_chain or written_over(tape, old, new), f"{one} and {other} overlap"
        reused += 1
    assert reused <= tape.memory.in_place
    assert tape.memory.lower_bound <= tape.memory.peak
    assert most_alive(tape) <= tape.memory.peak


def most_alive(tape):
    """The most bytes that are alive at one time, if what dies may be written over at once."""
    alive = lifetimes(tape)
    storages = arena_storages(tape)
    return max(
        (
            sum(s.nbytes for s in storages if alive[id(s)][0] <= now < alive[id(s)][1])
            for now in range(len(tape.instructions))
        ),
        default=0,
    )
