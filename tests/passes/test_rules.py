"""Each rewrite rule: the graph before and after, and that the result stays the same."""

import numpy as np
import pytest

from tinygraph import config
from tinygraph.autodiff.reverse import gradients
from tinygraph.errors import ConfigError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.verify import verify
from tinygraph.ops import elementwise as e
from tinygraph.ops import logic, reduce
from tinygraph.ops.control import cond_nodes
from tinygraph.ops.movement import (
    barrier,
    broadcast_to,
    concat,
    identity,
    iota,
    permute,
    reshape,
    slice_,
    stop_gradient,
)
from tinygraph.ops.registry import DATA, PLACEHOLDER, cast, const
from tinygraph.ops.rules import full
from tinygraph.passes import FOR_FUSION, PIPELINE, names, optimise
from tinygraph.passes.bodies import bodies
from tinygraph.passes.cse import cse
from tinygraph.passes.fold import LARGEST, fold
from tinygraph.passes.seal import sealed
from tinygraph.passes.simplify import simplify
from tinygraph.passes.stabilise import stabilise
from tinygraph.runtime.interpret import interpret

F8, I8, B1 = np.dtype("float64"), np.dtype("int64"), np.dtype("bool")
ODD = np.array([0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 1e308])


def fed(*shape, dtype="float64", name="x"):
    return Node(PLACEHOLDER, (), {"name": name}, Aval(shape, np.dtype(dtype)), grad=True)


def ops(graph):
    """What is computed, without inputs and constants, in order."""
    return [n.op.name for n in graph.nodes if not n.op.leaf and n.op.kind != "const"]


def after(step, *outputs, inputs):
    graph = step(Graph(inputs, outputs))
    verify(graph)
    return graph


def results(graph, arrays):
    found = interpret(graph, dict(zip(graph.inputs, arrays, strict=True)), np)
    return [np.asarray(value) for value in found]


def check_same_bits(before, rewritten, arrays):
    for want, got in zip(results(before, arrays), results(rewritten, arrays), strict=True):
        np.testing.assert_array_equal(want, got)
        if want.dtype.kind == "f":
            number = ~np.isnan(want)
            np.testing.assert_array_equal(np.signbit(want[number]), np.signbit(got[number]))


# ------------------------------------------------------------------------------------- simplify

x, y = fed(8), fed(8, name="y")
i = fed(4, dtype="int64")
b = fed(8, dtype="bool")
m = fed(2, 1, 3)

GONE = {  # what becomes of it: nothing at all
    "identity": (x, lambda: identity(x)),
    "stop_gradient": (x, lambda: stop_gradient(x)),
    "cast to itself": (x, lambda: cast(x, dtype=F8)),
    "reshape to itself": (x, lambda: reshape(x, shape=(8,))),
    "broadcast to itself": (x, lambda: broadcast_to(x, shape=(8,))),
    "whole slice": (x, lambda: slice_(x, slices=((0, 8, 1),))),
    "permute by nothing": (m, lambda: permute(m, axes=(0, 1, 2))),
    "permute there and back": (m, lambda: permute(permute(m, axes=(2, 0, 1)), axes=(1, 2, 0))),
    "concat of one": (x, lambda: concat(x, axis=0)),
    "times 1": (x, lambda: x * 1.0),
    "1 times": (x, lambda: 1.0 * x),
    "times true": (b, lambda: e.multiply(b, True)),
    "divided by 1": (x, lambda: x / 1.0),
    "power 1": (x, lambda: x**1.0),
    "plus -0.0": (x, lambda: x + -0.0),
    "-0.0 plus": (x, lambda: -0.0 + x),
    "minus 0.0": (x, lambda: x - 0.0),
    "integer plus 0": (i, lambda: i + 0),
    "integer minus 0": (i, lambda: i - 0),
    "integer floor-divided by 1": (i, lambda: e.floor_divide(i, 1)),
    "minus minus": (x, lambda: e.negative(-x)),
    "not not": (b, lambda: logic.logical_not(logic.logical_not(b))),
    "bits twice": (i, lambda: logic.bitwise_invert(logic.bitwise_invert(i))),
    "where true": (x, lambda: e.where(const(True, B1), x, y)),
    "where false": (y, lambda: e.where(const(False, B1), x, y)),
    "max of nothing": (x, lambda: reduce.max(x, axis=(), keepdims=False)),
    "max over 1, kept": (m, lambda: reduce.max(m, axis=(1,), keepdims=True)),
    "sum of an integer over 1": (
        i, lambda: reduce.sum(reshape(i, shape=(4, 1)), axis=(1,), keepdims=False),
    ),
    "product over 1": (m, lambda: reduce.prod(m, axis=(1,), keepdims=True)),
}  # fmt: skip

CHANGED = {  # the operations that are left
    "reshape twice": (["reshape"], lambda: reshape(reshape(x, shape=(2, 4)), shape=(4, 2))),
    "broadcast twice": (
        ["broadcast_to"],
        lambda: broadcast_to(broadcast_to(x, shape=(2, 8)), shape=(3, 2, 8)),
    ),
    "permute twice": (["permute"], lambda: permute(permute(m, axes=(1, 0, 2)), axes=(2, 1, 0))),
    "minimum over 1": (["reshape"], lambda: reduce.min(m, axis=(1,), keepdims=False)),
    "integer times 0": (["broadcast_to"], lambda: i * 0),
    "squared": (["square"], lambda: x**2.0),
    "plus minus": (["subtract"], lambda: x + (-y)),
    "minus plus": (["subtract"], lambda: (-x) + y),
    "minus minus": (["add"], lambda: x - (-y)),
    "where true, stretched": (
        ["broadcast_to"],
        lambda: e.where(full((2, 8), True, B1), x, 0.0),
    ),
}

KEPT = {  # what looks as if it could go, and must not
    "plus 0.0 (turns -0.0 into 0.0)": lambda: x + 0.0,
    "minus -0.0": lambda: x - -0.0,
    "times 0.0 (NaN, infinity)": lambda: x * 0.0,
    "0.0 minus (not -x at 0.0)": lambda: 0.0 - x,
    "sum over 1 (turns -0.0 into 0.0)": lambda: reduce.sum(m, axis=(1,), keepdims=True),
    "x minus x (NaN, infinity)": lambda: x - x,
    "x over x": lambda: x / x,
    "a reversed slice": lambda: slice_(x, slices=((7, 8, -1),)),
    "power 0": lambda: x**0.0,
    "a barrier": lambda: barrier(x, y),
    "1 that stretches": lambda: e.multiply(x, full((2, 8), 1.0, F8)),
    "max over many": lambda: reduce.max(m, axis=(0,), keepdims=True),
    "sum of bool": lambda: reduce.sum(b, axis=(), keepdims=False),
}


def arrays_for(inputs):
    rng = np.random.default_rng(0)
    return [
        np.resize(ODD, node.shape) if node.dtype == F8
        else rng.integers(-3, 4, node.shape).astype(node.dtype)
        for node in inputs
    ]  # fmt: skip


INPUTS = [x, y, i, b, m]


@pytest.mark.parametrize("name", GONE)
def test_simplify_removes(name):
    left, build = GONE[name]
    before = Graph(INPUTS, [build()])
    rewritten = after(simplify, *before.outputs, inputs=INPUTS)
    assert rewritten.outputs == (left,)
    check_same_bits(before, rewritten, arrays_for(INPUTS))


@pytest.mark.parametrize("name", CHANGED)
def test_simplify_changes(name):
    left, build = CHANGED[name]
    before = Graph(INPUTS, [build()])
    rewritten = after(simplify, *before.outputs, inputs=INPUTS)
    assert ops(rewritten) == left
    check_same_bits(before, rewritten, arrays_for(INPUTS))


@pytest.mark.parametrize("name", KEPT)
def test_simplify_keeps(name):
    before = Graph(INPUTS, [KEPT[name]()])
    assert after(simplify, *before.outputs, inputs=INPUTS).key == before.key


def test_simplify_goes_on_until_nothing_applies():
    node = e.negative(-((x * 1.0) - 0.0)) / 1.0
    assert after(simplify, node, inputs=[x]).outputs == (x,)


def test_a_rewritten_node_bears_the_line_of_the_one_it_replaces():
    node = x + (-y)
    rewritten = after(simplify, node, inputs=[x, y])
    assert rewritten.outputs[0].op is e.subtract
    assert rewritten.outputs[0].origin == node.origin


# ----------------------------------------------------------------------------------------- fold


def test_scalars_are_folded():
    node = x + (const(2.0, F8) * 3.0 + 1.0)
    rewritten = after(fold, node, inputs=[x])
    assert ops(rewritten) == ["add"]
    assert rewritten.outputs[0].inputs[1].params["value"] == 7.0


def test_a_repeated_scalar_stays_one():
    node = x + e.exp(full((8,), 0.0, F8))
    rewritten = after(fold, node, inputs=[x])
    assert ops(rewritten) == ["broadcast_to", "add"]
    check_same_bits(Graph([x], [node]), rewritten, [ODD])


def test_small_arrays_are_folded_to_their_values():
    node = x + cast(e.square(iota(size=8, dtype=I8)), dtype=F8)
    rewritten = after(fold, node, inputs=[x])
    assert ops(rewritten) == ["add"]
    (data,) = (n for n in rewritten.nodes if n.op is DATA)
    np.testing.assert_array_equal(data.buffer, np.arange(8.0) ** 2)
    check_same_bits(Graph([x], [node]), rewritten, [ODD])


def test_large_arrays_are_not():
    node = iota(size=LARGEST + 1, dtype=I8) + iota(size=LARGEST + 1, dtype=I8)
    assert ops(after(fold, node, inputs=[])) == ["add"]


def test_views_of_constants_cost_nothing_and_stay():
    node = x + broadcast_to(reshape(const(2.0, F8), shape=(1,)), shape=(8,))
    assert ops(after(fold, node, inputs=[x])) == ["reshape", "broadcast_to", "add"]


def test_what_depends_on_an_input_stays():
    graph = Graph([x], [e.exp(x) + 1.0])
    assert fold(graph).key == graph.key


def test_folding_keeps_signs_and_what_is_not_finite():
    for value in (-0.0, np.inf, np.nan):
        node = x * (const(value, F8) * 1.0)
        folded = after(fold, node, inputs=[x])
        check_same_bits(Graph([x], [node]), folded, [ODD])


def test_folding_an_error_away_is_left_to_the_run():
    node = x + const(1.0, F8) / 0.0
    folded = after(fold, node, inputs=[x])
    assert folded.outputs[0].inputs[1].params["value"] == np.inf


# ------------------------------------------------------------------------------------------ cse


def test_equal_nodes_become_one():
    node = e.sin(x) * e.sin(x) + e.sin(y)
    rewritten = after(cse, node, inputs=[x, y])
    assert ops(rewritten) == ["sin", "multiply", "sin", "add"]
    product = rewritten.outputs[0].inputs[0]
    assert product.inputs[0] is product.inputs[1]


def test_chains_of_equal_nodes_become_one():
    one, other = e.cos(e.sin(x) + 1.0), e.cos(e.sin(x) + 1.0)
    rewritten = after(cse, one, other, inputs=[x])
    assert rewritten.outputs[0] is rewritten.outputs[1]
    assert ops(rewritten) == ["sin", "add", "cos"]


def test_the_first_of_equal_nodes_keeps_its_line():
    first = e.sin(x)
    second = e.sin(x)
    rewritten = after(cse, first, second, inputs=[x])
    assert rewritten.outputs[1].origin == first.origin != second.origin


@pytest.mark.parametrize(
    "build",
    [
        lambda: (e.sin(x), e.cos(x)),
        lambda: (x - y, y - x),
        lambda: (x + 0.0, x + -0.0),
        lambda: (reduce.sum(x, axis=(0,), keepdims=True), reduce.sum(x, axis=(0,), keepdims=False)),
        lambda: (e.sin(barrier(x, y)), e.sin(x)),
    ],
)
def test_different_nodes_stay(build):
    before = Graph([x, y], build())
    assert after(cse, *before.outputs, inputs=[x, y]).key == before.key


def test_nan_constants_merge():
    node = (x + float("nan")) * (x + float("nan"))
    assert ops(after(cse, node, inputs=[x])) == ["add", "multiply"]


# ------------------------------------------------------------------------------------ stabilise

z = fed(3, 4, name="z")


def softmax(v):
    powers = e.exp(v)
    return powers / broadcast_to(reduce.sum(powers, axis=(1,), keepdims=True), shape=(3, 4))


def logsumexp(v):
    return e.log(reduce.sum(e.exp(v), axis=(1,), keepdims=False))


UNSTABLE = {  # (the form, values for which it fails, the values it should have)
    "log exp": (lambda: e.log(e.exp(z)), 1000.0, 1000.0),
    "log sigmoid": (lambda: e.log(e.sigmoid(z)), -1000.0, -1000.0),
    "log (1 - sigmoid)": (lambda: e.log(1 - e.sigmoid(z)), 1000.0, -1000.0),
    "log (1 + exp)": (lambda: e.log(1 + e.exp(z)), 1000.0, 1000.0),
    "log (exp + 1)": (lambda: e.log(e.exp(z) + 1), 1000.0, 1000.0),
    "log1p exp": (lambda: e.log1p(e.exp(z)), 1000.0, 1000.0),
    "log (1 + tiny)": (lambda: e.log(1 + z), 1e-20, 1e-20),
    "exp - 1": (lambda: e.exp(z) - 1, 1e-20, 1e-20),
    "1 - sigmoid": (lambda: 1 - e.sigmoid(z), 100.0, np.exp(-100.0)),
    "log softmax": (lambda: e.log(softmax(z)), 1000.0, np.log(0.25)),
    "log softmax, small": (lambda: e.log(softmax(z)), -1000.0, np.log(0.25)),
    "logsumexp": (lambda: logsumexp(z), 1000.0, 1000 + np.log(4)),
    "log of a view": (lambda: e.log(reshape(e.exp(z), shape=(12,))), 1000.0, 1000.0),
    "slope of log sigmoid": (lambda: slope(lambda s: e.log(s)), -1000.0, 1.0),
    "slope of log (1 - sigmoid)": (lambda: slope(lambda s: e.log(1 - s)), 1000.0, -1.0),
    "slope of both": (lambda: slope(cross_entropy), -1000.0, 0.25),
    "slope of both, large": (lambda: slope(cross_entropy), 1000.0, -0.75),
    "slope of a product": (lambda: slope(lambda s: (1 - s) * e.log(s)), -1000.0, 1.0),
}


def slope(function):
    """The gradient for z of `function` of sigmoid(z)."""
    (g,) = gradients([function(e.sigmoid(z))], [full((3, 4), 1.0, F8)], [z])
    return g


def cross_entropy(s):
    return 0.25 * e.log(s) + 0.75 * e.log(1 - s)


@pytest.mark.parametrize("name", UNSTABLE)
def test_stabilise(name):
    build, value, expected = UNSTABLE[name]
    before = Graph([z], [build()])
    rewritten = after(stabilise, *before.outputs, inputs=[z])
    extreme, ordinary = np.full((3, 4), value), np.linspace(0.1, 0.9, 12).reshape(3, 4)
    (was,), (got,) = results(before, [extreme]), results(rewritten, [extreme])
    assert not np.allclose(was, expected, rtol=1e-12, atol=0)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    for want, have in zip(results(before, [ordinary]), results(rewritten, [ordinary]), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12)


def test_stabilised_nodes_bear_the_users_line():
    node = logsumexp(z)
    rewritten = after(stabilise, node, inputs=[z])
    lines = {n.origin.line for n in rewritten.nodes if n.op.name in ("max", "subtract", "isfinite")}
    assert lines == {node.origin.line}


def test_a_shifted_sum_is_left_alone():
    shifted = z - broadcast_to(reduce.max(z, axis=(1,), keepdims=True), shape=(3, 4))
    before = Graph([z], [logsumexp(shifted)])
    assert stabilise(before).key == before.key


def test_what_stabilise_cannot_help_stays():
    k = fed(3, dtype="int64")
    before = Graph([z, k], [e.log(z), e.log(e.square(z) + 2.0), k - 1])
    assert stabilise(before).key == before.key


def test_infinities_pass_through_logsumexp():
    values = np.array([[-np.inf] * 4, [np.inf, 0, 0, 0], [np.nan, 0, 0, 0]])
    rewritten = after(stabilise, logsumexp(z), inputs=[z])
    np.testing.assert_array_equal(results(rewritten, [values])[0], [-np.inf, np.inf, np.nan])


# ------------------------------------------------------------------------------ bodies and seals


def test_bodies_are_rewritten_too():
    p = fed()
    (y1,) = cond_nodes(p > 0, lambda v: [e.sin(v[0] * 1.0) + e.sin(v[0])], lambda v: [v[0]], [p])
    rewritten = after(bodies, y1, inputs=[p])
    (node,) = (n for n in rewritten.nodes if n.op.name == "cond")
    assert ops(node.params["then_body"]) == ["sin", "add"]
    check_same_bits(Graph([p], [y1]), rewritten, [np.array(0.3)])


def held(value):
    array = np.asarray(value, "float64")
    return Node(DATA, (), {}, Aval(array.shape, array.dtype), buffer=array)


def test_an_input_is_no_constant_whatever_it_holds():
    data = held([1.0, 2.0])
    graph = optimise(Graph([data], [data * 2.0]))
    assert ops(graph) == ["multiply"]
    np.testing.assert_array_equal(results(graph, [np.array([5.0, 6.0])])[0], [10.0, 12.0])


def test_no_rule_looks_behind_an_input():
    start = fed(2)
    powers = e.exp(start)
    graph = optimise(Graph([powers], [e.log(powers), -powers]))
    assert ops(graph) == ["log", "negative"]
    assert graph.free() == []


def test_sealing_keeps_placeholders_and_order():
    data, given = held([1.0]), fed(1)
    graph = sealed(Graph([given, data], [given + data]))
    assert graph.inputs[0] is given
    assert [node.op for node in graph.inputs] == [PLACEHOLDER, PLACEHOLDER]
    assert sealed(graph) is graph


# ------------------------------------------------------------------------------------- pipeline


def everything():
    """A graph on which every pass has something to do."""
    p = fed(8)
    (chosen,) = cond_nodes(
        reduce.sum(p, axis=(0,), keepdims=False) > 0,
        lambda v: [v[0] * 1.0],
        lambda v: [e.negative(-v[0])],
        [p],
    )
    return Graph([p], [
        e.log(e.exp(p)) * 1.0,
        chosen,
        e.sin(p) * e.sin(p) + (const(1.0, F8) + 2.0),
    ])  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_every_pass_can_be_left_out(name, monkeypatch):
    calls = []

    def traced(step):
        def watched(graph):
            calls.append(step.__name__)
            return step(graph)

        watched.__name__ = step.__name__
        return watched

    monkeypatch.setattr("tinygraph.passes.PIPELINE", tuple(map(traced, PIPELINE)))
    monkeypatch.setattr("tinygraph.passes.FOR_FUSION", tuple(map(traced, FOR_FUSION)))
    graph = everything()
    with config.override("SKIP", name):
        rewritten = optimise(graph, check=True, fuse=True)
    assert name not in calls
    assert set(calls) == set(names()) - {name, "fuse"}
    values = [np.linspace(-1, 1, 8) + 0.05]
    for want, got in zip(results(graph, values), results(rewritten, values), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_an_unknown_pass_is_refused():
    with config.override("SKIP", "fold,simplfy"), pytest.raises(ConfigError) as caught:
        optimise(everything())
    assert "unknown pass simplfy" in str(caught.value)
    assert "simplify" in str(caught.value)


def test_dead_code_goes():
    p = fed(2)
    e.sin(p)
    assert ops(optimise(Graph([p], [e.cos(p)]))) == ["cos"]


def test_passes_can_be_watched(capsys):
    with config.override("DEBUG", "passes"):
        optimise(everything(), fuse=True)
    shown = capsys.readouterr().err
    for name in set(names()) - {"fuse"}:
        assert f"pass {name}: " in shown
    assert "graph: 1 input" in shown
    assert "test_rules.py:" in shown


def test_a_pass_that_lies_is_found(monkeypatch):
    def wrong(graph):
        p = graph.inputs[0]
        return Graph([p], [Node(e.sin, (p,), {}, Aval((3,), F8))])

    monkeypatch.setattr("tinygraph.passes.PIPELINE", (wrong,))
    with pytest.raises(Exception, match="should yield"):
        optimise(everything(), check=True)
