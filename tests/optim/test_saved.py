"""State that is saved and loaded: through files to the last bit, and in 16-bit floats."""

import copy

import numpy as np
import pytest
from update_rules import RULES, adamw, walk

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.errors import StateError

OPTIONS = {
    "SGD": {"momentum": 0.9, "dampening": 0.5},
    "Momentum": {"nesterov": True},
    "SignSGD": {"momentum": 0.5},
    "Adam": {"amsgrad": True},
    "RMSprop": {"centered": True, "momentum": 0.5},
    "Adafactor": {"beta1": 0.5},
    "SM3": {"momentum": 0.5},
    "ScheduleFreeAdamW": {"warmup_steps": 3},
    "ASGD": {"t0": 1},
}
KINDS = [kind for kind in RULES if kind is not optim.LBFGS]
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def weights(kind, dtype="float32"):
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (2, 3)] if kind is optim.Muon else [(4, 3), (3,), (), (2, 2, 2)]
    return [nn.Parameter(rng.standard_normal(shape), dtype=dtype) for shape in shapes]


def steps(optimizer, params, count):
    for _ in range(count):
        sum(tg.sum(tg.cos(w) + w * w) for w in params).backward()
        optimizer.step()
        optimizer.zero_grad()


def flat(saved):
    """A state dict as text, whatever the order of what is kept."""
    state = {number: sorted(map(repr, kept.items())) for number, kept in saved["state"].items()}
    return repr((state, saved["param_groups"]))


@EACH
def test_resumed_from_a_file_to_the_last_bit(kind, tmp_path):
    options = OPTIONS.get(kind.__name__, {})
    there = weights(kind)
    old = kind(there, lr=0.1, **options)
    steps(old, there, 3)
    tg.io.save(old.state_dict(), tmp_path / "state.safetensors")
    here = [nn.Parameter(w) for w in there]
    new = kind(here, lr=7.0)
    new.load_state_dict(tg.io.load(tmp_path / "state.safetensors"))
    assert flat(new.state_dict()) == flat(old.state_dict())
    steps(old, there, 3)
    steps(new, here, 3)
    for mine, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())


@EACH
def test_nothing_is_saved_of_what_has_made_no_step(kind):
    params = weights(kind)
    optimizer = kind(params, lr=0.1, **OPTIONS.get(kind.__name__, {}))
    fresh = optimizer.state_dict()
    steps(optimizer, params[:1], 1)
    counted = any("step" in kept for kept in optimizer.state.values())
    assert set(optimizer.state_dict()["state"]) <= ({0} if counted else {0, 1, 2, 3})
    before = params[0].numpy()
    optimizer.load_state_dict(fresh)
    for kept in optimizer.state.values():
        assert "step" not in kept or kept["step"].item() == 0.0
    params[0].set(before)
    again = kind([nn.Parameter(before)], lr=0.1, **OPTIONS.get(kind.__name__, {}))
    steps(optimizer, params[:1], 2)
    steps(again, again.ordered(), 2)
    np.testing.assert_array_equal(params[0].numpy(), again.ordered()[0].numpy())


def test_state_of_another_shape_is_named():
    w, other = nn.Parameter(np.ones((2, 3))), nn.Parameter(np.ones((3, 2)))
    optimizer = optim.Adafactor([w])
    steps(optimizer, [w], 1)
    with pytest.raises(StateError, match=r"row_var of parameter 0: expected shape \(3, 1\), got"):
        optim.Adafactor([other]).load_state_dict(optimizer.state_dict())
    with pytest.raises(StateError, match="col_var, row_var, which SM3 does not keep"):
        optim.SM3([w]).load_state_dict(optimizer.state_dict())


def test_state_may_be_cleared():
    """As some scripts do to begin anew."""
    w = nn.Parameter([1.0])
    optimizer = optim.Adam([w], lr=0.1)
    steps(optimizer, [w], 3)
    optimizer.state.clear()
    assert optimizer.state_dict()["state"] == {}
    steps(optimizer, [w], 1)
    assert optimizer.state[w]["step"].item() == 1.0


def test_what_a_scheduler_writes_is_kept_and_changes_no_form():
    w = nn.Parameter([1.0])
    optimizer = optim.SGD([{"params": [w], "initial_lr": 0.5}], lr=0.25)
    step = tg.jit(lambda: steps(optimizer, [w], 1))
    step()
    optimizer.param_groups[0].update(max_lr=1.0, initial_lr=0.0)
    step()
    assert step.traces == 1
    new = optim.SGD([nn.Parameter([1.0])])
    new.load_state_dict(optimizer.state_dict())
    assert new.param_groups[0]["initial_lr"] == 0.0
    assert new.param_groups[0]["max_lr"] == 1.0


# ------------------------------------------------------------------------------- 16-bit floats


@EACH
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_weights_stay_finite(kind, dtype):
    """In float16 an epsilon of 1e-8 would be 0, and so would the square of a gradient of 1e-4."""
    params = weights(kind, dtype)
    optimizer = kind(params, **OPTIONS.get(kind.__name__, {}))
    for scale in (1e-4, 0.0, 300.0, 1e-4):
        for w in params:
            w.grad = tg.full(w.shape, scale, dtype=dtype)
        before = [w.numpy().astype("float32") for w in params]
        optimizer.step()
        for w, old in zip(params, before, strict=True):
            assert str(w.dtype) == dtype
            now = w.numpy().astype("float32")
            assert np.all(np.isfinite(now))
            assert np.abs(now - old).max() < 100
    for kept in optimizer.state.values():
        assert {str(tensor.dtype) for tensor in kept.values()} <= {"float32"}


def test_float16_follows_float32():
    start = np.array([1.0, -0.5, 0.25], "float16")
    w = nn.Parameter(start, dtype="float16")
    optimizer = optim.AdamW([w], lr=0.01)
    for _ in range(20):
        w.grad = tg.tensor(w.numpy() * 1e-3, "float16")
        optimizer.step()
    expected = walk(adamw, start.astype(float), lambda x: 1e-3 * x, 20, lr=0.01)
    np.testing.assert_allclose(w.numpy().astype(float), expected, rtol=0.02)


# ------------------------------------------------------------------------------- wrong states


def places(state, path=()):
    """The way to each entry of nested dictionaries and lists."""
    pairs = state.items() if isinstance(state, dict) else enumerate(state)
    for key, value in pairs:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


MISSING = object()
WRONG = [MISSING, None, "x", 3, [1], {"other": 1}, np.zeros((9, 9)), np.array([object()])]


def spoilt(good):
    """`good` with one entry left out, or something else in its place."""
    for path in places(good):
        for wrong in WRONG:
            bad = copy.deepcopy(good)
            holder = bad
            for key in path[:-1]:
                holder = holder[key]
            if wrong is MISSING:
                del holder[path[-1]]
            else:
                holder[path[-1]] = wrong
            yield bad


STATES = {
    "Adam": optim.Adam,
    "SGD": lambda params: optim.SGD(params, momentum=0.9),
    "Adafactor": optim.Adafactor,
    "EMA": lambda params: optim.EMA(optim.SGD(params)),
    "accumulation": lambda params: optim.GradientAccumulation(optim.SGD(params), 2),
    "noise": lambda params: optim.Transformed(
        optim.SGD(params), optim.chain(optim.GradientNoise(), optim.GradientNoise())
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_loaded_whole_or_not_at_all(name):
    """Whatever is wrong with it, the error is the same kind and nothing has been changed."""

    def after(count):
        params = [nn.Parameter(np.ones((2, 3))), nn.Parameter([1.0])]
        optimizer = STATES[name](params)
        steps(optimizer, params, count)
        return optimizer

    with tg.backend("numpy"):
        good, optimizer = after(1).state_dict(), after(2)
        before, refused = repr(optimizer.state_dict()), 0
        for bad in spoilt(good):
            try:
                optimizer.load_state_dict(bad)
            except StateError:
                refused += 1
                assert repr(optimizer.state_dict()) == before
            else:
                optimizer = after(2)
        assert refused > 50


def test_a_state_that_was_cut_is_refused():
    w = nn.Parameter([1.0])
    optimizer = optim.Adam([w])
    steps(optimizer, [w], 1)
    saved = optimizer.state_dict()
    del saved["state"][0]["exp_avg"]
    with pytest.raises(StateError, match="parameter 0 comes without exp_avg, which these options"):
        optimizer.load_state_dict(saved)
    with pytest.raises(StateError, match=r"\['5'\] in 'state' is in no group"):
        optimizer.load_state_dict({**saved, "state": {5: {}}})


def test_an_option_turned_on_just_before_saving():
    w = nn.Parameter([1.0])
    optimizer = optim.SGD([w])
    steps(optimizer, [w], 1)
    optimizer.param_groups[0]["momentum"] = 0.9
    new = optim.SGD([nn.Parameter([1.0])])
    new.load_state_dict(optimizer.state_dict())
    assert new.param_groups[0]["momentum"] == 0.9
