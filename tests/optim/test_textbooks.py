"""What textbooks say of the optimizers, where their forms differ, and what is the same."""

import inspect

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim

RATES = [0.1] * 5 + [0.03] * 5


def slope(w):
    return 2 * w + np.cos(w)


def path(make, rates=RATES, start=1.5):
    """The weight after each step, with a rate for each."""
    w = nn.Parameter([start], dtype="float64")
    optimizer = make([w])
    found = []
    with tg.backend("numpy"):
        for rate in rates:
            optimizer.param_groups[0]["lr"] = rate
            (tg.sum(w * w) + tg.sum(tg.sin(w))).backward()
            optimizer.step()
            optimizer.zero_grad()
            found.append(w.item())
    return found


def by_hand(rule, rates=RATES, start=1.5):
    """The same by `rule(w, v, lr)`, which returns the next weight and velocity."""
    w, v, found = start, 0.0, []
    for rate in rates:
        w, v = rule(w, v, rate)
        found.append(w)
    return found


def outside(w, v, lr):
    v = 0.9 * v + slope(w)
    return w - lr * v, v


def inside(w, v, lr):
    v = 0.9 * v + lr * slope(w)
    return w - v, v


def moving_average(w, v, lr):
    v = 0.9 * v + 0.1 * slope(w)
    return w - lr * v, v


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda p: optim.SGD(p, momentum=0.9), outside),
        (lambda p: optim.Momentum(p, momentum=0.9), inside),
        (lambda p: optim.Momentum(p, momentum=0.9, ewma=True), moving_average),
        (lambda p: optim.SGD(p), lambda w, v, lr: (w - lr * slope(w), v)),
        (lambda p: optim.Momentum(p, momentum=0.0), lambda w, v, lr: (w - lr * slope(w), v)),
    ],
)
def test_the_forms_of_momentum(make, rule):
    np.testing.assert_allclose(path(make), by_hand(rule), rtol=1e-12)


def test_the_forms_are_the_same_while_the_rate_is():
    constant = [0.1] * 8
    forms = [
        path(lambda p: optim.SGD(p, momentum=0.9), constant),
        path(lambda p: optim.Momentum(p, momentum=0.9), constant),
        path(lambda p: optim.Momentum(p, momentum=0.9, ewma=True), [1.0] * 8),
    ]
    np.testing.assert_allclose(forms[1:], [forms[0]] * 2, rtol=1e-12)
    assert abs(path(lambda p: optim.SGD(p, momentum=0.9))[-1]
               - path(lambda p: optim.Momentum(p, momentum=0.9))[-1]) > 1e-3  # fmt: skip


@pytest.mark.parametrize("kind", [optim.SGD, optim.Momentum])
def test_nesterov_is_the_slope_at_the_point_ahead(kind):
    """v ← b v + lr g(w - b v); w ← w - v. The parameter is the point ahead, w - b v."""
    w, v, ahead = 1.5, 0.0, []
    for _ in range(8):
        v = 0.9 * v + 0.05 * slope(w - 0.9 * v)
        w = w - v
        ahead.append(w - 0.9 * v)
    found = path(lambda p: kind(p, momentum=0.9, nesterov=True), [0.05] * 8)
    np.testing.assert_allclose(found, ahead, rtol=1e-12)


def test_momentum_leaves_a_local_minimum():
    """A bump between two hollows: plain descent stays in the first, momentum rolls over it."""

    def descend(momentum):
        w = nn.Parameter([-2.0])
        optimizer = optim.SGD([w], lr=0.01, momentum=momentum)
        x = tg.sum(w)
        loss = 0.25 * x**4 - 0.5 * x**2 - 0.3 * x + 0.1 * x**3  # hollows near -1 and 1, a bump at 0
        step = tg.function([], loss, updates=optimizer.minimize(loss))
        for _ in range(500):
            step()
        return w.item()

    assert descend(0.0) < 0 < descend(0.9)


def test_nesterov_oscillates_less():
    """Of two walks in one bowl, the sum of the ways back up the walls."""

    def uphill(nesterov):
        rates = [0.2] * 40
        values = np.array(path(lambda p: optim.SGD(p, momentum=0.9, nesterov=nesterov), rates, 3.0))
        heights = values**2 + np.sin(values)
        return np.maximum(np.diff(heights), 0).sum()

    assert uphill(True) < 0.5 * uphill(False)


@pytest.mark.parametrize(
    ("make", "within"),
    [
        (lambda p: optim.Adagrad(p, lr=0.1, eps=1e-12),
         lambda g, s, t: s.update(G=s.get("G", 0) + g * g) or g / np.sqrt(s["G"] + 1e-12)),
        (lambda p: optim.RMSprop(p, lr=0.1, alpha=0.9, eps=1e-12),
         lambda g, s, t: s.update(G=0.9 * s.get("G", 0) + 0.1 * g * g)
         or g / np.sqrt(s["G"] + 1e-12)),
        (lambda p: optim.Adam(p, lr=0.1, eps=1e-12),
         lambda g, s, t: s.update(m=0.9 * s.get("m", 0) + 0.1 * g,
                                  v=0.999 * s.get("v", 0) + 0.001 * g * g)
         or s["m"] / (1 - 0.9**t) / np.sqrt(s["v"] / (1 - 0.999**t) + 1e-12)),
    ],
)  # fmt: skip
def test_a_small_epsilon_inside_of_the_root_is_the_same(make, within):
    w, kept, expected = 1.5, {}, []
    for t in range(1, 9):
        w = w - 0.1 * within(slope(w), kept, t)
        expected.append(w)
    np.testing.assert_allclose(path(make, [0.1] * 8), expected, rtol=1e-7)


def test_adams_defaults():
    defaults = inspect.signature(optim.Adam).parameters
    assert defaults["betas"].default == (0.9, 0.999)
    assert defaults["eps"].default == 1e-8


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_weight_decay_is_a_penalty_for_sgd_only(decay):
    """With the factor decay / 2 of sum(w²). In Adam it is not what AdamW does."""
    w, free = nn.Parameter([2.0]), nn.Parameter([2.0])
    first, second = optim.SGD([w], lr=0.1, weight_decay=decay), optim.SGD([free], lr=0.1)
    for _ in range(3):
        tg.sum(w**3).backward()
        (tg.sum(free**3) + decay / 2 * tg.sum(free * free)).backward()
        for optimizer in (first, second):
            optimizer.step()
            optimizer.zero_grad()
    assert w.item() == pytest.approx(free.item(), rel=1e-6)
    adam, adamw = (
        path(lambda p, k=kind: k(p, weight_decay=decay))[-1] for kind in (optim.Adam, optim.AdamW)
    )
    assert (adam == pytest.approx(adamw, abs=1e-12)) is (decay == 0.0)


# ------------------------------------------------------------------------------- ewma, batches


def test_ewma():
    values, average = np.array([3.0, -1.0, 4.0, 1.0]), 0.0
    for value in values:
        average = optim.ewma(value, average, 0.8)
    weights = 0.2 * 0.8 ** np.arange(4)[::-1]  # a value counts (1 - beta) beta^age
    assert average == pytest.approx(weights @ values)
    moved = optim.ewma(tg.tensor([1.0, 2.0]), tg.tensor([0.0, 4.0]), beta=0.5)
    assert moved.tolist() == [0.5, 3.0]
    with pytest.raises(ValueError, match=r"ewma: expected beta from 0 to 1, got 1\.5"):
        optim.ewma(1.0, 0.0, 1.5)


def test_the_average_is_that_of_the_weights_too():
    """An update of state in a graph, such as of weights that are averaged along the way."""
    w, mean = nn.Parameter([0.0]), tg.tensor([0.0])
    mean.is_state = True
    mean.node.belong(mean)
    updates = optim.SGD([w], lr=1.0).minimize(-tg.sum(w))
    step = tg.function([], w, updates={**updates, mean: optim.ewma(updates[w], mean, 0.5)})
    for _ in range(3):
        step()
    assert (w.item(), mean.item()) == (3.0, 2.125)


def test_the_rate_grows_with_the_batch():
    assert optim.linear_scaling(0.1, 512) == 0.2
    assert optim.linear_scaling(0.1, 16, base_batch_size=64) == 0.025
    with pytest.raises(ValueError, match="expected batch sizes above 0, got 0 and 256"):
        optim.linear_scaling(0.1, 0)


def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((96, 3)).astype("float32")
    return x, (x @ [1.0, -2.0, 0.5] + 0.3).astype("float32")[:, None]


@pytest.mark.parametrize("size", [96, 32, 1])
def test_batch_mini_batch_and_stochastic_descent(size):
    """One update for each batch of an epoch; each sample comes once, in an order drawn anew."""
    tg.manual_seed(0)
    x, y = data()
    model = nn.Linear(3, 1)
    optimizer = optim.Adam(model.parameters(), lr={96: 0.05, 32: 0.1, 1: 0.02}[size])
    inputs, targets = tg.placeholder((size, 3), name="x"), tg.placeholder((size, 1), name="y")
    loss = tg.mean((model(inputs) - targets) ** 2)
    step = tg.function([inputs, targets], loss, updates=optimizer.minimize(loss))
    epochs = 120 if size == 96 else 12
    rng, orders = np.random.default_rng(1), []
    for _ in range(epochs):
        order = rng.permutation(len(x))
        orders.append(tuple(order))
        for batch in order.reshape(-1, size):
            step(x[batch], y[batch])
    assert optimizer.state[model.weight]["step"].item() == epochs * len(x) // size
    assert len(set(orders)) == epochs
    assert all(sorted(order) == list(range(96)) for order in orders)
    assert step(x[:size], y[:size]).item() < 0.05


def test_twice_the_batch_at_twice_the_rate_goes_as_far():
    """Two steps of small batches are one of both together, to first order in the rate."""
    x, y = data()

    def walk(size, lr):
        w = nn.Parameter(np.zeros((3, 1)), dtype="float32")
        optimizer = optim.SGD([w], lr=lr)
        for start in range(0, 96, size):
            part = slice(start, start + size)
            tg.mean((tg.tensor(x[part]) @ w - tg.tensor(y[part])) ** 2).backward()
            optimizer.step()
            optimizer.zero_grad()
        return w.numpy()

    small = walk(16, 0.01)
    same, other = walk(32, optim.linear_scaling(0.01, 32, 16)), walk(32, 0.01)
    assert np.abs(same - small).max() < 0.1 * np.abs(other - small).max()
