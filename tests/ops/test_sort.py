"""Sorting: stability, NaN, all dtypes, and where the gradient goes."""

import numpy as np
import pytest

from tinygraph.autodiff.reverse import gradients
from tinygraph.dtypes import ALL, FLOATS
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.ops.sort import argsort, sort
from tinygraph.runtime.interpret import interpret


def leaf(array):
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(array.shape, array.dtype), grad=True)


def evaluate(op, x, **params):
    node = leaf(x)
    out = op(node, **params)
    (got,) = interpret(Graph([node], [out]), {node: x}, np)
    assert (got.shape, got.dtype) == (out.shape, out.dtype)
    return got


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_stable_in_every_dtype(dtype, descending):
    """Against Python's own stable sort."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, 40).astype(dtype)
    if dtype.kind in "iu":
        x[3], x[7] = np.iinfo(dtype).min, np.iinfo(dtype).max
    numbers = [float(v) for v in x]
    want = sorted(range(40), key=lambda i: -numbers[i] if descending else numbers[i])
    order = evaluate(argsort, x, axis=0, descending=descending)
    np.testing.assert_array_equal(order, want)
    np.testing.assert_array_equal(evaluate(sort, x, axis=0, descending=descending), x[want])


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nan_comes_last(dtype, descending):
    x = np.array([np.nan, -np.inf, 2, np.nan, np.inf, -1]).astype(dtype)
    order = evaluate(argsort, x, axis=0, descending=descending)
    np.testing.assert_array_equal(order, [4, 2, 5, 1, 0, 3] if descending else [1, 5, 2, 4, 0, 3])
    got = evaluate(sort, x, axis=0, descending=descending)
    np.testing.assert_array_equal(got.astype(float), x[order].astype(float))


def test_the_gradient_of_equal_elements_follows_their_order():
    x, g = np.array([2.0, 1.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0, 4.0])
    node, seed = leaf(x), leaf(g)
    (dx,) = gradients([sort(node, axis=0, descending=True)], [seed], [node])
    (got,) = interpret(Graph([node, seed], [dx]), {node: x, seed: g}, np)
    np.testing.assert_array_equal(got, [1, 3, 2, 4])
