"""Initializers: bounds, spreads, fans, seeds."""

import math

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import init, nn
from tinygraph.errors import ShapeError


def weight(*shape, dtype="float32"):
    return nn.Parameter(np.zeros(shape), dtype=dtype)


@pytest.fixture(autouse=True)
def seed():
    tg.manual_seed(0)


def test_fans_count_connections():
    assert init.fans(weight(5, 3)) == (3, 5)
    assert init.fans(weight(8, 3, 5, 4)) == (60, 160)
    with pytest.raises(ShapeError, match="at least 2 dimensions"):
        init.fans(weight(3))


def test_one_number():
    w = weight(2, 2)
    assert init.ones(w) is w
    assert w.tolist() == [[1, 1], [1, 1]]
    assert init.constant(w, 0.5).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert init.zeros(w).tolist() == [[0, 0], [0, 0]]
    assert w.requires_grad
    assert w.is_leaf


@pytest.mark.parametrize(
    ("fill", "bound"),
    [
        (lambda w: init.uniform(w, -2.0, 2.0), 2.0),
        (lambda w: init.xavier_uniform(w, gain=3.0), 3 * math.sqrt(6 / (200 + 300))),
        (lambda w: init.kaiming_uniform(w, a=1.0), math.sqrt(3 / 300)),
        (lambda w: init.he_uniform(w, nonlinearity="relu"), math.sqrt(6 / 300)),
        (lambda w: init.he_uniform(w, mode="fan_out", nonlinearity="relu"), math.sqrt(6 / 200)),
    ],
)
def test_uniform_kinds(fill, bound):
    values = fill(weight(200, 300)).numpy()
    assert abs(values).max() <= bound * (1 + 1e-6)
    assert abs(values).max() > 0.99 * bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda w: init.normal(w, 0.0, 3.0), 3.0),
        (lambda w: init.glorot_normal(w), math.sqrt(2 / 500)),
        (lambda w: init.he_normal(w, nonlinearity="relu"), math.sqrt(2 / 300)),
        (lambda w: init.kaiming_normal(w, mode="fan_out", nonlinearity="tanh"),
         5 / 3 / math.sqrt(200)),
    ],
)  # fmt: skip
def test_normal_kinds(fill, std):
    values = fill(weight(200, 300)).numpy()
    assert values.std() == pytest.approx(std, rel=0.02)
    assert values.mean() == pytest.approx(0, abs=0.02 * std)


def test_gains():
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    assert init.calculate_gain("linear") == init.calculate_gain("conv2d") == 1
    with pytest.raises(ValueError, match=r"expected one of linear, .* got 'wavy'"):
        init.calculate_gain("wavy")


def test_seeds_and_dtypes():
    first = init.normal(weight(3, 4)).numpy()
    assert (init.normal(weight(3, 4)).numpy() != first).all()
    tg.manual_seed(0)
    np.testing.assert_array_equal(init.normal(weight(3, 4)).numpy(), first)
    assert init.xavier_normal(weight(3, 4, dtype="float64")).dtype == np.float64


@pytest.mark.parametrize(
    ("activation", "fill"),
    [
        (tg.tanh, init.xavier_normal),
        (tg.relu, lambda w: init.he_normal(w, nonlinearity="relu")),
    ],
)
def test_signals_neither_grow_nor_die_out(activation, fill):
    x = tg.randn((64, 128))
    for _ in range(10):
        x = activation(x @ fill(weight(128, 128)).detach())
    assert 0.1 < x.numpy().std() < 2.0


def test_errors():
    with pytest.raises(ValueError, match="uniform: expected a <= b, got 2 and 1"):
        init.uniform(weight(2), 2, 1)
    with pytest.raises(ValueError, match="normal: expected std of at least 0, got -1"):
        init.normal(weight(2), 0, -1)
    with pytest.raises(ValueError, match="expected mode 'fan_in' or 'fan_out', got 'fan'"):
        init.he_normal(weight(2, 2), mode="fan")
