"""The perceptron's rule, against a loop over the samples."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.errors import ShapeError


def by_hand(w, b, x, y, lr, low=0.0):
    """The weights after one pass, and the wrong outputs on the way."""
    wrong = 0
    for sample, target in zip(x, y, strict=True):
        error = target - np.where(w @ sample + b >= 0, 1.0, low)
        w = w + lr * error[..., None] * sample
        b = b + lr * error
        wrong += np.count_nonzero(error)
    return w, b, wrong


def samples(units, low=0.0):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3)).astype("float32")
    y = np.where(x @ rng.standard_normal((3, units)) > 0.2, 1.0, low)
    return x, y.astype("float32")


@pytest.mark.parametrize("bipolar", [False, True])
@pytest.mark.parametrize("units", [1, 2])
def test_the_rule(units, bipolar):
    tg.manual_seed(0)
    low = -1.0 if bipolar else 0.0
    x, y = samples(units, low)
    layer = nn.Linear(3, units)
    w, b = layer.weight.numpy(), layer.bias.numpy()
    rule = optim.PerceptronRule(layer.parameters(), lr=0.5, bipolar=bipolar)
    for _ in range(2):
        w, b, wrong = by_hand(w, b, x, y, 0.5, low)
        assert rule.step(x, y).item() == wrong
    np.testing.assert_allclose(layer.weight.numpy(), w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.bias.numpy(), b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bias", [(), ([0.0],), (0.0,)])
def test_the_shapes_of_one_unit(bias):
    x, y = samples(1)
    params = [nn.Parameter(np.zeros(3), dtype="float32"), *map(nn.Parameter, bias)]
    optim.PerceptronRule(params).step(x, y[:, 0])
    w, b = np.zeros(3), 0.0
    for sample, target in zip(x, y[:, 0], strict=True):
        new, up, _ = by_hand(w, b, sample[None], target[None], 1.0)
        w, b = new, up if bias else b
    np.testing.assert_allclose([p.numpy().item() for p in params[1:]], [b] * len(bias))
    np.testing.assert_allclose(params[0].numpy(), w, rtol=1e-5, atol=1e-6)


def test_it_ends_where_a_plane_separates():
    x, y = samples(1)
    params = [nn.Parameter(np.zeros((1, 3)), dtype="float32"), nn.Parameter([0.0])]
    rule = optim.PerceptronRule(params)
    mistakes = [rule.step(x, y).item() for _ in range(100)]
    assert mistakes[0] > 0 == mistakes[-1]
    before = params[0].numpy()
    rule.step(x, y)
    np.testing.assert_array_equal(params[0].numpy(), before)


def test_at_zero_the_step_is_one():
    w = nn.Parameter([0.0])
    rule = optim.PerceptronRule([w])
    assert rule.step(np.ones((1, 1)), np.ones(1)).item() == 0
    assert rule.step(np.ones((1, 1)), np.zeros(1)).item() == 1
    assert w.tolist() == [-1.0]


def test_every_mode_and_a_new_rate():
    x, y = samples(2)
    found = []
    for way in ("lazy", "eager", "graph", "jit"):
        layer = nn.Linear(3, 2)
        layer.weight.set(np.ones((2, 3)))
        layer.bias.set(np.zeros(2))
        rule = optim.PerceptronRule(layer.parameters(), lr=0.5)
        if way == "graph":
            inputs, targets = tg.placeholder((40, 3), name="x"), tg.placeholder((40, 2), name="y")
            updates, mistakes = rule.updates(inputs, targets)
            step = tg.function([inputs, targets], mistakes, updates=updates)
        else:
            step = tg.jit(rule.step) if way == "jit" else rule.step
        misses = []
        with tg.eager() if way == "eager" else tg.backend("numba"):
            for rate in (0.5, 0.5, 0.25, 0.125):
                rule.lr = rate
                step(x, y)
                misses.append(TAPES.info().misses)
        assert way == "eager" or misses[1:] == misses[1:2] * 3
        found.append(layer.weight.numpy())
    np.testing.assert_allclose(found[1:], [found[0]] * 3, rtol=1e-5, atol=1e-6)


def test_what_does_not_fit_is_named():
    layer = nn.Linear(3, 2)
    with pytest.raises(TypeError, match=r"expected one or two parameters, .* got 0 values"):
        optim.PerceptronRule([])
    with pytest.raises(ShapeError, match=r"a weight of shape .*, got \(2, 3\) and \(3,\)"):
        optim.PerceptronRule([layer.weight, nn.Parameter([0.0] * 3)])
    with pytest.raises(ValueError, match="expected lr of at least 0, got -1"):
        optim.PerceptronRule(layer.parameters(), lr=-1.0)
    rule = optim.PerceptronRule(layer.parameters())
    with pytest.raises(ShapeError, match=r"samples of shape \(samples, 3\), got \(4, 2\)"):
        rule.step(np.zeros((4, 2)), np.zeros((4, 2)))
    with pytest.raises(ShapeError, match=r"classes of shape \(4, 2\), got \(4, 3\)"):
        rule.step(np.zeros((4, 3)), np.zeros((4, 3)))
