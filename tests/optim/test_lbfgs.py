"""L-BFGS: how fast it is, where it may run, and what it keeps."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.errors import GraphError, StateError, TraceError
from tinygraph.optim.line_search import Point, strong_wolfe

WOLFE = {"line_search_fn": "strong_wolfe"}


def closure(optimizer, objective):
    def run():
        optimizer.zero_grad()
        loss = objective()
        loss.backward()
        return loss

    return run


def rosenbrock(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


@pytest.mark.parametrize("options", [WOLFE, {"lr": 0.5, "max_iter": 30}], ids=str)
def test_a_bowl_of_ten_dimensions_takes_a_few_steps(options):
    scales = tg.tensor(np.linspace(1.0, 30.0, 10), "float64")
    w = nn.Parameter(np.ones(10), dtype="float64")
    optimizer = optim.LBFGS([w], **options)
    for _ in range(5):
        optimizer.step(closure(optimizer, lambda: tg.sum(scales * w * w)))
    assert np.abs(w.numpy()).max() < 1e-5


@pytest.mark.parametrize("mode", ["lazy", "eager", "compiled"])
def test_the_valley(mode):
    w = nn.Parameter([-1.2, 1.0])
    optimizer = optim.LBFGS([w], max_iter=60, **WOLFE)
    objective = lambda: rosenbrock(w)
    run = closure(optimizer, objective)
    if mode == "compiled":
        run = tg.jit(run)
    with tg.eager() if mode == "eager" else tg.backend("numba"):
        first = optimizer.step(run)
        optimizer.step(run)
    assert first.item() == pytest.approx(24.2, rel=1e-5)
    np.testing.assert_allclose(w.numpy(), [1.0, 1.0], atol=1e-3)


def test_the_loss_is_compiled_once():
    w = nn.Parameter([-1.2, 1.0])
    optimizer = optim.LBFGS([w], max_iter=3, **WOLFE)
    run = closure(optimizer, lambda: rosenbrock(w))
    optimizer.step(run)
    misses = TAPES.info().misses
    optimizer.step(run)
    assert TAPES.info().misses == misses


def test_uphill_constrained_and_with_a_frozen_part():
    w, still = nn.Parameter([0.5]), nn.Parameter([1.0], requires_grad=False)
    w.constraint = lambda value: tg.minimum(value, 2.0)
    optimizer = optim.LBFGS([w, still], maximize=True, **WOLFE)
    optimizer.step(closure(optimizer, lambda: -tg.sum((w - 3.0 * still) ** 2)))
    assert (w.item(), still.item()) == (2.0, 1.0)


def test_a_step_that_fails_changes_nothing():
    w = nn.Parameter([-1.2, 1.0])
    optimizer = optim.LBFGS([w], **WOLFE)
    run = closure(optimizer, lambda: rosenbrock(w))
    optimizer.step(run)
    before, kept = w.numpy(), repr(optimizer.state_dict())
    w.set([-1.2, 1.0])
    calls = []

    def failing():
        calls.append(run())
        if len(calls) == 4:
            raise KeyError("out of data")
        return calls[-1]

    with pytest.raises(KeyError):
        optimizer.step(failing)
    assert w.numpy().tolist() == np.array([-1.2, 1.0], "float32").tolist()
    assert repr(optimizer.state_dict()) == kept
    assert before is not None


def test_resumed_from_a_file_to_the_last_bit(tmp_path):
    w = nn.Parameter([-1.2, 1.0])
    old = optim.LBFGS([w], max_iter=4, **WOLFE)
    assert old.state_dict()["state"] == {}
    old.step(closure(old, lambda: rosenbrock(w)))
    tg.io.save(old.state_dict(), tmp_path / "lbfgs.safetensors")
    other = nn.Parameter(w)
    new = optim.LBFGS([other])
    new.load_state_dict(tg.io.load(tmp_path / "lbfgs.safetensors"))
    assert repr(new.state_dict()) == repr(old.state_dict())
    old.step(closure(old, lambda: rosenbrock(w)))
    new.step(closure(new, lambda: rosenbrock(other)))
    assert w.tolist() == other.tolist()


def test_where_it_cannot_run_it_says_so():
    w = nn.Parameter([1.0])
    optimizer = optim.LBFGS([w])
    with pytest.raises(GraphError, match=r"LBFGS.minimize: .* use step\(closure\)"):
        optimizer.minimize(tg.sum(w))
    with pytest.raises(TypeError, match="expected a closure"):
        optimizer.step()
    with pytest.raises(TraceError, match=r"put tg\.jit on what the closure calls"):
        tg.jit(lambda: optimizer.step(closure(optimizer, lambda: tg.sum(w * w))))()
    with pytest.raises(ValueError, match="expected one group of parameters, got several"):
        optim.LBFGS([{"params": [w]}, {"params": [nn.Parameter([1.0])]}])
    with pytest.raises(ValueError, match="expected line_search_fn to be None or 'strong_wolfe'"):
        optim.LBFGS([w], line_search_fn="armijo")


def test_state_that_does_not_fit_is_not_loaded():
    w, other = nn.Parameter([-1.2, 1.0]), nn.Parameter([1.0])
    optimizer = optim.LBFGS([w], max_iter=3)
    optimizer.step(closure(optimizer, lambda: tg.sum(w**4)))
    with pytest.raises(StateError, match=r"LBFGS: d: expected shape \(1,\), got \(2,\)"):
        optim.LBFGS([other]).load_state_dict(optimizer.state_dict())
    adam = optim.Adam([other])
    tg.sum(other).backward()
    adam.step()
    with pytest.raises(StateError, match=r"exp_avg, .* which LBFGS does not keep"):
        optim.LBFGS([other]).load_state_dict(adam.state_dict())


@pytest.mark.parametrize("entry", ["d", "prev_flat_grad", "old_dirs", "ro"])
@pytest.mark.parametrize("wrong", [None, 3, "x", [np.ones(7)], np.ones(7)])
def test_a_state_of_which_a_part_is_wrong_is_refused(entry, wrong):
    w = nn.Parameter([1.0, 2.0])
    optimizer = optim.LBFGS([w], max_iter=3)
    optimizer.step(closure(optimizer, lambda: tg.sum(w**4 + w)))
    saved = optimizer.state_dict()
    before = repr(optimizer.memory)
    bad = {**saved["state"][0], entry: wrong}
    with pytest.raises(StateError, match="LBFGS: "):
        optimizer.load_state_dict({**saved, "state": {0: bad}})
    assert repr(optimizer.memory) == before


@pytest.mark.parametrize("first", [1e-3, 1.0, 50.0])
def test_the_line_search_meets_both_conditions(first):
    value = lambda t: (t - 2.0) ** 4 + 0.5 * np.sin(3 * t)
    slope = lambda t: 4 * (t - 2.0) ** 3 + 1.5 * np.cos(3 * t)
    at = lambda t: Point(t, value(t), np.array([slope(t)]), slope(t))
    found, count = strong_wolfe(at, first, at(0.0), 25, 1e-9)
    assert found.value <= value(0.0) + 1e-4 * found.t * slope(0.0)
    assert abs(found.slope) <= 0.9 * abs(slope(0.0))
    assert count <= 26
