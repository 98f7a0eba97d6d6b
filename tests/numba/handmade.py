"""Tapes whose instructions are native kernels that a test wrote itself."""

from functools import cache
from unittest import mock

from tinygraph.compiler.kernel import Instruction, Kernel, Slot, Step, Storage, View, row_major
from tinygraph.compiler.memory import MemoryPlan
from tinygraph.compiler.tape import Tape
from tinygraph.dtypes import float64
from tinygraph.graph.origin import caller
from tinygraph.ops.elementwise import add
from tinygraph_numba import language, link
from tinygraph_numba.backend import NumbaExecutable
from tinygraph_numba.pool import Pool

BY_HAND = Kernel("by hand", (Step(add, (), ()),), (), (), ())
HEAD = "def kernel(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:\n    "


def kernel(body, modules=()):
    """The address of a kernel with these statements, indented by four."""
    return language.native(HEAD + body.strip() + "\n", modules=modules)


def slot(place, index, size, offset=0):
    """`size` float64 at one place; of an input or output from element `offset` on, of the arena
    from that byte on."""
    arena = place == "arena"
    storage = Storage(place, index, 8 * size, offset if arena else 0)
    view = View(0 if arena else offset, (size,), row_major((size,)))
    return Slot(0, storage, view, float64)


def tape_of(plans, inputs=(), outputs=(), constants=(), arena=0, written=None, donated=None):
    """A tape that follows `plans`, one an instruction. written: for an instruction the slots of
    its results."""
    instructions = tuple(
        Instruction(BY_HAND, (), (written or {}).get(i, ()), {"plan": plan}, caller())
        for i, plan in enumerate(plans)
    )
    fixed = tuple(slot("const", i, array.size) for i, array in enumerate(constants))
    return Tape(
        instructions, tuple(inputs), tuple(constants), fixed, tuple(outputs), (),
        MemoryPlan(arena, arena, 0), donated or {}, ("",) * len(inputs),
    )  # fmt: skip


def planned():
    """While this is in force, the plans of such tapes are found."""
    return mock.patch.object(link, "provider", return_value=lambda ins: ins.params["plan"])


pool = cache(Pool)  # one for each number of threads


def executable(plans, *args, threads=1, **places):
    """The executable of such a tape."""
    with planned():
        return NumbaExecutable(tape_of(plans, *args, **places), pool(threads))
