"""Normalization against its formulas; running averages."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def normal(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.BatchNorm1d, (5, 3)), (nn.BatchNorm1d, (5, 3, 4)), (nn.BatchNorm2d, (4, 3, 2, 5)),
     (nn.BatchNorm3d, (2, 3, 2, 2, 3))],
)  # fmt: skip
def test_batch_norm(layer, shape, rng):
    norm = layer(3).to("float64")
    weight, bias = rng.standard_normal(3), rng.standard_normal(3)
    norm.weight.set(weight)
    norm.bias.set(bias)
    axes = (0, *range(2, len(shape)))
    lay = (3,) + (1,) * (len(shape) - 2)
    mean, var = np.zeros(3), np.ones(3)
    for _ in range(3):
        x = rng.standard_normal(shape) * 2 + 1
        expected = normal(x, axes) * weight.reshape(lay) + bias.reshape(lay)
        np.testing.assert_allclose(norm(tg.tensor(x)).numpy(), expected)
        mean = 0.9 * mean + 0.1 * x.mean(axes)
        var = 0.9 * var + 0.1 * x.var(axes, ddof=1)
    np.testing.assert_allclose(norm.running_mean.numpy(), mean)
    np.testing.assert_allclose(norm.running_var.numpy(), var)
    assert norm.num_batches_tracked.item() == 3
    norm.eval()
    scale = weight / np.sqrt(var + 1e-5)
    expected = (x - mean.reshape(lay)) * scale.reshape(lay) + bias.reshape(lay)
    np.testing.assert_allclose(norm(tg.tensor(x)).numpy(), expected)
    assert norm.num_batches_tracked.item() == 3


def test_batch_norm_without_momentum_takes_the_mean_of_all_batches(rng):
    norm = nn.BatchNorm1d(2, momentum=None)
    batches = rng.standard_normal((4, 6, 2)).astype("float32")
    for batch in batches:
        norm(tg.tensor(batch))
    np.testing.assert_allclose(norm.running_mean.numpy(), batches.mean((0, 1)), rtol=1e-4)


def test_batch_norm_without_averages_or_affine(rng):
    norm = nn.BatchNorm1d(2, affine=False, track_running_stats=False).eval()
    x = rng.standard_normal((6, 2))
    assert list(norm.state_dict()) == []
    np.testing.assert_allclose(norm(tg.tensor(x)).numpy(), normal(x, 0))


def test_running_averages_are_no_part_of_the_gradient(rng):
    norm = nn.BatchNorm1d(2)
    for _ in range(3):
        tg.sum(norm(tg.tensor(rng.standard_normal((4, 2)).astype("float32")))).backward()
    assert not norm.running_mean.requires_grad
    assert norm.weight.grad is not None


@pytest.mark.parametrize("shape", [(5,), (4, 5)])
def test_layer_norm(shape, rng):
    norm = nn.LayerNorm(shape).to("float64")
    weight, bias = rng.standard_normal(shape), rng.standard_normal(shape)
    norm.weight.set(weight)
    norm.bias.set(bias)
    x = rng.standard_normal((3, 4, 5))
    axes = tuple(range(3 - len(shape), 3))
    np.testing.assert_allclose(norm(tg.tensor(x)).numpy(), normal(x, axes) * weight + bias)
    assert nn.LayerNorm(5, bias=False).bias is None
    assert list(nn.LayerNorm(5, elementwise_affine=False).parameters()) == []


def test_half_precision_does_not_overflow():
    x = tg.tensor(np.array([[60000.0, -60000.0]]), "float16")
    assert F.layer_norm(x, (2,)).tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
def test_normalize(p, rng):
    x = rng.standard_normal((3, 4))
    expected = x / np.linalg.norm(x, p, axis=1, keepdims=True)
    np.testing.assert_allclose(F.normalize(tg.tensor(x), p).numpy(), expected)


def test_normalize_has_a_finite_gradient_at_zero():
    x = tg.zeros((1, 2), requires_grad=True)
    tg.sum(F.normalize(x)).backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_gradients(rng):
    args = [rng.standard_normal((4, 3, 2)), rng.standard_normal(3), rng.standard_normal(3)]
    tg.testing.check_grads(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), args, order=2
    )
    tg.testing.check_grads(lambda x, w: F.layer_norm(x, (3, 2), w), [args[0], args[0][0]], order=2)


def test_open_batch_size(rng):
    norm = nn.BatchNorm1d(3)
    x = tg.placeholder((None, 3), name="x")
    call = tg.function([x], norm(x), updates={})
    assert norm.num_batches_tracked.item() == 0
    values = rng.standard_normal((4, 3)).astype("float32")
    np.testing.assert_allclose(call(values).numpy(), normal(values, 0), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(
        norm.running_var.numpy(), 0.9 + 0.1 * values.var(0, ddof=1), rtol=1e-5
    )
    assert norm.num_batches_tracked.item() == 1


def test_errors():
    with pytest.raises(ShapeError, match="BatchNorm2d: expected an input with 4 dimensions"):
        nn.BatchNorm2d(3)(tg.ones((2, 3)))
    with pytest.raises(ShapeError, match="more than one value in each channel"):
        nn.BatchNorm1d(3)(tg.ones((1, 3)))
    with pytest.raises(ShapeError, match=r"expected running_mean of shape \(4,\)"):
        nn.BatchNorm1d(3)(tg.ones((2, 4)))
    with pytest.raises(ShapeError, match="running_mean and running_var where training is False"):
        F.batch_norm(tg.ones((2, 3)), None, None)
    with pytest.raises(ShapeError, match=r"last dimensions are \(4,\), got shape \(2, 3\)"):
        nn.LayerNorm(4)(tg.ones((2, 3)))
    with pytest.raises(DTypeError, match="layer_norm: needs a float, got int64"):
        nn.LayerNorm(3)(tg.ones((2, 3), dtype="int64"))


def test_cumulative_averages_are_exact_in_double_precision(rng):
    layer = nn.BatchNorm1d(2, momentum=None, dtype="float64")
    batches = rng.standard_normal((3, 4, 2))
    for batch in batches:
        layer(tg.tensor(batch))
    mean = batches.mean(axis=(0, 1))
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-13, atol=1e-15)


def test_a_batch_of_none_leaves_the_averages_alone():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ShapeError, match="expected more than one value in each channel"):
        layer(tg.ones((0, 3)))
    assert not layer.running_mean.numpy().any()


@pytest.mark.parametrize("p", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_normalize_takes_zeros_and_large_numbers(p, dtype):
    x = tg.tensor([[300.0] * 1000, [0.0] * 1000], dtype=dtype)
    got = F.normalize(x, p).numpy()
    assert got.dtype == dtype
    np.testing.assert_allclose(got[0], 1000 ** (-1 / p), rtol=1e-3)
    assert not got[1].any()


@pytest.mark.parametrize("size", [0, 1])
def test_averages_do_not_follow_an_open_batch_without_a_variance(size, rng):
    norm = nn.BatchNorm1d(3)
    x = tg.placeholder((None, 3), name="x")
    step = tg.function([x], norm(x), updates={})
    step(rng.standard_normal((4, 3)))
    before = norm.running_mean.numpy(), norm.running_var.numpy()
    assert step(rng.standard_normal((size, 3))).shape == (size, 3)
    np.testing.assert_array_equal(norm.running_mean.numpy(), before[0])
    np.testing.assert_array_equal(norm.running_var.numpy(), before[1])
