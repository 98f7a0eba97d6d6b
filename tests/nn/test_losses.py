"""Losses against their formulas."""

import itertools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def log_softmax(x, axis=1):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def reduced(losses, reduction):
    return {"none": losses, "sum": losses.sum(), "mean": losses.mean()}[reduction]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_numbers(reduction, rng):
    x, y = rng.standard_normal((2, 3, 4))
    p = rng.random((3, 4))
    a, b, c = tg.tensor(x), tg.tensor(y), tg.tensor(p)
    sigmoid = 1 / (1 + np.exp(-x))
    entropy = -p * np.log(sigmoid) - (1 - p) * np.log(1 - sigmoid)
    for layer, target, expected in [
        (nn.MSELoss(reduction), b, (x - y) ** 2),
        (nn.L1Loss(reduction), b, abs(x - y)),
        (nn.BCEWithLogitsLoss(reduction=reduction), c, entropy),
    ]:
        np.testing.assert_allclose(layer(a, target).numpy(), reduced(expected, reduction))


def test_weighted_binary_cross_entropy(rng):
    x, y = rng.standard_normal((3, 4)), rng.random((3, 4))
    weight, positive = rng.random((3, 4)), rng.random(4) * 3
    sigmoid = 1 / (1 + np.exp(-x))
    expected = weight * (-positive * y * np.log(sigmoid) - (1 - y) * np.log(1 - sigmoid))
    loss = nn.BCEWithLogitsLoss(weight, pos_weight=positive)
    np.testing.assert_allclose(loss(tg.tensor(x), tg.tensor(y)).item(), expected.mean())


def naive_cross_entropy(x, target, weight, ignore, reduction, smoothing):
    """Sample by sample, for logits (batch, class, d) and classes (batch, d)."""
    classes = x.shape[1]
    log_p = log_softmax(x)
    losses, counts = np.zeros(target.shape), np.zeros(target.shape)
    for n, d in itertools.product(*map(range, target.shape)):
        t = target[n, d]
        if t == ignore:
            continue
        even = -(log_p[n, :, d] * weight).sum()
        losses[n, d] = -(1 - smoothing) * log_p[n, t, d] * weight[t] + smoothing / classes * even
        counts[n, d] = weight[t]
    if reduction == "mean":
        return losses.sum() / counts.sum()
    return losses if reduction == "none" else losses.sum()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_classes(reduction, smoothing, weighted, rng):
    x, target = rng.standard_normal((4, 5, 3)) * 3, rng.integers(0, 5, (4, 3))
    target[1, 2] = 3
    target[0, 0] = -100
    weight = rng.random(5) if weighted else np.ones(5)
    for ignore in (-100, 3):
        target[0, 0] = ignore
        expected = naive_cross_entropy(x, target, weight, ignore, reduction, smoothing)
        loss = nn.CrossEntropyLoss(weight if weighted else None, ignore, reduction, smoothing)
        got = loss(tg.tensor(x), tg.tensor(target))
        np.testing.assert_allclose(got.numpy(), expected)
        if not smoothing:
            nll = nn.NLLLoss(weight if weighted else None, ignore, reduction)
            np.testing.assert_allclose(
                nll(tg.tensor(log_softmax(x)), tg.tensor(target)).numpy(), expected
            )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_of_probabilities(smoothing, rng):
    x, y, weight = rng.standard_normal((4, 5)), rng.random((4, 5)), rng.random(5)
    smooth = (1 - smoothing) * y + smoothing / 5
    losses = -(log_softmax(x) * smooth * weight).sum(1)
    for reduction in ("mean", "sum", "none"):
        got = F.cross_entropy(tg.tensor(x), tg.tensor(y), tg.tensor(weight), reduction=reduction,
                              label_smoothing=smoothing)  # fmt: skip
        np.testing.assert_allclose(got.numpy(), reduced(losses, reduction))


def test_one_sample_and_small_integers():
    x = np.array([1.0, 2.0, 3.0])
    expected = -log_softmax(x, 0)[2]
    for dtype in ("int64", "uint8", "int8"):
        got = F.cross_entropy(tg.tensor(x), tg.tensor(2, dtype))
        assert got.item() == pytest.approx(expected)


def test_large_logits_stay_finite():
    x = tg.tensor([[1e4, -1e4]], requires_grad=True)
    loss = F.cross_entropy(x, tg.tensor([1]))
    loss.backward()
    assert loss.item() == 2e4
    assert x.grad.tolist() == [[1.0, -1.0]]


def test_gradients(rng):
    x, y = rng.standard_normal((4, 3)), rng.random((4, 3))
    target = tg.tensor(np.array([0, 2, -100, 1]))
    tg.testing.check_grads(lambda x: F.cross_entropy(x, target, label_smoothing=0.1), [x], order=2)
    tg.testing.check_grads(F.cross_entropy, [x, y], order=2)
    tg.testing.check_grads(F.mse_loss, [x, y])
    tg.testing.check_grads(F.binary_cross_entropy_with_logits, [x, y], order=2)


def test_a_target_that_is_no_class_is_an_error_when_it_is_computed():
    x = tg.ones((2, 3))
    for wrong in (3, -1, -100000):
        loss = F.cross_entropy(x, tg.tensor([0, wrong]))
        with pytest.raises(IndexError, match=f"class {wrong} is out of range: expected 0 to 2"):
            loss.realize()


def test_errors():
    x = tg.ones((2, 3))
    with pytest.raises(ShapeError, match=r"expected a target of shape \(2,\) for an input of "):
        F.cross_entropy(x, tg.tensor([[0], [1]]))
    with pytest.raises(DTypeError, match=r"expected class numbers \(integers\) as target"):
        F.nll_loss(x, tg.ones(2))
    with pytest.raises(ShapeError, match="class numbers need an integer dtype"):
        F.cross_entropy(x, tg.ones(2))
    with pytest.raises(ShapeError, match=r"expected a weight of shape \(3,\), one for each class"):
        F.cross_entropy(x, tg.tensor([0, 1]), tg.ones(2))
    with pytest.raises(ValueError, match="reduction out of mean, sum, none, got 'avg'"):
        F.cross_entropy(x, tg.tensor([0, 1]), reduction="avg")
    with pytest.raises(ValueError, match="label_smoothing from 0 to 1, got 2"):
        F.cross_entropy(x, tg.tensor([0, 1]), label_smoothing=2)
    with pytest.raises(ValueError, match="reduction out of"):
        nn.MSELoss("avg")
    with pytest.raises(ShapeError, match=r"target of the shape of the input, \(2, 3\), got \(2,"):
        F.mse_loss(x, tg.ones((2, 1)))


def test_16_bit_losses_of_many_samples_and_classes():
    rows, columns = tg.zeros((70_000, 3), dtype="float16"), tg.zeros((2, 70_000), dtype="float16")
    first = tg.zeros(70_000, dtype="int64")
    loss = F.cross_entropy(rows, first)
    assert loss.item() == pytest.approx(np.log(3), rel=1e-3)
    assert loss.dtype == tg.float16
    assert F.cross_entropy(columns, first[:2]).item() == pytest.approx(np.log(70_000), rel=1e-3)
    assert F.nll_loss(rows - 1, first).item() == 1.0
