"""MixUp, CutMix and softened labels."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def batch(count=6, size=8):
    """Images of one grey each, so that it can be seen where each element comes from."""
    images = np.broadcast_to(np.arange(count, dtype="float32")[:, None, None, None],
                             (count, 2, size, size)).copy()  # fmt: skip
    return images, np.arange(count)


def test_smooth_labels():
    y = F.smooth_labels(tg.tensor([[0.0, 1.0, 0.0, 0.0]]), 0.2)
    np.testing.assert_allclose(y.numpy(), [[0.05, 0.85, 0.05, 0.05]], rtol=1e-6)
    logits = tg.tensor([[1.0, 2.0, -1.0, 0.5]])
    other = F.cross_entropy(logits, tg.tensor([1]), label_smoothing=0.2).item()
    assert F.cross_entropy(logits, y).item() == pytest.approx(other, rel=1e-6)
    with pytest.raises(ValueError, match="expected smoothing from 0 to 1, got 2"):
        F.smooth_labels(y, 2)


def test_mixup_mixes_inputs_and_targets_alike():
    images, classes = batch()
    x, y = F.mixup(tg.tensor(images), tg.tensor(classes), 0.4, num_classes=6)
    x, y = x.numpy(), y.numpy()
    np.testing.assert_allclose(y.sum(1), 1.0, rtol=1e-6)
    # the grey of an image is its class, so the mean class is the mixed grey
    np.testing.assert_allclose(x[:, 0, 0, 0], y @ np.arange(6), rtol=1e-5, atol=1e-6)
    assert (x == x[:, :1, :1, :1]).all()


def test_cutmix_puts_a_box_and_counts_its_area():
    tg.manual_seed(3)
    images, classes = batch()
    boxes = 0
    for _ in range(20):
        x, y = F.cutmix(tg.tensor(images), tg.tensor(classes), num_classes=6)
        x, y = x.numpy(), y.numpy()
        foreign = x != images
        moved = foreign.any((1, 2, 3))
        assert (foreign[moved] == foreign[moved][:1]).all()  # the same box in all
        np.testing.assert_allclose(y.sum(1), 1.0, rtol=1e-6)
        np.testing.assert_allclose(x.mean((1, 2, 3)), y @ np.arange(6), rtol=1e-5, atol=1e-6)
        rows, columns = foreign.any((0, 1, 3)), foreign.any((0, 1, 2))
        for inside in (rows, columns):  # one stretch
            assert abs(np.diff(inside.astype(int))).sum() <= 2
        boxes += 0 < rows.sum() < 8
    assert boxes > 5


@pytest.mark.parametrize("function", [F.mixup, F.cutmix])
def test_they_draw_anew_in_a_compiled_step_and_repeat_by_seed(function):
    images, classes = (tg.tensor(part) for part in batch())
    step = tg.jit(lambda x, t: function(x, t, num_classes=6))
    tg.manual_seed(1)
    first, second = step(images, classes)[1].numpy(), step(images, classes)[1].numpy()
    assert (first != second).any()
    tg.manual_seed(1)
    np.testing.assert_allclose(step(images, classes)[1].numpy(), first, rtol=1e-6)


def test_probabilities_are_taken_as_they_are():
    y = np.full((4, 3), 1 / 3, "float32")
    np.testing.assert_allclose(F.mixup(tg.ones((4, 2)), tg.tensor(y))[1].numpy(), y, rtol=1e-6)


@pytest.mark.parametrize("layer", [nn.MixUp, nn.CutMix])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_both_results_have_the_dtype_of_the_input(layer, training, dtype):
    images, classes = batch()
    mix = layer(num_classes=6).train(training)
    x, y = mix(tg.tensor(images.astype(dtype)), tg.tensor(classes))
    assert x.dtype == y.dtype == dtype


@pytest.mark.parametrize("function", [F.mixup, F.cutmix])
def test_inputs_and_targets_of_open_size(function):
    images, classes = batch()
    x = tg.placeholder((None, 2, 8, 8), name="x")
    t = tg.placeholder((None,), "int64", name="t")
    run = tg.function([x, t], function(x, t, num_classes=6))
    for count in (1, 2, 6):
        mixed, y = run(images[:count], classes[:count])
        np.testing.assert_allclose(
            mixed.numpy().mean((1, 2, 3)), y.numpy() @ np.arange(6), rtol=1e-5, atol=1e-6
        )
    with pytest.raises(ShapeError, match="x_0=3, t_0=2"):
        run(images[:3], classes[:2])


@pytest.mark.parametrize("layer", [nn.MixUp, nn.CutMix])
def test_layers_mix_in_training_alone(layer):
    images, classes = batch()
    mix = layer(alpha=1.0, num_classes=6)
    x, y = mix.eval()(tg.tensor(images), tg.tensor(classes))
    np.testing.assert_array_equal(x.numpy(), images)
    np.testing.assert_array_equal(y.numpy(), np.eye(6))
    tg.manual_seed(0)
    found = [mix.train()(tg.tensor(images), tg.tensor(classes))[1].numpy() for _ in range(5)]
    assert any((y != np.eye(6)).any() for y in found)
    assert repr(mix) == f"{layer.__name__}(alpha=1.0, num_classes=6)"


def test_bad_input():
    x, t = tg.ones((4, 3)), tg.tensor([0, 1, 0, 1])
    with pytest.raises(ValueError, match="class numbers need num_classes"):
        F.mixup(x, t)
    with pytest.raises(IndexError, match="class"):
        F.mixup(x, tg.tensor([0, 1, 0, 7]), num_classes=2)[1].numpy()
    with pytest.raises(ValueError, match="expected alpha above 0, got 0"):
        F.mixup(x, t, 0, num_classes=2)
    with pytest.raises(ShapeError, match="as many targets as samples"):
        F.mixup(x, tg.tensor([0, 1]), num_classes=2)
    with pytest.raises(DTypeError, match="expected floats as input, got int64"):
        F.mixup(t, t, num_classes=2)
    with pytest.raises(ShapeError, match=r"images \(batch, ..., height, width\), got \(4, 3\)"):
        F.cutmix(x, t, num_classes=2)
    with pytest.raises(ValueError, match="CutMix: expected alpha above 0, got -1"):
        nn.CutMix(-1)
