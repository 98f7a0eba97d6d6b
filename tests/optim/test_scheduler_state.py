"""The saved state of schedules: training goes on to the same bits."""

import math

import numpy as np
import pytest
from schedules import AFTER, FORMULAS, LR, STEPS, lazy_step, nested, sgd, start

import tinygraph as tg
from tinygraph.errors import StateError
from tinygraph.optim import lr_scheduler as lrs


class Decay:
    """A function with a state of its own."""

    def __init__(self, base):
        self.base = base

    def __call__(self, t):
        return self.base**t


SAVED = {
    **{name: make for name, (make, _) in FORMULAS.items()},
    "multi-step": lambda o: lrs.MultiStepLR(o, [3, 9, 9, 20]),
    "linear": lambda o: lrs.LinearLR(o, total_iters=20),
    "constant": lambda o: lrs.ConstantLR(o, total_iters=20),
    "restarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, 4, 2),
    "cyclic with momentum": lambda o: lrs.CyclicLR(o, 0.1, 0.4, 5, mode="triangular2"),
    "one cycle in three": lambda o: lrs.OneCycleLR(o, 0.4, 60, three_phase=True),
    "multiplicative": lambda o: lrs.MultiplicativeLR(o, lambda t: 0.9),
    "sequence": lambda o: lrs.SequentialLR(o, nested(o), [6]),
    "chain": lambda o: lrs.ChainedScheduler([lrs.MultiStepLR(o, [3]), lrs.StepLR(o, 4)]),
    **{f"warm-up, {name}": (lambda o, f=f: lrs.WarmupLR(o, 5, after=f(o)))
       for name, f in AFTER.items()},
}  # fmt: skip


def through_a_file(state, path):
    tg.io.save(state, path)
    return tg.io.load(path)


@pytest.mark.parametrize("make", SAVED.values(), ids=SAVED)
@pytest.mark.parametrize("steps", [3, 12])
def test_a_saved_schedule_goes_on_bit_by_bit(make, steps, tmp_path):
    old = sgd(LR, 0.125, momentum=0.5)
    scheduler = make(old)
    for _ in range(steps):
        scheduler.step()
    new = sgd(LR, 0.125, momentum=0.5)
    again = make(new)
    again.load_state_dict(through_a_file(scheduler.state_dict(), tmp_path / "scheduler"))
    new.load_state_dict(through_a_file(old.state_dict(), tmp_path / "optimizer"))
    assert again.state_dict() == scheduler.state_dict()
    for _ in range(30):
        assert again.get_last_lr() == scheduler.get_last_lr()
        assert [*map(dict, new.state_dict()["param_groups"])] == old.state_dict()["param_groups"]
        scheduler.step()
        again.step()


def test_a_saved_plateau_goes_on(tmp_path):
    losses = np.random.default_rng(0).standard_normal(60).tolist()
    old, new = sgd(LR), sgd(LR)
    scheduler, again = (
        lrs.ReduceLROnPlateau(o, factor=0.9, patience=1, cooldown=1) for o in (old, new)
    )
    assert through_a_file(scheduler.state_dict(), tmp_path / "new")["best"] == math.inf
    for loss in losses[:20]:
        scheduler.step(loss)
    again.load_state_dict(through_a_file(scheduler.state_dict(), tmp_path / "state"))
    new.load_state_dict(old.state_dict())
    for loss in losses[20:]:
        scheduler.step(loss)
        again.step(loss)
        assert again.state_dict() == scheduler.state_dict()
    assert again.get_last_lr()[0] < LR / 2


def test_training_goes_on_bit_by_bit(tmp_path):
    def make():
        net, optimizer, x, y = start("Adam")
        scheduler = lrs.WarmupLR(optimizer, 3, after=lrs.OneCycleLR(optimizer, 0.1, STEPS))
        return net, optimizer, scheduler, lazy_step(net, optimizer), x, y

    def go(parts, steps):
        _, _, scheduler, step, x, y = parts
        found = []
        for _ in range(steps):
            found.append(step(x, y).item())
            scheduler.step()
        return found

    old = make()
    go(old, 7)
    for name, part in zip(("net", "optimizer", "scheduler"), old, strict=False):
        tg.io.save(part.state_dict(), tmp_path / name)
    new = make()
    for name, part in zip(("net", "optimizer", "scheduler"), new, strict=False):
        part.load_state_dict(tg.io.load(tmp_path / name))
    assert go(new, 10) == go(old, 10)


def test_going_on_by_the_state_of_the_optimizer_alone():
    old = sgd(LR)
    scheduler = lrs.ExponentialLR(old, 0.5)
    for _ in range(3):
        scheduler.step()
    new = sgd(7.0)
    new.load_state_dict(old.state_dict())
    again = lrs.ExponentialLR(new, 0.5, last_epoch=3)
    assert (again.base_lrs, again.last_epoch, again.get_last_lr()) == ([LR], 4, [LR / 8])
    with pytest.raises(KeyError, match=r"'initial_lr' in group 0 .* last_epoch=3"):
        lrs.ExponentialLR(sgd(), 0.5, last_epoch=3)


def test_functions_are_not_saved_but_what_callable_objects_hold():
    functions = [lambda t: 1.0, Decay(0.5), math.exp]
    for make in (lrs.LambdaLR, lrs.MultiplicativeLR):
        state = make(sgd(1.0, 1.0, 1.0), functions).state_dict()
        assert state["lr_lambdas"] == [None, {"base": 0.5}, None]
        again = make(sgd(1.0, 1.0, 1.0), [lambda t: 1.0, Decay(0.1), math.exp])
        again.load_state_dict(state)
        assert again.lr_lambdas[1].base == 0.5
    scale = lrs.CyclicLR(sgd(momentum=0.9), 0.1, 0.5, scale_fn=Decay(0.5)).state_dict()
    assert scale["_scale_fn_custom"] == {"base": 0.5}
    cyclic = lrs.CyclicLR(sgd(momentum=0.9), 0.1, 0.5, scale_fn=Decay(0.1))
    cyclic.load_state_dict(scale)
    assert cyclic.scale_fn(2) == 0.25


def test_a_state_is_a_copy():
    scheduler = lrs.MultiStepLR(sgd(), [3])
    state = scheduler.state_dict()
    state["milestones"][1] = 1
    state["base_lrs"][0] = 0.0
    scheduler.step()
    assert scheduler.get_last_lr() == [LR]
    assert scheduler.base_lrs == [LR]
    scheduler.get_last_lr()[0] = 0.0
    assert scheduler.get_last_lr() == [LR]


def test_a_state_that_does_not_fit_is_refused():
    scheduler = lrs.StepLR(sgd(), 3)
    with pytest.raises(StateError, match=r"StepLR.load_state_dict: expected .* got a list"):
        scheduler.load_state_dict([])
    with pytest.raises(StateError, match="missing: last_epoch"):
        scheduler.load_state_dict({"_last_lr": [0.1]})
    with pytest.raises(StateError, match=r"expected .*, got that of a LinearLR"):
        scheduler.load_state_dict(lrs.LinearLR(sgd()).state_dict())
    with pytest.raises(StateError, match="with rates for 1 groups, got 2"):
        scheduler.load_state_dict(lrs.StepLR(sgd(0.1, 0.2), 3).state_dict())
    optimizer = sgd()
    sequence = lrs.SequentialLR(optimizer, nested(optimizer), [6])
    state = sequence.state_dict()
    del state["_schedulers"][1]["_last_lr"]
    state["last_epoch"] = 20
    with pytest.raises(StateError, match="missing: _last_lr"):
        sequence.load_state_dict(state)
    assert sequence.last_epoch == 0
    state["_schedulers"].pop()
    with pytest.raises(StateError, match="expected the states of 2 schedules, got 1"):
        sequence.load_state_dict(state)


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("last_epoch", None),
        ("last_epoch", "x"),
        ("last_epoch", [1]),
        ("step_size", "x"),
        ("base_lrs", 3),
        ("base_lrs", ["x"]),
        ("_last_lr", None),
        ("_last_lr", np.zeros(3)),
        ("kind", np.zeros(3)),
    ],
)
def test_an_entry_of_another_kind_is_refused(entry, wrong):
    scheduler = lrs.StepLR(sgd(), 3)
    before = scheduler.state_dict()
    with pytest.raises(StateError, match=r"StepLR.load_state_dict: expected what state_dict"):
        scheduler.load_state_dict({**before, entry: wrong})
    assert scheduler.state_dict() == before
