"""Group, instance and local response normalization against their formulas."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def normal(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def in_graph(function, x):
    """The result of a graph that was defined for any batch."""
    batch = tg.placeholder((None, *x.shape[1:]), "float64", name="x")
    return tg.function([batch], function(batch), updates={})(x).numpy()


@pytest.mark.parametrize("shape", [(4, 6), (2, 6, 3), (2, 6, 3, 2)])
def test_group_norm(shape, rng):
    x, weight, bias = rng.standard_normal(shape), rng.standard_normal(6), rng.standard_normal(6)
    grouped = x.reshape(shape[0], 3, 2, *shape[2:])
    lay = (6,) + (1,) * (len(shape) - 2)
    expected = normal(grouped, tuple(range(2, grouped.ndim))).reshape(shape)
    expected = expected * weight.reshape(lay) + bias.reshape(lay)

    def call(x):
        return F.group_norm(x, 3, tg.tensor(weight), tg.tensor(bias))

    np.testing.assert_allclose(call(tg.tensor(x)).numpy(), expected)
    np.testing.assert_allclose(in_graph(call, x), expected)


def test_group_norm_lies_between_layer_norm_and_instance_norm(rng):
    x = tg.tensor(rng.standard_normal((2, 6, 3, 2)))
    one, each = F.group_norm(x, 1).numpy(), F.group_norm(x, 6).numpy()
    np.testing.assert_allclose(one, F.layer_norm(x, (6, 3, 2)).numpy())
    np.testing.assert_allclose(each, F.instance_norm(x).numpy())


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.InstanceNorm1d, (4, 3, 5)), (nn.InstanceNorm2d, (4, 3, 2, 5)),
     (nn.InstanceNorm3d, (2, 3, 2, 2, 3))],
)  # fmt: skip
def test_instance_norm(layer, shape, rng):
    norm = layer(3, momentum=0.2, affine=True, track_running_stats=True, dtype="float64")
    axes, mean, var = tuple(range(2, len(shape))), np.zeros(3), np.ones(3)
    for _ in range(2):
        x = rng.standard_normal(shape) * 2 + 1
        np.testing.assert_allclose(norm(tg.tensor(x)).numpy(), normal(x, axes))
        mean = 0.8 * mean + 0.2 * x.mean(axes).mean(0)
        var = 0.8 * var + 0.2 * x.var(axes, ddof=1).mean(0)
    np.testing.assert_allclose(norm.running_mean.numpy(), mean)
    np.testing.assert_allclose(norm.running_var.numpy(), var)
    assert norm.num_batches_tracked.item() == 0  # as in PyTorch
    lay = (3,) + (1,) * (len(shape) - 2)
    expected = (x - mean.reshape(lay)) / np.sqrt(var.reshape(lay) + 1e-5)
    np.testing.assert_allclose(norm.eval()(tg.tensor(x)).numpy(), expected)
    np.testing.assert_allclose(norm(tg.tensor(x[0])).numpy(), expected[0])


def test_instance_norm_of_an_open_batch(rng):
    norm = nn.InstanceNorm1d(3, momentum=0.5, track_running_stats=True, dtype="float64")
    x = tg.placeholder((None, 3, None), "float64", name="x")
    call = tg.function([x], norm(x), updates={})
    values = rng.standard_normal((4, 3, 5))
    np.testing.assert_allclose(call(values).numpy(), normal(values, 2))
    before = norm.running_mean.numpy()
    np.testing.assert_allclose(before, 0.5 * values.mean((0, 2)))
    for shape in ((0, 3, 5), (4, 3, 1)):  # neither has a variance
        assert call(np.ones(shape)).shape == shape
        np.testing.assert_array_equal(norm.running_mean.numpy(), before)
        assert np.isfinite(norm.running_var.numpy()).all()


def lrn(x, size, alpha, beta, k):
    """The formula of Krizhevsky et al., but with the mean of a window in place of its sum."""
    result = np.zeros_like(x)
    for c in range(x.shape[1]):
        first = c - size // 2
        window = x[:, max(first, 0) : max(first + size, 0)]
        result[:, c] = x[:, c] / (k + alpha * (window**2).sum(1) / size) ** beta
    return result


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_local_response_norm(size, rng):
    x = rng.standard_normal((2, 6, 3, 2))
    expected = lrn(x, size, 0.5, 0.75, 2.0)
    layer = nn.LocalResponseNorm(size, alpha=0.5, beta=0.75, k=2.0)
    np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), expected)
    np.testing.assert_allclose(in_graph(layer, x), expected)
    tg.testing.check_grads(layer, [x], order=2)


def test_gradients(rng):
    args = [rng.standard_normal((2, 4, 3)), rng.standard_normal(4), rng.standard_normal(4)]
    tg.testing.check_grads(lambda x, w, b: F.group_norm(x, 2, w, b), args, order=2)
    tg.testing.check_grads(lambda x, w, b: F.instance_norm(x, None, None, w, b), args, order=2)


def test_channels_that_do_not_fit():
    with pytest.warns(UserWarning, match="InstanceNorm1d: expected 3 channels, got an input of"):
        assert nn.InstanceNorm1d(3)(tg.ones((2, 4, 5))).shape == (2, 4, 5)
    for options in ({"affine": True}, {"track_running_stats": True}):
        with pytest.raises(ShapeError, match="InstanceNorm1d: expected 3 channels"):
            nn.InstanceNorm1d(3, **options)(tg.ones((2, 4, 5)))


def test_errors():
    with pytest.raises(ShapeError, match="GroupNorm: expected num_channels that num_groups=4 div"):
        nn.GroupNorm(4, 6)
    with pytest.raises(ShapeError, match=r"group_norm: expected .* num_groups=4 divides, got .*6"):
        F.group_norm(tg.ones((2, 6)), 4)
    with pytest.raises(ShapeError, match="GroupNorm: expected num_groups to be an integer from 1"):
        nn.GroupNorm(0, 6)
    with pytest.raises(ShapeError, match="group_norm: expected more than one value"):
        F.group_norm(tg.ones((1, 6)), 6)
    with pytest.raises(ShapeError, match="instance_norm: expected more than one value in each"):
        F.instance_norm(tg.ones((2, 6, 1)))
    with pytest.raises(ShapeError, match="InstanceNorm2d: expected an input with 3 or 4 dim"):
        nn.InstanceNorm2d(3)(tg.ones((2, 3)))
    with pytest.raises(ShapeError, match="instance_norm: expected running_mean and running_var"):
        F.instance_norm(tg.ones((2, 3, 4)), use_input_stats=False)
    with pytest.raises(ShapeError, match=r"local_response_norm: expected an input .* got \(2, 3\)"):
        F.local_response_norm(tg.ones((2, 3)), 2)
    with pytest.raises(ShapeError, match="local_response_norm: expected a size from 1, got 0"):
        F.local_response_norm(tg.ones((2, 3, 4)), 0)
    for call in (lambda x: F.group_norm(x, 1), lambda x: F.rms_norm(x, 3), F.instance_norm):
        with pytest.raises(DTypeError, match="needs a float, got int64"):
            call(tg.ones((2, 3, 3), dtype="int64"))
