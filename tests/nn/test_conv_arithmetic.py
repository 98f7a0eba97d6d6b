"""What textbooks say of convolutions: sizes, numbers of parameters, what sees what."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


@pytest.mark.parametrize(
    ("size", "kernel", "options", "expected"),
    [
        (32, 5, {}, 28),  # LeNet-5
        (227, 11, {"stride": 4}, 55),  # AlexNet
        (224, 7, {"stride": 2, "padding": 3}, 112),  # ResNet
        (14, 3, {"padding": 1}, 14),
        (10, 3, {"stride": 4}, 2),  # windows that do not come out even
        (10, 3, {"dilation": 4}, 2),
        (10, 4, {"padding": "same"}, 10),
        (10, 4, {"padding": "full"}, 13),
        (10, 4, {"padding": "full", "dilation": 2}, 16),
        ((8, 9), (3, 2), {"stride": (1, 2), "padding": (0, 1)}, (6, 5)),
        ((8, 9), 3, {"padding": "valid"}, (6, 7)),
    ],
)
def test_sizes(size, kernel, options, expected):
    assert F.conv_output_size(size, kernel, **options) == expected
    dims = size if isinstance(size, tuple) else (size,)
    x = tg.zeros((1, 1, *dims))
    kernels = kernel if isinstance(kernel, tuple) else (kernel,) * len(dims)
    conv = F.conv2d if len(dims) == 2 else F.conv1d
    found = conv(x, tg.zeros((1, 1, *kernels)), **options).shape[2:]
    assert found == (expected if isinstance(expected, tuple) else (expected,))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 3},
        {"stride": 2, "padding": 1},
        {"stride": 3, "dilation": 2, "output_padding": 2},
    ],
    ids=str,
)
def test_sizes_of_transposes(options):
    """(N - 1) S - 2 P + F without dilation; the convolution leads back."""
    for n in (2, 5, 8):
        size = F.conv_transpose_output_size(n, 4, **options)
        result = F.conv_transpose1d(tg.zeros((1, 1, n)), tg.zeros((1, 1, 4)), **options)
        assert result.shape[2] == size
        back = {name: value for name, value in options.items() if name != "output_padding"}
        assert F.conv_output_size(size, 4, **back) == n
        if options.keys() <= {"stride", "padding"}:
            stride, padding = options.get("stride", 1), options.get("padding", 0)
            assert size == (n - 1) * stride - 2 * padding + 4
    assert F.conv_transpose_output_size((2, 3), 4) == (5, 6)


def test_sizes_that_cannot_be():
    with pytest.raises(ShapeError, match=r"conv_output_size: .*covers 5 positions"):
        F.conv_output_size(4, 5)
    with pytest.raises(DTypeError, match=r"size to be made of integers, got 2.5"):
        F.conv_output_size(2.5, 1)
    with pytest.raises(ShapeError, match="the result would have a size of 0"):
        F.conv_transpose_output_size(1, 2, padding=1)


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (nn.Conv2d(3, 16, 5), 5 * 5 * 3 * 16 + 16),
        (nn.Conv2d(3, 16, 5, bias=False), 5 * 5 * 3 * 16),
        (nn.Conv1d(8, 4, 7), 7 * 8 * 4 + 4),
        (nn.Conv3d(2, 4, 3), 27 * 2 * 4 + 4),
        (nn.Conv2d(256, 64, 1), 256 * 64 + 64),
        (nn.Conv2d(32, 64, 3, groups=4), 9 * 8 * 64 + 64),
        (nn.ConvTranspose2d(16, 8, 4), 16 * 16 * 8 + 8),
        (nn.DepthwiseConv2d(32, 3), 9 * 32 + 32),
        (nn.DepthwiseConv1d(32, 3, depth_multiplier=2, bias=False), 3 * 64),
        (nn.SeparableConv2d(32, 64, 3), 9 * 32 + 32 * 64 + 64),
        (nn.SeparableConv1d(32, 64, 5, depth_multiplier=2, bias=False), 5 * 64 + 64 * 64),
        (nn.Linear(400, 120), 400 * 120 + 120),
        (nn.Bilinear(5, 4, 3), 5 * 4 * 3 + 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)
def test_numbers_of_parameters(layer, count):
    assert layer.num_parameters() == count


def test_full_padding_lets_every_element_meet_every_tap(rng):
    x, w = rng.standard_normal((1, 1, 5)), rng.standard_normal((1, 1, 3))
    got = F.conv1d(tg.tensor(x), tg.tensor(w), padding="full").numpy()
    np.testing.assert_allclose(got[0, 0], np.correlate(x[0, 0], w[0, 0], "full"))
    layer = nn.Conv2d(1, 2, (3, 4), padding="full", dilation=(2, 1))
    assert layer(tg.ones((1, 1, 6, 5))).shape == (1, 2, 10, 8)


def test_a_pointwise_convolution_is_a_linear_layer_at_each_place(rng):
    conv, dense = nn.Conv2d(6, 3, 1), nn.Linear(6, 3)
    dense.weight.assign(conv.weight.reshape(3, 6))
    dense.bias.assign(conv.bias)
    x = tg.tensor(rng.standard_normal((2, 6, 4, 5)).astype("float32"))
    at_each_place = dense(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    np.testing.assert_allclose(conv(x).numpy(), at_each_place.numpy(), rtol=1e-5, atol=1e-6)


def test_a_layer_over_the_whole_map_is_a_dense_layer(rng):
    """Fully convolutional: the same weights serve larger images."""
    conv, dense = nn.Conv2d(3, 7, (4, 5)), nn.Linear(3 * 4 * 5, 7)
    dense.weight.assign(conv.weight.reshape(7, -1))
    dense.bias.assign(conv.bias)
    x = tg.tensor(rng.standard_normal((2, 3, 4, 5)).astype("float32"))
    np.testing.assert_allclose(conv(x).numpy()[..., 0, 0], dense(x.flatten(1)).numpy(), atol=1e-5)
    assert conv(tg.ones((2, 3, 8, 9))).shape == (2, 7, 5, 5)


@pytest.mark.parametrize("shift", [1, 3])
def test_a_shifted_input_gives_a_shifted_map(shift, rng):
    layer = nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular").to("float64")
    x = rng.standard_normal((1, 2, 6, 8))
    moved = layer(tg.tensor(np.roll(x, shift, axis=3))).numpy()
    np.testing.assert_allclose(moved, np.roll(layer(tg.tensor(x)).numpy(), shift, axis=3))


def test_an_output_sees_only_its_window(rng):
    """The gradient of one output is zero outside of the window of its filter."""
    layer = nn.Conv2d(1, 1, (2, 3), stride=2, dilation=(2, 1))
    x = tg.tensor(rng.standard_normal((1, 1, 7, 9)).astype("float32"))
    seen = tg.grad(lambda x: layer(x)[0, 0, 1, 2])(x).numpy()[0, 0] != 0
    expected = np.zeros((7, 9), bool)
    expected[2:5:2, 4:7] = True
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [{"stride": 2}, {"padding": 1, "dilation": 2}, {"stride": 2, "groups": 2, "padding": 1}],
    ids=str,
)
def test_the_transpose_is_the_adjoint(dims, options, rng):
    """<conv(x), y> = <x, transpose(y)>."""
    x = tg.tensor(rng.standard_normal((2, 4, *(7, 9, 5)[:dims])))
    w = tg.tensor(rng.standard_normal((6, 4 // options.get("groups", 1), *(3,) * dims)))
    result = getattr(F, f"conv{dims}d")(x, w, **options)
    y = tg.tensor(rng.standard_normal(result.shape))
    back = getattr(F, f"conv_transpose{dims}d")(y, w, **options)
    assert back.shape == x.shape
    np.testing.assert_allclose((result * y).sum().numpy(), (x * back).sum().numpy())


@pytest.mark.parametrize("multiplier", [1, 3])
def test_a_depthwise_convolution_is_one_for_each_channel(multiplier, rng):
    layer = nn.DepthwiseConv2d(4, 3, stride=2, padding=1, depth_multiplier=multiplier)
    x = tg.tensor(rng.standard_normal((2, 4, 7, 6)).astype("float32"))
    each = [
        F.conv2d(x[:, c : c + 1], layer.weight[c * multiplier : (c + 1) * multiplier],
                 layer.bias[c * multiplier : (c + 1) * multiplier], 2, 1).numpy()
        for c in range(4)
    ]  # fmt: skip
    np.testing.assert_allclose(layer(x).numpy(), np.concatenate(each, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_a_separable_convolution_is_a_plain_one_of_a_product(mode, rng):
    options = {"stride": 2, "padding": 1, "padding_mode": mode}
    layer = nn.SeparableConv2d(3, 5, 3, depth_multiplier=2, **options).to("float64")
    plain = nn.Conv2d(3, 5, 3, **options).to("float64")
    depth = layer.depthwise.weight.numpy().reshape(3, 2, 3, 3)
    point = layer.pointwise.weight.numpy().reshape(5, 3, 2)
    plain.weight.assign(np.einsum("ocm,cmij->ocij", point, depth))
    plain.bias.assign(layer.pointwise.bias)
    x = tg.tensor(rng.standard_normal((2, 3, 7, 6)))
    np.testing.assert_allclose(layer(x).numpy(), plain(x).numpy(), atol=1e-12)
    assert [name for name, _ in layer.named_parameters()] == [
        "depthwise.weight", "pointwise.weight", "pointwise.bias"
    ]  # fmt: skip


def test_separable_convolution_along_one_dimension():
    layer = nn.SeparableConv1d(3, 5, 4, padding="same", dilation=2)
    assert layer(tg.ones((2, 3, 9))).shape == (2, 5, 9)
    assert repr(layer.depthwise) == (
        "DepthwiseConv1d(3, 3, kernel_size=(4,), stride=(1,), padding=same, dilation=(2,), "
        "groups=3, bias=False)"
    )
    with pytest.raises(ShapeError, match="DepthwiseConv1d: expected depth_multiplier to be"):
        nn.SeparableConv1d(3, 5, 4, depth_multiplier=0)


def test_columns_turn_a_convolution_into_a_product(rng):
    x, w = rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((4, 3, 2, 3))
    columns = F.unfold(tg.tensor(x), (2, 3), padding=1).numpy()
    product = (w.reshape(4, -1) @ columns).reshape(2, 4, 6, 4)
    np.testing.assert_allclose(product, F.conv2d(tg.tensor(x), tg.tensor(w), padding=1).numpy())


def test_folding_counts_how_many_windows_see_an_element(rng):
    x = tg.tensor(rng.standard_normal((2, 3, 6, 5)))
    options = {"kernel_size": 3, "padding": 1, "stride": 2}
    there_and_back = F.fold(F.unfold(x, **options), (6, 5), **options)
    seen = F.fold(F.unfold(tg.ones((2, 3, 6, 5)), **options), (6, 5), **options)
    np.testing.assert_allclose(there_and_back.numpy(), (x * seen).numpy())
    assert seen.numpy().max() == 4


def test_columns_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"expected \(batch, channel \* 4, 6\), or without"):
        F.fold(tg.ones((1, 6, 6)), (4, 3), 2)
    with pytest.raises(ShapeError, match="expected 6 windows, got 5"):
        F.fold(tg.ones((1, 8, 5)), (4, 3), 2)
    with pytest.raises(ShapeError, match="covers 5 positions"):
        F.fold(tg.ones((1, 25, 1)), (4, 5), 5)
    with pytest.raises(ShapeError, match=r"expected \(batch, channel, height, width\)"):
        F.unfold(tg.ones((3, 4)), 2)


def test_second_derivatives(rng):
    normal = rng.standard_normal
    tg.testing.check_grads(
        lambda x, w: F.conv_transpose2d(x, w, stride=2, output_padding=1, groups=2),
        [normal((1, 2, 2, 3)), normal((2, 1, 2, 3))], order=2,
    )  # fmt: skip
    tg.testing.check_grads(lambda x: F.fold(x**2, (3, 4), 2), [normal((1, 4, 6))], order=2)
    tg.testing.check_grads(lambda x: F.unfold(x**2, 2, padding=1), [normal((1, 1, 3, 3))], order=2)


def test_open_sizes():
    x = tg.placeholder((None, 2, None, None), name="x")
    layers = [nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ConvTranspose2d(2, 3, 3, stride=2),
              nn.SeparableConv2d(2, 3, 3, padding="full"), nn.Unfold(2)]  # fmt: skip
    run = tg.function([x], [layer(x) for layer in layers])
    for shape in ((1, 2, 5, 6), (3, 2, 8, 4)):
        values = np.ones(shape, np.float32)
        for found, layer in zip(run(values), layers, strict=True):
            want = layer(tg.tensor(values))
            assert found.shape == want.shape
            np.testing.assert_allclose(found.numpy(), want.numpy(), atol=1e-5)
