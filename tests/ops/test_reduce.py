"""Reductions and running reductions where the generated samples do not reach."""

import numpy as np
import pytest

from tinygraph.autodiff.reverse import gradients
from tinygraph.dtypes import ALL, FLOATS, bfloat16, float16, is_float
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.specialise import specialise
from tinygraph.ops import cumulative as c
from tinygraph.ops import reduce as r
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.runtime.interpret import interpret


def leaf(shape, dtype=np.dtype("float64")):
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(tuple(shape), np.dtype(dtype)), grad=True)


def value(node, feed):
    graph = Graph(list(feed), [node])
    return np.asarray(interpret(graph, feed, np)[0])


def slope(op, x, g=None, **params):
    """The gradient of the result, weighted with g, and of that gradient, weighted with x."""
    node = leaf(np.shape(x))
    out = op(node, **params)
    g = np.ones(out.shape) if g is None else g
    seed = leaf(out.shape)
    (first,) = gradients([out], [seed], [node])
    weights = leaf(node.shape)
    (second,) = gradients([first], [weights], [node])
    feed = {node: x, seed: g, weights: x}
    return value(first, feed), None if second is None else value(second, feed)


ALONG = {"axis": (1,), "keepdims": False}
RUNNING = {"axis": 0, "reverse": False}


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_share_the_gradient_equally(name):
    x = np.array([[3.0, 1.0, 3.0, 3.0], [2.0, 2.0, 5.0, 2.0]])
    if name == "min":
        x = -x
    first, _ = slope(getattr(r, name), x, np.array([6.0, 1.0]), **ALONG)
    np.testing.assert_array_equal(first, [[2, 0, 2, 2], [0, 0, 1, 0]])


def test_max_over_nan_has_a_nan_gradient():
    first, _ = slope(r.max, np.array([[1.0, np.nan]]), **ALONG)
    assert np.isnan(first).all()


def others(x):
    """For each element the product of all others, one by one."""
    return np.array([np.prod(np.delete(x, i)) for i in range(len(x))])


def pairs(x, weights):
    """The slope of sum_i weights_i prod_(j != i) x_j, one by one."""
    n = len(x)
    return np.array([
        sum(weights[i] * np.prod(np.delete(x, [i, k])) for i in range(n) if i != k)
        for k in range(n)
    ])  # fmt: skip


@pytest.mark.parametrize("x", [[2, 3, 4], [2, 0, 4], [0, 3, 0], [0, 0, 0], [5]])
def test_gradients_of_prod_are_exact_at_zeros(x):
    x = np.array(x, "float64")
    first, second = slope(r.prod, x[None], **ALONG)
    np.testing.assert_array_equal(first[0], others(x))
    if second is not None:
        np.testing.assert_array_equal(second[0], pairs(x, x))


def test_gradient_of_prod_over_several_axes_follows_them():
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    first, _ = slope(r.prod, x, axis=(0, 2), keepdims=True)
    want = np.stack([others(x[:, j].ravel()).reshape(2, 4) for j in range(3)], 1)
    np.testing.assert_allclose(first, want)


@pytest.mark.parametrize("reverse", [False, True])
def test_gradient_of_cumprod_is_exact_at_zeros(reverse):
    x, g = np.array([2.0, 0.0, 3.0, 0.0, 5.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    want = np.zeros(5)
    for j in range(5):
        taken = range(j, 5) if reverse else range(j + 1)
        for i in taken:
            want[i] += g[j] * np.prod([x[k] for k in taken if k != i])
    first, _ = slope(c.cumprod, x, g, axis=0, reverse=reverse)
    np.testing.assert_array_equal(first, want)


@pytest.mark.parametrize(
    ("name", "reverse", "want"),
    [("cummax", False, [1, 5, 0, 4]), ("cummax", True, [0, 0, 1 + 2 + 3, 4]),
     ("cummin", False, [1 + 2 + 3 + 4, 0, 0, 0]), ("cummin", True, [1, 0, 0, 2 + 3 + 4])],
)  # fmt: skip
def test_running_extremes_give_the_gradient_to_the_position_that_set_them(name, reverse, want):
    x = np.array([1.0, 4.0, 4.0, 5.0]) if not reverse else np.array([1.0, 2.0, 4.0, 4.0])
    if name == "cummax" and reverse:
        x = np.array([4.0, 3.0, 5.0, 4.0])
        want = [0, 0, 6, 4]
    if name == "cummin" and reverse:
        x = np.array([1.0, 2.0, 2.0, 2.0])
        want = [1, 0, 0, 9]
    first, _ = slope(getattr(c, name), x, np.array([1.0, 2.0, 3.0, 4.0]), axis=0, reverse=reverse)
    np.testing.assert_array_equal(first, want)
