"""Define, then run: tg.placeholder and tg.function."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.compiler.compile import kernel_count
from tinygraph.runtime import backend as backends


def regression():
    x = tg.placeholder((None, 3), name="x")
    t = tg.placeholder((None,), name="t")
    w = tg.state(np.zeros(3, "float32"), name="w").requires_grad_()
    loss = tg.mean((tg.sum(x * w, axis=1) - t) ** 2)
    loss.backward()
    updates = {w: w - 0.1 * w.grad}
    w.grad = None
    return x, t, w, loss, updates


def test_it_trains():
    x, t, w, loss, updates = regression()
    step = tg.function([x, t], loss, updates=updates)
    rng = np.random.default_rng(0)
    data = rng.standard_normal((64, 3)).astype("float32")
    target = data @ np.array([1.0, -2.0, 0.5], "float32")
    losses = [float(step(data, target)) for _ in range(200)]
    assert losses[-1] < 1e-5 * losses[0]
    np.testing.assert_allclose(w.numpy(), [1.0, -2.0, 0.5], atol=1e-3)


def test_a_new_batch_size_builds_no_kernel():
    x, t, _, loss, updates = regression()
    step = tg.function([x, t], loss, updates=updates)
    step(np.ones((4, 3)), np.ones(4))
    built = kernel_count()
    for size in (3, 7, 50, 4):  # at 2, the factor 2 / size of the gradient would be left out
        step(np.ones((size, 3)), np.ones(size))
    assert kernel_count() == built


def test_a_batch_of_one_builds_its_kernels_once():
    """A dimension of size 1 is none for a loop, so kernels for it are of another form."""
    x, t, _, loss, updates = regression()
    step = tg.function([x, t], loss, updates=updates)
    step(np.ones((1, 3)), np.ones(1))
    step(np.ones((2, 3)), np.ones(2))
    built = kernel_count()
    step(np.ones((1, 3)), np.ones(1))
    step(np.ones((3, 3)), np.ones(3))
    assert kernel_count() == built


def test_inputs_by_name_and_any_nesting_of_outputs():
    x = tg.placeholder((2,), name="x")
    y = tg.placeholder((2,), name="y")
    f = tg.function([x, y], {"sum": x + y, "both": (x * 2, [y * 3])})
    result = f(y=np.array([3.0, 4.0]), x=[1.0, 2.0])
    assert result["sum"].tolist() == [4.0, 6.0]
    assert result["both"][0].tolist() == [2.0, 4.0]
    assert result["both"][1][0].tolist() == [9.0, 12.0]


def test_wrong_feeds():
    x = tg.placeholder((None, 3), name="x")
    f = tg.function([x], x * 2, name="double")
    with pytest.raises(tg.errors.ShapeError, match=r"'x' has shape \(None, 3\), it was fed"):
        f(np.ones((2, 4)))
    with pytest.raises(tg.errors.UnfedError, match="'x' was not fed"):
        f()
    with pytest.raises(tg.errors.DTypeError, match="'x' holds float32, it was fed complex128"):
        f(np.ones((2, 3), complex))
    with pytest.raises(TypeError, match=r"double\(\) takes 1 inputs \(x\), got 2"):
        f(np.ones((2, 3)), 1)
    with pytest.raises(TypeError, match="has no placeholder 'z'; it has 'x'"):
        f(z=np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"double\(x=array\), not a dictionary"):
        f({x: np.ones((2, 3))})
    with pytest.raises(tg.errors.GraphError, match=r"tg\.function\(\[x, y\], \.\.\.\); got Tensor"):
        tg.function(x, x * 2)
    with pytest.raises(
        tg.errors.GraphError, match=r"as optimizer\.minimize\(loss\) returns it; got"
    ):
        tg.function([x], x * 2, updates=tg.optim.SGD([tg.state([1.0]).requires_grad_()], 0.1))


def test_open_sizes_that_must_agree_are_checked_when_they_are_known():
    x = tg.placeholder((None,), name="x")
    y = tg.placeholder((None,), name="y")
    f = tg.function([x, y], x + y)
    assert f([1.0, 2.0], [3.0, 4.0]).tolist() == [4.0, 6.0]
    for a, b in (([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0]), ([1.0, 2.0, 3.0], [1.0, 2.0])):
        with pytest.raises(tg.errors.ShapeError, match=r"test_function\.py"):
            f(a, b)


def test_a_placeholder_that_is_no_input_is_named():
    x = tg.placeholder((2,), name="x")
    y = tg.placeholder((2,), name="forgotten")
    with pytest.raises(tg.errors.UnfedError, match="'forgotten', which is not among the inputs"):
        tg.function([x], x + y)
    with pytest.raises(tg.errors.GraphError, match=r"an input of tg\.function is a"):
        tg.function([x * 2], x)


def test_updates_are_for_state():
    x = tg.placeholder((2,), name="x")
    plain = tg.tensor([1.0, 2.0])
    with pytest.raises(tg.errors.GraphError, match="no state"):
        tg.function([x], x, updates={plain: x})
    w = tg.state([1.0, 2.0])
    with pytest.raises(tg.errors.ShapeError, match="cannot be a"):
        tg.function([x], x, updates={w: tg.sum(x)})


def test_what_is_assigned_while_defining_is_an_update():
    x = tg.placeholder((3,), name="x")
    average = tg.state(np.float32(0.0), name="average")
    average.assign(0.5 * average + 0.5 * tg.mean(x))
    f = tg.function([x], tg.sum(x), updates={})
    assert float(average) == 0.0
    f([1.0, 2.0, 3.0])
    f([1.0, 2.0, 3.0])
    assert float(average) == pytest.approx(1.5)


@pytest.mark.parametrize("eager", [False, True])
def test_defining_in_train_mode_leaves_the_state_readable(eager):
    real = np.arange(12, dtype="float32").reshape(4, 3)
    with tg.eager() if eager else tg.lazy():
        norm = tg.nn.BatchNorm1d(3)
        x = tg.placeholder((None, 3), name="x")
        out = norm(x)  # assigns to the averages: for each call to come
        assert norm.running_mean.tolist() == [0.0, 0.0, 0.0]
        assert "not evaluated" not in str(norm.running_var)
        norm.eval()
        np.testing.assert_allclose(norm(tg.tensor(real)).numpy(), real / np.sqrt(1 + 1e-5))
        assert "not evaluated" not in str(tg.sum(norm(tg.tensor(real))))
        norm.train()
        norm(tg.tensor(real)).realize()  # a step of lazy mode in between
        np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * real.mean(0), rtol=1e-6)
        guess = tg.function([x], out)  # without updates
        guess(real)
        np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * real.mean(0), rtol=1e-6)
        assert int(norm.num_batches_tracked) == 1


def test_a_function_without_updates_leaves_them_to_one_that_has_them():
    x = tg.placeholder((None, 2), name="x")
    norm = tg.nn.BatchNorm1d(2)
    out = norm(x)
    guess = tg.function([x], out)
    step = tg.function([x], tg.sum(out), updates={})
    data = np.array([[0.0, 2.0], [2.0, 6.0]])
    guess(data)
    assert norm.running_mean.tolist() == [0.0, 0.0]
    step(data)
    np.testing.assert_allclose(norm.running_mean.numpy(), [0.1, 0.4], rtol=1e-6)
    norm.eval()
    fast = tg.jit(lambda v: norm(v))
    first = fast(tg.ones((1, 2))).numpy()
    step(data)
    assert not np.allclose(first, fast(tg.ones((1, 2))).numpy())


def test_state_that_is_written_while_defining_is_read_as_written():
    """A cache: what one definition writes, it reads; others read what is there."""
    x = tg.placeholder((), name="x")
    cache = tg.state(np.zeros(3, "float32"))
    place = tg.state(np.int64(0))
    with tg.no_grad():
        cache.assign(tg.where(tg.arange(3) == place, x, cache))
        place.assign(place + 1 + tg.astype(x, "int64") * 0)
    push = tg.function([x], tg.sum(cache), updates={})
    assert [float(push(v)) for v in (1.0, 2.0, 3.0)] == [1.0, 3.0, 6.0]
    assert cache.tolist() == [1.0, 2.0, 3.0]


def test_a_failing_run_changes_no_state():
    index = tg.placeholder((1,), "int64", name="index")
    count = tg.state(np.zeros(2, "float32"))
    f = tg.function(
        [index], tg.take(tg.tensor([1.0, 2.0]), index, axis=0), updates={count: count + 1}
    )
    f([0])
    with pytest.raises(IndexError):
        f([7])
    assert count.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_state_is_written_in_place_only_where_nobody_looks(backend):
    with backends.using(backend):
        x = tg.placeholder((2,), name="x")
        w = tg.state([0.0, 0.0])
        f = tg.function([x], (), updates={w: w + x})
        f([1.0, 1.0])
        address = w.node.buffer.ctypes.data
        f([1.0, 1.0])
        # NumPy writes elsewhere: it can be interrupted in the midst of its work
        assert (w.node.buffer.ctypes.data == address) == (backend == "numba")
        before = w * 1  # a graph that reads the present value
        f([1.0, 1.0])
        assert before.tolist() == [2.0, 2.0]
        assert w.tolist() == [3.0, 3.0]


def test_random_numbers_are_drawn_anew_at_each_call():
    tg.manual_seed(0)
    x = tg.placeholder((1000,), name="x")
    f = tg.function([x], x * tg.rand(1000))
    one = np.ones(1000, "float32")
    first, second = f(one).numpy(), f(one).numpy()
    assert not np.array_equal(first, second)
    tg.manual_seed(0)
    np.testing.assert_array_equal(f(one).numpy(), first)
    tg.manual_seed(0)
    np.testing.assert_array_equal(tg.rand(1000).numpy(), first)


def test_the_tape_prints_the_users_lines():
    x = tg.placeholder((None, 3), name="x")
    f = tg.function([x], tg.exp(x) + 1.0)
    tape = f.tape((2, 3))
    text = str(tape)
    assert "placeholder 'x'" in text
    assert "float32[2,3] = exp" in text
    assert text.count("test_function.py:") == len(tape)
    with pytest.raises(tg.errors.ShapeError, match="open sizes"):
        f.tape()


@pytest.mark.parametrize("eager", [False, True])
def test_what_was_computed_of_state_before_is_followed(eager):
    w = tg.state([2.0])
    x = tg.placeholder((1,), name="x")
    with tg.eager() if eager else tg.lazy():
        double = w * 2
        assert double.tolist() == [4.0]  # looked at while the graph is defined
        f = tg.function([x], double * x, updates={w: w + 1})
        assert [f([1.0]).item() for _ in range(3)] == [4.0, 6.0, 8.0]


@pytest.mark.parametrize("eager", [False, True])
def test_a_second_function_follows_state_too(eager):
    with tg.eager() if eager else tg.lazy():
        x = tg.placeholder((None, 3), name="x")
        norm = tg.nn.BatchNorm1d(3)
        step = tg.function([x], tg.sum(norm(x)), updates={})
        norm.eval()
        predict = tg.function([x], norm(x))
        data = np.arange(12, dtype="float32").reshape(4, 3)
        before = predict(data).numpy()
        step(data)
        after = predict(data).numpy()
    mean, var = 0.1 * data.mean(0), 0.9 + 0.1 * data.var(0, ddof=1)
    np.testing.assert_allclose(before, data / np.sqrt(1 + 1e-5), rtol=1e-5)
    np.testing.assert_allclose(after, (data - mean) / np.sqrt(var + 1e-5), rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_a_graph_that_is_defined_and_run_in_eager_mode_trains(optimizer):
    def losses():
        tg.manual_seed(0)
        model = tg.nn.Sequential(tg.nn.Linear(3, 4), tg.nn.Dropout(0.2), tg.nn.Linear(4, 1))
        opt = getattr(tg.optim, optimizer)(model.parameters(), lr=0.1, weight_decay=0.1)
        x = tg.placeholder((None, 3), name="x")
        loss = tg.mean(model(x) ** 2)
        step = tg.function([x], loss, updates=opt.minimize(loss))
        data = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)
        return [float(step(data)) for _ in range(5)]

    expected = losses()
    with tg.eager():
        np.testing.assert_allclose(losses(), expected, rtol=1e-5)


def test_eager_mode_runs_the_same_function():
    x, t, w, loss, updates = regression()
    step = tg.function([x, t], loss, updates=updates)
    data, target = np.ones((4, 3), "float32"), np.ones(4, "float32")
    with tg.eager():
        first = float(step(data, target))
    moved = w.numpy()
    w.set(np.zeros(3))
    assert float(step(data, target)) == pytest.approx(first)
    np.testing.assert_allclose(w.numpy(), moved)
