"""@tg.jit: what is an input, an update, a constant, a condition."""

import numpy as np
import pytest

import tinygraph as tg


def test_it_runs_without_tracing_again():
    calls = []

    @tg.jit
    def f(x, y):
        calls.append(1)
        return {"sum": x + y, "number": 3}

    for _ in range(3):
        result = f(tg.tensor([1.0, 2.0]), np.array([3.0, 4.0], "float32"))
        assert result["sum"].tolist() == [4.0, 6.0]
        assert result["number"] == 3
    assert len(calls) == f.traces == 1
    f(tg.tensor([1.0]), tg.tensor([2.0]))
    assert f.traces == 2
    assert "these arguments are new" in f.explain()


def test_state_is_read_and_written_at_each_call():
    w = tg.state([1.0, 2.0], name="w").requires_grad_()

    @tg.jit
    def train(x):
        loss = tg.sum((x * w) ** 2)
        loss.backward()
        w.assign(w - 0.1 * w.grad)
        w.grad = None
        return loss

    expected = np.array([1.0, 2.0])
    x = np.array([1.0, 0.5])
    for _ in range(4):
        loss = train(tg.tensor(x.astype("float32")))
        np.testing.assert_allclose(float(loss), np.sum((x * expected) ** 2), rtol=1e-5)
        expected = expected - 0.1 * 2 * x * x * expected
        np.testing.assert_allclose(w.numpy(), expected, rtol=1e-5)
    assert train.traces == 1
    w.set([5.0, 5.0])
    assert float(train(tg.tensor([1.0, 0.0]))) == 25.0


def test_gradients_left_behind_are_there_after_each_call():
    w = tg.tensor([1.0, 2.0], requires_grad=True)

    @tg.jit
    def f(x):
        tg.sum(x * w).backward()

    f(tg.tensor([1.0, 1.0]))
    assert w.grad.tolist() == [1.0, 1.0]
    f(tg.tensor([2.0, 2.0]))  # .grad is there now: traced again, and added to
    assert w.grad.tolist() == [3.0, 3.0]
    f(tg.tensor([1.0, 1.0]))
    assert w.grad.tolist() == [4.0, 4.0]
    w.grad = None
    f(tg.tensor([1.0, 1.0]))
    assert w.grad.tolist() == [1.0, 1.0]
    assert f.traces == 2


def test_a_captured_number_is_part_of_the_key():
    factor = 2.0

    @tg.jit
    def f(x):
        return x * factor

    assert f(tg.tensor([1.0])).tolist() == [2.0]
    factor = 3.0
    assert f(tg.tensor([1.0])).tolist() == [3.0]
    assert f.traces == 2
    factor = 2.0
    f(tg.tensor([1.0]))
    assert f.traces == 2


def test_a_captured_tensor_is_a_constant_and_says_so():
    offset = tg.tensor([10.0])

    @tg.jit
    def f(x):
        return x + offset

    assert f(tg.tensor([1.0])).tolist() == [11.0]
    assert "constant captured from test_jit.py" in str(f.tape(tg.tensor([1.0])))


def test_what_was_computed_outside_is_a_constant():
    w = tg.state([2.0])
    double = w * 2

    @tg.jit
    def f(x):
        w.assign(w + 1)
        return x * double + w * 0

    assert [f(tg.tensor([1.0])).item() for _ in range(3)] == [4.0, 4.0, 4.0]
    assert w.tolist() == [5.0]


@pytest.mark.parametrize("computed", [False, True])
def test_writing_to_a_part_of_a_captured_tensor_is_an_update(computed):
    total = tg.tensor([1.0, 0.0]) * 10 if computed else tg.tensor([10.0, 0.0])

    @tg.jit
    def f(x):
        own = x * 1
        own[0] = 5.0
        total[1] += tg.sum(own)
        return total * 1

    assert f(tg.tensor([1.0, 2.0])).tolist() == [10.0, 7.0]
    assert f(tg.tensor([1.0, 1.0])).tolist() == [10.0, 13.0]
    assert total.tolist() == [10.0, 13.0]
    assert f.traces == 1


def test_training_mode_is_part_of_the_key():
    layer = tg.nn.Dropout(0.5)

    @tg.jit
    def f(x):
        return layer(x)

    one = tg.ones(1000)
    layer.train()
    assert (f(one).numpy() == 0).any()
    layer.eval()
    assert (f(one).numpy() == 1).all()
    layer.train()
    f(one)
    assert f.traces == 2


def test_branching_on_a_value_says_what_to_write():
    @tg.jit
    def f(x):
        if tg.sum(x) > 0:
            return x
        return -x

    with pytest.raises(tg.errors.TraceError) as caught:
        f(tg.tensor([1.0]))
    assert "tg.where or tg.cond" in str(caught.value)
    assert "test_jit.py" in str(caught.value)


def test_a_failing_trace_leaves_everything_as_it_was():
    w = tg.state([1.0])

    @tg.jit
    def f(x):
        w.assign(w + x)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        f(tg.tensor([1.0]))
    assert w.tolist() == [1.0]


def test_random_numbers_are_those_of_lazy_mode():
    @tg.jit
    def f(x):
        return x + tg.rand(4)

    tg.manual_seed(7)
    jitted = [f(tg.zeros(4)).numpy() for _ in range(3)]
    tg.manual_seed(7)
    plain = [tg.rand(4).numpy() for _ in range(3)]
    np.testing.assert_array_equal(jitted, plain)


def test_no_grad_is_part_of_the_key():
    w = tg.tensor([3.0], requires_grad=True)

    @tg.jit
    def f(x):
        return x * w

    with tg.no_grad():
        f(tg.tensor([1.0]))
    f(tg.tensor([1.0]))
    assert f.traces == 2


def test_an_argument_that_cannot_be_a_key():
    @tg.jit
    def f(x, options):
        return x

    with pytest.raises(tg.errors.TraceError, match="got set"):
        f(tg.tensor([1.0]), {1, 2})


def test_eager_mode_runs_the_python_function():
    seen = []

    @tg.jit
    def f(x):
        seen.append(float(tg.sum(x)))
        return x

    with tg.eager():
        f(tg.tensor([1.0, 2.0]))
    assert seen == [3.0]
    assert f.traces == 0
