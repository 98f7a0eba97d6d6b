"""A learning rate that is a Tensor: state, a placeholder, or just a Tensor."""

import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES


def test_a_placeholder_is_fed_with_each_step():
    w = nn.Parameter([1.0])
    lr = tg.placeholder((), name="lr")
    optimizer = optim.SGD([w], lr=lr, momentum=0.5)
    step = tg.function([lr], tg.sum(w), updates=optimizer.minimize(tg.sum(w)))
    step(0.25)
    assert w.item() == 0.75
    misses = TAPES.info().misses
    step(0.0)
    assert w.item() == 0.75
    assert TAPES.info().misses == misses


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_new_value_reaches_a_compiled_step(shape):
    w = nn.Parameter([1.0])
    lr = tg.full(shape, 0.25)
    optimizer = optim.AdamW([w], lr=lr, weight_decay=0.0, eps=0.0)
    step = tg.function([], tg.sum(w), updates=optimizer.minimize(tg.sum(w)))
    step()
    assert w.item() == pytest.approx(0.75)
    lr.set(tg.full(shape, 0.5).numpy())
    step()
    assert w.item() == pytest.approx(0.25)
    optimizer.param_groups[0]["lr"] = 0.0  # as a scheduler sets it
    step()
    assert w.item() == pytest.approx(0.25)
    assert optimizer.param_groups[0]["lr"] is lr
    assert optimizer.state_dict()["param_groups"][0]["lr"] == 0.0


def test_a_traced_step_reads_it_too():
    w = nn.Parameter([1.0])
    lr = tg.tensor(0.25)
    optimizer = optim.SGD([w], lr=lr)

    @tg.jit
    def step():
        tg.sum(w).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    lr.set(0.5)
    step()
    assert (w.item(), step.traces) == (0.25, 1)


def test_a_loaded_rate_goes_into_the_tensor():
    w = nn.Parameter([1.0])
    lr = tg.tensor(0.25)
    optimizer = optim.SGD([w], lr=lr)
    optimizer.load_state_dict(optim.SGD([nn.Parameter([1.0])], lr=0.5).state_dict())
    assert lr.item() == 0.5


def test_a_number_after_a_tensor_and_the_other_way_round():
    w = nn.Parameter([1.0])
    optimizer = optim.SGD([w], lr=0.5)

    def moved():
        before = w.item()
        tg.sum(w).backward()
        optimizer.step()
        optimizer.zero_grad()
        return before - w.item()

    assert moved() == 0.5
    optimizer.param_groups[0]["lr"] = tg.tensor(0.25)
    assert moved() == 0.25
    optimizer.param_groups[0]["lr"] = 0.125
    assert moved() == 0.125


@pytest.mark.parametrize(
    ("lr", "message"),
    [
        (tg.tensor([0.1, 0.2]), r"SGD: expected one number as lr, got a Tensor of shape \(2,\)"),
        (tg.tensor(-1.0), "SGD: expected lr of at least 0, got"),
    ],
)
def test_wrong_tensors(lr, message):
    with pytest.raises(ValueError, match=message):
        optim.SGD([nn.Parameter([1.0])], lr=lr)


def test_a_step_compiled_with_numbers_goes_on_after_a_tensor_came():
    w = nn.Parameter([1.0])
    optimizer = optim.SGD([w], lr=0.5, weight_decay=1.0)
    step = tg.function([], w, updates=optimizer.minimize(tg.sum(w)))
    optimizer.param_groups[0].update(lr=tg.tensor(0.25), weight_decay=3.0)
    step()
    assert w.item() == 0.0  # 1 - 0.25 * (1 + 3)
    optimizer.param_groups[0]["lr"] = 0.125
    step()
    assert w.item() == -0.125
