"""The scale of the loss: steps that are skipped without anybody being asked."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import amp, io, nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.errors import StateError
from tinygraph.nn import functional as F


def scaled(mode, optimizer, scaler, loss_of):
    """A step on a number that the gradient is multiplied by."""

    def step(x):
        scaler.scale(loss_of(x)).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    if mode == "graph":
        x = tg.placeholder((), name="x")
        loss = loss_of(x)
        return tg.function([x], loss, updates=scaler.minimize(optimizer, loss))
    run = {"jit": tg.jit(step), "lazy": step}[mode]
    return lambda value: run(tg.tensor(value, dtype="float32"))


@pytest.mark.parametrize("mode", ["graph", "jit", "lazy"])
def test_a_step_is_skipped_on_the_way(mode):
    """Neither the parameters nor the optimizer's state change, and nothing compiles for it."""
    w = nn.Parameter([1.0, -1.0])
    optimizer = optim.Adam([w], lr=0.1)
    scaler = amp.GradScaler(init_scale=8.0, growth_interval=2)
    step = scaled(mode, optimizer, scaler, lambda x: tg.sum(w * x))
    for _ in range(3):
        step(1.0)
    assert scaler.get_scale() == 16.0
    kept = optimizer.state[w]
    before = w.tolist(), kept["step"].item(), kept["exp_avg"].tolist()
    misses = TAPES.info().misses
    for value, scale in ((np.inf, 8.0), (np.nan, 4.0)):
        step(value)
        assert (w.tolist(), kept["step"].item(), kept["exp_avg"].tolist()) == before
        assert scaler.get_scale() == scale
    step(1.0)
    assert kept["step"].item() == before[1] + 1
    assert TAPES.info().misses == misses


@pytest.mark.parametrize("mode", ["graph", "jit", "lazy"])
@pytest.mark.parametrize(
    "wrap",
    [optim.Lookahead, optim.EMA, lambda o: optim.GradientAccumulation(o, 2), optim.MasterWeights],
)
def test_wrappers_are_skipped_as_a_whole(mode, wrap):
    w = nn.Parameter([1.0, -1.0], dtype="float16")
    optimizer = wrap(optim.Adam([w], lr=0.1))
    scaler = amp.GradScaler(init_scale=8.0)
    step = scaled(mode, optimizer, scaler, lambda x: tg.sum(w * x))
    for _ in range(3):
        step(1.0)
    before, values = flat(optimizer.state_dict()), w.tolist()
    step(np.inf)
    after = flat(optimizer.state_dict())
    assert w.tolist() == values
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def flat(value):
    return tg.tree.flatten(value)[0] if not isinstance(value, dict) else [
        leaf for key in sorted(value, key=str) for leaf in flat(value[key])
    ]  # fmt: skip


def test_a_transform_gets_the_gradients_unscaled():
    w, seen = nn.Parameter([1.0]), []

    def note(grads):
        seen.extend(grads.values())
        return {param: grad * 2 for param, grad in grads.items()}

    loss = tg.sum(w * 3)
    updates = amp.GradScaler().minimize(optim.SGD([w], lr=0.5), loss, transform=note)
    assert seen[0].item() == 3.0
    assert updates[w].item() == 1.0 - 3.0


def test_float16_gradients_are_divided_in_32_bits():
    """1e-5 is scaled up to be seen in float16, and keeps its digits on the way back."""
    w = nn.Parameter([1.0], dtype="float16")
    optimizer = optim.MasterWeights(optim.SGD([w], lr=1.0))
    scaler = amp.GradScaler(init_scale=2.0**10)
    loss = tg.sum(w.astype("float32") * 3e-6)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    assert optimizer.kept[w]["master"].item() == pytest.approx(1 - 3e-6, abs=2e-8 + 6e-8)


def test_a_scale_that_was_found_infinite_stays_so_through_clipping():
    """`unscale_` looks; what is done to the gradients afterwards hides nothing."""
    w = nn.Parameter([1.0])
    optimizer, scaler = optim.SGD([w], lr=0.5), amp.GradScaler(init_scale=8.0)
    scaler.scale(tg.sum(w * np.inf)).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_value_(w, 1.0)
    scaler.step(optimizer)
    scaler.update()
    assert (w.item(), scaler.get_scale()) == (1.0, 4.0)


def test_unscaled_outside_of_a_trace():
    """A trace that was made after `unscale_` does not hold without it."""
    w = nn.Parameter([1.0])
    optimizer, scaler = optim.SGD([w], lr=0.5), amp.GradScaler(init_scale=8.0)
    step = tg.jit(lambda: scaler.step(optimizer))
    for unscale in (True, False, True):
        optimizer.zero_grad()
        scaler.scale(tg.sum(w * 1.0)).backward()
        if unscale:
            scaler.unscale_(optimizer)
        step()
        scaler.update()
    assert w.item() == 1.0 - 3 * 0.5


def test_instructions_of_a_scaled_step():
    """A look at each of six gradients, and the scale; a step that may be skipped costs none."""
    assert len(scaled_tape(amp.GradScaler())) <= len(scaled_tape(amp.GradScaler(enabled=False))) + 7


def scaled_tape(scaler):
    model = nn.Sequential(
        nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4)
    )
    x, t = tg.placeholder((16, 8), name="x"), tg.placeholder((16,), "int64", name="t")
    loss = F.cross_entropy(model(x), t)
    updates = scaler.minimize(optim.Adam(model.parameters()), loss)
    return tg.function([x, t], loss, updates=updates).tape()


def test_the_scaler_is_saved_and_resumed(tmp_path):
    def start():
        w = nn.Parameter([1.0])
        scaler = amp.GradScaler(init_scale=4.0, growth_interval=3)
        return scaler, scaled("lazy", optim.SGD([w], lr=0.1), scaler, lambda x: tg.sum(w * x))

    scaler, step = start()
    for value in (1.0, np.inf, 1.0, 1.0):
        step(value)
    io.save({"scaler": scaler.state_dict()}, tmp_path / "state.safetensors")
    resumed, again = start()
    resumed.load_state_dict(io.load(tmp_path / "state.safetensors")["scaler"])
    assert resumed.get_scale() == 2.0
    step(1.0)
    again(1.0)
    assert resumed.state_dict() == scaler.state_dict()
    assert resumed.get_scale() == 4.0


def test_a_disabled_scaler_does_nothing():
    w = nn.Parameter([1.0])
    optimizer, scaler = optim.SGD([w], lr=0.5), amp.GradScaler(enabled=False)
    loss = tg.sum(w)
    assert scaler.scale(loss) is loss
    assert scaler.minimize(optimizer, loss)[w].item() == 0.5
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert (w.item(), scaler.get_scale(), scaler.state_dict()) == (0.5, 1.0, {})
    scaler.load_state_dict({})


def test_optimizers_that_evaluate_the_loss_are_refused():
    w = nn.Parameter([1.0])
    for optimizer in (optim.LBFGS([w]), optim.SAM(optim.SGD([w]))):
        with pytest.raises(TypeError, match="step evaluates the loss itself"):
            amp.GradScaler().step(optimizer)
        with pytest.raises(TypeError, match="step evaluates the loss itself"):
            amp.GradScaler().minimize(optimizer, tg.sum(w))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: amp.GradScaler(1024.0), TypeError, r"GradScaler\(init_scale=1024.0\)"),
        (lambda: amp.GradScaler(growth_factor=1.0), ValueError, "growth_factor above 1, got 1.0"),
        (lambda: amp.GradScaler(backoff_factor=1.0), ValueError, "backoff_factor between 0 and 1"),
        (lambda: amp.GradScaler(growth_interval=0), ValueError, "growth_interval of at least 1"),
        (lambda: amp.GradScaler(init_scale=0.0), ValueError, "a finite init_scale above 0"),
        (lambda: amp.GradScaler(init_scale="x"), TypeError, "expected a number as init_scale"),
        (lambda: amp.GradScaler().step(3), TypeError, "GradScaler: expected an optimizer, got a"),
        (lambda: amp.GradScaler().scale(3), TypeError, "expected Tensors, got a int"),
        (lambda: amp.GradScaler().load_state_dict({}), StateError, "missing: _growth_tracker, ba"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("inside", ["all", "unscale_ and step", "unscale_"])
def test_unscaled_and_clipped_within_a_trace(inside):
    """One trace as long as it is whole; one that ends with gradients unscaled is made anew, for
    the step that follows has to know."""

    def trained(wrap):
        w = nn.Parameter([1.0, 2.0])
        optimizer, scaler = optim.SGD([w], lr=0.25), amp.GradScaler(init_scale=8.0)

        def within(x):
            optimizer.zero_grad()
            scaler.scale(tg.sum(w * w * x)).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_([w], 1.0)
            if inside != "unscale_":
                scaler.step(optimizer)
            if inside == "all":
                scaler.update()

        run = wrap(within)
        for _ in range(5):
            run(tg.ones(2))
            if inside == "unscale_":
                scaler.step(optimizer)
            if inside != "all":
                scaler.update()
        return run, w.numpy()

    (run, found), (_, expected) = trained(tg.jit), trained(lambda function: function)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert run.traces == (5 if inside == "unscale_" else 2)  # with and without gradients before


def test_wrong_states_change_nothing():
    scaler = amp.GradScaler()
    good = scaler.state_dict()
    wrong = ("x", None, [1.0], -1.0, float("nan"))
    for bad in (3, None, *({**good, "scale": w, "growth_interval": 7} for w in wrong),
                {**good, "scale": 2.0, "growth_interval": 0}):  # fmt: skip
        with pytest.raises(StateError, match="expected what state_dict"):
            scaler.load_state_dict(bad)
        assert scaler.state_dict() == good
