"""How many instructions a computation becomes: for tests of what fusion makes of it."""

import numpy as np
from agreement import agree

import tinygraph as tg
from tinygraph.compiler.compile import make_tape
from tinygraph.graph.graph import Graph
from tinygraph_numpy.backend import NumpyExecutable


def tape_of(*outputs, inputs, updates=None):
    """The fused tape of Tensors or nodes over placeholders."""
    nodes = [getattr(x, "node", x) for x in (*inputs, *outputs)]
    return make_tape(Graph(nodes[: len(inputs)], nodes[len(inputs) :]), (), updates, fuse=True)


def kernels(tape, kind="loops"):
    return [ins for ins in tape.instructions if ins.kernel.kind == kind]


def run(tape, arrays):
    """A tape run by the meaning of its kernels. What is not written is seen."""
    outputs = [np.full(slot.view.shape, 77, slot.dtype) for slot in tape.outputs]
    NumpyExecutable(tape, [ins.kernel for ins in tape.instructions])(arrays, outputs)
    return outputs


def same(tape, graph_tape, shapes, seed=0):
    """The fused and the plain tape give the same on random inputs."""
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    for want, have in zip(run(graph_tape, arrays), run(tape, arrays), strict=True):
        agree(want, have)


def count(function, *shapes):
    """Instructions of the fused tape of `function`, of any kind; its results are checked."""
    inputs = [tg.placeholder(shape, name=f"x{i}") for i, shape in enumerate(shapes)]
    outputs = flat(function(*inputs))
    tape = tape_of(*outputs, inputs=inputs)
    plain = make_tape(Graph([x.node for x in inputs], [y.node for y in outputs]))
    same(tape, plain, shapes)
    return len(tape)


def flat(found):
    if not isinstance(found, (tuple, list)):
        return [found]
    return [each for part in found for each in flat(part)]


def count_with_gradient(function, *shapes):
    """Instructions of the sum of `function`'s results and its gradient for all inputs."""

    def total(*inputs):
        return sum(tg.sum(result * result) for result in flat(function(*inputs)))

    return count(tg.value_and_grad(total, tuple(range(len(shapes)))), *shapes)
