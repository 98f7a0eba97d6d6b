"""Convolution layers against loops over windows, transposes against the adjoint."""

import itertools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def naive_conv(x, w, b, stride, pads, dilation, groups):
    """Convolution by its definition; everything but the channels in loops."""
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    kernel = w.shape[2:]
    size = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)
    ]
    out = np.zeros((len(x), len(w), *size))
    ins, outs = w.shape[1], len(w) // groups
    for place in itertools.product(*map(range, size)):
        for tap in itertools.product(*map(range, kernel)):
            at = tuple(p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation,
                                                           strict=True))  # fmt: skip
            for g in range(groups):
                columns = x[(slice(None), slice(g * ins, (g + 1) * ins), *at)]
                rows = w[(slice(g * outs, (g + 1) * outs), slice(None), *tap)]
                out[(slice(None), slice(g * outs, (g + 1) * outs), *place)] += columns @ rows.T
    return out + b.reshape(-1, *[1] * len(kernel))


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2), (9,)),
        (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)), (6, 5)),
        (nn.Conv2d(4, 6, 3, groups=2), (5, 4)),
        (nn.Conv3d(4, 2, 2, stride=(1, 2, 1), padding=1), (3, 4, 2)),
    ],
    ids=repr,
)
def test_convolution_by_its_definition(layer, size, rng):
    layer = layer.to("float64")
    x = rng.standard_normal((2, 4, *size))
    pads = [(p, p) for p in layer.padding]
    expected = naive_conv(x, layer.weight.numpy(), layer.bias.numpy(), layer.stride, pads,
                          layer.dilation, layer.groups)  # fmt: skip
    np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(layer(tg.tensor(x[0])).numpy(), expected[0], atol=1e-12)


def test_same_padding_puts_the_odd_zero_last(rng):
    x, w = rng.standard_normal((1, 1, 5)), rng.standard_normal((1, 1, 4))
    got = F.conv1d(tg.tensor(x), tg.tensor(w), padding="same").numpy()
    assert got.shape == x.shape
    np.testing.assert_allclose(got, naive_conv(x, w, np.zeros(1), (1,), [(1, 2)], (1,), 1))
    assert F.conv1d(tg.tensor(x), tg.tensor(w), padding="valid").shape == (1, 1, 2)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_other_borders(mode, rng):
    layer = nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode).to("float64")
    x = rng.standard_normal((1, 2, 4, 5))
    numpys = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (2, 2)], numpys)
    expected = F.conv2d(tg.tensor(padded), layer.weight, layer.bias)
    np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), expected.numpy())


def test_transposed_convolution_is_the_adjoint(rng):
    """<conv(x), y> = <x, transpose(y)>, for the same weights and a size that leaves no rest."""
    params = {"stride": (2, 3), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
    x, w = rng.standard_normal((2, 4, 7, 8)), rng.standard_normal((6, 2, 3, 2))
    result = F.conv2d(tg.tensor(x), tg.tensor(w), **params).numpy()
    y = rng.standard_normal(result.shape)
    back = F.conv_transpose2d(tg.tensor(y), tg.tensor(w), output_padding=(0, 2), **params).numpy()
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(result * y), np.sum(x * back))


def test_transposed_layers_have_pytorchs_sizes():
    x = tg.ones((2, 3, 5, 4))
    layer = nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1)
    assert layer.weight.shape == (3, 4, 3, 3)
    assert layer(x).shape == (2, 4, 10, 8)
    assert nn.ConvTranspose1d(3, 4, 2, stride=2)(x[:, :, 0]).shape == (2, 4, 8)


def test_gradients(rng):
    normal = rng.standard_normal
    tg.testing.check_grads(
        lambda x, w, b: F.conv2d(x, w, b, 2, 1), [normal((2, 2, 4, 5)), normal((3, 2, 3, 2)),
                                                  normal(3)], order=2)  # fmt: skip
    tg.testing.check_grads(
        lambda x, w: F.conv_transpose1d(x, w, stride=2), [normal((2, 2, 4)), normal((2, 3, 3))]
    )


def test_an_open_batch_size():
    x = tg.placeholder((None, 1, 6, 6), name="x")
    result = nn.Conv2d(1, 2, 3, padding="same")(x)
    assert result.shape[1:] == (2, 6, 6)
    call = tg.function([x], result)
    for batch in (1, 3):
        assert call(np.ones((batch, 1, 6, 6), np.float32)).shape == (batch, 2, 6, 6)


def test_errors():
    x = tg.ones((2, 3, 6, 6))
    with pytest.raises(ShapeError, match="expected stride to be an integer or 2 of them, got"):
        nn.Conv2d(3, 4, 3, stride=(1, 2, 3))
    with pytest.raises(DTypeError, match=r"expected kernel_size to be made of integers, got 2.5"):
        nn.Conv2d(3, 4, 2.5)
    with pytest.raises(ShapeError, match="channels that divide into 2 groups, got 3 and 4"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ShapeError, match="padding 'same' needs a stride of 1"):
        nn.Conv2d(3, 4, 3, stride=2, padding="same")
    with pytest.raises(ValueError, match="expected padding 'valid', 'same', 'full' or integers"):
        nn.Conv2d(3, 4, 3, padding="half")
    with pytest.raises(DTypeError, match="ConvTranspose2d: expected padding to be made of integ"):
        nn.ConvTranspose2d(3, 4, 3, padding="same")
    with pytest.raises(ValueError, match="Conv2d: expected padding_mode out of zeros, reflect, r"):
        nn.Conv2d(3, 4, 3, padding_mode="mirror")
    with pytest.raises(ShapeError, match=r"expected an input with 4 dimensions .* \(6, 6\)"):
        nn.Conv2d(3, 4, 3)(x[0, 0])
    with pytest.raises(ShapeError, match="the input has 3 channels, a weight of 2"):
        nn.Conv2d(2, 4, 3)(x)
    with pytest.raises(ShapeError, match="covers 7 positions"):
        nn.Conv2d(3, 4, 7)(x)
    with pytest.raises(ShapeError, match=r"expected a bias of shape \(4,\), got \(3,\)"):
        F.conv2d(x, tg.ones((4, 3, 3, 3)), tg.ones(3))
    with pytest.raises(ShapeError, match="expected output_padding below the stride"):
        F.conv_transpose2d(x, tg.ones((3, 1, 2, 2)), output_padding=1)
    back = nn.ConvTranspose2d(3, 4, 3, stride=2)
    with pytest.raises(ShapeError, match=r"gives sizes from \(13, 13\) to \(14, 14\), got the out"):
        back(x, output_size=(13, 15))
    with pytest.raises(ShapeError, match=r"an output_size of 2 or 4 numbers, got \(13,\)"):
        back(x, output_size=(13,))


def test_output_padding_beyond_the_stride(rng):
    x, w = tg.tensor(rng.standard_normal((1, 2, 5))), tg.tensor(rng.standard_normal((2, 3, 3)))
    whole = F.conv_transpose1d(x, w, dilation=4).numpy()
    for padding in (0, 1, 2, 3):
        got = F.conv_transpose1d(x, w, padding=padding, output_padding=2, dilation=4)
        padded = np.pad(whole, ((0, 0), (0, 0), (0, 2)))
        expected = padded[..., padding : padded.shape[-1] - padding]
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("sizes", [{"kernel_size": 0}, {"stride": 0}, {"padding": -1},
                                   {"dilation": 0}])  # fmt: skip
def test_sizes_out_of_range(sizes):
    (name,) = sizes
    with pytest.raises(ShapeError, match=f"expected {name} of at least"):
        nn.Conv2d(**{"in_channels": 1, "out_channels": 1, "kernel_size": 3, **sizes})
