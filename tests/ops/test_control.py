"""Loops, conditions and calls: what the generated tests of the samples do not reach."""

import numpy as np
import pytest

from tinygraph.autodiff.forward import pushforward
from tinygraph.autodiff.reverse import gradients
from tinygraph.errors import DTypeError, GraphError, ShapeError
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import STATE, Aval, Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.body import close_body, tracing
from tinygraph.ops.call import checkpoint_nodes, custom_vjp_nodes
from tinygraph.ops.control import cond_nodes, while_nodes
from tinygraph.ops.movement import iota, permute
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import PLACEHOLDER, const
from tinygraph.ops.rules import ones_like
from tinygraph.ops.scan import scan, scan_nodes
from tinygraph.passes.inline import inline_calls
from tinygraph.runtime.interpret import interpret


def leaf(value, grad=True):
    array = np.asarray(value)
    aval = Aval(array.shape, array.dtype)
    return Node(PLACEHOLDER, (), {"name": "x"}, aval, grad=grad and array.dtype.kind == "f")


def run(outputs, values):
    """The values of `outputs`, where `values` maps leaves to arrays."""
    return interpret(Graph(list(values), outputs), values, np)


def total(x):
    return reduce_sum(x, axis=tuple(range(x.ndim)), keepdims=False)


def ops_of(graph):
    return [node.op.name for node in graph.nodes]


# ---------------------------------------------------------------------------------- close_body


def test_close_body_captures_what_does_not_depend_on_the_placeholders():
    x, w, v = leaf(np.zeros(3)), leaf(np.zeros(3)), leaf(np.zeros(3), grad=False)
    product = w * v
    body, captured = close_body([x], [x * product + 1, v])
    assert captured == [v, product]
    assert [node.grad for node in body.inputs] == [True, False, True]
    assert body.free() == []
    assert ops_of(body).count("const") == 1


def test_close_body_keeps_what_the_trace_built_where_it_is_not_to_be_hoisted():
    x, w = leaf(np.zeros(3)), leaf(np.zeros(3))
    outer = e.exp(w)
    with tracing() as made:
        inner = x * e.sin(outer)
    body, captured = close_body([x], [inner], made, hoist=False)
    assert captured == [outer]
    assert sorted(ops_of(body)) == ["multiply", "placeholder", "placeholder", "sin"]
    body, captured = close_body([x], [inner], made)
    assert [node.op.name for node in captured] == ["sin"]


def test_a_body_does_not_change_when_a_constant_outside_gets_its_value():
    x, one = leaf(0.0), const(1.0, np.dtype("float64"))
    body, _ = close_body([x], [x + one])
    assert all(node is not one for node in body.nodes)


def test_the_captured_nodes_come_in_the_order_of_their_use():
    def trace():
        x, a, b = leaf(0.0), leaf(1.0), leaf(2.0)
        body, captured = close_body([x], [b * x + a, a])
        return body, [node is b for node in captured]

    (one, order), (two, again) = trace(), trace()
    assert order == again == [True, False]
    assert one == two


# ---------------------------------------------------------------------------------------- scan


def test_scan_sums_with_a_captured_constant():
    xs, k = leaf(np.zeros((4, 2))), leaf(np.zeros(2))
    (last,), (path,) = scan_nodes(lambda c, x: ([c[0] * k + x[0]], [c[0]]), [ones_like(k)], [xs])
    x, half = np.arange(8.0).reshape(4, 2), np.array([0.5, 0.25])
    state, seen = np.ones(2), []
    for row in x:
        seen.append(state)
        state = state * half + row
    got = run([last, path], {xs: x, k: half})
    np.testing.assert_allclose(got[0], state)
    np.testing.assert_allclose(got[1], seen)


def test_reverse_scan_stores_each_result_at_its_index():
    xs = leaf(np.zeros(3))
    (last,), (path,) = scan_nodes(
        lambda c, x: ([c[0] + x[0]], [c[0] + x[0]]), [const(0.0, xs.dtype)], [xs], reverse=True
    )
    got = run([last, path], {xs: np.array([1.0, 2.0, 4.0])})
    assert got[0] == 7.0
    np.testing.assert_array_equal(got[1], [7.0, 6.0, 4.0])


def test_what_does_not_change_from_step_to_step_is_computed_once():
    w, h = leaf(np.zeros(3)), leaf(np.zeros(3))
    (last,), _ = scan_nodes(lambda c, x: ([c[0] * e.exp(w)], []), [h], [], length=5)
    assert ops_of(last.inputs[0].params["body"]).count("exp") == 0
    assert ops_of(Graph([w, h], [last])).count("exp") == 1


def test_the_backward_steps_read_what_the_forward_steps_saved():
    h, w = leaf(np.zeros(3)), leaf(np.zeros(3))
    (last,), _ = scan_nodes(lambda c, x: ([e.tanh(c[0] * w)], []), [h], [], length=5)
    (slope,) = gradients([last], [ones_like(last)], [w])
    scans = [node for node in Graph([h, w], [slope]).nodes if node.op is scan]
    bodies = [ops_of(node.params["body"]) for node in scans]
    assert [body.count("tanh") for body in bodies] == [1, 0]
    assert len(scans[0].outs) == 3  # the last carry; stacked: tanh, and the carry before it


def test_length_may_be_open():
    n = Dim.symbol("n")
    xs = Node(PLACEHOLDER, (), {"name": "x"}, Aval((n, 2), np.dtype("float64")), grad=True)
    (last,), (path,) = scan_nodes(
        lambda c, x: ([c[0] * x[0]], [c[0]]), [ones_like(Aval((2,), xs.dtype))], [xs]
    )
    assert path.shape == (n, 2)
    (slope,) = gradients([last], [ones_like(last)], [xs])
    assert slope.shape == (n, 2)
    assert last.shape == (2,)


def test_inputs_without_gradient_get_none():
    xs, k = leaf(np.zeros(3)), leaf(0.0, grad=False)
    (last,), _ = scan_nodes(lambda c, x: ([c[0] * k + x[0]], []), [k], [xs])
    (slope,) = gradients([last], [ones_like(last)], [xs])
    node = slope.inputs[0]
    assert len(node.outs) == 2  # the gradient of the carry and of xs, none of k
    got = run([slope], {xs: np.zeros(3), k: np.array(2.0)})[0]
    np.testing.assert_array_equal(got, [4.0, 2.0, 1.0])


def test_third_order_through_a_loop():
    x = leaf(0.0)
    (y,), _ = scan_nodes(lambda c, s: ([c[0] * x], []), [const(1.0, x.dtype)], [], length=5)
    for _ in range(3):
        (y,) = gradients([y], [ones_like(y)], [x])
    np.testing.assert_allclose(run([y], {x: np.array(1.5)})[0], 60 * 1.5**2)


def test_forward_over_reverse():
    x, v = leaf(0.0), leaf(1.0)
    (y,), _ = scan_nodes(lambda c, s: ([e.sin(c[0]) * x], []), [x], [], length=3)
    (slope,) = gradients([y], [ones_like(y)], [x])
    (forward,) = pushforward([slope], [x], [v])
    (reverse,) = gradients([slope], [ones_like(slope)], [x])
    one, other = run([forward, reverse], {x: np.array(0.7), v: np.array(1.0)})
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_scan_says_what_is_wrong_with_a_step():
    x = leaf(np.zeros((3, 2)))
    with pytest.raises(ShapeError, match=r"carry 0 goes into the body as float64\[\] and comes"):
        scan_nodes(lambda c, s: ([s[0]], []), [const(0.0, x.dtype)], [x])
    with pytest.raises(ShapeError, match="the step gets 1 carries and returns 2"):
        scan_nodes(lambda c, s: ([c[0], c[0]], []), [const(0.0, x.dtype)], [x])
    with pytest.raises(ShapeError, match="give the length"):
        scan_nodes(lambda c, s: (c, []), [const(0.0, x.dtype)], [])


def test_an_error_within_a_step_names_the_users_line():
    x = leaf(np.zeros((3, 2), "int64"))
    _, (y,) = scan_nodes(lambda c, s: ([], [e.pow(s[0], -1)]), [], [x])
    with pytest.raises(ValueError, match="negative integer power") as caught:
        run([y], {x: np.full((3, 2), 2)})
    assert any(__file__ in note for note in caught.value.__notes__)


# ---------------------------------------------------------------------------------------- cond


def test_cond_runs_one_branch_alone():
    pred, x = leaf(np.array(True)), leaf(np.array([2, 3]))
    (y,) = cond_nodes(pred, lambda n: [n[0]], lambda n: [e.pow(n[0], -1)], [x])
    (got,) = run([y], {pred: np.array(True), x: np.array([2, 3])})
    np.testing.assert_array_equal(got, [2, 3])
    with pytest.raises(ValueError, match="negative integer power"):
        run([y], {pred: np.array(False), x: np.array([2, 3])})


def test_cond_captures_for_both_branches_and_keeps_their_work_inside():
    pred, x, w, v = leaf(np.array(True)), leaf(0.0), leaf(0.0), leaf(0.0)
    (y,) = cond_nodes(pred, lambda n: [n[0] * e.exp(w)], lambda n: [n[0] + v], [x])
    assert "exp" not in ops_of(Graph([pred, x, w, v], [y]))
    slopes = gradients([y], [ones_like(y)], [x, w, v])
    values = {x: np.array(3.0), w: np.array(0.5), v: np.array(2.0)}
    got = run(slopes, {pred: np.array(True), **values})
    np.testing.assert_allclose(got, [np.exp(0.5), 3 * np.exp(0.5), 0.0])
    got = run(slopes, {pred: np.array(False), **values})
    np.testing.assert_allclose(got, [1.0, 0.0, 1.0])


# ---------------------------------------------------------------------------------- while_loop


def newton(target):
    """The square root of `target`, by Newton's method."""
    (x,) = while_nodes(
        lambda c: e.abs(c[0] * c[0] - target) > 1e-12,
        lambda c: [(c[0] + target / c[0]) * 0.5],
        [ones_like(target)],
    )
    return x


def test_while_loop_with_its_forward_gradient():
    a, v = leaf(0.0), leaf(0.0)
    root = newton(a)
    (speed,) = pushforward([root], [a], [v])
    got = run([root, speed], {a: np.array(2.0), v: np.array(1.0)})
    np.testing.assert_allclose(got, [np.sqrt(2), 0.5 / np.sqrt(2)], rtol=1e-12)


def test_while_loop_has_no_reverse_gradient_and_says_what_to_use():
    a = leaf(2.0)
    with pytest.raises(GraphError, match="Use scan for a fixed number of steps") as caught:
        gradients([newton(a)], [const(1.0, a.dtype)], [a])
    assert __file__ in str(caught.value)


def test_while_loop_wants_one_bool():
    a = leaf(np.zeros(2))
    with pytest.raises(DTypeError, match=r"the condition is one bool, got bool\[2\]"):
        while_nodes(lambda c: c[0] > 0, lambda c: c, [a])


# ------------------------------------------------------------------------- checkpoint and custom


def test_checkpoint_computes_again_behind_a_barrier():
    x, w = leaf(np.zeros(3)), leaf(np.zeros(3))
    (y,) = checkpoint_nodes(lambda n: [e.exp(e.sin(n[0] * w))], [x])
    slopes = gradients([y], [ones_like(y)], [x, w])
    graph = inline_calls(Graph([x, w], [y, *slopes]))
    assert ops_of(graph).count("sin") == 2
    assert ops_of(graph).count("barrier") == 2
    assert "call" not in ops_of(graph)
    a, b = np.array([0.3, 0.6, 0.9]), np.array([1.0, 2.0, 3.0])
    got = interpret(graph, {x: a, w: b}, np)
    common = np.exp(np.sin(a * b)) * np.cos(a * b)
    np.testing.assert_allclose(got[1:], [common * b, common * a])


def test_checkpoint_within_a_scan_saves_the_carries_alone():
    h, w = leaf(np.zeros(3)), leaf(np.zeros(3))
    (last,), _ = scan_nodes(
        lambda c, x: (checkpoint_nodes(lambda n: [e.tanh(e.sin(n[0]) * w)], [c[0]]), []),
        [h], [], length=5,
    )  # fmt: skip
    (slope,) = gradients([last], [ones_like(last)], [w])
    wide = next(node for node in Graph([h, w], [slope]).nodes if node.op is scan)
    assert len(wide.outs) == 2


def test_nested_calls_are_inlined():
    x = leaf(0.0)

    def inner(nodes):
        return checkpoint_nodes(lambda n: [e.sin(n[0])], nodes)

    (y,) = checkpoint_nodes(inner, [x])
    graph = inline_calls(Graph([x], [y]))
    assert ops_of(graph) == ["placeholder", "sin"]


def test_custom_gradient_to_second_order():
    x = leaf(0.0)
    (y,) = custom_vjp_nodes(
        lambda n: ([e.exp(n[0])], [n[0]]), lambda read, g: [g[0] * read[0] * read[0]], [x]
    )
    (slope,) = gradients([y], [ones_like(y)], [x])
    (curve,) = gradients([slope], [ones_like(slope)], [x])
    got = run([y, slope, curve], {x: np.array(3.0)})
    np.testing.assert_allclose(got, [np.exp(3.0), 9.0, 6.0])


def test_custom_gradient_refuses_what_would_lose_a_gradient():
    x, w = leaf(0.0), leaf(0.0)
    with pytest.raises(GraphError, match="Pass it as an argument"):
        custom_vjp_nodes(lambda n: ([n[0] * w], []), lambda read, g: [g[0]], [x])
    (y,) = custom_vjp_nodes(lambda n: ([n[0] * 2], []), lambda read, g: [], [x])
    with pytest.raises(GraphError, match="returns 0 gradients for 1 inputs"):
        gradients([y], [ones_like(y)], [x])
    (y,) = custom_vjp_nodes(
        lambda n: ([n[0] * 2], []), lambda read, g: [iota(size=3, dtype=x.dtype)], [x]
    )
    with pytest.raises(ShapeError, match=r"returns float64\[3\] as the gradient of input 0"):
        gradients([y], [ones_like(y)], [x])


# --------------------------------------------------------------------------------------- eager


def compute(node):
    """What an eager mode does: compute each node whose inputs have values."""
    if all(child.buffer is not None for child in node.inputs):
        node.buffer = node.op.eval(np, *[child.buffer for child in node.inputs], **node.params)


def test_eager_mode_computes_loops_and_their_gradients_at_once(monkeypatch):
    monkeypatch.setattr(STATE, "evaluate", compute)
    x, w = leaf(0.0), leaf(0.0)
    x.buffer, w.buffer = np.array(0.5), np.array(2.0)
    (y,), _ = scan_nodes(lambda c, s: ([c[0] * e.exp(w)], []), [x], [], length=2)
    np.testing.assert_allclose(y.buffer, 0.5 * np.exp(4.0))
    slopes = gradients([y], [ones_like(y)], [x, w])
    np.testing.assert_allclose([s.buffer for s in slopes], [np.exp(4.0), np.exp(4.0)])
    (z,) = checkpoint_nodes(lambda n: [e.sin(n[0])], [y])
    (slope,) = gradients([z], [ones_like(z)], [x])
    np.testing.assert_allclose(slope.buffer, np.cos(0.5 * np.exp(4.0)) * np.exp(4.0))


def test_carries_that_are_passed_on_are_not_written_over():
    """A shift register of views: what one step computed is read two and three steps later."""

    def step(carry, x):
        a, b, c = carry
        return [x[0] * 2.0, permute(a, axes=(0,)), b], [c]

    data = np.arange(18.0).reshape(9, 2)
    init = [leaf(np.full(2, -float(i))) for i in range(3)]
    xs = leaf(data)
    last, ys = scan_nodes(step, init, [xs])
    graph = Graph([*init, xs], [*last, *ys])
    values = [np.full(2, -float(i)) for i in range(3)]
    found = interpret(graph, dict(zip(graph.inputs, [*values, data], strict=True)), np)
    register = list(values)
    for i, x in enumerate(data):
        np.testing.assert_array_equal(found[3][i], register[2])
        register = [x * 2.0, register[0], register[1]]
    for got, want in zip(found[:3], register, strict=True):
        np.testing.assert_array_equal(got, want)
