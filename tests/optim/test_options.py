"""Options: what each optimizer refuses, and what all of them take."""

import numpy as np
import pytest
from update_rules import RULES

import tinygraph as tg
from tinygraph import nn, optim

EACH = pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)


@EACH
def test_wrong_options_of_each(kind):
    params = [nn.Parameter(np.ones((2, 2)))]
    defaults = kind(params).defaults
    for name in ("lr", "weight_decay", "eps", "momentum"):
        wrong = (-1.0, -1.0) if isinstance(defaults.get(name), tuple) else -1.0
        if name in defaults:
            with pytest.raises(ValueError, match=rf"{kind.__name__}: expected .*{name}"):
                kind(params, **{name: wrong})
    if "betas" in defaults:
        count = len(defaults["betas"])
        for betas in ((0.5,) * (count + 1), (1.0,) * count, 0.9):
            with pytest.raises(ValueError, match=rf"{kind.__name__}: expected {count} betas"):
                kind(params, betas=betas)
    with pytest.raises(TypeError, match=rf"{kind.__name__}: expected a number as lr, got 'fast'"):
        kind(params, lr="fast")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (optim.SignSGD, {"momentum": 1.0}, "expected 1 momentum, each from 0 to below 1"),
        (optim.SM3, {"momentum": 1.0}, "expected 1 momentum, each from 0 to below 1"),
        (optim.Momentum, {"momentum": 1.5, "ewma": True}, "expected 1 momentum, each from 0"),
        (optim.LARS, {"trust_coefficient": -1.0}, "trust_coefficient of at least 0"),
        (optim.Yogi, {"initial_accumulator_value": -1.0}, "initial_accumulator_value of at least"),
        (optim.ScheduleFreeAdamW, {"betas": (0.0, 0.9)}, "expected a first beta above 0"),
        (optim.ScheduleFreeAdamW, {"warmup_steps": -1}, "warmup_steps of at least 0"),
        (optim.Adafactor, {"beta1": 1.0}, "expected 1 beta1, each from 0 to below 1"),
        (optim.Adafactor, {"beta2_decay": 0.5}, "expected beta2_decay of at most 0, got 0.5"),
        (optim.Adadelta, {"rho": 2.0}, "expected rho from 0 to 1, got 2.0"),
        (optim.Muon, {"ns_steps": 100}, "expected ns_steps from 0 to 99, got 100"),
        (optim.Muon, {"ns_coefficients": (1.0, 2.0)}, "expected 3 ns_coefficients, as a tuple"),
        (optim.Rprop, {"etas": (1.1, 1.2)}, "expected etas of one factor from 0 to 1 and one"),
    ],
)
def test_wrong_options_of_some(kind, options, message):
    with pytest.raises(ValueError, match=f"{kind.__name__}: .*{message}"):
        kind([nn.Parameter(np.ones((2, 2)))], **options)


@EACH
def test_a_group_of_several_dtypes_one_of_them_empty(kind):
    if kind is optim.LBFGS:
        return
    params = [nn.Parameter(np.ones((2, 3)), dtype=d) for d in ("float64", "float32", "float16")]
    params.append(nn.Parameter(np.ones((0, 3)), dtype="float32"))
    optimizer = kind(params, lr=0.01)
    for way in ("lazy", "eager"):
        with tg.eager() if way == "eager" else tg.backend("numpy"):
            for param in params:
                param.grad = tg.ones(param.shape, dtype=param.dtype)
            optimizer.step()
    wide, single, half, empty = (param.numpy() for param in params)
    assert (wide.dtype, single.dtype, half.dtype) == (np.float64, np.float32, np.float16)
    np.testing.assert_allclose(single, wide, rtol=1e-5)
    np.testing.assert_allclose(half, wide, rtol=4e-3)
    assert empty.shape == (0, 3)
    assert wide.max() < 1.0


def test_flags_that_make_no_difference_here_are_passed_over():
    a, b = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = optim.AdamW(
        [{"params": [a], "fused": True}, {"params": [b], "capturable": True}],
        foreach=True, differentiable=False,
    )  # fmt: skip
    assert "fused" not in optimizer.param_groups[0]


def test_parameters_with_their_names():
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.named_parameters(), lr=0.5)
    assert optimizer.param_groups[0].params == [model.weight, model.bias]
    groups = [{"params": [("weight", model.weight)], "lr": 0.1}, {"params": [("b", model.bias)]}]
    assert [group["lr"] for group in optim.SGD(groups, lr=0.2).param_groups] == [0.1, 0.2]


def step(optimizer, w):
    tg.sum(w * w).backward()
    optimizer.step()
    optimizer.zero_grad()


def test_schedule_free_has_two_modes():
    w, still = nn.Parameter([1.0]), nn.Parameter([2.0])
    optimizer = optim.ScheduleFreeAdamW([w, still], lr=0.1)
    for _ in range(3):
        step(optimizer, w)
    at_train = w.item()
    optimizer.eval()
    at_eval = w.item()
    kept = optimizer.state[w]["z"].item()
    assert at_train == pytest.approx(0.1 * kept + 0.9 * at_eval, rel=1e-6)
    assert still.item() == 2.0
    optimizer.eval()
    assert w.item() == at_eval
    with pytest.raises(RuntimeError, match=r"needs the training mode; call train\(\) first"):
        step(optimizer, w)
    saved = optimizer.state_dict()
    optimizer.zero_grad()
    optimizer.train()
    assert w.item() == pytest.approx(at_train, rel=1e-6)
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["train_mode"] is False


def test_what_is_no_group_and_what_has_no_order():
    w, other = nn.Parameter([1.0]), nn.Parameter([2.0])
    for params in ({w, other}, [{"params": {w, other}}]):
        with pytest.raises(TypeError, match="in an order, which a set has not: use a list"):
            optim.SGD(params)
    with pytest.raises(TypeError, match="expected a group as a mapping with 'params', got a list"):
        optim.SGD([w]).add_param_group([other])
    with pytest.raises(TypeError, match=r"expected a group as a mapping .*, got a Parameter"):
        optim.SGD([{"params": [w]}, other])
    with pytest.raises(TypeError, match=r"expected parameters in a list .*, got a NoneType"):
        optim.SGD([{"params": None}])


def test_an_array_of_several_rates():
    with pytest.raises(ValueError, match=r"expected one number as lr, got a ndarray of shape \(2,"):
        optim.SGD([nn.Parameter([1.0])], lr=np.array([0.1, 0.2]))
    assert optim.SGD([nn.Parameter([1.0])], lr=np.array(0.5)).param_groups[0]["lr"] == 0.5


def test_a_loss_that_is_no_tensor():
    with pytest.raises(TypeError, match=r"SGD.minimize: expected a Tensor as loss, got a float"):
        optim.SGD([nn.Parameter([1.0])]).minimize(3.0)
