"""Initializers: bounds, spreads, fans, seeds."""

import math

import numpy as np
import pytest
from scipy import stats

import tinygraph as tg
from tinygraph import init, nn
from tinygraph.errors import DTypeError, ShapeError


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
        (lambda w: init.lecun_uniform(w), math.sqrt(3 / 300)),
        (lambda w: init.variance_scaling(w, 2.0, "fan_avg", "uniform"), math.sqrt(6 / 250)),
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
        (lambda w: init.lecun_normal(w), math.sqrt(1 / 300)),
        (lambda w: init.naive(w, 0.01), 0.01),
        (lambda w: init.variance_scaling(w), math.sqrt(1 / 300)),  # truncated, and widened for it
        (lambda w: init.variance_scaling(w, 3.0, "fan_out", "normal"), math.sqrt(3 / 200)),
    ],
)  # fmt: skip
def test_normal_kinds(fill, std):
    values = fill(weight(200, 300)).numpy()
    assert values.std() == pytest.approx(std, rel=0.02)
    assert values.mean() == pytest.approx(0, abs=0.02 * std)


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"), [(0, 1, -2, 2), (1, 2, 0, 1.5), (0, 0.1, -1, 3)]
)
def test_truncated_normal(mean, std, a, b):
    values = init.trunc_normal(weight(200, 100, dtype="float64"), mean, std, a, b).numpy().ravel()
    known = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    assert stats.kstest(values, known.cdf).pvalue > 1e-3
    assert values.min() >= a
    assert values.max() <= b


def test_identities():
    assert init.eye is init.identity
    np.testing.assert_array_equal(init.eye(weight(3, 2)).numpy(), np.eye(3, 2))
    layer = nn.Conv2d(4, 4, 3, padding="same", groups=2, bias=False)
    init.dirac(layer.weight, groups=2)
    x = tg.randn((2, 4, 5, 5))
    np.testing.assert_array_equal(layer(x).numpy(), x.numpy())


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3, 3), (8, 2, 1)])
def test_orthogonal(shape):
    w = init.orthogonal(weight(*shape, dtype="float64"), gain=2.0).numpy().reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_matrices_are_spread_evenly():
    """Entries have mean 0 and variance 1 / n, and the determinant has no preferred sign."""
    drawn = np.stack([init.orthogonal(weight(4, 4)).numpy() for _ in range(500)])
    assert abs(drawn.mean(0)).max() < 0.1
    np.testing.assert_allclose((drawn**2).mean(0), 0.25, atol=0.06)
    assert abs(np.linalg.det(drawn).mean()) < 0.15


def test_delta_orthogonal_keeps_the_norm_of_a_signal():
    layer = nn.Conv2d(6, 6, 3, padding="same", padding_mode="circular", bias=False)
    init.delta_orthogonal(layer.weight)
    x = tg.randn((1, 6, 5, 5))
    y = layer(layer(layer(x)))
    np.testing.assert_allclose(np.linalg.norm(y.numpy()), np.linalg.norm(x.numpy()), rtol=1e-5)
    assert (layer.weight.numpy()[:, :, 0] == 0).all()
    with pytest.raises(ShapeError, match=r"as many outputs as inputs, got shape \(2, 3, 1\)"):
        init.delta_orthogonal(weight(2, 3, 1))


def test_sparse():
    values = init.sparse(weight(200, 50), sparsity=0.3, std=2.0).numpy()
    assert ((values == 0).sum(axis=0) == 60).all()
    assert values[values != 0].std() == pytest.approx(2.0, rel=0.03)
    assert len({tuple(column) for column in (values == 0).T}) == 50


def test_names_with_an_underscore_are_those_of_pytorch():
    assert nn.init is init
    assert init.xavier_uniform_ is init.xavier_uniform
    with pytest.raises(AttributeError, match="has no attribute 'xavier_'"):
        _ = init.xavier_


def test_a_generator_of_ones_own():
    def drawn(fill):
        return fill(weight(3, 3), generator=tg.random.Generator(4)).numpy()

    state = tg.random.get_state()
    for fill in (init.uniform, init.normal, init.trunc_normal, init.orthogonal, init.lecun_normal):
        np.testing.assert_array_equal(drawn(fill), drawn(fill))
    assert tg.random.get_state() == state


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_constant_keeps_the_units_of_a_layer_alike(value):
    """Symmetric learning: all hidden units get one gradient, and with 0 and tanh none at all."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    for parameter in net.parameters():
        init.constant(parameter, value)
    net(tg.randn((5, 3))).sum().backward()
    rows = net[0].weight.grad.numpy()
    np.testing.assert_array_equal(rows, np.broadcast_to(rows[:1], rows.shape))
    assert (rows == 0).all() == (value == 0.0)


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
    with pytest.raises(
        ValueError, match="expected mode 'fan_in', 'fan_out' or 'fan_avg', got 'fan'"
    ):
        init.he_normal(weight(2, 2), mode="fan")
    with pytest.raises(ValueError, match="expected distribution out of truncated_normal"):
        init.variance_scaling(weight(2, 2), distribution="cauchy")
    with pytest.raises(ValueError, match="expected scale from 0, got -1"):
        init.variance_scaling(weight(2, 2), -1)
    with pytest.raises(ValueError, match="expected std above 0 and a < b, got 1, 2, 1"):
        init.trunc_normal(weight(2), 0, 1, 2, 1)
    with pytest.raises(ValueError, match="expected groups that divide the 3 outputs, got 2"):
        init.dirac(weight(3, 2, 1), groups=2)
    with pytest.raises(ShapeError, match=r"dirac: expected a weight with 3 to 5 dimensions"):
        init.dirac(weight(3, 2))
    with pytest.raises(ShapeError, match=r"eye: expected a weight with 2 dimensions, got shape"):
        init.eye(weight(3))
    with pytest.raises(ShapeError, match=r"orthogonal: expected a weight with 2 or more"):
        init.orthogonal(weight(3))
    with pytest.raises(ValueError, match="sparse: expected sparsity from 0 to 1, got 2"):
        init.sparse(weight(3, 2), 2)
    with pytest.raises(ValueError, match="naive: expected a finite scale"):
        init.naive(weight(3), -1)


RANDOM = [
    init.uniform, init.normal, init.naive, init.trunc_normal, init.he_normal, init.variance_scaling,
    init.orthogonal, lambda w: init.sparse(w, 0.5),
]  # fmt: skip


@pytest.mark.parametrize("fill", RANDOM)
def test_only_floats_are_drawn(fill):
    integers = tg.zeros((3, 3), dtype="int64")
    with pytest.raises(DTypeError, match="expected a Tensor of floats to fill, got int64"):
        fill(integers)
    assert integers.tolist() == [[0, 0, 0]] * 3


@pytest.mark.parametrize("fill", [init.ones, init.eye, *RANDOM])
def test_only_tensors_are_filled(fill):
    with pytest.raises(TypeError, match=r"expected a Tensor.*, got a ndarray"):
        fill(np.zeros((3, 3)))
