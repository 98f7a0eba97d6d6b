"""The passes on loops: forward steps run once, and what nobody reads is not stored."""

import numpy as np

from tinygraph.autodiff.reverse import gradients
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.verify import verify
from tinygraph.ops import elementwise as e
from tinygraph.ops.control import cond_nodes
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.ops.rules import ones_like
from tinygraph.ops.scan import scan, scan_nodes
from tinygraph.passes.dead_code import dead_code
from tinygraph.passes.widen import widen
from tinygraph.runtime.interpret import interpret


def leaf(*shape, dtype="float64"):
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(shape, np.dtype(dtype)), grad=dtype[0] == "f")


def scans(graph):
    return [node for node in graph.nodes if node.op is scan]


def count(graph, name):
    """How often an op stands in the bodies of the scans of a graph, at any depth."""
    found = 0
    for node in scans(graph):
        body = node.params["body"]
        found += sum(inner.op.name == name for inner in body.nodes) + count(body, name)
    return found


def check_same(before, after, seed=0):
    """Both graphs verify and compute the same."""
    rng = np.random.default_rng(seed)
    verify(after)
    values = {node: rng.standard_normal(node.shape) for node in before.inputs}
    for one, other in zip(interpret(before, values, np), interpret(after, values, np), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def recurrence(h, x, w):
    (last,), (path,) = scan_nodes(lambda c, s: ([e.tanh(c[0] * w + s[0])], [e.sin(c[0])]), [h], [x])
    return reduce_sum(path, axis=(0,), keepdims=False) + last


def test_the_forward_steps_run_once():
    h, x, w = leaf(3), leaf(4, 3), leaf(3)
    y = recurrence(h, x, w)
    slopes = gradients([y], [ones_like(y)], [h, x, w])
    before = Graph([h, x, w], [y, *slopes])
    after = widen(before)
    assert (len(scans(before)), len(scans(after))) == (3, 2)
    assert (count(before, "tanh"), count(after, "tanh")) == (2, 1)
    check_same(before, after)


def test_second_order_shares_the_forward_and_the_first_backward_steps():
    h, x, w = leaf(3), leaf(4, 3), leaf(3)
    y = recurrence(h, x, w)
    slopes = gradients([y], [ones_like(y)], [h, x, w])
    curves = gradients(slopes, [ones_like(slope) for slope in slopes], [h, x, w])
    before = Graph([h, x, w], [y, *slopes, *curves])
    after = widen(before)
    assert count(after, "tanh") == 1
    assert len(scans(after)) == 4  # forward, backward, and the backward of either
    check_same(before, after)


def test_scans_that_differ_are_left_alone():
    h, w = leaf(3), leaf(3)
    (one,), _ = scan_nodes(lambda c, s: ([e.sin(c[0]) * w], []), [h], [], length=4)
    (two,), _ = scan_nodes(lambda c, s: ([e.cos(c[0]) * w], []), [h], [], length=4)
    (three,), _ = scan_nodes(lambda c, s: ([e.sin(c[0]) * w], []), [h], [], length=5)
    graph = Graph([h, w], [one, two, three])
    assert widen(graph) is graph


def test_equal_scans_traced_twice_become_one():
    h, x, w = leaf(3), leaf(4, 3), leaf(3)
    before = Graph([h, x, w], [recurrence(h, x, w), recurrence(h, x, w)])
    after = widen(before)
    assert len(scans(after)) == 1
    check_same(before, after)


def test_a_result_that_nobody_reads_is_dropped():
    h, x, w = leaf(3), leaf(4, 3), leaf(3)
    (last,), _ = scan_nodes(lambda c, s: ([c[0] * w], [e.sin(c[0] + s[0])]), [h], [x])
    before = Graph([h, x, w], [last])
    after = dead_code(before)
    (loop,) = scans(after)
    assert len(loop.outs) == 1
    assert loop.inputs == (h, w)  # nor does it read x any more
    assert count(after, "sin") == 0
    check_same(before, after)


def test_a_carry_that_only_itself_reads_is_dropped():
    h, x = leaf(3), leaf(4, 3)
    _, (path,) = scan_nodes(
        lambda c, s: ([c[0] + s[0], e.exp(c[1])], [c[0]]), [h, h], [x]
    )  # fmt: skip
    before = Graph([h, x], [path])
    after = dead_code(before)
    (loop,) = scans(after)
    assert loop.params["carries"] == 1
    assert count(after, "exp") == 0
    check_same(before, after)


def test_a_gradient_that_nobody_reads_costs_nothing():
    h, x, w = leaf(3), leaf(4, 3), leaf(3)
    y = recurrence(h, x, w)
    (slope,) = gradients([y], [ones_like(y)], [h])
    (whole,) = gradients([y], [ones_like(y)], [w])
    both = dead_code(widen(Graph([h, x, w], [slope])))
    (_, backward) = scans(both)
    assert len(backward.outs) == 1  # neither the gradient of x nor that of w
    assert len(scans(dead_code(widen(Graph([h, x, w], [whole]))))[1].outs) == 2
    check_same(Graph([h, x, w], [slope]), both)


def test_nested_scans_are_narrowed_with_their_inputs():
    h, x, w = leaf(3), leaf(4, 3), leaf(3)

    def step(carry, slices):
        (inner,), (unread,) = scan_nodes(
            lambda c, s: ([e.sin(c[0])], [c[0] * w]), [carry[0]], [], length=2
        )
        return [inner + slices[0]], [unread]

    (last,), _ = scan_nodes(step, [h], [x])
    before = Graph([h, x, w], [last])
    after = dead_code(before)
    assert count(after, "multiply") == 0
    assert w not in scans(after)[0].inputs
    check_same(before, after)


def test_a_condition_drops_what_neither_branch_needs():
    p, x, w = leaf(dtype="bool"), leaf(3), leaf(3)
    y, _ = cond_nodes(p, lambda n: [n[0], e.exp(w)], lambda n: [n[0] * 2, w], [x])
    before = Graph([p, x, w], [y])
    after = dead_code(before)
    assert after.nodes[-1].inputs[0].inputs == (p, x)
    values = {p: np.array(False), x: np.ones(3), w: np.ones(3)}
    np.testing.assert_array_equal(interpret(after, values, np)[0], 2 * np.ones(3))
