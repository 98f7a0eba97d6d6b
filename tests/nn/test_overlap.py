"""Losses of masks against their formulas."""

import numpy as np
import pytest
from fused import count, count_with_gradient

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F

REDUCTIONS = {"none": lambda x: x, "sum": np.sum, "mean": np.mean}


def dice(p, y, axis, smooth=1.0):
    return 1 - (2 * (p * y).sum(axis) + smooth) / (p.sum(axis) + y.sum(axis) + smooth)


def jaccard(p, y, axis, smooth=1.0):
    both = (p * y).sum(axis)
    return 1 - (both + smooth) / (p.sum(axis) + y.sum(axis) - both + smooth)


def tversky(p, y, axis, smooth=1.0, alpha=0.5, beta=0.5):
    hits, false = (p * y).sum(axis), (p * (1 - y)).sum(axis)
    missed = ((1 - p) * y).sum(axis)
    return 1 - (hits + smooth) / (hits + alpha * false + beta * missed + smooth)


def focal_tversky(p, y, axis, smooth=1.0, alpha=0.3, beta=0.7, gamma=0.75):
    return tversky(p, y, axis, smooth, alpha, beta) ** gamma


# the function, the module, the formula, option sets
LOSSES = {
    "dice": (F.dice_loss, nn.DiceLoss, dice, [{}, {"smooth": 0.1}]),
    "jaccard": (F.jaccard_loss, nn.JaccardLoss, jaccard, [{}, {"smooth": 0.1}]),
    "tversky": (
        F.tversky_loss, nn.TverskyLoss, tversky,
        [{}, {"smooth": 0.1}, {"alpha": 0.3, "beta": 0.7}, {"beta": 2.0}],
    ),
    "focal tversky": (
        F.focal_tversky_loss, nn.FocalTverskyLoss, focal_tversky,
        [{}, {"gamma": 2.0, "smooth": 0.1}, {"alpha": 0.5, "beta": 0.5, "gamma": 1.0}],
    ),
}  # fmt: skip
SHAPES = {(2, 3, 4, 5): (2, 3), (2, 3, 7): (2,), (4, 6): 1, (6,): 0, (0, 2, 3): 2, (1, 1, 1): 2}


def arrays(rng, *shape):
    return rng.uniform(0.01, 0.99, shape), rng.integers(0, 2, shape).astype(float)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("name", LOSSES)
def test_formulas(name, reduction, rng):
    function, layer, formula, sets = LOSSES[name]
    with tg.backend("numpy"):
        for options in sets:
            for shape, axis in SHAPES.items():
                if shape[0] == 0 and reduction == "mean":
                    continue
                p, y = arrays(rng, *shape)
                expected = REDUCTIONS[reduction](formula(p, y, axis, **options))
                got = function(tg.tensor(p), tg.tensor(y), reduction=reduction, **options)
                np.testing.assert_allclose(got.numpy(), expected)
                got = layer(reduction=reduction, **options)(tg.tensor(p), tg.tensor(y))
                np.testing.assert_allclose(got.numpy(), expected)


@pytest.mark.parametrize("axis", [(0, 2, 3), (0, 1, 2, 3), -1])
@pytest.mark.parametrize("name", LOSSES)
def test_sums_over_other_axes(name, axis, rng):
    """Over the batch too, over everything as in Keras, over rows."""
    function, layer, formula, _ = LOSSES[name]
    p, y = arrays(rng, 2, 3, 4, 5)
    for got in (
        function(tg.tensor(p), tg.tensor(y), axis=axis, reduction="none"),
        layer(axis=axis, reduction="none")(tg.tensor(p), tg.tensor(y)),
    ):
        np.testing.assert_allclose(got.numpy(), formula(p, y, axis))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "int32"])
@pytest.mark.parametrize("name", LOSSES)
def test_class_numbers_are_masks_of_each_class(name, dtype, rng):
    function, _, formula, _ = LOSSES[name]
    p, _ = arrays(rng, 2, 3, 4, 5)
    numbers = rng.integers(0, 3, (2, 4, 5))
    masks = np.moveaxis(np.eye(3)[numbers], -1, 1)
    got = function(tg.tensor(p), tg.tensor(numbers, dtype), reduction="none")
    np.testing.assert_allclose(got.numpy(), formula(p, masks, (2, 3)))
    for same in (masks.astype(dtype), masks.astype(bool)):
        again = function(tg.tensor(p), tg.tensor(same), reduction="none")
        np.testing.assert_allclose(again.numpy(), got.numpy())


def test_what_is_equal_to_what(rng):
    p, y = (tg.tensor(a) for a in arrays(rng, 2, 3, 8))
    half = F.tversky_loss(p, y, 0.5, 0.5, smooth=0.5)
    np.testing.assert_allclose(F.dice_loss(p, y, smooth=1.0).numpy(), half.numpy())
    whole = F.tversky_loss(p, y, 1.0, 1.0, smooth=2.0)
    np.testing.assert_allclose(F.jaccard_loss(p, y, smooth=2.0).numpy(), whole.numpy())
    iou = 1 - F.jaccard_loss(p, y, smooth=0.0, reduction="none")
    dice = 1 - F.dice_loss(p, y, smooth=0.0, reduction="none")
    np.testing.assert_allclose(dice.numpy(), (2 * iou / (1 + iou)).numpy())
    power = F.focal_tversky_loss(p, y, 0.3, 0.7, gamma=1.0)
    np.testing.assert_allclose(power.numpy(), F.tversky_loss(p, y, 0.3, 0.7).numpy())


@pytest.mark.parametrize("smooth", [0.0, 1.0])
@pytest.mark.parametrize("name", LOSSES)
def test_empty_and_perfect_masks(name, smooth):
    """The loss is exactly 0, and no slope is NaN or infinite."""
    function = LOSSES[name][0]
    for mask in ([0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]):
        y = tg.tensor([mask])
        loss, slope = tg.value_and_grad(lambda p, y: function(p, y, smooth=smooth))(y, y)
        assert loss.item() == pytest.approx(0, abs=1e-15)
        assert np.isfinite(slope.numpy()).all()
    nothing = function(tg.zeros((1, 2, 0)), tg.zeros((1, 2, 0)), smooth=smooth)
    assert nothing.item() == pytest.approx(0, abs=1e-15)


def test_a_small_loss_keeps_its_digits():
    p = tg.tensor([[1.0 - 2.0**-24, 1.0, 1.0]])
    assert F.dice_loss(p, tg.ones((1, 3))).item() == pytest.approx(2.0**-24 / 7)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name, rng):
    function = LOSSES[name][0]
    p, y = arrays(rng, 2, 3, 4)
    with tg.backend("numpy"):
        tg.testing.check_grads(lambda p: function(p, tg.tensor(y)), [p], order=2)
        tg.testing.check_grads(lambda p, y: function(p, y, smooth=0.1), [p, p[::-1].copy()])


@pytest.mark.parametrize("name", LOSSES)
def test_in_every_mode(name, rng):
    function = LOSSES[name][0]
    p, y = (a.astype("float32") for a in arrays(rng, 2, 3, 6))
    inputs = [tg.placeholder((None, 3, None), name=n) for n in ("p", "y")]
    found = tg.function(inputs, tg.value_and_grad(function)(*inputs))(p, y)
    for way in (tg.lazy, tg.eager):
        with way():
            wanted = tg.value_and_grad(function)(tg.tensor(p), tg.tensor(y))
            for want, have in zip(wanted, found, strict=True):
                np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=1e-5, atol=1e-7)


def test_half_precision_of_many_places():
    p, y = tg.ones((1, 1, 100_000), dtype="float16") * 0.5, tg.ones((1, 1, 100_000))
    loss = F.dice_loss(p, y.astype("float16"))
    assert loss.dtype == tg.float16
    assert loss.item() == pytest.approx(1 / 3, rel=1e-3)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_computed_together(name):
    """The sums, the quotient and the mean are one, and so is the gradient of the input alone."""
    function = LOSSES[name][0]

    def loss(x, y):
        return function(tg.sigmoid(x), tg.sigmoid(y))

    shapes = ((4, 3, 100), (4, 3, 100))
    assert count(loss, *shapes) == 1
    assert count(lambda x, y: tg.grad(lambda p: function(p, y))(tg.sigmoid(x)), *shapes) <= 2
    assert count_with_gradient(loss, *shapes) <= 5


def test_errors():
    p = tg.ones((2, 3, 4)) / 2
    with pytest.raises(ShapeError, match=r"dice_loss: expected a target of the shape of the input"):
        F.dice_loss(p, tg.ones((2, 3, 5)))
    with pytest.raises(
        ShapeError, match=r"class numbers \(batch, place\.\.\.\), got .* and \(2, 5\)"
    ):
        F.tversky_loss(p, tg.zeros((2, 5), dtype="int64"))
    with pytest.raises(ShapeError, match=r"expected probabilities \(batch, class, place\.\.\.\)"):
        F.jaccard_loss(p[0], tg.zeros(3, dtype="int64"))
    with pytest.raises(ShapeError, match="got a single number"):
        F.jaccard_loss(tg.tensor(0.5), tg.tensor(0.5))
    with pytest.raises(IndexError, match="class 3 is out of range: expected 0 to 2"):
        F.dice_loss(p, tg.full((2, 4), 3, dtype="int64")).realize()
    with pytest.raises(ValueError, match="reduction out of"):
        nn.DiceLoss(reduction="avg")
    with pytest.raises((ShapeError, DTypeError)):
        F.dice_loss(p, tg.ones((2, 4)))
