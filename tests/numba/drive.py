"""Runs the plan of one instruction without the machine: each chunk is a call by ctypes.

    got = drive(index.plan, gather, [x, places], {"axes": (0,)})

The arrays may have any strides. Nothing but the outputs may be written: a kernel that reaches
beyond its scratch, its shared memory or its outputs, or that changes an input, fails here.
"""

import ctypes
import math

import numpy as np

from tinygraph.compiler.kernel import Instruction, Slot, Storage, View, single
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.registry import PLACEHOLDER

NATIVE = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
GUARD = 64  # bytes on either side of what a kernel may write
MARK = 0xA5


class Guarded:
    """Aligned memory between two guards; it holds no sensible value yet."""

    def __init__(self, nbytes):
        self.room = np.full(nbytes + 3 * GUARD, MARK, np.uint8)
        start = GUARD - self.room.ctypes.data % GUARD + GUARD
        self.before, self.after = self.room[:start], self.room[start + nbytes :]
        self.memory = self.room[start : start + nbytes]

    def check(self, what):
        assert (self.before == MARK).all(), f"something is written before {what}"
        assert (self.after == MARK).all(), f"something is written behind {what}"


def leaf(array):
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(array.shape, array.dtype))


def slot_of(array, number, place, index):
    """A slot for an array, with the strides that it has."""
    strides = tuple(stride // array.itemsize for stride in array.strides)
    first, end = np.lib.array_utils.byte_bounds(array)
    offset = (array.ctypes.data - first) // array.itemsize
    return Slot(
        number, Storage(place, index, end - first), View(offset, array.shape, strides), array.dtype
    )


def promoted(op, arrays, params):
    """The arrays in the dtypes that `op` computes them in."""
    node = op(*map(leaf, arrays), **params)
    return [a.astype(child.dtype, copy=False) for a, child in zip(arrays, node.inputs, strict=True)]


def instruction_of(op, arrays, params, outputs):
    """The instruction that runs `op`, and its arrays by the number of their slot.

    outputs: a function from what is inferred of the results to arrays for them.
    """
    node = op(*map(leaf, arrays), **params)
    results = outputs(node.avals)
    slots = [slot_of(array, i, "output", i) for i, array in enumerate(results)]
    slots += [slot_of(array, i, "input", i) for i, array in enumerate(arrays, len(results))]
    instruction = Instruction(
        single(node), tuple(slots[len(results) :]), tuple(slots[: len(results)]), node.params,
        node.origin,
    )  # fmt: skip
    return instruction, dict(enumerate([*results, *arrays]))


def execute(plan, arrays, order=None, grain=None):
    """Run a plan chunk by chunk; `arrays` by the number of their slot.

    order: a function that puts the list of chunks (lo, hi) in another order. grain: the size of
    a chunk, where it is not to be the plan's. A status other than 0 raises the plan's error.
    """
    scratch, shared = Guarded(plan.scratch), Guarded(plan.shared)
    values = [address_of(arg, arrays) for arg in plan.args]
    args = np.array([*values, shared.memory.ctypes.data], np.int64)
    grain = grain or plan.grain
    chunks = [(lo, min(lo + grain, plan.extent)) for lo in range(0, plan.extent, grain)]
    if plan.before:
        status = NATIVE(plan.before)(args.ctypes.data, 0, len(chunks), scratch.memory.ctypes.data)
        fail_on(status, plan, args)
    run = NATIVE(plan.kernel)
    for lo, hi in order(chunks) if order else chunks:
        scratch.memory[:] = MARK
        fail_on(run(args.ctypes.data, lo, hi, scratch.memory.ctypes.data), plan, args)
        scratch.check("the scratch memory")
    if plan.finish:
        finish = NATIVE(plan.finish)
        status = finish(args.ctypes.data, 0, len(chunks), scratch.memory.ctypes.data)
        fail_on(status, plan, args)
    shared.check("the shared memory")


def address_of(arg, arrays):
    if not isinstance(arg, Slot):
        return int(arg)
    return arg.view.offset if arg.storage.place == "index" else arrays[arg.number].ctypes.data


def fail_on(status, plan, args):
    if status != 0:
        assert plan.error is not None, f"status {status}"
        raise plan.error(args.tolist())


def drive(provider, op, arrays, params, order=None, grain=None, outputs=None):
    """The results of `op`, as a list, by the plan that the function `provider` makes for it.

    order, grain: see `execute`. outputs: arrays for the results, of any strides.
    """
    arrays = promoted(op, [np.asarray(array) for array in arrays], params)
    before = [array.tobytes() for array in arrays]
    rooms = []

    def make(avals):
        if outputs is not None:
            return outputs
        rooms.extend(Guarded(math.prod(aval.shape) * aval.dtype.itemsize) for aval in avals)
        return [
            room.memory.view(aval.dtype).reshape(aval.shape)
            for room, aval in zip(rooms, avals, strict=True)
        ]

    instruction, by_number = instruction_of(op, arrays, params, make)
    plan = provider(instruction)
    assert plan is not None, f"there is no plan for {op.name}"
    execute(plan, by_number, order, grain)
    assert [array.tobytes() for array in arrays] == before, "an input has changed"
    for room in rooms:
        room.check("an output")
    return [by_number[slot.number] for slot in instruction.outputs]


def backwards(chunks):
    """An `order`: the last chunk first."""
    return chunks[::-1]
