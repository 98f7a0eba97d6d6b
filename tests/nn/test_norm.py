"""Normalization by batch and over the last dimensions, against its formulas; running averages."""

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
    with pytest.raises(ShapeError, match="running_mean and running_var where those of the"):
        F.batch_norm(tg.ones((2, 3)), None, None)
    with pytest.raises(ShapeError, match="or neither, got a Tensor and None"):
        F.batch_norm(tg.ones((2, 3)), tg.zeros(3), None, training=True)
    with pytest.raises(ValueError, match="batch_norm: expected eps above 0, got 0"):
        F.batch_norm(tg.ones((2, 3)), None, None, training=True, eps=0)
    with pytest.raises(ShapeError, match=r"expected an input \(batch, channel, ...\), got \(3,\)"):
        F.batch_norm(tg.ones(3), None, None, training=True)
    with pytest.raises(ShapeError, match=r"expected weight of shape \(3,\), got \(2, 3\)"):
        F.layer_norm(tg.ones((2, 3)), 3, weight=tg.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"expected bias of shape \(3,\), got \(1,\)"):
        F.batch_norm(tg.ones((2, 3)), None, None, bias=tg.ones(1), training=True)
    with pytest.raises(ShapeError, match="LayerNorm: expected normalized_shape to have one size"):
        nn.LayerNorm(())
    with pytest.raises(ShapeError, match="BatchNorm1d: expected num_features to be an integer"):
        nn.BatchNorm1d(2.5)
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


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3), nn.InstanceNorm1d(3, 0.1, 0.5, True, True)])
def test_a_batch_of_none_leaves_the_averages_alone(layer):
    assert layer(tg.ones((0, 3, 2))).shape == (0, 3, 2)
    assert layer.running_mean.tolist() == [0, 0, 0]
    assert layer.running_var.tolist() == [1, 1, 1]


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


def test_batch_norm_as_the_textbook_with_sigma_plus_epsilon(rng):
    """The documented way to the other form, and how far apart the two are."""
    x, eps = rng.standard_normal((50, 3)), 1e-3
    other = (tg.tensor(x) - tg.mean(tg.tensor(x), 0)) / (tg.std(tg.tensor(x), 0) + eps)
    np.testing.assert_allclose(other.numpy(), (x - x.mean(0)) / (x.std(0) + eps))
    ours = F.batch_norm(tg.tensor(x), None, None, training=True, eps=eps).numpy()
    np.testing.assert_allclose(ours, (x - x.mean(0)) / np.sqrt(x.var(0) + eps))
    assert 1e-5 < np.abs(ours - other.numpy()).max() < 1e-2


def test_momentum_is_the_share_of_the_new_batch(rng):
    """Keras' momentum, the share of the old averages, is 1 minus this one."""
    x, keras = rng.standard_normal((4, 2)), 0.99
    layer = nn.BatchNorm1d(2, momentum=1 - keras, dtype="float64")
    layer(tg.tensor(x))
    np.testing.assert_allclose(layer.running_mean.numpy(), keras * 0 + (1 - keras) * x.mean(0))


def test_batch_norm_in_a_convolutional_network_is_per_channel(rng):
    """Between convolution and activation: what reaches the activation has mean 0 and variance 1
    in each channel, whatever the bias of the convolution."""
    x = tg.tensor(rng.standard_normal((6, 2, 5, 5)))
    conv, norm = nn.Conv2d(2, 4, 3).to("float64"), nn.BatchNorm2d(4).to("float64")
    block = nn.Sequential(conv, norm, nn.ReLU())
    before = norm(conv(x)).numpy()
    np.testing.assert_allclose(before.mean((0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(before.var((0, 2, 3)), 1, rtol=1e-3)
    result = block(x).numpy()
    np.testing.assert_allclose(result, np.maximum(before, 0))
    conv.bias.set(np.arange(4.0) * 10)
    np.testing.assert_allclose(block(x).numpy(), result, atol=1e-9)


def test_batch_norm_may_stand_before_or_after_the_activation(rng):
    x = tg.tensor(rng.standard_normal((64, 3)))
    linear = nn.Linear(3, 4).to("float64")
    before = nn.Sequential(linear, nn.BatchNorm1d(4).to("float64"), nn.Tanh())(x).numpy()
    after = nn.Sequential(linear, nn.Tanh(), nn.BatchNorm1d(4).to("float64"))(x).numpy()
    np.testing.assert_allclose(np.arctanh(before).mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(after.mean(0), 0, atol=1e-12)


def test_batch_norm_takes_internal_covariate_shift_away(rng):
    """Shifting or scaling the activations before it changes nothing, and neither does a step that
    scales the weights before it: their gradient is at right angles to them."""
    x = rng.standard_normal((32, 3)) * 5
    norm = nn.BatchNorm1d(3, eps=1e-12, dtype="float64")
    expected = norm(tg.tensor(x)).numpy()
    for shift, scale in ((100.0, 1.0), (0.0, 7.0), (-3.0, 0.01)):
        np.testing.assert_allclose(norm(tg.tensor(x * scale + shift)).numpy(), expected, rtol=1e-7)
    linear = nn.Linear(3, 3, bias=False).to("float64")
    tg.sum(tg.exp(norm(linear(tg.tensor(x))))).backward()
    weight, slope = linear.weight.numpy(), linear.weight.grad.numpy()
    np.testing.assert_allclose((weight * slope).sum(1), 0, atol=1e-8)


def test_layer_norm_is_the_same_whatever_the_batch(rng):
    x = rng.standard_normal((8, 5))
    layer = nn.LayerNorm(5, dtype="float64")
    whole = layer(tg.tensor(x)).numpy()
    for sample in range(8):
        alone = layer.eval()(tg.tensor(x[sample : sample + 1])).numpy()
        np.testing.assert_allclose(alone[0], whole[sample], rtol=1e-13)
    np.testing.assert_allclose(layer(tg.tensor(x[0])).numpy(), whole[0], rtol=1e-13)


def test_rms_norm(rng):
    x, weight = rng.standard_normal((3, 5)), rng.standard_normal(5)
    expected = x / np.sqrt((x**2).mean(1, keepdims=True) + 0.1) * weight
    np.testing.assert_allclose(
        F.rms_norm(tg.tensor(x), (5,), tg.tensor(weight), 0.1).numpy(), expected
    )
    centred = x - x.mean(1, keepdims=True)  # then it is layer norm
    np.testing.assert_allclose(
        F.rms_norm(tg.tensor(centred), 5, eps=1e-5).numpy(), F.layer_norm(tg.tensor(x), 5).numpy()
    )
    tg.testing.check_grads(lambda x, w: F.rms_norm(x, (5,), w, 1e-3), [x, weight], order=2)
    zero = tg.zeros((1, 4), requires_grad=True)
    tg.sum(F.rms_norm(zero, 4)).backward()
    assert np.isfinite(zero.grad.numpy()).all()


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("mean", [0.0, 1e4, -3e7, 1e18])
def test_equal_elements_become_zero(mean, backend):
    """Their variance is 0, not the negative number that E[x^2] - E[x]^2 can come to."""
    x = tg.tensor(np.full((4, 6, 9), mean, "float32"), requires_grad=True)
    with tg.backend(backend):
        for result in (
            F.layer_norm(x, (9,)), F.group_norm(x, 2), F.instance_norm(x),
            F.batch_norm(x, None, None, training=True),
        ):  # fmt: skip
            slope = tg.grad(lambda y, r=result: tg.sum(r * r))(x)
            assert np.abs(result.numpy()).max() <= 1e-3 * max(1.0, abs(mean) * 1e-4)
            assert np.isfinite(slope.numpy()).all()


def test_averages_follow_in_a_compiled_step(rng):
    layer, plain = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    step = tg.jit(lambda x: layer(x))
    for _ in range(3):
        x = tg.tensor(rng.standard_normal((4, 3)).astype("float32"))
        np.testing.assert_allclose(step(x).numpy(), plain(x).numpy(), rtol=1e-5, atol=1e-6)
    for (name, mine), (_, other) in zip(layer.named_buffers(), plain.named_buffers(), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-5, err_msg=name)
