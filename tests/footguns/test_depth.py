"""Depth is limited by memory alone: no walk over a graph is recursive."""

import numpy as np

from tinygraph.autodiff.reverse import gradients
from tinygraph.compiler.compile import make_tape
from tinygraph.compiler.fuse import MAX_STEPS
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.ops.rules import ones_like
from tinygraph.runtime.backend import named

LENGTH = 100_000


def chain(length=LENGTH):
    x = Node(PLACEHOLDER, (), {"name": "x"}, Aval((2,), np.dtype("float64")), grad=True)
    y = x
    for _ in range(length):
        y = e.sin(y)
    (g,) = gradients([y], [ones_like(y)], [x])
    return Graph([x], [y, g])


def test_a_fused_chain_of_100_000_nodes_has_few_kernels_of_bounded_size():
    tape = make_tape(chain(), fuse=True)
    assert len(tape) < LENGTH // 10
    assert len(tape.kernels) < 20
    assert max(len(kernel.steps) for kernel in tape.kernels) <= MAX_STEPS
    outputs = [np.empty(2), np.empty(2)]
    named("numba").link(tape, tape.kernels)([np.array([1.0, 2.0])], outputs)
    value, slope = np.array([1.0, 2.0]), np.ones(2)
    for _ in range(LENGTH):
        slope = slope * np.cos(value)
        value = np.sin(value)
    np.testing.assert_allclose(outputs[0], value, rtol=1e-9)
    np.testing.assert_allclose(outputs[1], slope, rtol=1e-6)


def test_a_chain_of_100_000_nodes_builds_differentiates_compiles_and_runs():
    graph = chain()
    tape = make_tape(graph)
    assert len(tape) >= 3 * LENGTH - 2  # sin forward; cos and a product backward
    assert len(tape.kernels) == 3
    backend = named("numpy")
    executable = backend.link(tape, [ins.kernel for ins in tape.instructions])
    outputs = [np.empty(2), np.empty(2)]
    value, slope = np.array([1.0, 2.0]), np.ones(2)
    executable([value], outputs)
    for _ in range(LENGTH):
        slope = slope * np.cos(value)
        value = np.sin(value)
    np.testing.assert_array_equal(outputs[0], value)
    np.testing.assert_allclose(outputs[1], slope, rtol=1e-9)
    del graph  # taking it apart is not recursive either
