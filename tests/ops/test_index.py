"""Indexing: duplicates, all dtypes, open sizes, and that an embedding's gradient is quick."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygraph.autodiff.reverse import gradients
from tinygraph.dtypes import ALL, INTEGERS, is_bool
from tinygraph.errors import GraphError
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.specialise import specialise
from tinygraph.ops.index import gather, scatter, scatter_along_axis, take_along_axis
from tinygraph.ops.registry import PLACEHOLDER, const
from tinygraph.runtime.interpret import interpret


def leaf(array, grad=True):
    array = np.asarray(array)
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(array.shape, array.dtype), grad=grad)


def evaluate(build, *arrays):
    """The value of `build(*nodes)`, checked against what is inferred."""
    nodes = [leaf(x) for x in arrays]
    out = build(*nodes)
    graph = Graph(nodes, [out])
    (got,) = interpret(graph, dict(zip(nodes, map(np.asarray, arrays), strict=True)), np)
    assert (got.shape, got.dtype) == (out.shape, out.dtype)
    return got


def slopes(build, *arrays, g=None):
    """The gradients of `build(*nodes)` weighted with g, for each array of floats."""
    nodes = [leaf(x) for x in arrays]
    out = build(*nodes)
    g = np.ones(out.shape) if g is None else g
    seed = leaf(g)
    wrt = [node for node in nodes if node.dtype.kind == "f"]
    grads = gradients([out], [seed], wrt)
    feed = dict(zip([*nodes, seed], [*arrays, g], strict=True))
    return interpret(Graph(list(feed), grads), feed, np)


def scattered(x, value, places, mode):
    """The slow, obvious reference: one value after another."""
    out = x.copy()
    value = np.broadcast_to(value, (*places.shape, *x.shape[1:]))
    combine = {"set": lambda a, b: b, "add": np.add, "multiply": np.multiply,
               "max": np.maximum, "min": np.minimum}[mode]  # fmt: skip
    for at in np.ndindex(places.shape):
        out[places[at]] = combine(out[places[at]], value[at])
    return out


MODES_OF_DTYPES = [
    pytest.param(mode, dtype, id=f"{mode}-{dtype}")
    for mode in ("set", "add", "multiply", "max", "min")
    for dtype in ALL
    if not (is_bool(dtype) and mode in ("add", "multiply"))  # which are not defined on bool
]


@pytest.mark.parametrize(("mode", "dtype"), MODES_OF_DTYPES)
@pytest.mark.parametrize("count", [0, 2, 9])
def test_scatter_combines_duplicates_in_every_dtype(mode, dtype, count):
    rng = np.random.default_rng(0)
    x, value = (
        rng.integers(0, 3, (4, 2)).astype(dtype),
        rng.integers(0, 3, (count, 2)).astype(dtype),
    )
    places = rng.integers(-4, 4, count)
    got = evaluate(lambda x, v, i: scatter(x, v, i, axes=(0,), mode=mode), x, value, places)
    np.testing.assert_array_equal(got, scattered(x, value, places, mode))


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (2, 0), (1, 2), (2, 1, 0)])
@pytest.mark.parametrize("count", [2, 40])
def test_scatter_add_along_any_axes(axes, count):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 5))
    index = [rng.integers(-x.shape[a], x.shape[a], (count, 1)) for a in axes]
    rest = [n for a, n in enumerate(x.shape) if a not in axes]
    value = rng.standard_normal((count, 2, *rest))
    want = x.copy()
    view = want.transpose(*axes, *[a for a in range(3) if a not in axes])
    np.add.at(view, tuple(np.broadcast_arrays(*index, np.zeros((1, 2), int)))[: len(axes)], value)

    def build(x, v, wide, *index):
        spread = [i + wide for i in index]
        return scatter(x, v, *spread, axes=axes, mode="add")

    got = evaluate(build, x, value, np.zeros((1, 2), int), *index)
    np.testing.assert_allclose(got, want)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_every_integer_type_is_an_index(dtype):
    x, index = np.arange(12.0).reshape(4, 3), np.array([3, 0, 3]).astype(dtype)
    np.testing.assert_array_equal(
        evaluate(lambda x, i: gather(x, i, axes=(0,)), x, index), x[[3, 0, 3]]
    )
    np.testing.assert_array_equal(
        evaluate(lambda x, i: gather(x, i, i - i, axes=(0, 1)), x, index), [9, 0, 9]
    )


@pytest.mark.parametrize(
    "index", [np.uint64(2**64 - 1), np.int64(-5), np.int8(4), np.uint8(255), np.int64(2**62)]
)
def test_no_index_wraps_around(index):
    x, index = np.arange(4.0), np.array([0, index], index.dtype)
    for build in (
        lambda x, i: gather(x, i, axes=(0,)),
        lambda x, i: scatter(x, const(0.0, x.dtype), i, axes=(0,), mode="add"),
        lambda x, i: take_along_axis(x, i, axis=0),
    ):
        with pytest.raises(
            IndexError, match=rf"index {index[1]} is out of range for axis 0 of size 4"
        ):
            evaluate(build, x, index)


def test_gather_writes_to_a_given_result():
    x, index = np.arange(12.0).reshape(4, 3), np.array([[1, -1]])
    for array, axes in itertools.product((x, x.T), ((0,), (1,))):
        want = gather.eval(np, array, index, axes=axes)
        out = np.full(want.shape, np.nan)
        assert gather.eval(np, array, index, axes=axes, out=out) is out
        np.testing.assert_array_equal(out, want)


def test_set_gives_the_gradient_to_the_last_of_several_values():
    x, v, places = np.zeros(3), np.arange(4.0), np.array([1, 2, -2, 1])
    g = np.array([10.0, 20.0, 30.0])
    dx, dv = slopes(lambda x, v, i: scatter(x, v, i, axes=(0,), mode="set"), x, v, places, g=g)
    np.testing.assert_array_equal(dx, [10, 0, 0])
    np.testing.assert_array_equal(dv, [0, 30, 0, 20])


def test_set_along_an_axis_gives_the_gradient_to_the_last_of_several_values():
    x, v, places = np.zeros((1, 3)), np.arange(4.0)[None], np.array([[1, 2, -2, 1]])
    g = np.array([[10.0, 20.0, 30.0]])
    dx, dv = slopes(
        lambda x, i, v: scatter_along_axis(x, i, v, axis=1, mode="set"), x, places, v, g=g
    )
    np.testing.assert_array_equal(dx, [[10, 0, 0]])
    np.testing.assert_array_equal(dv, [[0, 30, 0, 20]])


@pytest.mark.parametrize(("mode", "sign"), [("max", 1), ("min", -1)])
def test_equal_extremes_share_the_gradient(mode, sign):
    x, v, places = (
        sign * np.array([5.0, 5.0, 1.0]),
        sign * np.array([5.0, 9.0, 9.0, 0.0]),
        np.array([0, 1, 1, 2]),
    )
    g = np.array([10.0, 20.0, 30.0])
    dx, dv = slopes(lambda x, v, i: scatter(x, v, i, axes=(0,), mode=mode), x, v, places, g=g)
    np.testing.assert_array_equal(dx, [5, 0, 30])
    np.testing.assert_array_equal(dv, [5, 10, 10, 0])


def test_multiply_has_a_gradient_to_what_it_multiplies():
    x, v, places = np.array([1.0, 2.0, 3.0]), leaf(np.zeros(3), grad=False), np.array([0, 1, 1])
    values = np.array([4.0, 5.0, 6.0])
    node, index, seed = leaf(x), leaf(places), leaf(x)
    out = scatter(node, v, index, axes=(0,), mode="multiply")
    (dx,) = gradients([out], [seed], [node])
    feed = {node: x, v: values, index: places, seed: np.ones(3)}
    np.testing.assert_array_equal(interpret(Graph(list(feed), [dx]), feed, np)[0], [4, 30, 1])


def test_multiply_refuses_a_gradient_to_its_values():
    with pytest.raises(GraphError, match=r"write x\.at\[i\]\.set\(x\[i\] \* value\)"):
        slopes(
            lambda x, v, i: scatter(x, v, i, axes=(0,), mode="multiply"),
            np.ones(3), np.ones(2), np.array([0, 1]),
        )  # fmt: skip


@given(st.integers(0, 99), st.integers(0, 2), st.integers(1, 5))
def test_along_an_axis_as_numpy(seed, axis, count):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(rng.integers(1, 4, 3))
    shape = tuple(count if i == axis else n for i, n in enumerate(x.shape))
    index = rng.integers(-x.shape[axis], x.shape[axis], shape)
    got = evaluate(lambda x, i: take_along_axis(x, i, axis=axis), x, index)
    np.testing.assert_array_equal(got, np.take_along_axis(x, index, axis))
    put = x.copy()
    np.put_along_axis(put, index, got + 1, axis)
    new = evaluate(
        lambda x, i, v: scatter_along_axis(x, i, v, axis=axis, mode="set"), x, index, got + 1
    )
    np.testing.assert_array_equal(new, put)


def test_the_gradient_of_an_embedding_is_one_scatter():
    table, tokens = leaf(np.zeros((100, 8))), leaf(np.zeros((4, 5), int))
    rows = gather(table, tokens, axes=(0,))
    (g,) = gradients([rows], [leaf(np.zeros((4, 5, 8)))], [table])
    assert g.op is scatter
    assert g.params == {"axes": (0,), "mode": "add"}


@pytest.mark.parametrize("size", [1, 4])
def test_open_sizes(size):
    n = Dim.symbol("n")
    x = Node(PLACEHOLDER, (), {"name": "x"}, Aval((n, 3), np.dtype("float64")), grad=True)
    index = Node(PLACEHOLDER, (), {"name": "i"}, Aval((n, 2), np.dtype("int64")))
    rows = gather(x, index, axes=(0,))
    assert rows.shape == (n, 2, 3)
    changed = scatter(x, rows * 2, index, axes=(0,), mode="set")
    picked = take_along_axis(changed, index, axis=1)
    rng = np.random.default_rng(0)
    table, places = rng.standard_normal((size, 3)), rng.integers(0, min(size, 3), (size, 2))
    graph = specialise(Graph([x, index], [picked]), {"n": size})
    (got,) = interpret(graph, dict(zip(graph.inputs, [table, places], strict=True)), np)
    want = table.copy()
    want[places] = table[places] * 2
    np.testing.assert_array_equal(got, np.take_along_axis(want, places, 1))
