"""Random numbers: the same in every mode, right on average, and safe to share."""

import re
import threading

import numpy as np
import pytest
from scipy import stats

import tinygraph as tg
from tinygraph import config
from tinygraph import random as r
from tinygraph.errors import ConfigError, DTypeError, ShapeError


@pytest.fixture(autouse=True)
def generator():
    """The default generator, with a seed of its own; put back afterwards."""
    before = r.get_state()
    yield tg.manual_seed(5)
    r.set_state(before)


DRAWS = {
    "rand": lambda: tg.rand(3, 4),
    "randn": lambda: tg.randn((3, 4)),
    "uniform": lambda: r.uniform((5,), -1.0, 3.0),
    "normal": lambda: r.normal((5,), 2.0, 0.5),
    "randint": lambda: tg.randint(-3, 9, (5,)),
    "bernoulli": lambda: r.bernoulli(0.3, (50,)),
    "categorical": lambda: r.categorical(np.zeros((2, 5)), shape=(4,)),
    "permutation": lambda: tg.randperm(9),
    "rows": lambda: tg.permutation(np.arange(12.0).reshape(4, 3)),
    "gamma": lambda: r.gamma(np.array([0.3, 2.0]), (9, 2)),
    "beta": lambda: r.beta(0.5, 2.0, (9,)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_in_every_mode(name):
    draw = DRAWS[name]
    tg.manual_seed(7)
    lazy = [draw().numpy() for _ in range(3)]
    tg.manual_seed(7)
    with tg.eager():
        eager = [draw().numpy() for _ in range(3)]
    tg.manual_seed(7)
    traced = tg.jit(draw)
    jitted = [traced().numpy() for _ in range(3)]
    tg.manual_seed(7)
    function = tg.function([], draw())
    graph = [function().numpy() for _ in range(3)]
    for other in (jitted, graph):
        for a, b in zip(lazy, other, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
    for a, b in zip(lazy, eager, strict=True):
        if name in (
            "randn",
            "normal",
            "gamma",
            "beta",
        ):  # the same bits, but log and cos may round differently
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6, strict=True)
        else:
            np.testing.assert_array_equal(a, b, strict=True)
    assert not np.array_equal(lazy[0], lazy[1]) or not np.array_equal(lazy[1], lazy[2])


@pytest.mark.parametrize("shape", [0.2, 1.0, 3.5])
def test_gamma_is_distributed_as_it_should_be(shape):
    x = r.gamma(shape, (20_000,)).numpy()
    assert stats.kstest(x, stats.gamma(shape).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("a", "b"), [(0.2, 0.2), (1.0, 1.0), (2.0, 5.0)])
def test_beta_is_distributed_as_it_should_be(a, b):
    x = r.beta(np.array(a), np.array(b), (20_000,)).numpy()  # in float32 many are 1 at 0.2
    assert x.min() >= 0
    assert x.max() <= 1
    assert stats.kstest(x, stats.beta(a, b).cdf).pvalue > 1e-3


def test_parameters_of_gamma_and_beta_broadcast():
    assert r.gamma(np.array([1.0, 2.0])).shape == (2,)
    assert r.beta(tg.ones((2, 1)), tg.ones(3)).shape == (2, 3)
    assert r.gamma(np.array([2.0])).dtype == np.float64


def test_several_draws_in_one_graph():
    def step():
        return tg.rand(2), tg.randn(2), tg.rand(2)

    tg.manual_seed(1)
    want = [[x.numpy() for x in step()] for _ in range(2)]
    tg.manual_seed(1)
    traced = tg.jit(step)
    for expected in want:
        for a, b in zip(traced(), expected, strict=True):
            np.testing.assert_array_equal(a.numpy(), b)
    assert not np.array_equal(want[0][0], want[0][2])


def test_moments():
    n = 40_000
    x = tg.rand(n).numpy()
    assert x.min() >= 0
    assert x.max() < 1
    assert abs(x.mean() - 0.5) < 0.01
    z = tg.randn(n).numpy()
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02
    u = r.uniform((n,), np.float32(-2), 4.0).numpy()
    assert abs(u.mean() - 1) < 0.05
    y = r.normal((n, 2), np.array([0.0, 10.0]), 0.1).numpy()
    np.testing.assert_allclose(y.mean(0), [0, 10], atol=0.01)
    k = tg.randint(3, shape=(n,)).numpy()
    np.testing.assert_allclose(np.bincount(k) / n, 1 / 3, atol=0.02)
    b = r.bernoulli(np.array([0.0, 0.25, 1.0]), (n, 3)).numpy()
    np.testing.assert_allclose(b.mean(0), [0, 0.25, 1], atol=0.02)
    c = r.categorical(np.log([[0.2, 0.8], [0.5, 0.5]]), axis=1, shape=n).numpy()
    assert c.shape == (n, 2)
    np.testing.assert_allclose(c.mean(0), [0.8, 0.5], atol=0.02)
    np.testing.assert_array_equal(np.sort(tg.randperm(50).numpy()), np.arange(50))


def test_shapes_and_dtypes():
    assert tg.rand(2, 3).dtype == tg.float32
    assert tg.rand(()).shape == ()
    assert tg.randn(3, dtype="float64").dtype == tg.float64
    assert tg.rand(0, 3).shape == (0, 3)
    assert tg.randint(0, 5, (2,), dtype="uint8").dtype == tg.uint8
    x = np.zeros((2, 3))
    assert (tg.rand_like(x).shape, tg.randn_like(x).dtype) == ((2, 3), tg.float64)
    assert tg.randn(2, requires_grad=True).requires_grad
    rows = tg.permutation(np.arange(6).reshape(2, 3), axis=1).numpy()
    np.testing.assert_array_equal(rows[1] - rows[0], [3, 3, 3])
    n = tg.placeholder((None, 2), name="x").shape[0]
    assert tg.rand(n, 3).shape == (n, 3)


def test_open_sizes():
    x = tg.placeholder((None, 2), name="x")
    f = tg.function([x], x + tg.rand(*x.shape))
    for rows in (2, 5):
        assert f(np.zeros((rows, 2), np.float32)).shape == (rows, 2)


def test_gradients_reach_the_parameters():
    mean = tg.tensor(1.0, requires_grad=True)
    std = tg.tensor(2.0, requires_grad=True)
    x = r.normal((4,), mean, std)
    x.sum().backward()
    assert mean.grad.item() == 4
    np.testing.assert_allclose(std.grad.item(), ((x.numpy() - 1) / 2).sum(), rtol=1e-5)


def test_states(generator):
    assert generator is r.default_generator()
    tg.rand(2)
    state = r.get_state()
    assert state == (5, 1)
    x = tg.rand(2).numpy()
    r.set_state(state)
    np.testing.assert_array_equal(tg.rand(2).numpy(), x)
    assert repr(generator) == "Generator(seed=5, draw=2)"
    own = r.Generator(5).manual_seed(9)
    tg.rand(2, generator=own)
    assert (own.get_state(), generator.draw) == ((9, 1), 2)


def test_what_was_drawn_stays(generator):
    x = tg.rand(3)
    tg.manual_seed(11)
    np.testing.assert_array_equal(x.numpy(), tg.rand(3, generator=r.Generator(5)).numpy())


def test_draws_are_reserved_and_given_back(generator):
    assert generator.reserve(3) == (5, 0)
    generator.rewind(1, 3)
    assert generator.draw == 1
    generator.rewind(0, 9)
    assert generator.draw == 1


def test_the_seed_of_the_environment(monkeypatch):
    monkeypatch.setattr(r, "_default", [])
    with config.override("SEED", 42):
        assert r.default_generator().seed == 42
    assert r.default_generator().seed == 42


def test_threads_never_share_a_draw(generator):
    keys = []

    def draw():
        keys.extend(tuple(generator.key().buffer) for _ in range(200))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 800


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tg.rand(-1), ShapeError, "rand: a size is not negative"),
        (lambda: tg.rand(2, dtype="int32"), DTypeError, "are floats, not int32"),
        (lambda: tg.randint(3, 3), ShapeError, "no integer lies from 3 to below 3"),
        (lambda: tg.randint(0, 300, (2,), dtype="int8"), DTypeError, "does not fit in int8"),
        (lambda: r.uniform((2,), np.zeros(3)), ShapeError, "do not broadcast"),
        (lambda: r.uniform((1,), np.zeros(3)), ShapeError, "a parameter of shape (3,) does not"),
        (lambda: r.categorical(np.zeros(3), axis=1), ShapeError, "axis 1 is out of range"),
        (lambda: tg.permutation(-2), ShapeError, "a number of elements is not negative"),
        (lambda: r.Generator(-1), ConfigError, "a seed is an integer from 0 to 2^64 - 1, got -1"),
        (lambda: tg.manual_seed(0.5), ConfigError, "to 2^64 - 1, got 0.5"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
