"""Boxes: areas, overlap and losses against the formulas of the papers."""

import numpy as np
import pytest
from fused import count, count_with_gradient

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F

REDUCTIONS = {"none": lambda x: x, "sum": np.sum, "mean": np.mean}
EPS = 1e-7


def boxes(rng, *shape):
    corners = rng.uniform(0, 4, (*shape, 2))
    return np.concatenate([corners, corners + rng.uniform(0.5, 4, (*shape, 2))], axis=-1)


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return width * height, area(a) + area(b) - width * height


def around(a, b):
    return [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]


def iou(a, b):
    common, union = overlap(a, b)
    return common / (union + EPS)


def giou(a, b):
    hull, (_, union) = area(around(a, b)), overlap(a, b)
    return 1 - iou(a, b) + (hull - union) / (hull + EPS)


def diou(a, b):
    x1, y1, x2, y2 = around(a, b)
    dx, dy = (a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2
    return 1 - iou(a, b) + (dx**2 + dy**2) / ((x2 - x1) ** 2 + (y2 - y1) ** 2 + EPS)


def shape_difference(a, b):
    angles = [np.arctan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
    return 4 / np.pi**2 * (angles[0] - angles[1]) ** 2


def ciou(a, b):
    v = shape_difference(a, b)
    return diou(a, b) + v**2 / (1 - iou(a, b) + v + EPS)


# the function, the module, the formula of two boxes
LOSSES = {
    "iou_loss": (nn.IoULoss, lambda a, b: 1 - iou(a, b)),
    "generalized_box_iou_loss": (nn.GIoULoss, giou),
    "distance_box_iou_loss": (nn.DIoULoss, diou),
    "complete_box_iou_loss": (nn.CIoULoss, ciou),
}


# --------------------------------------------------------------------------------- measures


def test_formats(rng):
    corners = boxes(rng, 5, 2)
    size = corners[..., 2:] - corners[..., :2]
    same = {
        "xyxy": corners,
        "xywh": np.concatenate([corners[..., :2], size], -1),
        "cxcywh": np.concatenate([corners[..., :2] + size / 2, size], -1),
    }
    for given, source in same.items():
        found = F.box_area(tg.tensor(source), given)
        np.testing.assert_allclose(found.numpy(), size.prod(-1))
        for wanted, result in same.items():
            found = F.box_convert(tg.tensor(source), given, wanted)
            np.testing.assert_allclose(found.numpy(), result)
    one = F.box_convert(tg.tensor(corners[0, 0]), "xyxy", "xywh")
    np.testing.assert_allclose(one.numpy(), same["xywh"][0, 0])


@pytest.mark.parametrize("shapes", [((3,), (5,)), ((1,), (1,)), ((0,), (2,)), ((2,), (0,)),
                                    ((2, 3), (2, 4)), ((3,), (2, 4))])  # fmt: skip
def test_overlap_of_each_with_each(shapes, rng):
    a, b = (boxes(rng, *shape) for shape in shapes)
    found = F.box_iou(tg.tensor(a), tg.tensor(b)).numpy()
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    assert found.shape == (*lead, a.shape[-2], b.shape[-2])
    wide_a, wide_b = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    for *place, i, j in np.ndindex(found.shape):
        common, union = overlap(wide_a[(*place, i)], wide_b[(*place, j)])
        assert found[(*place, i, j)] == pytest.approx(common / union)


def test_overlap_in_another_format(rng):
    a, b = boxes(rng, 3), boxes(rng, 4)
    expected = F.box_iou(tg.tensor(a), tg.tensor(b)).numpy()
    for fmt in ("xywh", "cxcywh"):
        other = [F.box_convert(tg.tensor(x), "xyxy", fmt) for x in (a, b)]
        np.testing.assert_allclose(F.box_iou(*other, fmt=fmt).numpy(), expected, atol=1e-12)


def test_boxes_of_integers():
    """The area of pixels is a float here: numbers of 32 bits, as the losses are."""
    found = F.box_iou(tg.tensor([[0, 0, 2, 2]]), tg.tensor([[1, 0, 3, 2]]))
    assert found.dtype == tg.float32
    assert found.item() == pytest.approx(1 / 3)
    assert F.box_area(tg.tensor([[0, 0, 100_000, 100_000]])).item() == 1e10


# ----------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, reduction, rng):
    layer, formula = LOSSES[name]
    for shape in [(20,), (1,), (), (2, 3)]:
        a, b = boxes(rng, *shape), boxes(rng, *shape)
        each = [formula(p, q) for p, q in zip(a.reshape(-1, 4), b.reshape(-1, 4))]
        expected = REDUCTIONS[reduction](np.reshape(each, shape))
        for found in (
            getattr(F, name)(tg.tensor(a), tg.tensor(b), reduction),
            layer(reduction)(tg.tensor(a), tg.tensor(b)),
            getattr(F, name)(tg.tensor(b), tg.tensor(a), reduction=reduction),  # symmetric
        ):
            np.testing.assert_allclose(found.numpy(), expected)


def test_shorter_names():
    assert F.giou_loss is F.generalized_box_iou_loss
    assert F.diou_loss is F.distance_box_iou_loss
    assert F.ciou_loss is F.complete_box_iou_loss


def test_eps():
    a, b = tg.tensor([0.0, 0.0, 1.0, 1.0]), tg.tensor([0.0, 0.0, 1.0, 1.0])
    assert F.iou_loss(a, b, eps=1.0).item() == 0.5
    assert nn.IoULoss(eps=1.0)(a, b).item() == 0.5


@pytest.mark.parametrize("name", LOSSES)
def test_a_picture_without_boxes(name):
    nothing = tg.zeros((0, 4), requires_grad=True)
    loss = getattr(F, name)
    assert loss(nothing, nothing).shape == (0,)
    assert loss(nothing, nothing, "sum").item() == 0
    mean = loss(nothing, nothing, "mean")
    assert mean.item() == 0
    mean.backward()
    assert nothing.grad.shape == (0, 4)


DEGENERATE = {
    "a point": [1.0, 1.0, 1.0, 1.0],
    "an upright line": [1.0, 0.0, 1.0, 5.0],
    "a lying line": [0.0, 1.0, 5.0, 1.0],
    "a tiny box": [1.0, 1.0, 1.0 + 1e-7, 1.0 + 1e-7],
    "a flat box": [0.0, 0.0, 1.0, 1e-30],
    "tiny at 0": [0.0, 0.0, 1e-30, 1e-30],
    "turned around": [3.0, 3.0, 1.0, 2.0],
    "a box": [0.0, 0.0, 4.0, 2.0],
}


@pytest.mark.parametrize("name", LOSSES)
def test_no_nan_for_degenerate_boxes(name):
    pairs = [(a, b) for a in DEGENERATE.values() for b in DEGENERATE.values()]
    a, b = (tg.tensor(np.array(side, "float32")) for side in zip(*pairs))
    loss = getattr(F, name)
    assert np.isfinite(loss(a, b).numpy()).all()
    for slope in tg.grad(lambda a, b: loss(a, b, "sum"), (0, 1))(a, b):
        assert np.isfinite(slope.numpy()).all()
    both = tg.tensor(np.array(list(DEGENERATE.values()), "float32"))
    assert np.isfinite(F.box_iou(both, both).numpy()).all()
    slope = tg.grad(lambda x: tg.sum(F.box_iou(x, x)))(both)
    assert np.isfinite(slope.numpy()).all()


@pytest.mark.parametrize("name", ["iou_loss", "giou_loss", "diou_loss"])
def test_gradients(name, rng):
    a, b = boxes(rng, 6), boxes(rng, 6)
    with tg.backend("numpy"):
        tg.testing.check_grads(getattr(F, name), [a, b], order=2)


def test_the_factor_of_the_shape_is_a_constant_for_the_gradient(rng):
    """So the slope of the third term is a dv/dx, here by differences."""
    a, b = boxes(rng), boxes(rng)

    def slope(loss):
        return tg.grad(lambda x: loss(x, tg.tensor(b)))(tg.tensor(a)).numpy()

    found = slope(F.ciou_loss) - slope(F.diou_loss)
    v = shape_difference(a, b)
    steps = 1e-6 * np.eye(4)
    dv = [shape_difference(a + h, b) - shape_difference(a - h, b) for h in steps]
    expected = v / (1 - iou(a, b) + v) * np.array(dv) / 2e-6
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_boxes_that_do_not_touch_are_drawn_together():
    """All but the IoU alone, which has no slope there."""
    start, goal = tg.tensor([[0.0, 0.0, 1.0, 1.0]]), tg.tensor([[6.0, 6.0, 9.0, 8.0]])

    def slope(loss):
        return tg.grad(lambda x: loss(x, goal, "sum"))(start).numpy()[0]

    assert not slope(F.iou_loss).any()
    for loss in (F.giou_loss, F.diou_loss, F.ciou_loss):
        assert (slope(loss)[2:] < 0).all()


# ------------------------------------------------------------------------------------ modes


@pytest.mark.parametrize("name", LOSSES)
def test_with_any_number_of_boxes(name, rng):
    loss = getattr(F, name)
    a, b = (boxes(rng, 5).astype("float32") for _ in range(2))
    inputs = [tg.placeholder((None, 4), name=n) for n in "ab"]
    both = tg.value_and_grad(lambda a, b: loss(a, b, "mean"), (0, 1))
    compiled = tg.function(inputs, both(*inputs))
    found = tg.tree.flatten(compiled(a, b))[0]
    for way in (tg.lazy, tg.eager):
        with way():
            wanted = tg.tree.flatten(both(tg.tensor(a), tg.tensor(b)))[0]
            for want, have in zip(wanted, found, strict=True):
                np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=1e-4, atol=1e-6)
    assert tg.tree.flatten(compiled(a[:0], b[:0]))[0][0].item() == 0


def test_half_precision():
    """Areas have 32 bits: 300 times 300 pixels are more than a float16 can count."""
    a, b = tg.tensor([[0, 0, 300, 300]], "float16"), tg.tensor([[0, 0, 300, 150]], "float16")
    assert F.giou_loss(a, b).dtype == tg.float16
    assert F.giou_loss(a, b).item() == pytest.approx(0.5, abs=1e-3)
    assert F.box_iou(a, b).item() == pytest.approx(0.5, abs=1e-3)


# instructions of the loss, and of the loss with both gradients, beside those that lay out the
# columns of the boxes and put those of the gradients together
@pytest.mark.parametrize(("name", "forward", "backward"), [
    ("iou_loss", 1, 13), ("generalized_box_iou_loss", 1, 16), ("distance_box_iou_loss", 1, 20),
    ("complete_box_iou_loss", 2, 26),
])  # fmt: skip
def test_what_is_computed_together(name, forward, backward):
    pair = ((64, 4), (64, 4))
    assert count(getattr(F, name), *pair) <= forward + 8
    assert count_with_gradient(getattr(F, name), *pair) <= backward + 16
    assert count(F.box_area, (64, 4)) == 1
    assert count(F.box_iou, (6, 4), (5, 4)) <= 2 + 8
    assert count(lambda b: F.box_convert(b, "xyxy", "cxcywh"), (64, 4)) == 2


# ----------------------------------------------------------------------------------- errors


def test_errors():
    a = tg.ones((2, 4))
    with pytest.raises(ShapeError, match=r"iou_loss: expected a boxes2 of the shape of the input"):
        F.iou_loss(a, a[:1])
    with pytest.raises(
        ShapeError, match=r"box_area: expected boxes \(\.\.\., 4\), got shape \(2, 3\)"
    ):
        F.box_area(tg.ones((2, 3)))
    with pytest.raises(
        ShapeError, match=r"box_iou: expected boxes2 \(\.\.\., n, 4\), got shape \(4,\)"
    ):
        F.box_iou(a, a[0])
    for make in (
        lambda: F.box_area(a, "xyx"), lambda: F.box_convert(a, "xyxy", "whxy"),
        lambda: F.box_iou(a, a, fmt="XYXY"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="a format out of xyxy, xywh, cxcywh, got"):
            make()
    with pytest.raises(ValueError, match="reduction out of"):
        nn.GIoULoss("avg")
    with pytest.raises(ValueError, match="reduction out of"):
        F.giou_loss(a, a, "avg")
