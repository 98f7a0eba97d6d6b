"""vmap: every op on a batch of its samples, against a Python loop over the examples."""

import numpy as np
import pytest

from tinygraph.autodiff.batch import batch
from tinygraph.autodiff.batch_rules import loop, rule_of
from tinygraph.autodiff.forward import pushforward
from tinygraph.autodiff.reverse import gradients
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import STATE, Aval, Node
from tinygraph.graph.verify import verify
from tinygraph.ops import REGISTRY
from tinygraph.ops import elementwise as e
from tinygraph.ops.call import checkpoint_nodes, custom_vjp_nodes
from tinygraph.ops.control import cond_nodes, while_nodes
from tinygraph.ops.movement import reshape
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import PLACEHOLDER, Sample, const, items
from tinygraph.ops.rules import ones_like
from tinygraph.ops.scan import scan, scan_nodes
from tinygraph.runtime.interpret import interpret

SIZE = 3


def leaf(shape, dtype="float64"):
    dtype = np.dtype(dtype)
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(tuple(shape), dtype), grad=dtype.kind == "f")


def run(outputs, leaves, arrays):
    values = dict(zip(leaves, arrays, strict=True))
    return [np.asarray(a) for a in interpret(Graph(list(values), outputs), values, np)]


# ---------------------------------------------------------------------------- op against loop


def samples():
    for name, op in sorted(REGISTRY.items()):
        for index, sample in enumerate(op.samples(np.random.default_rng(0))):
            if isinstance(sample, Sample) and sample.args:
                yield pytest.param(op, sample, id=f"{name}-{index}")


def examples(array, kind):
    """Different arrays with the same numbers in other places, so that indices stay in range;
    matrices keep their form, which may be symmetric or triangular."""
    array = np.asarray(array)
    found = []
    for i in range(SIZE):
        example = array if kind == "linalg" else np.roll(array.reshape(-1), i).reshape(array.shape)
        found.append(example * array.dtype.type(1 + i / 20) if array.dtype.kind == "f" else example)
    return found


def choices(count):
    """Which inputs are mapped: all of them, and each alone."""
    yield (True,) * count
    if count > 1:
        for i in range(count):
            yield tuple(j == i for j in range(count))


@pytest.mark.parametrize(("op", "sample"), list(samples()))
def test_batch_is_a_loop_over_examples(op, sample):
    varied = [examples(a, op.kind) for a in sample.args]
    inputs = [leaf(a[0].shape, a[0].dtype) for a in varied]
    node = op(*inputs, **sample.params)
    outputs = list(items(node)) if node.outs is not None else [node]
    for mapped in choices(len(inputs)):
        values = [leaf((SIZE, *x.shape), x.dtype) for x, m in zip(inputs, mapped, strict=True) if m]
        chosen = [x for x, m in zip(inputs, mapped, strict=True) if m]
        fixed = [x for x, m in zip(inputs, mapped, strict=True) if not m]
        results = batch(outputs, chosen, values, SIZE)
        constants = [a[0] for a, m in zip(varied, mapped, strict=True) if not m]
        arrays = [np.stack(a) for a, m in zip(varied, mapped, strict=True) if m]
        verify(Graph([*values, *fixed], results))
        got = run(results, [*values, *fixed], [*arrays, *constants])
        rows = [
            run(outputs, inputs, [a[i if m else 0] for a, m in zip(varied, mapped, strict=True)])
            for i in range(SIZE)
        ]
        for number, (result, array) in enumerate(zip(results, got, strict=True)):
            want = np.stack([row[number] for row in rows])
            assert array.dtype == result.dtype == want.dtype
            assert array.shape == result.shape == want.shape
            tolerance = {"rtol": 1e-5, "atol": 1e-5} if want.dtype == "float32" else {"rtol": 1e-9}
            np.testing.assert_allclose(array, want, **{"atol": 1e-9, **tolerance})


def test_few_ops_need_the_loop():
    made_of_nothing = {"const", "data", "iota", "item", "placeholder", "result"}
    alone = {op.name for op in REGISTRY.values() if rule_of(op) is loop} - made_of_nothing
    assert alone == {"random_bits"}


# --------------------------------------------------------------------------------- transforms


def network(x, w):
    """A function of one example: sum of tanh(x w), for x (3,) and w (3, 2)."""
    product = reduce_sum(reshape(x, shape=(3, 1)) * w, axis=(0,), keepdims=False)
    return reduce_sum(e.tanh(product), axis=(0,), keepdims=False)


def test_gradients_of_each_example():
    x, w = leaf((3,)), leaf((3, 2))
    (slope,) = gradients([network(x, w)], [const(1.0, w.dtype)], [w])
    xs = leaf((4, 3))
    (slopes,) = batch([slope], [x], [xs], 4)
    a, b = np.random.default_rng(0).standard_normal((4, 3)), np.ones((3, 2))
    got = run([slopes], [xs, w], [a, b])[0]
    want = [run([slope], [x, w], [row, b])[0] for row in a]
    np.testing.assert_allclose(got, want)


def test_the_gradient_and_the_tangent_of_a_batch():
    x, w, xs, v = leaf((3,)), leaf((3, 2)), leaf((4, 3)), leaf((3, 2))
    (many,) = batch([network(x, w)], [x], [xs], 4)
    (slope,) = gradients([many], [ones_like(many)], [w])
    (speed,) = pushforward([many], [w], [v])
    a, b = np.random.default_rng(0).standard_normal((4, 3)), np.ones((3, 2))
    got = run([slope, speed], [xs, w, v], [a, b, b])
    one = gradients([network(x, w)], [const(1.0, w.dtype)], [w])
    rows = [run(one, [x, w], [row, b])[0] for row in a]
    np.testing.assert_allclose(got[0], sum(rows))
    np.testing.assert_allclose(got[1], [row.sum() for row in rows])


def test_batches_of_batches():
    x, y = leaf((3,)), leaf(())
    z = e.sin(x) * y
    xs, ys, yss = leaf((2, 3)), leaf((4,)), leaf((4,))
    (inner,) = batch([z], [x], [xs], 2)
    (outer,) = batch([inner], [y], [yss], 4)
    assert outer.shape == (4, 2, 3)
    a, b = np.arange(6.0).reshape(2, 3), np.arange(4.0)
    np.testing.assert_allclose(run([outer], [xs, yss], [a, b])[0], np.sin(a) * b.reshape(4, 1, 1))
    assert ys is not yss


def test_what_does_not_depend_on_the_batch_is_computed_once_and_repeated():
    x, w, xs = leaf(()), leaf((2,)), leaf((4,))
    fixed = e.exp(w)
    scaled, same = batch([fixed * x, fixed], [x], [xs], 4)
    graph = Graph([xs, w], [scaled, same])
    assert [node.op.name for node in graph.nodes].count("exp") == 1
    assert same.shape == scaled.shape == (4, 2)
    assert fixed in graph.nodes


def test_the_size_of_the_batch_may_be_open():
    n = Dim.symbol("n")
    x, w, xs = leaf((3,)), leaf((3, 2)), leaf((n, 3))
    (many,) = batch([network(x, w)], [x], [xs], n)
    assert many.shape == (n,)


def test_what_was_built_without_gradients_stays_without():
    x, xs = leaf((3,)), leaf((4, 3))
    before, STATE.grad = STATE.grad, False
    detached = e.sin(x)
    STATE.grad = before
    (many,) = batch([detached * x], [x], [xs], 4)
    (slope,) = gradients([many], [ones_like(many)], [xs])
    a = np.random.default_rng(0).standard_normal((4, 3))
    np.testing.assert_allclose(run([slope], [xs], [a])[0], np.sin(a))


def test_nodes_of_a_batch_bear_the_line_of_the_example():
    x, xs = leaf((3,)), leaf((4, 3))
    node = e.sin(x)
    assert batch([node], [x], [xs], 4)[0].origin.line == node.origin.line


# ------------------------------------------------------------------------------------- bodies


def test_a_scan_stays_one_scan():
    x, w, ws = leaf((5, 2)), leaf((2,)), leaf((4, 2))
    start = const(0.0, x.dtype)
    (last, count), (path, free) = scan_nodes(
        lambda c, s: (
            [reduce_sum(e.tanh(s[0] * w) + c[0], axis=(0,), keepdims=False), c[1] * 2.0],
            [c[0], c[1]],
        ),
        [start, const(1.0, x.dtype)],
        [x],
    )
    results = batch([last, count, path, free], [w], [ws], 4)
    loops = [node for node in Graph([x, ws], results).nodes if node.op is scan]
    (loop,) = loops
    assert [aval.shape for aval in loop.outs] == [(4,), (), (5, 4), (5,)]
    a, b = np.random.default_rng(0).standard_normal((5, 2)), np.arange(8.0).reshape(4, 2)
    got = run(results, [x, ws], [a, b])
    rows = [run([last, count, path, free], [x, w], [a, row]) for row in b]
    for number, array in enumerate(got):
        np.testing.assert_allclose(array, np.stack([row[number] for row in rows]))


def test_each_example_takes_its_own_branch():
    p, x, w = leaf((), "bool"), leaf((2,)), leaf(())
    (y,) = cond_nodes(p, lambda n: [e.sin(n[0]) * w], lambda n: [n[0] * 0 + 1], [x])
    ps, xs = leaf((3,), "bool"), leaf((3, 2))
    (many,) = batch([y], [p, x], [ps, xs], 3)
    (slope,) = gradients([many], [ones_like(many)], [w])
    chosen, a = np.array([True, False, True]), np.arange(6.0).reshape(3, 2)
    got = run([many, slope], [ps, xs, w], [chosen, a, np.array(2.0)])
    np.testing.assert_allclose(got[0], np.where(chosen[:, None], np.sin(a) * 2, 1.0))
    np.testing.assert_allclose(got[1], np.sin(a)[chosen].sum())


def test_each_example_takes_its_own_number_of_steps():
    n, x = leaf((), "int64"), leaf((2,))
    steps, y = while_nodes(
        lambda c: c[0] < n, lambda c: [c[0] + 1, c[1] * 2], [const(0, np.dtype("int64")), x]
    )
    ns, v = leaf((4,), "int64"), leaf((2,))
    many = batch([steps, y], [n], [ns], 4)
    (speed,) = pushforward(many[1:], [x], [v])
    limits, a = np.array([0, 3, 1, 5]), np.array([1.0, 10.0])
    got = run([*many, speed], [ns, x, v], [limits, a, a])
    np.testing.assert_array_equal(got[0], limits)
    np.testing.assert_array_equal(got[1], 2.0 ** limits[:, None] * a)
    np.testing.assert_array_equal(got[2], got[1])


def test_a_checkpoint_on_a_batch_is_a_checkpoint():
    x, w, xs = leaf((3,)), leaf((3,)), leaf((4, 3))
    (y,) = checkpoint_nodes(lambda n: [e.sin(n[0] * w)], [x])
    (many,) = batch([y], [x], [xs], 4)
    assert many.inputs[0].op.name == "call"
    (slope,) = gradients([many], [ones_like(many)], [w])
    a, b = np.random.default_rng(0).standard_normal((4, 3)), np.arange(3.0)
    np.testing.assert_allclose(run([slope], [xs, w], [a, b])[0], (np.cos(a * b) * a).sum(axis=0))


def test_a_custom_gradient_on_a_batch_is_that_of_each_example():
    x, w, xs = leaf((3,)), leaf((3,)), leaf((4, 3))

    def forward(nodes):
        total = reduce_sum(nodes[0] * nodes[1], axis=(0,), keepdims=False)
        return [total], [nodes[0], total]

    def backward(read, g):
        x, total = read
        return [g[0] * total * x, g[0] * e.exp(x)]

    (y,) = custom_vjp_nodes(forward, backward, [x, w])
    slopes = gradients([y], [ones_like(y)], [x, w])
    (many,) = batch([y], [x], [xs], 4)
    (dx, dw) = gradients([many], [ones_like(many)], [xs, w])
    a, b = np.random.default_rng(0).standard_normal((4, 3)), np.arange(3.0)
    rows = [run(slopes, [x, w], [row, b]) for row in a]
    got = run([dx, dw], [xs, w], [a, b])
    np.testing.assert_allclose(got[0], [row[0] for row in rows])
    np.testing.assert_allclose(got[1], sum(row[1] for row in rows))
