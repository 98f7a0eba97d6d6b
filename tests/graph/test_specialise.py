"""Open sizes become numbers; what was assumed of them is checked."""

import numpy as np
import pytest

from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.specialise import is_open, specialise
from tinygraph.graph.verify import verify
from tinygraph.ops import elementwise as e
from tinygraph.ops.contract import matmul
from tinygraph.ops.movement import broadcast_to, concat, reshape, take_range
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.ops.scan import scan_nodes

n, m = Dim.symbol("n"), Dim.symbol("m")


def leaf(*shape):
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(shape, np.dtype("float64")), grad=True)


def test_every_size_becomes_a_number():
    x, w = leaf(n, 4), leaf(4, 2)
    y = reshape(e.tanh(matmul(x, w)), shape=(n * 2,))
    graph = Graph([x, w], [y, reduce_sum(y, axis=(0,), keepdims=True)])
    assert is_open(graph)
    for size in (1, 5, 0):
        fixed = specialise(graph, {"n": size})
        assert not is_open(fixed)
        verify(fixed)
        assert fixed.outputs[0].shape == (2 * size,)
        assert fixed.inputs[1] is w


def test_sizes_in_parameters_become_numbers():
    x = leaf(n)
    graph = Graph([x], [concat(take_range(x, 0, 1, n - 1), x, axis=0)])
    assert specialise(graph, {"n": 4}).outputs[0].shape == (7,)


def test_bodies_become_concrete_too():
    x, k = leaf(n, m), leaf(m)
    (last,), (path,) = scan_nodes(lambda c, s: ([c[0] + s[0]], [c[0] * s[0]]), [k], [x])
    fixed = specialise(Graph([x, k], [last, path]), {"n": 3, "m": 2})
    verify(fixed)
    assert [node.shape for node in fixed.outputs] == [(2,), (3, 2)]
    (loop,) = (node for node in fixed.nodes if node.op.name == "scan")
    assert loop.params["length"] == 3
    assert not is_open(loop.params["body"])


def test_origins_are_kept():
    x = leaf(n)
    y = e.sin(x)
    assert specialise(Graph([x], [y]), {"n": 2}).outputs[0].origin == y.origin


def test_sizes_that_were_taken_to_be_equal_must_be():
    x, y = leaf(n), leaf(m)
    graph = Graph([x, y], [x + y])
    assert specialise(graph, {"n": 3, "m": 3}).outputs[0].shape == (3,)
    with pytest.raises(ShapeError) as caught:
        specialise(graph, {"n": 3, "m": 4})
    text = str(caught.value)
    assert "shapes (3,) and (4,) do not broadcast" in text
    assert "n=3, m=4" in text
    assert "x + y" in text


def test_a_size_of_one_does_not_broadcast_by_accident():
    x, y = leaf(n, 3), leaf(m, 3)
    graph = Graph([x, y], [x + y])
    with pytest.raises(ShapeError) as caught:
        specialise(graph, {"n": 1, "m": 5})
    text = str(caught.value)
    assert "sizes that were left open were taken to be equal" in text
    assert "n=1, m=5 gives shapes (1, 3) and (5, 3)" in text
    assert "test_specialise.py" in text


def test_an_array_stretched_to_another_ones_open_size():
    x, y = leaf(n, 3), leaf(m, 3)
    graph = Graph([x, y], [broadcast_to(x, shape=(m, 3)) * y])
    assert specialise(graph, {"n": 2, "m": 2}).outputs[0].shape == (2, 3)
    for sizes in ({"n": 1, "m": 5}, {"n": 5, "m": 1}, {"n": 2, "m": 3}):
        with pytest.raises(ShapeError, match=f"n={sizes['n']}, m={sizes['m']}"):
            specialise(graph, sizes)


def test_an_open_size_against_a_fixed_one():
    x, y = leaf(n), leaf(3)
    graph = Graph([x, y], [x * y])
    assert graph.outputs[0].shape == (3,)
    assert specialise(graph, {"n": 3}).outputs[0].shape == (3,)
    for size in (1, 2):
        with pytest.raises(ShapeError, match=f"n={size}"):
            specialise(graph, {"n": size})


def test_a_product_of_matrices_that_do_not_fit():
    x, w = leaf(2, n), leaf(4, 2)
    graph = Graph([x, w], [matmul(x, w)])
    with pytest.raises(ShapeError) as caught:
        specialise(graph, {"n": 3})
    assert "dot_general" in str(caught.value)
    assert "test_specialise.py" in str(caught.value)
