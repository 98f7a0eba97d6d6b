"""The contract of a backend, tried on every backend that is installed.

A backend that computes nothing (`null`) is held to all but the numbers.
"""

import ml_dtypes
import numpy as np
import pytest
from networks import fed, lenet, training

from tinygraph import config
from tinygraph.compiler.compile import compile_graph
from tinygraph.errors import NonFiniteError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import REGISTRY
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import permute, reshape, take_range
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import DATA, Sample, items
from tinygraph.runtime import backend as backends
from tinygraph.runtime import lazy
from tinygraph.runtime.interpret import interpret

NAMES = backends.backends()
COMPUTING = [name for name in NAMES if name != "null"]
VALUES = [
    np.arange(6, dtype="float32").reshape(2, 3),
    np.arange(6, dtype="float64"),
    np.array([[True, False]]),
    np.array([-1, 2], "int64"),
    np.array([1, 200], "uint8"),
    np.array(1.5, "float32"),
    np.zeros((0, 3), "float32"),
    np.array([0.5, -2.0], "float16"),
    np.array([0.5, -2.0], ml_dtypes.bfloat16),
]


@pytest.fixture(params=NAMES)
def backend(request):
    return backends.named(request.param)


@pytest.fixture(params=COMPUTING)
def computing(request):
    return backends.named(request.param)


def link(backend, inputs, outputs):
    return compile_graph(Graph(inputs, outputs), backend, (), {})


# --------------------------------------------------------------------------------- the contract


def test_it_keeps_to_the_protocol(backend):
    assert isinstance(backend, backends.Backend)
    assert backend.name in NAMES
    assert backends.named(backend.name) is backend


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.dtype}{list(v.shape)}")
def test_values_go_there_and_back(backend, value):
    before = value.copy()
    back = backend.to_host(backend.from_host(value))
    assert isinstance(back, np.ndarray)
    assert back.dtype == value.dtype
    np.testing.assert_array_equal(back, before)


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.dtype}{list(v.shape)}")
def test_alloc_gives_shape_and_dtype(backend, value):
    host = backend.to_host(backend.alloc(value.shape, value.dtype))
    assert host.shape == value.shape
    assert host.dtype == value.dtype


def test_it_builds_links_and_runs(backend):
    x, w = fed(4, 3), fed(3, name="w")
    run = link(backend, [x, w], [e.tanh(x * w), reduce_sum(x, axis=(0,), keepdims=False)])
    handles = [backend.build(kernel) for kernel in run.tape.kernels]
    assert len(handles) == len(run.tape.kernels)
    values = [backend.from_host(np.ones(n.shape, "float32")) for n in (x, w)]
    found = [backend.to_host(buffer) for buffer in run(values)]
    assert [array.shape for array in found] == [(4, 3), (3,)]
    assert {array.dtype for array in found} == {np.dtype("float32")}
    assert backend.sync() is None


def test_a_tape_of_nothing_runs(backend):
    assert link(backend, [], [])([]) == []


# ---------------------------------------------------------------------------------- the numbers


def test_a_training_step_is_what_it_means(computing):
    graph = training(*lenet(4))
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(n.shape).astype(n.dtype) * 0.1 for n in graph.inputs]
    expected = interpret(graph, dict(zip(graph.inputs, arrays, strict=True)), np)
    run = compile_graph(graph, computing, (), {})
    for _ in range(2):
        got = run([computing.from_host(array) for array in arrays])
        for want, buffer in zip(expected, got, strict=True):
            np.testing.assert_allclose(computing.to_host(buffer), want, rtol=2e-4, atol=2e-5)


def test_results_can_be_written_onto_what_they_replace(computing):
    p, g = fed(4, name="p"), fed(4, name="g")
    run = compile_graph(Graph([p, g], [p - g * 0.5]), computing, (), {0: 0})
    old = computing.from_host(np.full(4, 2.0, "float32"))
    (new,) = run([old, computing.from_host(np.ones(4, "float32"))], {0: old})
    assert new is old
    np.testing.assert_array_equal(computing.to_host(old), np.full(4, 1.5))


@pytest.mark.parametrize("dtype", ["float32", "float16", ml_dtypes.bfloat16, "int32", "bool"])
def test_views_of_inputs_and_outputs(computing, dtype):
    x = fed(4, 6, dtype=dtype)
    turned = permute(take_range(x, 0, 1, 3), axes=(1, 0))
    run = link(computing, [x], [turned, reshape(x, shape=(24,)), reshape(turned, shape=(18,))])
    value = (np.arange(24).reshape(4, 6) % 7).astype(dtype)
    got = [computing.to_host(b) for b in run([computing.from_host(value)])]
    np.testing.assert_array_equal(got[0], value[1:].T)
    np.testing.assert_array_equal(got[1], value.reshape(24))
    np.testing.assert_array_equal(got[2], value[1:].T.reshape(18))


def test_a_value_that_is_not_finite_is_found_where_it_arises(computing):
    x = fed(3)
    with config.override("CHECK", "nan"):
        run = link(computing, [x], [e.exp(e.log(x) * 2.0)])
        run([computing.from_host(np.ones(3, "float32"))])
        with pytest.raises(NonFiniteError) as caught:
            run([computing.from_host(np.array([1, -1, 1], "float32"))])
    assert "log yielded NaN (shape (3,))" in str(caught.value)
    assert "test_contract.py" in str(caught.value)


# --------------------------------------------------------------------------- every op's samples


def samples():
    for name, op in sorted(REGISTRY.items()):
        for index, sample in enumerate(op.samples(np.random.default_rng(0))):
            if isinstance(sample, Sample):
                yield pytest.param(op, sample, id=f"{name}-{index}")


def held(array):
    return Node(DATA, (), {}, Aval(array.shape, array.dtype), buffer=array)


def strided(array):
    """The same values, with gaps between them in memory."""
    room = np.zeros([2 * size for size in array.shape], array.dtype)
    every_second = room[(*[slice(None, None, 2)] * array.ndim, ...)]
    every_second[...] = array
    return every_second


@pytest.mark.parametrize("name", COMPUTING)
@pytest.mark.parametrize(("op", "sample"), list(samples()))
def test_every_op_is_what_it_means(op, sample, name):
    """On inputs that are not contiguous, which stay as they are."""
    arrays = [strided(np.asarray(array)) for array in sample.args]
    before = [array.copy() for array in arrays]
    nodes = [held(array) for array in arrays]
    node = op(*nodes, **sample.params)
    outputs = list(items(node)) if node.outs is not None else [node]
    graph = Graph(nodes, outputs)
    expected = interpret(graph, dict(zip(nodes, before, strict=True)), np)
    with backends.using(name):
        lazy.realize(outputs)
        got = [backends.to_host(output.buffer) for output in outputs]
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    for want, have, output in zip(expected, got, outputs, strict=True):
        assert have.shape == output.shape
        assert have.dtype == output.dtype
        assert_close(have, np.asarray(want))


def assert_close(have, want):
    if want.dtype.kind in "biu":
        np.testing.assert_array_equal(have, want)
    else:
        digits = {8: 1e-11, 4: 1e-5, 2: 1e-2}[want.dtype.itemsize]
        wide = [array.astype("float64") for array in (have, want)]
        np.testing.assert_allclose(*wide, rtol=digits, atol=digits)
