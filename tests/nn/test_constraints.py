"""Constraints against their formulas, and that every optimizer keeps them in every mode."""

import copy

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import constraints

W = np.array([[3.0, 4.0], [0.0, 0.5], [0.0, 0.0]])
NORM = np.linalg.norm(W, axis=1, keepdims=True)
SAFE = np.maximum(NORM, 1e-7)

CASES = {
    "max norm": (constraints.MaxNorm(1.0), W * np.minimum(1, 1 / SAFE)),
    "max norm of columns": (
        constraints.MaxNorm(1.0, dim=0),
        W / np.maximum(np.linalg.norm(W, axis=0), 1.0),
    ),
    "max norm of all": (constraints.MaxNorm(1.0, dim=(0, 1)), W / np.linalg.norm(W)),
    "nothing": (constraints.MaxNorm(0.0), W * 0),
    "unit norm": (constraints.UnitNorm(), W / SAFE),
    "min-max norm": (constraints.MinMaxNorm(1.0, 2.0), W * np.clip(NORM, 1, 2) / SAFE),
    "half of the way": (
        constraints.MinMaxNorm(1.0, 2.0, rate=0.5),
        W * (0.5 * np.clip(NORM, 1, 2) / SAFE + 0.5),
    ),
    "non-negative": (constraints.NonNeg(), np.maximum(W, 0)),
    "clip": (constraints.Clip(-0.25, 0.25), np.clip(W, -0.25, 0.25)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_formula(name):
    constraint, expected = CASES[name]
    np.testing.assert_allclose(constraint(tg.tensor(W)).numpy(), expected, rtol=1e-6)


def test_a_norm_within_its_limit_is_left_alone_to_the_bit(rng):
    w = rng.standard_normal((4, 3, 2)).astype("float32") * 0.1
    np.testing.assert_array_equal(constraints.MaxNorm(2.0)(tg.tensor(w)).numpy(), w)


def test_the_norm_of_a_vector_is_that_of_the_whole():
    assert constraints.MaxNorm(1.0)(tg.tensor([3.0, 4.0])).tolist() == pytest.approx([0.6, 0.8])


def train(kind):
    """A layer whose weights would grow without bound, three steps of Adam."""
    layer = nn.Linear(3, 2)
    constraints.register(layer.weight, constraints.MaxNorm(0.5))
    constraints.register(layer.bias, lambda b: tg.clip(b, -0.01, 0.01))
    optimizer = optim.Adam(layer.parameters(), lr=0.5)

    def step(x):
        loss = -layer(x).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    ones = np.ones((4, 3), "float32")
    x = tg.placeholder((4, 3), name="x")
    run = {
        "lazy": lambda: step(tg.tensor(ones)),
        "jit": tg.jit(lambda: step(tg.tensor(ones))),
        "graph": None,
    }[kind]
    if kind == "graph":
        loss = -layer(x).sum()
        compiled = tg.function([x], loss, updates=optimizer.minimize(loss))
        run = lambda: compiled(ones)
    for _ in range(3):
        run()
    return layer


@pytest.mark.parametrize("kind", ["lazy", "jit", "graph"])
def test_they_hold_after_every_update(kind):
    layer = train(kind)
    np.testing.assert_allclose(np.linalg.norm(layer.weight.numpy(), axis=1), 0.5, rtol=1e-6)
    np.testing.assert_allclose(layer.bias.numpy(), 0.01, rtol=1e-6)


def test_they_are_registered_copied_applied_and_taken_away():
    layer = nn.Linear(2, 2)
    constraints.register(layer.parameters(), constraints.Clip(-0.1, 0.1))
    assert copy.deepcopy(layer).weight.constraint.high == 0.1
    constraints.apply(layer.parameters())
    assert max(abs(p.numpy()).max() for p in layer.parameters()) <= np.float32(0.1)
    constraints.register(layer.weight, None)
    assert layer.weight.constraint is None
    with pytest.raises(TypeError, match="expected Parameters, got a Tensor"):
        constraints.register(tg.ones(2), constraints.NonNeg())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constraints.MaxNorm(-1), "MaxNorm: expected max_value from 0, got -1"),
        (lambda: constraints.Clip(2, 1), "Clip: expected low <= high, got 2 and 1"),
        (lambda: constraints.MinMaxNorm(2, 1), "expected 0 <= min_value <= max_value, got 2, 1"),
        (lambda: constraints.MinMaxNorm(rate=0), "expected rate above 0, at most 1, got 0"),
    ],
)
def test_bad_limits(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("constraint", "error", "message"),
    [
        (lambda w: np.ones(2), TypeError, "made no Tensor of it, but a ndarray"),
        (lambda w: None, TypeError, "made no Tensor of it, but a NoneType"),
        (lambda w: w[:1], ShapeError, r"shape \(2,\) made a value of shape \(1,\)"),
        (lambda w: w.astype("int32"), DTypeError, "made int32 of float32"),
    ],
)
def test_what_a_constraint_may_not_return(constraint, error, message):
    w = nn.Parameter([1.0, 2.0])
    constraints.register(w, constraint)
    with pytest.raises(error, match=message):
        constraints.apply(w)
    tg.sum(w).backward()
    with pytest.raises(error, match=message):
        optim.SGD([w]).step()
    assert w.tolist() == [1.0, 2.0]


def test_another_float_is_brought_back():
    w = nn.Parameter([4.0, 2.0], dtype="bfloat16")
    constraints.register(w, lambda value: value.astype("float32") / 2)
    constraints.apply(w)
    assert (w.dtype.name, w.tolist()) == ("bfloat16", [2.0, 1.0])


def test_what_is_no_function_is_not_registered():
    with pytest.raises(TypeError, match="expected a function as constraint, got a int"):
        constraints.register(nn.Parameter([1.0]), 3)
