"""What stands around an optimizer: against a few lines of NumPy, in every mode, saved and resumed,
and nothing compiled at a later step. One table for all."""

import gc
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
from training_step import adam_step

import tinygraph as tg
from tinygraph import io, nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.errors import StateError

STEPS = 12
START = [np.array([[1.0, -2.0, 0.5], [3.0, 1.5, -1.0]]), np.array([0.5, -1.5])]
RATE = 0.05


def slope(w):
    """Of sum(w⁴ / 4 + w²)."""
    return w**3 + 2 * w


def objective(params):
    return sum(tg.sum(w**4 / 4 + w * w) for w in params)


def sgd(w, g):
    return w - RATE * g


# ------------------------------------------------------------------- each of them in NumPy


def lookahead(start, k, alpha):
    slow = fast = start
    for step in range(1, STEPS + 1):
        fast = sgd(fast, slope(fast))
        if step % k == 0:
            slow = fast = slow + alpha * (fast - slow)
    return fast


def accumulated(start, steps, mean=True):
    w, total = start, 0.0
    for call in range(1, STEPS + 1):
        total = total + slope(w) / (steps if mean else 1)
        if call % steps == 0:
            w, total = sgd(w, total), 0.0
    return w


def path(start):
    """The weights after each step."""
    weights = [start]
    for _ in range(STEPS):
        weights.append(sgd(weights[-1], slope(weights[-1])))
    return weights[1:]


def ema(start, decay):
    first, *others = path(start)
    average = first
    for w in others:
        average = decay * average + (1 - decay) * w
    return average


def swa(start, begin=0, every=1):
    return np.mean(path(start)[begin::every], axis=0)


def sam(starts, rho, adaptive):
    ws = list(starts)
    for _ in range(STEPS):
        gs = [slope(w) for w in ws]
        scaled = [abs(w) * g if adaptive else g for w, g in zip(ws, gs, strict=True)]
        norm = np.sqrt(sum((s**2).sum() for s in scaled))
        es = [rho * (w * w * g if adaptive else g) / norm for w, g in zip(ws, gs, strict=True)]
        ws = [sgd(w, slope(w + e)) for w, e in zip(ws, es, strict=True)]
    return ws


# ------------------------------------------------------------------------------- the table


@dataclass
class Case:
    """A wrapper. wrap: puts it around an optimizer. weights: the parameters in the end, from all
    of them at the start. averages: what is applied, where something is. both: of one step, two
    tapes may be made."""

    name: str
    wrap: object
    weights: object
    averages: object = None

    def __str__(self):
        return self.name


def each(rule, *args):
    return lambda starts: [rule(w, *args) for w in starts]


def last(starts):
    return [path(w)[-1] for w in starts]


CASES = [
    Case("lookahead", optim.Lookahead, each(lookahead, 5, 0.5)),
    Case("lookahead 3", lambda o: optim.Lookahead(o, 3, 0.8), each(lookahead, 3, 0.8)),
    Case("accumulation", lambda o: optim.GradientAccumulation(o, 4), each(accumulated, 4)),
    Case("sums", lambda o: optim.GradientAccumulation(o, 3, mean=False),
         each(accumulated, 3, False)),
    Case("EMA", lambda o: optim.EMA(o, 0.9), last, each(ema, 0.9)),
    Case("SWA", optim.SWA, last, each(swa)),
    Case("SWA from 5, every 3", lambda o: optim.SWA(o, 5, 3), last, each(swa, 5, 3)),
    Case("SAM", lambda o: optim.SAM(o, 0.1), lambda starts: sam(starts, 0.1, False)),
    Case("adaptive SAM", lambda o: optim.SAM(o, 0.5, adaptive=True),
         lambda starts: sam(starts, 0.5, True)),
    Case("master weights", optim.MasterWeights, last),
    Case("nested", lambda o: optim.EMA(optim.Lookahead(o), 0.9), each(lookahead, 5, 0.5)),
]  # fmt: skip
EACH = pytest.mark.parametrize("case", CASES, ids=str)


def make(case, dtype="float64", kind=optim.SGD):
    params = [nn.Parameter(w, dtype=dtype) for w in START]
    return case.wrap(kind(params, lr=RATE)), params


def loop(optimizer, params, count=STEPS):
    def closure():
        loss = objective(params)
        loss.backward()
        return loss

    for _ in range(count):
        if isinstance(optimizer, optim.SAM):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
        optimizer.zero_grad()


def close(found, expected, rtol=1e-12):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=rtol, atol=1e-15)


# ------------------------------------------------------------------------------- the numbers


@EACH
def test_the_rule(case):
    with tg.backend("numpy"):
        optimizer, params = make(case)
        loop(optimizer, params)
        close(params, case.weights(START))
        if case.averages is not None:
            held = [param.numpy() for param in params]
            with optimizer.applied():
                close(params, case.averages(START))
            for param, before in zip(params, held, strict=True):
                np.testing.assert_array_equal(param.numpy(), before)


@EACH
def test_the_modes_agree(case):
    """Lazily, eagerly, traced and as a graph the same; from the third step on nothing compiles."""
    expected = case.weights(START)
    for way in (lazily, eagerly, traced, as_a_graph):
        optimizer, params = make(case, "float32")
        misses = way(optimizer, params)
        close(params, expected, rtol=2e-5)
        assert len(set(misses[2:])) == 1, f"{way.__name__}: a later step compiled"
        if case.averages is not None:
            optimizer.apply()
            close(params, case.averages(START), rtol=2e-5)


def stepwise(step):
    misses = []
    for _ in range(STEPS):
        step()
        misses.append(TAPES.info().misses)
    return misses


def lazily(optimizer, params):
    return stepwise(lambda: loop(optimizer, params, 1))


def eagerly(optimizer, params):
    with tg.eager():
        loop(optimizer, params)
    return [0] * STEPS


def traced(optimizer, params):
    step = tg.jit(lambda: loop(optimizer, params, 1))
    misses = stepwise(step)
    assert step.traces == 1
    return misses


def as_a_graph(optimizer, params):
    x = tg.placeholder((), name="x")
    loss = objective(params) + x
    step = tg.function([x], loss, updates=optimizer.minimize(loss))
    return stepwise(lambda: step(0.0))


@EACH
def test_it_is_saved_and_resumed_bit_by_bit(case, tmp_path):
    first, params = make(case, "float32", optim.Adam)
    loop(first, params, 7)
    io.save(first.state_dict(), tmp_path / "state.safetensors")
    held = [param.numpy() for param in params]
    loop(first, params, 6)
    second, others = make(case, "float32", optim.Adam)
    for param, value in zip(others, held, strict=True):
        param.set(value)
    second.load_state_dict(io.load(tmp_path / "state.safetensors"))
    loop(second, others, 6)
    if case.averages is not None:
        first.apply()
        second.apply()
    for one, other in zip(params, others, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@EACH
def test_groups_and_a_new_rate_pass_through(case):
    """Groups have rates of their own, a schedule takes the wrapper, one may be added."""
    v, w, added = (nn.Parameter(START[1], dtype="float64") for _ in range(3))
    optimizer = case.wrap(optim.SGD([{"params": [v]}, {"params": [w], "lr": 0.0}], lr=RATE))
    schedule = optim.lr_scheduler.StepLR(optimizer, 100)
    optimizer.add_param_group({"params": [added], "lr": RATE})
    assert [group["lr"] for group in optimizer.param_groups] == [RATE, 0.0, RATE]
    assert schedule.optimizer is optimizer
    loop(optimizer, [v, w, added])
    np.testing.assert_array_equal(w.numpy(), START[1])
    np.testing.assert_allclose(v.numpy(), added.numpy(), rtol=1e-12)
    assert not np.allclose(v.numpy(), START[1])
    assert "lr: 0.05" in repr(optimizer)


# ------------------------------------------------------------------------------- instructions


@pytest.mark.parametrize(
    ("wrap", "more"),
    [
        (optim.Lookahead, 1),
        (lambda o: optim.GradientAccumulation(o, 4), 1),
        (optim.EMA, 2),
        (optim.SWA, 3),
        (optim.MasterWeights, 0),
        (lambda o: optim.Transformed(o, optim.clip_by_global_norm(1.0)), 7),
    ],
)
def test_instructions_beside_those_of_adam(wrap, more):
    assert len(adam_step(wrap)) <= len(adam_step()) + more


# ------------------------------------------------------------------------------- one by one


def test_calls_between_accumulated_steps_change_nothing():
    """No parameter, no state of the optimizer; and all are the same tape."""
    w = nn.Parameter([1.0, -1.0])
    inner = optim.Adam([w], lr=0.1)
    optimizer = optim.GradientAccumulation(inner, 3)
    seen, misses = [], []
    for _ in range(9):
        optimizer.zero_grad()
        tg.sum(w * w).backward()
        optimizer.step()
        seen.append((w.tolist(), inner.state[w]["exp_avg"].tolist(), inner.state[w]["step"].item()))
        misses.append(TAPES.info().misses)
    assert seen[0] == ([1.0, -1.0], [0.0, 0.0], 0.0) == seen[1]
    assert seen[2] == seen[3] == seen[4] != seen[1]
    assert seen[5] == seen[6] == seen[7]
    assert [s[2] for s in seen] == [0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert len(set(misses[1:])) == 1


def test_accumulated_small_batches_are_one_large_one(rng):
    x, y = rng.standard_normal((12, 5)), rng.standard_normal((12, 2))
    models = [nn.Linear(5, 2, dtype="float64") for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    large = optim.AdamW(models[0].parameters())
    small = optim.GradientAccumulation(optim.AdamW(models[1].parameters()), 3)
    for model, optimizer, size in ((models[0], large, 12), (models[1], small, 4)):
        for _ in range(4):
            for at in range(0, 12, size):
                optimizer.zero_grad()
                rows = slice(at, at + size)
                nn.functional.mse_loss(model(tg.tensor(x[rows])), tg.tensor(y[rows])).backward()
                optimizer.step()
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-12)


def test_a_parameter_without_a_gradient_is_left_alone():
    """Weight decay would change it; in one of several calls it counts as 0."""
    used, sometimes, never = (nn.Parameter([1.0], dtype="float64") for _ in range(3))
    inner = optim.SGD([used, sometimes, never], lr=1.0, weight_decay=0.1)
    optimizer = optim.GradientAccumulation(inner, 2)
    for params in ((used, sometimes), (used,)):
        optimizer.zero_grad()
        sum(tg.sum(p) for p in params).backward()
        optimizer.step()
    assert used.item() == pytest.approx(1 - 0.1 - 1.0)
    assert sometimes.item() == pytest.approx(1 - 0.1 - 0.5)
    assert never.item() == 1.0


def test_sam_in_two_halves():
    with tg.backend("numpy"):
        optimizer, params = make(CASES[7])
        for _ in range(STEPS):
            optimizer.zero_grad()
            objective(params).backward()
            optimizer.first_step(zero_grad=True)
            objective(params).backward()
            optimizer.second_step()
        close(params, sam(START, 0.1, False))


def test_sam_traced_in_two_halves():
    optimizer, params = make(CASES[7], "float32")

    @tg.jit
    def train():
        objective(params).backward()
        optimizer.first_step(zero_grad=True)
        objective(params).backward()
        optimizer.second_step(zero_grad=True)

    for _ in range(STEPS):
        train()
    assert train.traces == 1
    close(params, sam(START, 0.1, False), rtol=2e-5)


def test_sam_in_eager_mode_makes_updates_too():
    w = nn.Parameter([1.0])
    with tg.eager():
        updates = optim.SAM(optim.SGD([w], lr=0.25), rho=0.5).minimize(tg.sum(w * w))
        assert updates[w].item() == pytest.approx(0.25)


def test_sam_goes_downhill_from_the_worst_when_it_maximizes():
    w = nn.Parameter([1.0])
    optimizer = optim.SAM(optim.SGD([w], lr=0.25, maximize=True), rho=0.5)
    optimizer.step(lambda: tg.sum(-w * w).backward())
    assert w.item() == pytest.approx(1 - 0.25 * 3)


def test_sam_uses_the_same_dropout_mask_in_a_graph():
    """Both gradients are of one and the same function."""
    tg.manual_seed(0)
    w = nn.Parameter(np.ones(1000), dtype="float32")
    kept = nn.functional.dropout(w, 0.5)
    loss = tg.sum(kept * kept)
    optimizer = optim.SAM(optim.SGD([w], lr=1.0), rho=1.0)
    tg.function([], loss, updates=optimizer.minimize(loss))()
    change = 1.0 - w.numpy()
    assert set(np.round(change / np.abs(change).max(), 5)) == {0.0, 1.0}


def test_sam_at_a_point_without_slope():
    w = nn.Parameter([0.0])
    optimizer = optim.SAM(optim.SGD([w], lr=1.0))
    optimizer.step(lambda: tg.sum(w * w).backward())
    assert w.item() == 0.0


def test_a_traced_step_follows_the_settings():
    """A new alpha traces anew; it is not frozen in the trace."""
    w = nn.Parameter([1.0])
    optimizer = optim.Lookahead(optim.SGD([w], lr=0.25), k=1, alpha=1.0)

    @tg.jit
    def train():
        tg.sum(w * w).backward()
        optimizer.step()
        optimizer.zero_grad()

    train()
    optimizer.alpha = 0.0
    train()
    assert w.item() == 0.5
    assert train.traces == 2


@EACH
def test_it_is_let_go(case):
    optimizer, params = make(case, "float32")
    loop(optimizer, params, 2)
    kept = weakref.ref(params[0])
    del optimizer, params
    gc.collect()
    assert kept() is None


# ------------------------------------------------------------------------------------- errors


def one():
    return optim.SGD([nn.Parameter([1.0])])


@pytest.mark.parametrize(
    ("wrap", "error", "message"),
    [
        (lambda: optim.Lookahead([nn.Parameter(1.0)]), TypeError,
         "Lookahead: expected an optimizer, got a list"),
        (lambda: optim.EMA(optim.LBFGS([nn.Parameter(1.0)])), TypeError,
         "LBFGS.step evaluates the loss itself"),
        (lambda: optim.Lookahead(optim.SAM(one())), TypeError, "SAM.step evaluates the loss"),
        (lambda: optim.Lookahead(one(), k=0), ValueError, "Lookahead: expected k of at least 1"),
        (lambda: optim.Lookahead(one(), k=2.5), ValueError, "expected an integer as k, got 2.5"),
        (lambda: optim.GradientAccumulation(one(), 2.5), ValueError, "an integer as steps"),
        (lambda: optim.Lookahead(one(), alpha=2), ValueError, "alpha from 0 to 1, got 2"),
        (lambda: optim.GradientAccumulation(one(), 0), ValueError, "steps of at least 1, got 0"),
        (lambda: optim.EMA(one(), 1.5), ValueError, "EMA: expected decay from 0 to 1, got 1.5"),
        (lambda: optim.EMA(one(), start=-1), ValueError, "EMA: expected start of at least 0"),
        (lambda: optim.SWA(one(), every=0), ValueError, "SWA: expected every of at least 1"),
        (lambda: optim.SAM(one(), rho=-1), ValueError, "SAM: expected rho of at least 0"),
        (lambda: optim.SAM(one()).step(), TypeError, "SAM.step: expected a closure"),
        (lambda: optim.SAM(one()).second_step(), RuntimeError, r"call first_step\(\) before"),
    ],
)  # fmt: skip
def test_bad_arguments(wrap, error, message):
    with pytest.raises(error, match=message):
        wrap()


def test_sam_refuses_two_first_steps():
    w = nn.Parameter([1.0])
    optimizer = optim.SAM(optim.SGD([w]))
    tg.sum(w).backward()
    optimizer.first_step()
    with pytest.raises(RuntimeError, match=r"called twice; second_step\(\) goes back to w first"):
        optimizer.first_step()


def test_bad_states():
    optimizer = optim.Lookahead(one())
    good = optimizer.state_dict()
    for bad, message in (
        (3, "got a int"),
        (optimizer.optimizer.state_dict(), "is it the state of the optimizer within"),
        ({**good, "kept": {}}, "of the same parameters"),
        ({**good, "kept": {0: {"slow": np.zeros(3)}}}, r"slow of 0: expected shape \(1,\)"),
        ({**good, "kept": {0: {"slow": np.array(["x"])}}}, "slow of 0: expected numbers"),
        ({**good, "kept": {0: 3}}, "mappings as 'counts', as 'kept'"),
        ({**good, "counts": 3}, "mappings as 'counts', as 'kept'"),
    ):
        with pytest.raises(StateError, match=message):
            optimizer.load_state_dict(bad)
    optimizer.load_state_dict(good)


# ------------------------------------------------------- what comes later, and what goes wrong


@pytest.mark.parametrize("mode", ["lazy", "jit"])
def test_slow_weights_begin_where_a_parameter_has_its_first_gradient(mode):
    """In a later step than the others, or in a group that is added."""
    early, late, added = (nn.Parameter([value]) for value in (1.0, 5.0, 9.0))
    optimizer = optim.Lookahead(optim.SGD([early, late], lr=0.5), k=2, alpha=0.5)

    def step(*params):
        optimizer.zero_grad()
        sum(tg.sum(p) for p in params).backward()
        optimizer.step()

    run = tg.jit(step) if mode == "jit" else step
    run(early)
    run(early, late)
    assert (early.item(), late.item()) == (0.5, 4.75)
    optimizer.add_param_group({"params": [added]})
    run(early, late, added)
    run(early, late, added)
    assert (late.item(), added.item()) == (4.25, 8.5)


@pytest.mark.parametrize("wrap", [optim.EMA, optim.SWA])
def test_the_average_of_a_parameter_that_is_added_begins_with_it(wrap):
    w, added = nn.Parameter([1.0]), nn.Parameter([9.0])
    optimizer = wrap(optim.SGD([w], lr=0.0))
    loop(optimizer, [w], 3)
    optimizer.add_param_group({"params": [added]})
    with optimizer.applied():
        assert (w.item(), added.item()) == (1.0, 9.0)
    loop(optimizer, [w, added], 1)
    with optimizer.applied():
        assert added.item() == pytest.approx(9.0)


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_sam_is_made_whole_or_not_at_all(call, error):
    """Also where it fails at the worst point."""
    w = nn.Parameter([1.0, 2.0])
    optimizer = optim.SAM(optim.SGD([w], lr=0.1), rho=0.5)
    calls = []

    def closure():
        calls.append(1)
        if len(calls) == call:
            raise error
        loss = tg.sum(w * w)
        loss.backward()
        return loss

    with pytest.raises(error):
        optimizer.step(closure)
    assert w.tolist() == [1.0, 2.0]
    assert optimizer.step(closure).item() == 5.0


def test_a_state_loaded_between_the_halves_of_sam_begins_anew():
    w = nn.Parameter([1.0])
    optimizer = optim.SAM(optim.SGD([w]))
    saved = optimizer.state_dict()
    tg.sum(w).backward()
    optimizer.first_step()
    optimizer.load_state_dict(saved)
    optimizer.first_step()


def accumulating():
    a, b = nn.Parameter([1.0]), nn.Parameter([1.0])
    return a, b, optim.GradientAccumulation(optim.SGD([a, b], lr=1.0, momentum=0.5), 2)


def call(optimizer, param):
    optimizer.zero_grad()
    tg.sum(param * 2.0).backward()
    optimizer.step()


def test_a_resumed_accumulation_knows_what_had_a_gradient(tmp_path):
    """Its momentum goes on, though there is nothing in its sum."""
    a, b, first = accumulating()
    for param in (b, b, a):
        call(first, param)
    io.save(first.state_dict(), tmp_path / "state.safetensors")
    c, d, second = accumulating()
    c.set(a.numpy())
    d.set(b.numpy())
    second.load_state_dict(io.load(tmp_path / "state.safetensors"))
    call(first, a)
    call(second, c)
    assert (c.item(), d.item()) == (a.item(), b.item()) == (-1.0, -2.0)


def test_a_traced_accumulation_makes_the_step_of_what_another_function_added():
    a, b, optimizer = accumulating()

    def half(param):
        def run():
            tg.sum(param * 2.0).backward()
            optimizer.step()
            optimizer.zero_grad()

        return tg.jit(run)

    first, second = half(a), half(b)
    for _ in range(2):
        first()
    second()
    first()
    assert b.item() == 0.0
