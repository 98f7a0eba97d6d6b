"""Learning-rate schedules: their formulas, how they go together, and what is refused."""

import math
import warnings

import numpy as np
import pytest
from schedules import AFTER, FORMULAS, LR, STEPS, T, cosine, course, nested, sgd

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.optim import lr_scheduler as lrs

# ---------------------------------------------------------------- the formulas of the textbooks


@pytest.mark.parametrize(("make", "expected"), FORMULAS.values(), ids=FORMULAS)
def test_formula(make, expected):
    np.testing.assert_allclose(course(make(sgd())), expected, rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize(("make", "expected"), FORMULAS.values(), ids=FORMULAS)
def test_a_step_by_number_is_on_the_same_curve(make, expected):
    scheduler = make(sgd())
    for t in (31, 2, 7, 50, 0, 20):
        scheduler.step(t)
        assert scheduler.get_last_lr()[0] == pytest.approx(expected[t], rel=1e-12, abs=1e-17)


def restarts(t, first, t_mul, m_mul, alpha):
    """Keras' formula for one step."""
    done = t / first
    if t_mul == 1.0:
        number = math.floor(done)
        share = done - number
    else:
        number = math.floor(math.log(1 - done * (1 - t_mul)) / math.log(t_mul) + 1e-9)
        share = (done - (1 - t_mul**number) / (1 - t_mul)) / t_mul**number
    return LR * ((1 - alpha) * m_mul**number * cosine(share) + alpha)


@pytest.mark.parametrize("t_mul", [1.0, 1.5, 2.0])
@pytest.mark.parametrize(("m_mul", "alpha"), [(1.0, 0.0), (0.5, 0.1)])
def test_cosine_decay_with_restarts(t_mul, m_mul, alpha):
    expected = [restarts(t, 6, t_mul, m_mul, alpha) for t in T]
    found = course(lrs.CosineDecayRestarts(sgd(), 6, t_mul, m_mul, alpha))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_plateau_is_more_bad_steps_than_patience():
    scheduler = lrs.ReduceLROnPlateau(sgd(), patience=2)
    losses = [1.0, 1.0, 1.0, 1.0, 0.5, 0.49999, 0.5, 0.5]
    rates = []
    for loss in losses:
        scheduler.step(loss)
        rates.append(scheduler.get_last_lr()[0])
    assert rates == pytest.approx([LR] * 3 + [LR / 10] * 4 + [LR / 100])


def test_momentum_moves_against_the_rate():
    optimizer = sgd(momentum=0.9)
    scheduler = lrs.CyclicLR(optimizer, 0.1, 0.5, step_size_up=2)
    momenta = [optimizer.param_groups[0]["momentum"]]
    for _ in range(4):
        scheduler.step()
        momenta.append(optimizer.param_groups[0]["momentum"])
    assert momenta == pytest.approx([0.9, 0.85, 0.8, 0.85, 0.9])


def test_groups_keep_rates_of_their_own():
    optimizer = sgd(1.0, 0.25)
    scheduler = lrs.CosineWithWarmup(optimizer, 2, 4)
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 0.125]
    assert scheduler.base_lrs == [1.0, 0.25]


# ----------------------------------------------------------------------- several together


def test_a_sequence_may_begin_with_a_sequence():
    optimizer = sgd(1.0)
    scheduler = lrs.SequentialLR(optimizer, nested(optimizer), [6])
    expected = [0.5, 0.5, 0.5, 1.0, 0.9, 0.81, 1.0, 1.0, 0.5]
    assert course(scheduler, 8) == pytest.approx(expected)


def test_a_sequence_may_end_with_a_sequence():
    optimizer = sgd(1.0)
    scheduler = lrs.SequentialLR(optimizer, nested(optimizer)[::-1], [3])
    expected = [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 0.9, 0.81]
    assert course(scheduler, 8) == pytest.approx(expected)


@pytest.mark.parametrize("place", [0, 1])
def test_a_chain_may_be_part_of_a_sequence(place):
    optimizer = sgd(1.0)
    chain = lrs.ChainedScheduler([lrs.ConstantLR(optimizer, 0.5, 2), lrs.StepLR(optimizer, 3, 0.1)])
    other = lrs.ExponentialLR(optimizer, 0.5)
    parts = [chain, other] if place == 0 else [other, chain]
    scheduler = lrs.SequentialLR(optimizer, parts, [4])
    rates = {chain: [0.5, 0.5, 1.0, 0.1], other: [1.0, 0.5, 0.25, 0.125]}
    assert course(scheduler, 7) == pytest.approx([rate for part in parts for rate in rates[part]])


def test_a_chain_takes_its_optimizer_from_its_parts():
    optimizer = sgd(1.0)
    scheduler = lrs.ChainedScheduler([lrs.ExponentialLR(optimizer, 0.5)], optimizer=None)
    assert scheduler.optimizer is optimizer
    with pytest.raises(ValueError, match="ExponentialLR is of another optimizer"):
        lrs.ChainedScheduler([lrs.ExponentialLR(optimizer, 0.5)], sgd(1.0))


@pytest.mark.parametrize("after", AFTER.values(), ids=AFTER)
@pytest.mark.parametrize("warmup_steps", [0, 5])
def test_warm_up_then_another_schedule(after, warmup_steps):
    alone = course(after(sgd()), STEPS - warmup_steps)
    optimizer = sgd()
    scheduler = lrs.WarmupLR(optimizer, warmup_steps, after=after(optimizer))
    rises = [LR * t / 5 for t in range(warmup_steps)]
    assert course(scheduler) == pytest.approx([*rises, *alone])


def test_a_sequence_cannot_be_entered_in_the_middle():
    optimizer = sgd()
    parts = [lrs.StepLR(optimizer, 3), lrs.StepLR(optimizer, 3)]
    scheduler = lrs.WarmupLR(optimizer, 2, after=lrs.SequentialLR(optimizer, parts, [4]))
    scheduler.step(1)
    with pytest.raises(ValueError, match=r"SequentialLR: .* it cannot begin at step 5"):
        scheduler.step(7)


def test_warm_up_by_a_sequence_is_the_same():
    first, second = sgd(), sgd()
    one = lrs.WarmupLR(first, 5, after=lrs.CosineAnnealingLR(first, 20))
    parts = [lrs.WarmupLR(second, 5), lrs.CosineAnnealingLR(second, 20)]
    assert course(one) == course(lrs.SequentialLR(second, parts, [5]))


def test_warm_up_then_a_plateau_by_hand():
    optimizer = sgd()
    warmup, plateau = lrs.WarmupLR(optimizer, 2), lrs.ReduceLROnPlateau(optimizer, patience=0)
    rates = []
    for epoch, loss in enumerate([3.0, 2.0, 1.0, 1.0, 1.0]):
        rates.append(optimizer.param_groups[0]["lr"])
        warmup.step() if epoch < 2 else plateau.step(loss)
    assert rates == pytest.approx([0.0, LR / 2, LR, LR, LR / 10])


# ---------------------------------------------------------------------------- rates as Tensors


def test_a_rate_that_is_a_tensor_keeps_being_it():
    rate = tg.state(0.5, name="rate")
    optimizer = optim.SGD([nn.Parameter([1.0])], lr=rate)
    scheduler = lrs.StepLR(optimizer, 1, 0.5)
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert (rate.item(), scheduler.get_last_lr(), scheduler.base_lrs) == (0.25, [0.25], [0.5])


def test_a_rate_that_is_fed_has_no_schedule():
    optimizer = optim.SGD([nn.Parameter([1.0])], lr=tg.placeholder((), name="rate"))
    with pytest.raises(ValueError, match="computed from a placeholder"):
        lrs.StepLR(optimizer, 1)


def test_wrappers_are_scheduled_as_what_they_are_around():
    inner = sgd(1.0)
    scheduler = lrs.ExponentialLR(optim.Lookahead(inner), 0.5)
    scheduler.step()
    assert inner.param_groups[0]["lr"] == 0.5


# ---------------------------------------------------------------------------------- bad options

WRONG = [
    (lambda o: lrs.StepLR(o, 0), "StepLR: expected step_size above 0, got 0"),
    (lambda o: lrs.CosineAnnealingLR(o, 0), "CosineAnnealingLR: expected T_max above 0"),
    (lambda o: lrs.CyclicLR(o, 0.1, 0.2, 0), "CyclicLR: expected step_size_up above 0"),
    (lambda o: lrs.CyclicLR(o, 0.1, 0.2, 3, 0), "CyclicLR: expected step_size_down above 0"),
    (lambda o: lrs.CyclicLR(o, 0.1, 0.2), "the option momentum or betas, or cycle_momentum=False"),
    (lambda o: lrs.ConstantLR(o, 2.0), "ConstantLR: expected factor from 0 to 1, got 2.0"),
    (lambda o: lrs.WarmupLR(o, 5, mode="steep"), "expected mode 'linear' or 'constant', got"),
    (lambda o: lrs.WarmupLR(o, 5, mode="constant"), "WarmupLR: expected start_factor above 0"),
    (
        lambda o: lrs.WarmupLR(o, 5, lrs.ReduceLROnPlateau(o)),
        "WarmupLR: ReduceLROnPlateau cannot be a part, since its step takes a measure",
    ),
    (lambda o: lrs.WarmupLR(o, 5, lrs.StepLR(sgd(), 3)), "the StepLR is of another optimizer"),
    (lambda o: lrs.CosineWithWarmup(o, 5, 5), "warmup_steps from 0 to below total_steps, got 5"),
    (lambda o: lrs.CosineWithWarmup(o, -1, 5), "warmup_steps from 0 to below total_steps, got -1"),
    (lambda o: lrs.NoamLR(o, 0), "NoamLR: expected d_model above 0, got 0"),
    (lambda o: lrs.NoamLR(o, 4, 0), "NoamLR: expected warmup_steps above 0, got 0"),
    (lambda o: lrs.InverseTimeLR(o, -1), "InverseTimeLR: expected a rate of at least 0, got -1"),
    (lambda o: lrs.InverseSquareRootLR(o, -1), "expected warmup_steps of at least 0, got -1"),
    (lambda o: lrs.ExponentialDecay(o, 0, 0.5), "ExponentialDecay: expected decay_steps above 0"),
    (lambda o: lrs.PolynomialDecay(o, 0), "PolynomialDecay: expected decay_steps above 0"),
    (lambda o: lrs.CosineDecay(o, 0), "CosineDecay: expected decay_steps above 0"),
    (lambda o: lrs.CosineDecayRestarts(o, 0), "expected first_decay_steps above 0"),
    (lambda o: lrs.CosineDecayRestarts(o, 5, 0.5), "expected t_mul of at least 1, got 0.5"),
    (lambda o: lrs.PiecewiseConstantDecay(o, [1], [1.0]), "got 1 boundaries and 1 values"),
    (lambda o: lrs.LambdaLR(o, [abs, abs]), "LambdaLR: expected one lr_lambda, or a list"),
    (lambda o: lrs.CosineAnnealingWarmRestarts(o, 3).step(-1), "an epoch of at least 0, got -1"),
    (lambda o: lrs.LambdaLR(o, lambda t: -1.0), "expected lr of at least 0, got -0.5"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_options(make, message):
    optimizer = optim.Adagrad([nn.Parameter([1.0])], lr=LR)
    with pytest.raises(ValueError, match=message):
        make(optimizer)


def test_wrong_types():
    with pytest.raises(TypeError, match="StepLR: expected an optimizer, got a list"):
        lrs.StepLR([nn.Parameter([1.0])], 3)
    with pytest.raises(TypeError, match="expected either gamma or rate, got gamma=None"):
        lrs.ExponentialLR(sgd())
    with pytest.raises(TypeError, match=r"expected either gamma or rate, got gamma=0.5 and rate=1"):
        lrs.ExponentialLR(sgd(), 0.5, rate=1)
    with pytest.raises(TypeError, match=r"LambdaLR: expected lr_lambda to be a function, .* float"):
        lrs.LambdaLR(sgd(), 0.5)
    with pytest.raises(TypeError, match="SequentialLR: expected schedules, got a int"):
        lrs.SequentialLR(sgd(), [3], [])
    with pytest.raises(NotImplementedError, match="LRScheduler defines no get_lr"):
        lrs.LRScheduler(sgd())


def test_a_group_that_came_later():
    optimizer = sgd()
    fixed, by_ratio = lrs.InverseTimeLR(optimizer, 1.0), lrs.StepLR(optimizer, 1, 0.5)
    plateau = lrs.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    listed = lrs.ReduceLROnPlateau(optimizer, patience=-1, min_lr=[0.1])
    optimizer.add_param_group({"params": [nn.Parameter([1.0])], "lr": 1.0})
    by_ratio.step()
    assert by_ratio.get_last_lr() == [LR / 2, 0.5]
    plateau.step(math.nan)
    assert plateau.get_last_lr() == [LR / 4, 0.25]
    with pytest.raises(ValueError, match="a rate for each of the 2 groups of the optimizer, got 1"):
        fixed.step()
    with pytest.raises(ValueError, match="a min_lr for each of the 2 groups of the optimizer"):
        listed.step(1.0)


def test_the_order_of_steps_is_not_watched():
    """A compiled step is no call of `optimizer.step`, so its absence says nothing."""
    scheduler = lrs.StepLR(sgd(), 1, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
        scheduler.step(5)
    assert scheduler.get_last_lr() == [LR / 32]


def test_a_constant_share_of_0_leads_back():
    assert course(lrs.ConstantLR(sgd(), 0.0, 2), 3) == [0.0, 0.0, LR, LR]


def test_a_cycle_without_a_rise():
    rates = course(lrs.OneCycleLR(sgd(momentum=0.9), LR, 50, pct_start=0.02), 2)
    assert rates[0] == LR
    assert rates[2] < rates[1] < LR
    assert course(lrs.OneCycleLR(sgd(momentum=0.9), LR, 2, pct_start=1.0), 2)[1] == LR


def test_the_step_after_the_last_of_a_linear_cycle():
    scheduler = lrs.OneCycleLR(sgd(momentum=0.9), LR, 10, anneal_strategy="linear")
    rates = course(scheduler, 10)
    assert rates[10] == pytest.approx(LR / 25e4)
    with pytest.raises(ValueError, match="the cycle of 10 steps is over, and step 11 was asked"):
        scheduler.step()
