"""Losses of numbers and of distributions against their formulas."""

import math

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F

REDUCTIONS = ["mean", "sum", "none"]


def reduced(losses, reduction):
    return {"none": losses, "sum": losses.sum(), "mean": losses.mean()}[reduction]


def huber(e, delta):
    return np.where(abs(e) <= delta, e**2 / 2, delta * (abs(e) - delta / 2))


# the layer, and its formula for an input x and a target y, both above 0
FORMULAS = {
    "MSELoss": ({}, lambda x, y: (x - y) ** 2),
    "L1Loss": ({}, lambda x, y: abs(x - y)),
    "MAELoss": ({}, lambda x, y: abs(x - y)),
    "HuberLoss": ({"delta": 0.3}, lambda x, y: huber(x - y, 0.3)),
    "SmoothL1Loss": ({"beta": 0.3}, lambda x, y: huber(x - y, 0.3) / 0.3),
    "LogCoshLoss": ({}, lambda x, y: np.log(np.cosh(x - y))),
    "MAPELoss": ({}, lambda x, y: 100 * abs((y - x) / np.maximum(abs(y), 1e-7))),
    "MSLELoss": ({}, lambda x, y: (np.log(x + 1) - np.log(y + 1)) ** 2),
    "KLDivLoss": ({}, lambda x, y: y * (np.log(y) - x)),
    "PoissonNLLLoss": ({}, lambda x, y: np.exp(x) - y * x),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_and_gradients(name, reduction, rng):
    options, formula = FORMULAS[name]
    x, y = rng.random((2, 3, 4)) * 2 + 0.1
    loss = getattr(nn, name)(reduction=reduction, **options)
    got = loss(tg.tensor(x), tg.tensor(y))
    np.testing.assert_allclose(got.numpy(), reduced(formula(x, y), reduction))
    tg.testing.check_grads(loss, [x, y], order=2)


def test_names_from_elsewhere():
    assert F.mae_loss is F.l1_loss
    assert F.mean_absolute_error is F.l1_loss
    assert F.mean_squared_error is F.mse_loss
    assert nn.MAELoss is nn.L1Loss
    assert F.mean_absolute_percentage_error is F.mape_loss
    assert F.mean_squared_logarithmic_error is F.msle_loss
    y, x = tg.tensor([2.0]), tg.tensor([1.0])
    assert F.mean_absolute_percentage_error(y_true=y, y_pred=x).item() == 50.0


def test_slopes_that_the_textbooks_give(rng):
    x, y = rng.standard_normal((2, 5)) * 3

    def slopes(loss):
        return tg.grad(loss)(tg.tensor(x), tg.tensor(y)).numpy()

    np.testing.assert_allclose(slopes(F.mse_loss), 2 / 5 * (x - y))
    np.testing.assert_allclose(slopes(F.l1_loss), np.sign(x - y) / 5)
    np.testing.assert_allclose(slopes(F.huber_loss), np.clip(x - y, -1, 1) / 5)
    np.testing.assert_allclose(slopes(F.log_cosh_loss), np.tanh(x - y) / 5)


def test_log_cosh_of_small_and_of_large_errors():
    e = np.array([0.0, 1e-10, 1e-3, 0.5, 19.99, 20.01, 1e5], "float64")
    exact = [0.0, 5e-21, 5e-7 - 1e-12 / 12, np.log(np.cosh(0.5)), *(e[4:] - math.log(2))]
    got = F.log_cosh_loss(tg.tensor(e), tg.zeros(7, dtype="float64"), "none").numpy()
    np.testing.assert_allclose(got, exact, rtol=1e-12)
    # float32 keeps as many of its digits
    got = F.log_cosh_loss(tg.tensor(e.astype("float32")), tg.zeros(7), "none").numpy()
    np.testing.assert_allclose(got, exact, rtol=1e-6)
    slope = tg.grad(lambda e: F.log_cosh_loss(e, tg.zeros(7, dtype="float64"), "sum"))
    np.testing.assert_allclose(slope(tg.tensor(e)).numpy(), np.tanh(e), rtol=1e-12)
    curve = tg.grad(tg.grad(lambda e: F.log_cosh_loss(e, 0.0 * e)))
    assert curve(tg.tensor(0.0)).item() == 1.0


@pytest.mark.parametrize("loss", [F.huber_loss, F.smooth_l1_loss, F.log_cosh_loss, F.l1_loss])
def test_an_infinite_error_has_a_finite_slope(loss):
    x = tg.tensor([np.inf, -np.inf], requires_grad=True)
    value = loss(x, tg.zeros(2), reduction="sum")
    value.backward()
    assert value.item() == np.inf
    assert x.grad.tolist() == [1.0, -1.0]


def test_percentages_of_a_target_of_0():
    got = F.mape_loss(tg.tensor([1.0]), tg.tensor([0.0]))
    assert got.item() == pytest.approx(1e9)
    assert F.mape_loss(tg.tensor([1.0]), tg.tensor([0.0]), eps=1.0).item() == 100.0


def test_logarithms_of_what_is_negative():
    got = F.msle_loss(tg.tensor([-5.0]), tg.tensor([np.e - 1]))
    assert got.item() == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.huber_loss, F.log_cosh_loss])
def test_16_bit_floats_are_summed_in_32(loss):
    x, y = tg.full((70_000,), 300.0, dtype="float16"), tg.zeros(70_000, dtype="float16")
    got = loss(x / 100, y)
    assert got.dtype == tg.float16
    assert got.item() == pytest.approx(loss(tg.tensor(3.0), tg.tensor(0.0)).item(), rel=1e-3)


def test_dtypes_and_numbers():
    assert F.mse_loss(tg.tensor([1, 2]), tg.tensor([1, 4])).dtype == tg.float32
    half = tg.ones(2, dtype="float16")
    assert F.gaussian_nll_loss(half, half, 1.0).dtype == tg.float16
    assert F.mse_loss(tg.tensor(2.0), 0).item() == 4.0


@pytest.mark.parametrize("full", [False, True])
def test_the_likelihood_of_a_normal_distribution(full, rng):
    x, y, var = rng.random((3, 4, 2)) + 0.1
    density = np.exp(-((x - y) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)
    expected = -np.log(density) - (0 if full else math.log(2 * math.pi) / 2)
    loss = nn.GaussianNLLLoss(full=full, reduction="none")
    got = loss(tg.tensor(x), tg.tensor(y), tg.tensor(var))
    np.testing.assert_allclose(got.numpy(), expected)
    tg.testing.check_grads(loss, [x, y, var], order=2)


def test_a_variance_that_is_too_small_still_learns():
    var = tg.tensor([0.0, -1.0], requires_grad=True)
    F.gaussian_nll_loss(tg.zeros(2), tg.ones(2), var, eps=0.5, reduction="sum").backward()
    np.testing.assert_allclose(var.grad.numpy(), 0.5 * (1 / 0.5 - 1 / 0.25))


def test_targets_of_0_keep_the_slopes_finite():
    zero = tg.tensor([0.0], requires_grad=True)
    F.kl_div(tg.tensor([-1.0]), zero, "sum").backward()
    assert zero.grad.tolist() == [1.0]
    zero.grad = None
    F.poisson_nll_loss(tg.tensor([1.0]), zero, full=True).backward()
    assert zero.grad.tolist() == [-1.0]


def test_the_divergence_of_a_sample(rng):
    p, q = rng.dirichlet(np.ones(4), 3), rng.dirichlet(np.ones(4), 3)
    expected = (p * np.log(p / q)).sum(1).mean()
    log_q = tg.tensor(np.log(q))
    assert F.kl_div(log_q, tg.tensor(p), "batchmean").item() == pytest.approx(expected)
    got = nn.KLDivLoss("batchmean", log_target=True)(log_q, tg.tensor(np.log(p)))
    assert got.item() == pytest.approx(expected)


def test_an_open_batch_size(rng):
    x, y = tg.placeholder((None, 3), name="x"), tg.placeholder((None, 3), name="y")
    losses = [F.mse_loss(x, y), F.huber_loss(x, y), F.kl_div(x, y, "batchmean"),
              F.gaussian_nll_loss(x, y, y)]  # fmt: skip
    run = tg.function([x, y], losses)
    for batch in (2, 5):
        a, b = rng.random((2, batch, 3)).astype("float32") + 0.1
        expected = [np.mean((a - b) ** 2), np.mean(huber(a - b, 1.0)),
                    np.mean((b * (np.log(b) - a)).sum(1)),
                    np.mean(0.5 * (np.log(b) + (a - b) ** 2 / b))]  # fmt: skip
        np.testing.assert_allclose([r.item() for r in run(a, b)], expected, rtol=1e-5)


def test_errors():
    x = tg.ones((2, 3))
    with pytest.raises(ValueError, match="reduction out of mean, sum, none, got 'avg'"):
        nn.MSELoss("avg")
    with pytest.raises(ValueError, match="reduction out of mean, sum, none, batchmean, got 'avg'"):
        nn.KLDivLoss("avg")
    with pytest.raises(ValueError, match="reduction out of mean, sum, none, got 'batchmean'"):
        F.mse_loss(x, x, "batchmean")
    with pytest.raises(ShapeError, match=r"target of the shape of the input, \(2, 3\), got \(2,"):
        F.mse_loss(x, tg.ones((2, 1)))
    with pytest.raises(ShapeError, match=r"mse_loss: expected a weight of the shape of the input"):
        F.mse_loss(x, x, weight=tg.ones(3))
    with pytest.raises(ValueError, match="huber_loss: expected a delta of more than 0, got 0"):
        F.huber_loss(x, x, delta=0)
    with pytest.raises(TypeError, match="HuberLoss: expected delta to be a number, got '1'"):
        nn.HuberLoss(delta="1")
    with pytest.raises(ValueError, match="smooth_l1_loss: expected a beta from 0, got -1"):
        F.smooth_l1_loss(x, x, beta=-1)
    with pytest.raises(DTypeError, match="kl_div: expected floats as target, got int64"):
        F.kl_div(x, tg.ones((2, 3), dtype="int64"))
    with pytest.raises(ValueError, match="expected a variance from 0, got -1"):
        F.gaussian_nll_loss(x, x, -1)
    with pytest.raises(ShapeError, match=r"expected var of the shape of the input, \(2, 3\), wi"):
        F.gaussian_nll_loss(x, x, tg.ones(3))
