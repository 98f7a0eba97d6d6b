"""Kernels of kind "loops" made by hand, and a check of them against their meaning.

made = Loops("oi", (4, 9))
x = made.input(np.ones((4, 9), "float32"))
made.output(made.step("sum", x))
made.check()
"""

import numpy as np
from drive import backwards, execute, slot_of
from numpy.lib.stride_tricks import as_strided

from tinygraph.compiler.kernel import Instruction, Kernel, Operand, Slot, Step, Storage, View
from tinygraph.compiler.reference import index_numbers, run_loops
from tinygraph.dtypes import canonical, int64
from tinygraph.graph.node import Aval
from tinygraph.graph.origin import caller
from tinygraph.ops.registry import CONST, REGISTRY
from tinygraph_numba import loops

TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-6, "float64": 1e-13}


def ways(array):
    """The layout of an array over the whole space."""
    strides = [stride // array.itemsize for stride in array.strides]
    return "".join({0: "0", 1: "1"}.get(stride, "s") for stride in strides)


class Loops:
    """A kernel in the making, over a space of these extents."""

    def __init__(self, roles, extents):
        self.roles, self.extents = roles, tuple(extents)
        self.arrays, self.slots, self.operands = [], [], []
        self.steps, self.avals = [], []
        self.results, self.outputs = [], []

    def input(self, array):
        """An input: any view that broadcasts to the space."""
        array = np.broadcast_to(array, self.extents)
        self._input(array, slot_of(array, len(self.arrays), "input", len(self.arrays)))
        return len(self.arrays) - 1

    def index(self, strides, offset=0):
        """An index input with these strides."""
        view = View(offset, self.extents, tuple(strides))
        slot = Slot(len(self.arrays), Storage("index", 0, 0), view, int64)
        *outer, last = strides
        layout = ["0" if s == 0 else "s" for s in outer] + [{0: "0", 1: "1"}.get(last, "s")]
        self._input(index_numbers(view), slot, "".join(layout))
        return len(self.arrays) - 1

    def _input(self, array, slot, layout=None):
        assert not self.steps, "inputs come first"
        operand = Operand(array.dtype, array.ndim, layout or ways(array), layout is not None)
        self.arrays.append(array)
        self.slots.append(slot)
        self.operands.append(operand)
        self.avals.append(Aval((), array.dtype))

    def step(self, name, *args, **params):
        """A step; what it gives. Of a reduction, over="o" makes it one over all rows."""
        op = REGISTRY[name]
        self.steps.append(Step(op, tuple(params.items()), args))
        known = {"axis": (), "keepdims": True} if op.kind == "reduce" else params
        self.avals.append(op.infer(*[self.avals[arg] for arg in args], **known))
        return len(self.avals) - 1

    def const(self, value, dtype="float32"):
        return self.step(CONST.name, value=value, dtype=canonical(dtype))

    def output(self, ref, varies=None, onto=None):
        """Let a value be a result. varies: the dimensions that the output has (all but those
        that are reduced away, if not given). onto: the input that it is written on."""
        if onto is not None:
            self.outputs.append(self.arrays[onto])
        else:
            have = range(len(self.extents)) if varies is None else varies
            shape = [size if dim in have else 1 for dim, size in enumerate(self.extents)]
            room = np.zeros(shape, self.avals[ref].dtype)
            steps = [room.strides[dim] if dim in have else 0 for dim in range(len(shape))]
            self.outputs.append(as_strided(room, self.extents, steps))
        self.results.append(ref)

    def kernel(self):
        outputs = tuple(Operand(out.dtype, out.ndim, ways(out)) for out in self.outputs)
        return Kernel(
            "loops", tuple(self.steps), tuple(self.operands), outputs, tuple(self.results),
            self.roles,
        )  # fmt: skip

    def instruction(self):
        first = len(self.arrays)
        slots = [slot_of(out, first + i, "output", i) for i, out in enumerate(self.outputs)]
        return Instruction(self.kernel(), tuple(self.slots), tuple(slots), {}, caller())

    def arranged(self):
        """The instruction as it is compiled, and the extents of its tiny rows."""
        instruction = self.instruction()
        nest = loops.layout(instruction.kernel)
        return loops.arranged(instruction, nest, loops.cost(nest))

    def plan(self):
        """The plan, and the arrays by the number of their slot."""
        arrays = dict(enumerate([*self.arrays, *self.outputs]))
        return loops.plan(self.instruction()), arrays

    def run(self, order=None):
        """Copies of the outputs; inputs and outputs are then as they were before."""
        plan, arrays = self.plan()
        assert plan is not None
        owners = {id(base_of(array)): base_of(array) for array in arrays.values()}
        before = {key: owner.copy() for key, owner in owners.items()}
        execute(plan, arrays, order)
        got = [out.copy() for out in self.outputs]
        for key, owner in owners.items():
            if owner.flags.writeable:
                owner[...] = before[key]
        return got

    def check(self, tolerance=1.0):
        """Run in both orders of the chunks, and compare with the meaning of the kernel."""
        with np.errstate(all="ignore"):
            wanted = run_loops(self.kernel(), self.extents, self.arrays)
        wanted = [np.broadcast_to(want, self.extents).copy() for want in wanted]
        first, second = self.run(), self.run(backwards)
        for got, again, want in zip(first, second, wanted, strict=True):
            assert got.tobytes() == again.tobytes(), "the order of the chunks makes a difference"
            close(got, want, tolerance)


def base_of(array):
    """The array that owns the memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def close(got, want, tolerance=1.0):
    """Equal, but for the last bits of floats."""
    assert got.dtype == want.dtype
    if got.dtype.name not in TOLERANCE:
        np.testing.assert_array_equal(got, want)
        return
    bound = TOLERANCE[got.dtype.name] * tolerance
    wide = np.float64 if got.dtype.itemsize < 8 else got.dtype
    got, want = got.astype(wide), want.astype(wide)
    scale = np.abs(want[np.isfinite(want)]).max(initial=1.0)
    np.testing.assert_allclose(got, want, rtol=bound, atol=bound * scale)
