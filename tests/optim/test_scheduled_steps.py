"""Schedules and compiled steps: a new rate compiles nothing, a traced one is refused."""

import pytest
from schedules import LR, OPTIMIZERS, STEPS, error, lazy_step, sgd, start

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.errors import GraphError
from tinygraph.optim import lr_scheduler as lrs

SCHEDULES = {
    "step": lambda o: lrs.StepLR(o, 3),
    "linear to 0": lambda o: lrs.LinearLR(o, end_factor=0.0, total_iters=20),
    "warm-up from 0": lambda o: lrs.WarmupLR(o, 5, after=lrs.CosineAnnealingLR(o, 20)),
    "one cycle": lambda o: lrs.OneCycleLR(o, 0.1, STEPS),
    "cyclic": lambda o: lrs.CyclicLR(o, 0.01, 0.1, 5),
}


def graph_step(net, optimizer):
    x, y = tg.placeholder((None, 3), name="x"), tg.placeholder((None, 1), name="y")
    loss = error(net, x, y)
    return tg.function([x, y], loss, updates=optimizer.minimize(loss))


def jitted_step(net, optimizer):
    @tg.jit
    def step(x, y):
        loss = error(net, x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step


def train(make_step, kind, make_schedule):
    """The losses of a training with a schedule, the tapes made after its first step, the step."""
    net, optimizer, x, y = start(kind)
    scheduler = make_schedule(optimizer)
    step = make_step(net, optimizer)
    losses, misses = [], 0
    for number in range(STEPS):
        losses.append(step(x, y).item())
        scheduler.step()
        if number == 0:
            misses = TAPES.info().misses
    return losses, TAPES.info().misses - misses, step


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_never_recompiles(kind, schedule):
    expected, _, _ = train(lazy_step, kind, schedule)
    assert expected[-1] < expected[0]
    for make_step in (graph_step, jitted_step):
        losses, misses, step = train(make_step, kind, schedule)
        assert losses == pytest.approx(expected, rel=1e-3)
        assert misses == 0
        assert getattr(step, "traces", 1) == 1


def test_a_schedule_works_in_eager_mode():
    expected, _, _ = train(lazy_step, "SGD", SCHEDULES["warm-up from 0"])
    with tg.eager():
        losses, _, _ = train(lazy_step, "SGD", SCHEDULES["warm-up from 0"])
    assert losses == pytest.approx(expected, rel=1e-4)


def test_the_weights_follow_the_rates():
    w = nn.Parameter([0.0])
    optimizer = optim.SGD([w], lr=1.0)
    scheduler = lrs.LambdaLR(optimizer, lambda t: 2.0**t)
    for _ in range(4):
        tg.sum(w).backward()
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
    assert w.item() == -(1 + 2 + 4 + 8)


STEPPED = {
    "step": lambda o: lrs.StepLR(o, 3).step,
    "chain": lambda o: lrs.ChainedScheduler([lrs.StepLR(o, 3)]).step,
    "sequence": lambda o: lrs.SequentialLR(o, [lrs.StepLR(o, 3)], []).step,
    "restarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, 3).step,
    "plateau": lambda o: lambda: lrs.ReduceLROnPlateau(o).step(1.0),
    "warm-up": lambda o: lrs.WarmupLR(o, 3).step,
    "making one": lambda o: lambda: lrs.StepLR(o, 3),
}


@pytest.mark.parametrize("make", STEPPED.values(), ids=STEPPED)
def test_a_step_in_a_traced_function_is_refused(make):
    optimizer = sgd()
    step = make(optimizer)
    before = dict(optimizer.param_groups[0].options)

    @tg.jit
    def jitted(x):
        step()
        return x

    def looped(carry, x):
        step()
        return carry, x

    with pytest.raises(GraphError, match="outside, after the traced function"):
        jitted(tg.ones(1))
    with pytest.raises(GraphError, match="is being traced"):
        tg.scan(looped, tg.ones(1), tg.ones((3, 1)))
    assert {**before, "initial_lr": LR} == {**optimizer.param_groups[0].options, "initial_lr": LR}
    with tg.eager():
        jitted(tg.ones(1))  # it is run by Python there, each time
