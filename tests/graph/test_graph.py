"""Nodes and graphs: order, keys, rewriting, verification, and the user's lines."""

import sys

import numpy as np
import pytest

from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.graph import Graph, inline, rebuild, topological
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.verify import verify
from tinygraph.ops import elementwise as e
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import PLACEHOLDER, const
from tinygraph.runtime.interpret import interpret

F8 = np.dtype("float64")


def leaf(*shape, name="x"):
    return Node(PLACEHOLDER, (), {"name": name}, Aval(shape, F8), grad=True)


def here():
    """The number of the line that calls this."""
    return sys._getframe(1).f_lineno


# -------------------------------------------------------------------------------- user's lines


def test_a_node_knows_the_line_that_built_it():
    x = leaf(3)
    line = here() + 1
    y = e.sin(x)
    assert y.origin.line == line
    assert y.origin.file == __file__
    assert str(y.origin) == f"test_graph.py:{line}"
    assert y.origin.text.startswith("y = e.sin(x)")
    assert f"test_graph.py:{line}\n    y = e.sin(x)" in y.origin.where()


def test_each_line_of_a_long_expression_counts():
    x = leaf(3)
    y = (
        e.sin(x)
        + e.cos(x)
    )  # fmt: skip
    sine, cosine = y.inputs
    assert cosine.origin.line == sine.origin.line + 1


def test_an_error_bears_the_users_line():
    x, y = leaf(3), leaf(4)
    with pytest.raises(ShapeError) as caught:
        e.add(x, y)
    assert "test_graph.py" in str(caught.value)
    assert "e.add(x, y)" in str(caught.value)


def test_gradient_nodes_bear_the_line_of_what_they_differentiate():
    from tinygraph.autodiff.reverse import gradients

    x = leaf()
    line = here() + 1
    y = e.tanh(x)
    (slope,) = gradients([y], [const(1.0, F8)], [x])
    assert slope.origin.line == line
    assert str(slope.origin) == f"test_graph.py:{line} (backward)"
    assert slope.origin.where().startswith("the gradient of ")


# --------------------------------------------------------------------------------------- order


def test_inputs_stand_before_what_reads_them():
    x, y = leaf(), leaf()
    z = e.multiply(e.add(x, y), e.sin(x))
    order = topological([z])
    place = {id(node): i for i, node in enumerate(order)}
    for node in order:
        assert all(place[id(child)] < place[id(node)] for child in node.inputs)
    assert len(order) == len(place) == 5


def test_a_deep_chain_needs_no_recursion():
    node = start = leaf()
    for _ in range(50_000):
        node = -node
    graph = Graph([start], [node])
    assert len(graph) == 50_001
    assert len(graph.key) == 50_002
    verify(graph.rewrite(rebuild))


def test_a_graph_does_not_look_behind_its_inputs():
    x = leaf()
    y = e.sin(x)
    z = e.cos(y)
    assert Graph([y], [z]).nodes == (y, z)
    assert Graph([y], [z]).free() == []
    assert Graph([], [z]).free() == [x]


def test_consumers():
    x = leaf()
    y, z = e.sin(x), e.cos(x)
    found = Graph([x], [y, z]).consumers()
    assert found[id(x)] == [y, z]
    assert found[id(y)] == []


# ---------------------------------------------------------------------------------------- keys


def test_equal_structure_gives_equal_keys():
    def build():
        x, y = leaf(2, 3), leaf(3)
        return Graph([x, y], [reduce_sum(x * y + 1.0, axis=(0,), keepdims=False)])

    assert build() == build()
    assert len({build(), build()}) == 1


def test_what_makes_keys_differ():
    x, y = leaf(2), leaf(2)
    base = Graph([x, y], [x - y])
    others = [
        Graph([x, y], [y - x]),
        Graph([y, x], [x - y]),
        Graph([x, y], [x + y]),
        Graph([x, y], [x - y, x - y]),
        Graph([x, y], [x - (y + 0.0)]),
    ]
    assert all(base != other for other in others)


@pytest.mark.parametrize(("one", "other"), [(0.0, -0.0), (1.0, 2.0), (float("nan"), 1.0)])
def test_constants_are_told_apart_by_their_bits(one, other):
    x = leaf()
    assert Graph([x], [x + one]) != Graph([x], [x + other])
    assert Graph([x], [x + one]) == Graph([x], [x + one])


# ----------------------------------------------------------------------------------- rewriting


def test_rewrite_replaces_nodes_and_keeps_inputs():
    x = leaf(3)
    graph = Graph([x], [e.sin(e.sin(x))])

    def cosine(node, inputs):
        return e.cos(*inputs) if node.op is e.sin else rebuild(node, inputs)

    after = graph.rewrite(cosine)
    assert [node.op.name for node in after.nodes] == ["placeholder", "cos", "cos"]
    assert after.inputs == graph.inputs


def test_rebuild_keeps_a_node_whose_inputs_are_the_same():
    x = leaf()
    y = e.sin(x)
    assert rebuild(y, (x,)) is y
    other = rebuild(y, (leaf(),))
    assert other is not y
    assert other.origin == y.origin


def test_inline_puts_values_in_the_place_of_inputs():
    x, y = leaf(), leaf()
    graph = Graph([x, y], [x * y, x])
    value = e.sin(y)
    product, first = inline(graph, [value, y])
    assert first is value
    assert product.inputs == (value, y)


# ---------------------------------------------------------------------------------- verification


def broken(aval=None, inputs=None):
    x = leaf(2, 3)
    y = e.sin(x)
    wrong = Node(e.sin, inputs or (x,), {}, aval or y.aval)
    return Graph([x], [wrong])


def test_verify_accepts_what_is_right():
    verify(broken())


def test_verify_finds_a_wrong_shape_and_says_whose_line_it_is():
    with pytest.raises(GraphError) as caught:
        verify(broken(aval=Aval((2, 4), F8)))
    assert "should yield float64[2,3]" in str(caught.value)
    assert "test_graph.py" in str(caught.value)


def test_verify_finds_a_wrong_dtype():
    with pytest.raises(GraphError, match=r"should yield float64\[2,3\]"):
        verify(broken(aval=Aval((2, 3), np.dtype("float32"))))


def test_verify_finds_a_node_before_its_input():
    x = leaf()
    graph = Graph([x], [e.sin(e.cos(x))])
    graph.nodes = graph.nodes[::-1]
    with pytest.raises(GraphError, match="stands before its input"):
        verify(graph)


def test_verify_finds_a_missing_output():
    x = leaf()
    graph = Graph([x], [e.sin(x)])
    graph.outputs = (e.cos(x),)
    with pytest.raises(GraphError, match="is not in the graph"):
        verify(graph)


def test_verify_finds_inputs_that_do_not_belong_together():
    x = leaf(2)
    wrong = Node(e.add, (x, leaf(3)), {}, x.aval)
    with pytest.raises(ShapeError, match="do not broadcast"):
        verify(Graph([x, wrong.inputs[1]], [wrong]))


# --------------------------------------------------------------------------------- interpreting


def test_interpret_is_the_meaning():
    x, y = leaf(2), leaf()
    graph = Graph([x, y], [x * y + 1.0, x])
    got = interpret(graph, {x: np.array([1.0, 2.0]), y: np.array(3.0)}, np)
    np.testing.assert_array_equal(got[0], [4.0, 7.0])
    np.testing.assert_array_equal(got[1], [1.0, 2.0])


def test_a_node_is_no_sequence():
    with pytest.raises(TypeError, match="not iterable"):
        list(leaf(3))


def test_a_node_shows_itself():
    x = leaf(2)
    assert repr(e.sin(x)).startswith("<sin -> float64[2] at test_graph.py:")
