"""Between the gradient and the rule, and after it: transforms and constraints."""

import copy

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.errors import ShapeError


def halved(grads):
    return {param: grad / 2 for param, grad in grads.items()}


def test_a_transform_stands_before_the_rule():
    a, b = nn.Parameter([1.0, 2.0]), nn.Parameter([3.0])
    optimizer = optim.SGD([a, b], lr=1.0)
    loss = tg.sum(a * a) + tg.sum(b)
    step = tg.function([], loss, updates=optimizer.minimize(loss, transform=halved))
    step()
    assert (a.tolist(), b.tolist()) == ([0.0, 0.0], [2.5])


def test_a_transform_sees_the_parameters_and_may_leave_some_out():
    a, b = nn.Parameter([1.0, 2.0]), nn.Parameter([3.0])
    seen = []

    def only_first(grads):
        seen.extend(grads)
        return {a: grads[a] * a}

    updates = optim.Adam([a, b], lr=1.0).minimize(tg.sum(a) * tg.sum(b), transform=only_first)
    assert [id(param) for param in seen] == [id(a), id(b)]
    assert a in updates
    assert b not in updates


@pytest.mark.parametrize("wrong", [lambda grads: list(grads.values()), lambda grads: None,
                                   lambda grads: {nn.Parameter([1.0]): 1}])  # fmt: skip
def test_what_is_no_transform_is_named(wrong):
    w = nn.Parameter([1.0])
    with pytest.raises(TypeError, match="expected the transform to return a mapping"):
        optim.SGD([w]).minimize(tg.sum(w), transform=wrong)


def test_a_transform_that_changes_the_shape_is_named():
    w = nn.Parameter([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"gradient of shape \(\) for a parameter of shape \(2,\)"):
        optim.SGD([w]).minimize(tg.sum(w), transform=lambda grads: {w: tg.sum(grads[w])})


# ------------------------------------------------------------------------------- constraints


def positive(w):
    return tg.maximum(w, 0.0)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.LARS, optim.ScheduleFreeAdamW])
def test_a_constraint_holds_after_each_step(kind):
    for way in ("lazy", "graph", "jit"):
        w, free = nn.Parameter([0.5, 2.0]), nn.Parameter([0.5])
        w.constraint = positive
        optimizer = kind([w, free], lr=1.0)
        objective = lambda: tg.sum(w) * 10 + tg.sum(free) * 10  # noqa: B023 - called at once

        def step():
            objective().backward()  # noqa: B023
            optimizer.step()  # noqa: B023
            optimizer.zero_grad()  # noqa: B023

        if way == "graph":
            step = tg.function([], objective(), updates=optimizer.minimize(objective()))
        elif way == "jit":
            step = tg.jit(step)
        for _ in range(3):
            step()
            assert min(w.tolist()) >= 0.0, way
        assert free.item() < 0.5


def test_a_traced_step_sees_a_new_constraint():
    w = nn.Parameter([0.5])
    optimizer = optim.SGD([w], lr=1.0)

    @tg.jit
    def step():
        tg.sum(w).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    assert w.item() == -0.5
    w.constraint = positive
    step()
    assert (w.item(), step.traces) == (0.0, 2)


def test_a_constraint_keeps_the_shape_and_the_dtype():
    w = nn.Parameter([0.5, 1.0])
    w.constraint = tg.sum
    tg.sum(w).backward()
    with pytest.raises(ShapeError, match=r"shape \(2,\) made a value of shape \(\)"):
        optim.SGD([w]).step()
    assert w.tolist() == [0.5, 1.0]
    w.constraint = lambda value: value.astype("float64") * 0
    optim.SGD([w]).step()
    assert (w.dtype, w.tolist()) == (np.float32, [0.0, 0.0])


def test_a_copy_has_the_constraint_too():
    w = nn.Parameter([0.5])
    assert w.constraint is None
    w.constraint = positive
    assert copy.deepcopy(w).constraint is positive
