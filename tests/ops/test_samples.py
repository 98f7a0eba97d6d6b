"""Every op on every sample: forward, expected values, errors, gradients to second order."""

import numpy as np
import pytest

from tinygraph.autodiff.forward import pushforward
from tinygraph.autodiff.reverse import gradients
from tinygraph.dtypes import bfloat16, is_float
from tinygraph.errors import TinygraphError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import REGISTRY
from tinygraph.ops.registry import PLACEHOLDER, Bad, Sample, items
from tinygraph.runtime.interpret import interpret


def cases(kind):
    for name, op in sorted(REGISTRY.items()):
        for index, sample in enumerate(op.samples(np.random.default_rng(0))):
            if isinstance(sample, kind):
                yield pytest.param(op, sample, id=f"{name}-{index}")


def leaf(array):
    array = np.asarray(array)
    node = Node(PLACEHOLDER, (), {"name": "x"}, Aval(array.shape, array.dtype), grad=True)
    return node


def results(op, nodes, params):
    node = op(*nodes, **params)
    return list(items(node)) if node.outs is not None else [node]


def run(outputs, nodes, arrays):
    graph = Graph(nodes, outputs)
    return [np.asarray(a) for a in interpret(graph, dict(zip(nodes, arrays, strict=True)), np)]


@pytest.mark.parametrize(("op", "sample"), list(cases(Sample)))
def test_forward(op, sample):
    arrays = [np.asarray(a) for a in sample.args]
    before = [a.copy() for a in arrays]
    nodes = [leaf(a) for a in arrays]
    outputs = results(op, nodes, sample.params)
    got = run(outputs, nodes, arrays)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    for node, value in zip(outputs, got, strict=True):
        assert value.shape == node.shape
        assert value.dtype == node.dtype
    if sample.expected is not None:
        expected = sample.expected if isinstance(sample.expected, tuple) else (sample.expected,)
        for want, value in zip(expected, got, strict=True):
            np.testing.assert_allclose(value, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("op", "sample"), list(cases(Sample)))
def test_dtypes_in_16_bits(op, sample):
    """NumPy has not every function of bfloat16, and turns to float32 where it has none."""
    arrays = [np.asarray(a) for a in sample.args]
    arrays = [a.astype(bfloat16) if is_float(a.dtype) else a for a in arrays]
    nodes = [leaf(a) for a in arrays]
    try:
        outputs = results(op, nodes, sample.params)
    except TinygraphError:  # an op, or a body, of wide floats alone
        return
    for node, value in zip(outputs, run(outputs, nodes, arrays), strict=True):
        assert value.dtype == node.dtype


@pytest.mark.parametrize(("op", "bad"), list(cases(Bad)))
def test_bad_input(op, bad):
    arrays = [np.asarray(a) for a in bad.args]
    nodes = [leaf(a) for a in arrays]
    with pytest.raises(bad.error) as caught:
        run(results(op, nodes, bad.params), nodes, arrays)
    assert bad.message in str(caught.value)


def differentiable():
    for param in cases(Sample):
        op, sample = param.values
        kinds = [np.asarray(a).dtype for a in sample.args]
        wide = np.dtype("float64") in kinds and np.dtype("float32") not in kinds
        if op.differentiable and sample.grad and wide:
            yield param


def numeric_jvp(f, xs, vs, eps=1e-6):
    plus = f([x + eps * v for x, v in zip(xs, vs, strict=True)])
    minus = f([x - eps * v for x, v in zip(xs, vs, strict=True)])
    return [(p - m) / (2 * eps) for p, m in zip(plus, minus, strict=True)]


@pytest.mark.parametrize(("op", "sample"), list(differentiable()))
def test_gradients_to_second_order(op, sample):
    rng = np.random.default_rng(1)
    arrays = [np.asarray(a) for a in sample.args]
    nodes = [leaf(a) for a in arrays]
    chosen = [i for i, a in enumerate(arrays) if is_float(a.dtype)]
    wrt = [nodes[i] for i in chosen]
    outputs = [o for o in results(op, nodes, sample.params) if is_float(o.dtype)]
    assert wrt
    assert outputs

    def values(targets, extra=(), extra_values=()):
        def f(xs):
            full = list(arrays)
            for i, x in zip(chosen, xs, strict=True):
                full[i] = x
            return run(targets, [*nodes, *extra], [*full, *extra_values])

        return f

    xs = [arrays[i] for i in chosen]
    vs = [rng.standard_normal(x.shape) for x in xs]
    cts = [rng.standard_normal(o.shape) for o in outputs]
    ct_nodes = [leaf(c) for c in cts]
    grads = gradients(outputs, ct_nodes, wrt)

    def dot(a, b):
        return sum(np.sum(x * y) for x, y in zip(a, b, strict=True))

    # first order, reverse: <ct, J v> by differences against <J^T ct, v>
    present = [i for i, g in enumerate(grads) if g is not None]
    got = values([grads[i] for i in present], ct_nodes, cts)(xs)
    masked = [v if i in present else np.zeros_like(v) for i, v in enumerate(vs)]
    slopes = numeric_jvp(values(outputs), xs, masked)
    np.testing.assert_allclose(
        dot(got, [vs[i] for i in present]), dot(cts, slopes), rtol=1e-5, atol=1e-6
    )
    # first order, forward
    t_nodes = [leaf(v) for v in masked]
    pushed = pushforward(outputs, wrt, t_nodes)
    for tangent, slope in zip(pushed, slopes, strict=True):
        value = 0.0 if tangent is None else values([tangent], t_nodes, masked)(xs)[0]
        np.testing.assert_allclose(value, slope, rtol=1e-5, atol=1e-6)
    # second order: the gradient of <J^T ct, u>
    if not present:
        return
    us = [rng.standard_normal(xs[i].shape) for i in present]
    u_nodes = [leaf(u) for u in us]
    second = gradients([grads[i] for i in present], u_nodes, wrt)
    there = [i for i, g in enumerate(second) if g is not None]
    known = (*ct_nodes, *u_nodes)
    got2 = values([second[i] for i in there], known, [*cts, *us])(xs) if there else []
    grad_values = values([grads[i] for i in present], ct_nodes, cts)
    numeric = numeric_jvp(grad_values, xs, masked)
    want = dot(us, numeric)
    np.testing.assert_allclose(
        dot(got2, [masked[i] for i in there]) if there else 0.0, want, rtol=1e-4, atol=1e-5
    )
