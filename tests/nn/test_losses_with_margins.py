"""Losses of scores against their formulas."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F

REDUCTIONS = ["mean", "sum", "none"]


def reduced(losses, reduction):
    return {"none": losses, "sum": losses.sum(), "mean": losses.mean()}[reduction]


SIGNED = {
    "PerceptronLoss": lambda f, y: np.maximum(0, -y * f),
    "HingeLoss": lambda f, y: np.maximum(0, 1 - y * f),
    "SquaredHingeLoss": lambda f, y: np.maximum(0, 1 - y * f) ** 2,
    "SoftMarginLoss": lambda f, y: np.log(1 + np.exp(-y * f)),
    "HingeEmbeddingLoss": lambda f, y: np.where(y == 1, f, np.maximum(0, 1 - f)),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", SIGNED)
def test_signed_scores(name, reduction, rng):
    f, y = rng.standard_normal((3, 4)) * 2, rng.choice([-1.0, 1.0], (3, 4))
    loss = getattr(nn, name)(reduction=reduction)
    expected = reduced(SIGNED[name](f, y), reduction)
    np.testing.assert_allclose(loss(tg.tensor(f), tg.tensor(y)).numpy(), expected)
    np.testing.assert_allclose(loss(tg.tensor(f), tg.tensor(y.astype("int64"))).numpy(), expected)
    tg.testing.check_grads(lambda f: loss(f, tg.tensor(y)), [f], order=2)


def test_the_perceptron_learns_by_its_loss(rng):
    """loss.perceptron: the slope is -y x where it is wrong, else 0; from weights of 0, too."""
    x = rng.standard_normal((50, 2))
    y = np.sign(x @ [1.0, -2.0] + 0.5)
    x = np.hstack([x, np.ones((50, 1))])

    def loss(w):
        return F.perceptron_loss(tg.tensor(x) @ w, tg.tensor(y))

    w = np.zeros(3)
    for _ in range(200):
        wrong = y * (x @ w) <= 0
        slope = tg.grad(loss)(tg.tensor(w)).numpy()
        np.testing.assert_allclose(slope, -(y[wrong, None] * x[wrong]).sum(0), atol=1e-12)
        w -= 0.1 * slope
    assert (np.sign(x @ w) == y).all()


def test_the_perceptron_loss_is_a_sum_and_the_hinge_loss_a_mean():
    f, y = tg.tensor([-1.0, -2.0]), tg.ones(2)
    assert F.perceptron_loss(f, y).item() == nn.PerceptronLoss()(f, y).item() == 3.0
    assert F.hinge_loss(f, y).item() == nn.HingeLoss()(f, y).item() == 2.5


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_categorical_hinge(reduction, rng):
    f, y = rng.standard_normal((4, 3, 5)), np.eye(5)[rng.integers(0, 5, (4, 3))]
    losses = np.maximum(0, ((1 - y) * f).max(-1) - (y * f).sum(-1) + 1)
    loss = nn.CategoricalHingeLoss(reduction)
    got = loss(tg.tensor(f), tg.tensor(y))
    np.testing.assert_allclose(got.numpy(), reduced(losses, reduction))
    tg.testing.check_grads(lambda f: loss(f, tg.tensor(y)), [f], order=2)


def test_large_scores_do_not_overflow():
    f = tg.tensor([-1e4, 1e4], requires_grad=True)
    loss = F.soft_margin_loss(f, tg.ones(2), "sum")
    loss.backward()
    assert loss.item() == 1e4
    assert f.grad.tolist() == [-1.0, 0.0]


def naive_multi_margin(x, t, p, margin, weight):
    losses = np.zeros(len(x))
    for n, (row, own) in enumerate(zip(x, t, strict=True)):
        terms = [max(0, margin - row[own] + score) ** p for c, score in enumerate(row) if c != own]
        losses[n] = weight[own] * sum(terms) / len(row)
    return losses


@pytest.mark.parametrize("p", [1, 2])
def test_multi_margin(p, rng):
    x, t, weight = rng.standard_normal((4, 3)), np.array([2, 0, 0, 1]), rng.random(3)
    expected = naive_multi_margin(x, t, p, 0.8, weight).mean()
    for classes in (t, t.astype("int8"), t.astype("uint8")):
        loss = nn.MultiMarginLoss(p, 0.8, tg.tensor(weight))
        assert loss(tg.tensor(x), tg.tensor(classes)).item() == pytest.approx(expected)
    tg.testing.check_grads(lambda x: F.multi_margin_loss(x, tg.tensor(t), p), [x], order=2)


def naive_multilabel_margin(row, target):
    targets = list(target[: list(target).index(-1)] if -1 in target else target)
    others = [c for c in range(len(row)) if c not in targets]
    return sum(max(0, 1 - row[t] + row[c]) for t in targets for c in others) / len(row)


def test_multilabel_margin(rng):
    x = rng.standard_normal((5, 4))
    t = np.array([[0, 2, -1, 9], [-1, -1, 0, 1], [3, 2, 1, 0], [1, 1, -1, 2], [2, -1, -1, -1]])
    expected = [naive_multilabel_margin(*pair) for pair in zip(x, t, strict=True)]
    t[0, 3] = 3  # what follows the first -1 does not count, but is a class
    got = F.multilabel_margin_loss(tg.tensor(x), tg.tensor(t), "none")
    np.testing.assert_allclose(got.numpy(), expected)
    assert nn.MultiLabelMarginLoss("sum")(tg.tensor(x[0]), tg.tensor(t[0])).item() == (
        pytest.approx(expected[0])
    )
    tg.testing.check_grads(lambda x: F.multilabel_margin_loss(x, tg.tensor(t)), [x], order=2)
    x, t = x.astype("float32"), t.astype("int16")
    got = F.multilabel_margin_loss(tg.tensor(x), tg.tensor(t))
    assert got.item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_classes_that_there_are_not():
    x = tg.ones((1, 3))
    for wrong, labels in [(3, [0, 3, -1]), (-2, [0, -2, -1]), (7, [0, -1, 7])]:
        with pytest.raises(IndexError, match=f"class {wrong} is out of range: expected 0 to 2"):
            F.multilabel_margin_loss(x, tg.tensor([labels])).realize()
    with pytest.raises(IndexError, match="class -1 is out of range: expected 0 to 2"):
        F.multi_margin_loss(x, tg.tensor([-1])).realize()


def test_an_empty_batch_has_a_sum_of_0_and_no_mean():
    x, t = tg.zeros((0, 3)), tg.zeros(0, dtype="int64")
    labels = tg.zeros((0, 3), dtype="int64")
    for loss, target in [(F.multi_margin_loss, t), (F.multilabel_margin_loss, labels),
                         (F.hinge_loss, x), (F.categorical_hinge_loss, x)]:  # fmt: skip
        assert loss(x, target, reduction="sum").item() == 0
        assert np.isnan(loss(x, target, reduction="mean").item())


def test_errors():
    x = tg.ones((2, 3))
    with pytest.raises(ShapeError, match="hinge_loss: expected a target of the shape of the input"):
        F.hinge_loss(x, tg.ones(3))
    with pytest.raises(ShapeError, match="categorical_hinge_loss: expected scores"):
        F.categorical_hinge_loss(tg.tensor(1.0), tg.tensor(1.0))
    with pytest.raises(ValueError, match="multi_margin_loss: expected p to be 1 or 2, got 3"):
        nn.MultiMarginLoss(p=3)
    with pytest.raises(ShapeError, match=r"expected floats \(batch, class\) or \(class,\), got"):
        F.multi_margin_loss(tg.ones((2, 3, 4)), tg.tensor([0, 1]))
    with pytest.raises(ShapeError, match=r"expected a target of shape \(2,\) for an input of sha"):
        F.multi_margin_loss(x, tg.tensor([0]))
    with pytest.raises(DTypeError, match=r"expected class numbers \(integers\) as target, got fl"):
        F.multi_margin_loss(x, tg.ones(2))
    with pytest.raises(ShapeError, match=r"expected a weight of shape \(3,\), one for each class"):
        F.multi_margin_loss(x, tg.tensor([0, 1]), weight=tg.ones(2))
    with pytest.raises(ShapeError, match="multi_margin_loss: expected a class at least"):
        F.multi_margin_loss(tg.ones((2, 0)), tg.tensor([0, 1]))
    with pytest.raises(ShapeError, match="multilabel_margin_loss: expected a target of the shape"):
        F.multilabel_margin_loss(x, tg.tensor([[0, 1]]))
    with pytest.raises(ShapeError, match="same number of dimensions, got \\(2, 3\\), \\(2, 3\\)"):
        F.margin_ranking_loss(x, x, tg.ones(3))
    with pytest.raises(ShapeError, match="multilabel_soft_margin_loss: expected logits"):
        F.multilabel_soft_margin_loss(tg.tensor(1.0), tg.tensor(1.0))
