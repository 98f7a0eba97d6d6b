"""Eager mode, and the checks for NaN."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import config


def test_each_operation_runs_at_once():
    with tg.eager():
        y = tg.exp(tg.tensor([0.0, 1.0]))
        assert y.node.buffer is not None
    assert tg.exp(tg.tensor([0.0])).node.buffer is None


def test_the_variable_sets_the_mode():
    with config.override("MODE", "eager"):
        assert tg.exp(tg.tensor([0.0])).node.buffer is not None
        with tg.lazy():
            assert tg.exp(tg.tensor([0.0])).node.buffer is None


def test_a_mistake_fails_at_its_own_line():
    table = tg.tensor([1.0, 2.0])
    with tg.eager(), pytest.raises(IndexError) as caught:
        tg.take(table, tg.tensor([5]), axis=0)
    assert caught.traceback[0].path.name == "test_eager.py"


def test_gradients_are_those_of_lazy_mode():
    def gradient():
        w = tg.tensor([0.5, 2.0], requires_grad=True)
        tg.sum(tg.tanh(w) * tg.log(w)).backward()
        return w.grad.numpy()

    lazily = gradient()
    with tg.eager():
        eagerly = gradient()
    np.testing.assert_allclose(eagerly, lazily, rtol=1e-6)


def test_values_that_no_gradient_needs_are_not_kept():
    with tg.eager():
        x = tg.tensor([1.0])
        for _ in range(5):
            x = x + 1
        assert x.node.inputs == ()


def message_of(function, mode):
    with config.override("CHECK", "nan"), (tg.eager if mode == "eager" else tg.lazy)():
        with pytest.raises(tg.errors.NonFiniteError) as caught:
            function()
        return str(caught.value)


@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_nan_is_found_where_it_arises_forward(mode):
    def forward():
        x = tg.tensor([1.0, -1.0])
        y = tg.log(x)  # here
        (y + 1).realize()

    message = message_of(forward, mode)
    assert message.startswith("log yielded NaN")
    assert "y = tg.log(x)  # here" in message


@pytest.mark.parametrize("mode", ["lazy", "eager"])
def test_nan_is_found_where_it_arises_backward(mode):
    def backward():
        x = tg.tensor([0.0, 1.0], requires_grad=True)
        y = tg.sqrt(x)  # here: the slope at 0 is infinite
        tg.sum(y).backward()
        x.grad.realize()

    message = message_of(backward, mode)
    assert "infinity" in message
    assert "the gradient of" in message
    assert "y = tg.sqrt(x)  # here" in message


def test_without_the_check_nan_passes():
    assert np.isnan(tg.log(tg.tensor([-1.0])).numpy()).all()
