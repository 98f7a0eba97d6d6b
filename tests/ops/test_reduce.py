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
from tinygraph.ops.rules import full
from tinygraph.runtime.interpret import interpret


def leaf(shape, dtype="float64"):
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
    ("name", "reverse", "x", "want"),
    [
        ("cummax", False, [1, 4, 4, 5], [1, 5, 0, 4]),
        ("cummax", True, [4, 3, 5, 4], [0, 0, 6, 4]),
        ("cummin", False, [1, 4, 4, 5], [10, 0, 0, 0]),
        ("cummin", True, [1, 2, 2, 2], [1, 0, 0, 9]),
    ],
)
def test_running_extremes_give_the_gradient_to_the_position_that_set_them(name, reverse, x, want):
    g = np.array([1.0, 2.0, 3.0, 4.0])
    first, _ = slope(getattr(c, name), np.array(x, "float64"), g, axis=0, reverse=reverse)
    np.testing.assert_array_equal(first, want)


OPS = [
    *[(getattr(r, name), ALONG) for name in ("sum", "prod", "max", "min", "any", "all")],
    *[(getattr(r, name), {"axis": 0, "keepdims": True}) for name in ("argmax", "argmin")],
    *[(getattr(c, name), RUNNING) for name in ("cumsum", "cumprod", "cummax", "cummin")],
]


@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize(("op", "params"), OPS, ids=[op.name for op, _ in OPS])
def test_every_dtype_gives_what_is_inferred(op, params, dtype):
    x = np.array([[1, 0, 2], [0, 1, 1]]).astype(dtype)
    node = leaf(x.shape, dtype)
    out = op(node, **params)
    got = value(out, {node: x})
    assert (got.shape, got.dtype) == (out.shape, out.dtype)
    wide = op(leaf(x.shape, "float64" if is_float(dtype) else "int64"), **params)
    np.testing.assert_array_equal(
        got.astype("float64"), value(wide, {wide.inputs[0]: x.astype(wide.inputs[0].dtype)})
    )


@pytest.mark.parametrize("dtype", [float16, bfloat16], ids=str)
def test_sums_of_16_bit_floats_are_formed_in_32_bits(dtype):
    x = np.ones(8192, dtype)
    node = leaf(x.shape, dtype)
    for out in (r.sum(node, axis=(0,), keepdims=False), c.cumsum(node, **RUNNING)):
        assert float(value(out, {node: x}).ravel()[-1]) == 8192


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_linear_recurrence_in_every_float(dtype):
    a, b = leaf((3,), dtype), leaf((3,), dtype)
    got = value(
        c.linear_recurrence(a, b, **RUNNING),
        {a: np.array([9, 2, 3]).astype(dtype), b: np.array([1, 1, 1]).astype(dtype)},
    )
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.astype(float), [1, 3, 10])


def test_linear_recurrence_does_not_read_the_first_factor():
    a, b = leaf((2,)), leaf((2,))
    got = value(c.linear_recurrence(a, b, **RUNNING), {a: np.array([np.inf, 2]), b: np.ones(2)})
    np.testing.assert_array_equal(got, [1, 3])


@pytest.mark.parametrize(("op", "params", "size"), [
    pytest.param(op, params, size, id=f"{op.name}-{size}")
    for op, params in OPS if op.differentiable
    for size in ((1, 5) if op.name in ("max", "min") else (0, 1, 5))  # none has no largest
])  # fmt: skip
def test_open_sizes(op, params, size):
    """The graph of the gradient, built for any size, is right for each."""
    x = np.random.default_rng(size).standard_normal((size, size))
    first, _ = slope(op, x, **params)
    node = leaf((Dim.symbol("n"), Dim.symbol("n")))
    out = op(node, **params)
    (g,) = gradients([out], [full(out.shape, 1, out.dtype)], [node])
    graph = specialise(Graph([node], [g]), {"n": size})
    got = interpret(graph, dict(zip(graph.inputs, [x], strict=True)), np)[0]
    np.testing.assert_allclose(got, first)


def test_a_size_that_turns_out_to_be_zero_is_reported_when_the_graph_runs():
    node = leaf((Dim.symbol("n"),))
    out = r.max(node, axis=(0,), keepdims=False)
    with pytest.raises(ValueError, match="no elements along axis 0"):
        value(out, {node: np.zeros(0)})


@pytest.mark.parametrize(("shape", "axis"), [((300_001, 2), (0,)), ((600, 1100, 2), (0, 1)),
                                         ((2, 3000, 0), (1,)), ((2, 5, 2048), (1, 2))])  # fmt: skip
@pytest.mark.parametrize("turned", [False, True])
def test_long_sums_are_exact_along_every_dimension(shape, axis, turned):
    x = np.full(shape, 0.1, "float32")
    if turned:
        x, axis = x.T, tuple(len(shape) - 1 - a for a in axis)
    for keepdims in (False, True):
        got = r.sum.eval(np, x, axis=axis, keepdims=keepdims)
        exact = x.sum(axis=axis, keepdims=keepdims, dtype="float64")
        assert (got.shape, got.dtype) == (exact.shape, np.float32)
        np.testing.assert_allclose(got, exact, rtol=2e-5)
