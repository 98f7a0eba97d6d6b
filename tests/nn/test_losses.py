"""Losses of classes against their formulas."""

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


def test_16_bit_losses_of_many_samples_and_classes():
    rows, columns = tg.zeros((70_000, 3), dtype="float16"), tg.zeros((2, 70_000), dtype="float16")
    first = tg.zeros(70_000, dtype="int64")
    loss = F.cross_entropy(rows, first)
    assert loss.item() == pytest.approx(np.log(3), rel=1e-3)
    assert loss.dtype == tg.float16
    assert F.cross_entropy(columns, first[:2]).item() == pytest.approx(np.log(70_000), rel=1e-3)
    assert F.nll_loss(rows - 1, first).item() == 1.0


# ----------------------------------------------------------------------- yes or no


def entropy(p, y):
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_binary_losses(reduction, rng):
    x, y, weight = rng.standard_normal((3, 4)), rng.random((3, 4)), rng.random(4)
    p = 1 / (1 + np.exp(-x))
    expected = reduced(entropy(p, y) * weight, reduction)
    from_logits = nn.BCEWithLogitsLoss(weight, reduction)(tg.tensor(x), tg.tensor(y))
    from_probabilities = nn.BCELoss(weight, reduction)(tg.tensor(p), tg.tensor(y))
    np.testing.assert_allclose(from_logits.numpy(), expected)
    np.testing.assert_allclose(from_probabilities.numpy(), expected)
    expected = reduced(entropy(p, 0.8 * y + 0.1), reduction)
    for logits, input in ((True, x), (False, p)):
        got = F.binary_crossentropy(
            y_true=tg.tensor(y), y_pred=tg.tensor(input), from_logits=logits,
            label_smoothing=0.2, reduction=reduction,
        )  # fmt: skip
        np.testing.assert_allclose(got.numpy(), expected)


def test_a_confident_mistake_costs_much_and_is_a_number():
    """loss.log_penalty: the smaller the probability of what came, the higher the loss."""
    certain = tg.tensor([1e-4, 1e-20, 1e-38, 0.0], requires_grad=True)
    losses = F.binary_cross_entropy(certain, tg.ones(4), reduction="none")
    assert losses.tolist() == sorted(losses.tolist())
    assert losses.tolist()[2:] == [pytest.approx(87.5, abs=0.1), 100.0]
    rows = tg.stack([certain, 1 - certain], axis=1)
    for loss in (
        F.categorical_cross_entropy(rows, tg.tensor([[1.0, 0.0]] * 4), reduction="none"),
        F.sparse_categorical_cross_entropy(rows, tg.zeros(4, dtype="int64"), reduction="none"),
    ):
        np.testing.assert_allclose(loss.numpy(), losses.numpy(), rtol=1e-6)
        certain.grad = None
        tg.sum(loss).backward()
        assert np.isfinite(certain.grad.numpy()).all()
        assert (certain.grad.numpy() < -1e3).all()
    assert F.binary_cross_entropy_with_logits(tg.tensor(-1e9), tg.tensor(1.0)).item() == 1e9


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_binary_cross_entropy_of_a_neuron_is_convex(y, rng):
    """loss.bce_convex: its Hessian in the weights is x x^T p (1 - p)."""
    w, x = rng.standard_normal(3), rng.standard_normal(3)
    p = 1 / (1 + np.exp(-w @ x))
    target = tg.tensor(y, "float64")
    for loss in (
        lambda w: F.binary_cross_entropy(tg.sigmoid(tg.tensor(x) @ w), target),
        lambda w: F.binary_cross_entropy_with_logits(tg.tensor(x) @ w, target),
    ):
        hessian = tg.hessian(loss)(tg.tensor(w))
        np.testing.assert_allclose(hessian.numpy(), np.outer(x, x) * p * (1 - p), rtol=1e-6)


# ----------------------------------------------------------------------- Keras' names


@pytest.mark.parametrize("axis", [-1, 1, 0])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_categorical_cross_entropy(axis, reduction, rng):
    x = rng.standard_normal((4, 5, 3))
    p = np.exp(log_softmax(x, axis))
    target = rng.integers(0, x.shape[axis], np.delete(x.shape, axis))
    one_hot = np.moveaxis(np.eye(x.shape[axis])[target], -1, axis)
    expected = reduced(-(one_hot * np.log(p)).sum(axis), reduction)
    for logits, given in ((True, x), (False, p)):
        options = {"from_logits": logits, "axis": axis, "reduction": reduction}
        dense, sparse = (
            nn.CategoricalCrossEntropy(**options),
            nn.SparseCategoricalCrossEntropy(**options),
        )
        np.testing.assert_allclose(dense(tg.tensor(given), tg.tensor(one_hot)).numpy(), expected)
        np.testing.assert_allclose(sparse(tg.tensor(given), tg.tensor(target)).numpy(), expected)
        smooth = F.categorical_cross_entropy(
            tg.tensor(given), tg.tensor(one_hot), label_smoothing=0.2, **options
        )
        even = reduced(-np.log(p).mean(axis), reduction)
        np.testing.assert_allclose(smooth.numpy(), 0.8 * expected + 0.2 * even)


def test_keras_keywords_and_ignored_classes(rng):
    p, target = rng.random((4, 3)), np.array([0, 2, 2, 1])
    got = F.sparse_categorical_crossentropy(
        y_true=tg.tensor(target), y_pred=tg.tensor(p), ignore_class=2
    )
    assert got.item() == pytest.approx(-np.log(p[[0, 3], [0, 1]]).mean())
    one_hot = np.eye(3)[target]
    got = F.categorical_crossentropy(y_true=tg.tensor(one_hot), y_pred=tg.tensor(p))
    assert got.item() == pytest.approx(-np.log(p[range(4), target]).mean())


def test_cross_entropy_is_nll_after_log_softmax(rng):
    x, t = tg.tensor(rng.standard_normal((4, 3))), tg.tensor([0, 2, 1, 1])
    want = F.cross_entropy(x, t).item()
    assert F.nll_loss(F.log_softmax(x, 1), t).item() == pytest.approx(want)
    assert F.sparse_categorical_cross_entropy(x, t, True).item() == pytest.approx(want)


def test_the_index_error_of_the_other_losses_of_classes():
    x = tg.ones((2, 3))
    for loss in (F.focal_loss, F.multi_margin_loss, F.sparse_categorical_cross_entropy):
        with pytest.raises(IndexError, match="class 3 is out of range: expected 0 to 2"):
            loss(x, tg.tensor([0, 3])).realize()


# ------------------------------------------------------------------------ focal losses


def naive_sigmoid_focal(x, y, alpha, gamma):
    """As in torchvision."""
    p = 1 / (1 + np.exp(-x))
    p_t = p * y + (1 - p) * (1 - y)
    loss = entropy(p, y) * (1 - p_t) ** gamma
    return (alpha * y + (1 - alpha) * (1 - y)) * loss if alpha >= 0 else loss


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("alpha", [0.25, 0.9, -1])
@pytest.mark.parametrize("gamma", [2.0, 0.0, 0.5, 3])
def test_sigmoid_focal_loss(reduction, alpha, gamma, rng):
    x = rng.standard_normal((3, 4)) * 3
    for y in (rng.integers(0, 2, (3, 4)).astype(float), rng.random((3, 4))):
        expected = reduced(naive_sigmoid_focal(x, y, alpha, gamma), reduction)
        got = nn.SigmoidFocalLoss(alpha, gamma, reduction)(tg.tensor(x), tg.tensor(y))
        np.testing.assert_allclose(got.numpy(), expected)
    assert F.sigmoid_focal_loss(tg.tensor(x), tg.tensor(y)).shape == (3, 4)
    tg.testing.check_grads(
        lambda x, y: F.sigmoid_focal_loss(x, y, alpha, gamma, reduction), [x, y], order=2
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gamma", [2.0, 0.0, 0.5])
def test_focal_loss(reduction, weighted, gamma, rng):
    x, target = rng.standard_normal((4, 3, 2)), rng.integers(0, 3, (4, 2))
    target[1, 1] = -100
    alpha = rng.random(3) if weighted else np.ones(3)
    counts = target >= 0
    log_p = np.take_along_axis(log_softmax(x), np.maximum(target, 0)[:, None], 1)[:, 0]
    losses = -alpha[target * counts] * (1 - np.exp(log_p)) ** gamma * log_p * counts
    expected = losses.sum() / counts.sum() if reduction == "mean" else reduced(losses, reduction)
    layer = nn.FocalLoss(alpha if weighted else None, gamma, reduction=reduction)
    np.testing.assert_allclose(layer(tg.tensor(x), tg.tensor(target)).numpy(), expected)
    y = rng.random((4, 3, 2))
    p = np.exp(log_softmax(x))
    losses = -(alpha[:, None] * y * (1 - p) ** gamma * np.log(p)).sum(1)
    got = layer(tg.tensor(x), tg.tensor(y)).numpy()
    np.testing.assert_allclose(got, reduced(losses, reduction))
    tg.testing.check_grads(lambda x: layer(x, tg.tensor(target)), [x], order=2)
    tg.testing.check_grads(layer, [x, y], order=2)


def test_one_factor_for_all_classes(rng):
    x, target = tg.tensor(rng.standard_normal((4, 3))), tg.tensor([0, 1, 2, 2])
    plain, entropy = F.focal_loss(x, target).item(), F.cross_entropy(x, target).item()
    assert F.focal_loss(x, target, 0.25).item() == pytest.approx(0.25 * plain)
    assert nn.FocalLoss(0.25)(x, target).item() == pytest.approx(0.25 * plain)
    assert F.focal_loss(x, target, gamma=0).item() == pytest.approx(entropy)


@pytest.mark.parametrize("gamma", [2.0, 0.5, 0.0])
def test_focal_losses_of_what_is_certain_have_finite_slopes(gamma):
    x = tg.tensor([200.0, -200.0, 0.0, 1e4, -1e4], requires_grad=True)
    for y in (tg.ones(5), tg.zeros(5)):
        x.grad = None
        F.sigmoid_focal_loss(x, y, gamma=gamma, reduction="sum").backward()
        assert np.isfinite(x.grad.numpy()).all()
    x.grad = None
    F.focal_loss(tg.stack([x, -x], axis=1), tg.zeros(5, dtype="int64"), gamma=gamma).backward()
    assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize(
    "loss",
    [F.cross_entropy, F.focal_loss, F.multi_margin_loss, F.sparse_categorical_cross_entropy],
)
def test_losses_of_classes_with_an_open_batch_size(loss, rng):
    x, t = tg.placeholder((None, 3), name="x"), tg.placeholder((None,), "int64", name="t")
    run = tg.function([x, t], list(tg.value_and_grad(loss)(x, t)))
    for batch in (1, 5):
        values, classes = rng.random((batch, 3)).astype("float32"), rng.integers(0, 3, batch)
        value, slope = run(values, classes)
        assert value.item() == pytest.approx(loss(tg.tensor(values), tg.tensor(classes)).item())
        assert slope.shape == (batch, 3)


def test_a_traced_loss_reads_its_factors(rng):
    loss, x, t = nn.FocalLoss([1.0, 2.0, 3.0]), rng.random((4, 3)), np.array([0, 1, 2, 2])
    traced = tg.jit(lambda x, t: loss(x, t))
    for _ in range(2):
        assert traced(tg.tensor(x), tg.tensor(t)).item() == pytest.approx(
            loss(tg.tensor(x), tg.tensor(t)).item()
        )
    assert traced.traces == 1
