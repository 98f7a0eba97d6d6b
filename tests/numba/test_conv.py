"""Convolutions as native code, against NumPy."""

import numpy as np
import pytest
from cases import samples
from chunks import assert_close, check_close
from drive import drive, instruction_of
from hypothesis import given
from hypothesis import strategies as st
from layouts import laid_out

from tinygraph.ops.conv import conv, conv_input, conv_weight
from tinygraph_numba.kernels import conv as provider
from tinygraph_numba.kernels import tiles
from tinygraph_numba.kernels.conv import plan

OPS = (conv, conv_input, conv_weight)


def is_empty(param):
    op, case = param.values
    shape = op.infer(*map(np.asarray, case.args), **case.params).shape
    return 0 in shape or any(np.size(array) == 0 for array in case.args)


def operands(x, w, params, rng):
    """For each op its arrays and parameters, such that they are each other's gradients."""
    shape = conv.infer(x, w, **params).shape
    g = rng.standard_normal(shape).astype(x.dtype)
    yield conv, (x, w), params
    yield conv_input, (g, w), {**params, "size": x.shape[2:]}
    yield conv_weight, (x, g), {**params, "size": w.shape[2:]}


def layer(batch, channels, out_channels, size, kernel, stride=1, padding=0, groups=1):
    """The arrays and parameters of a plain layer for images."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, channels, size, size)).astype("float32")
    w = rng.standard_normal((out_channels, channels // groups, kernel, kernel)).astype("float32")
    params = {
        "stride": (stride,) * 2, "padding": ((padding,) * 2,) * 2, "dilation": (1, 1),
        "groups": groups,
    }  # fmt: skip
    return x, w, params


LAYERS = {
    "resnet stem": layer(5, 3, 16, 32, 3, padding=1),
    "resnet 16": layer(3, 16, 16, 32, 3, padding=1),
    "resnet down": layer(3, 16, 32, 32, 3, stride=2, padding=1),
    "resnet short cut": layer(3, 16, 32, 32, 1, stride=2),
    "resnet 64": layer(5, 64, 64, 8, 3, padding=1),
    "lenet": layer(5, 6, 16, 14, 5),
    "pointwise": layer(3, 33, 40, 7, 1),
    "depthwise": layer(3, 12, 12, 19, 3, padding=1, groups=12),
    "large images": layer(2, 8, 5, 150, 3, padding=1),
    "batch of 1": layer(1, 20, 10, 40, 5, padding=2),
}


@pytest.mark.parametrize(("op", "case"), [each for each in samples(*OPS) if not is_empty(each)])
def test_samples(op, case):
    check_close(plan, op, case.args, case.params)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    rng = np.random.default_rng(0)
    for op, arrays, params in operands(*LAYERS[name], rng):
        check_close(plan, op, arrays, params)


@st.composite
def geometries(draw):
    """Sizes and parameters of a convolution of up to three dimensions."""
    dims = draw(st.integers(1, 3))

    def numbers(low, high):
        return draw(st.tuples(*[st.integers(low, high)] * dims))

    kernel, stride, dilation, more = numbers(1, 3), numbers(1, 3), numbers(1, 2), numbers(0, 6)
    padding = tuple(zip(numbers(0, 2), numbers(0, 2), strict=True))
    size = tuple(
        max(1, d * (k - 1) + 1 - sum(pads) + n)
        for k, d, pads, n in zip(kernel, dilation, padding, more, strict=True)
    )
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, out_channels = draw(st.integers(1, 3)), draw(st.integers(1, 19))
    batch = draw(st.integers(1, 5))
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (
        (batch, channels * groups, *size), (out_channels * groups, channels, *kernel), params
    )  # fmt: skip


@given(geometries(), st.integers(0, 10**6))
def test_any_geometry(geometry, seed):
    shape, weight_shape, params = geometry
    rng = np.random.default_rng(seed)
    dtype = rng.choice(["float32", "float64"])
    x = rng.standard_normal(shape).astype(dtype)
    w = rng.standard_normal(weight_shape).astype(dtype)
    for op, arrays, given_params in operands(x, w, params, rng):
        check_close(plan, op, arrays, given_params, seed)


@pytest.mark.parametrize("op", [conv, conv_input])
def test_the_result_may_have_any_strides(op):
    rng = np.random.default_rng(0)
    for each, arrays, params in operands(*layer(3, 4, 8, 16, 3, padding=1), rng):
        if each is op:
            want = op.eval(np, *arrays, **params)
            out = laid_out(rng, np.zeros_like(want))
            drive(plan, op, arrays, params, outputs=[out])
            assert_close(out, want)


def test_strides_of_dimensions_of_one_element_say_nothing():
    x, w, params = layer(2, 1, 6, 9, 5)
    g = conv.eval(np, x, w, **params)
    params = {**params, "size": (5, 5)}
    out = np.lib.stride_tricks.as_strided(np.zeros(150, "float32"), w.shape, (100, 8, 20, 4))
    drive(plan, conv_weight, (x, g), params, outputs=[out])
    assert_close(out, conv_weight.eval(np, x, g, **params))


def test_nan_stays_where_windows_see_it():
    x, w, params = layer(2, 3, 8, 9, 3, padding=1)
    x[0, 1, 4, 4] = np.nan
    (got,) = drive(plan, conv, (x, w), params)
    seen = np.zeros(got.shape, bool)
    seen[0, :, 3:6, 3:6] = True
    np.testing.assert_array_equal(np.isnan(got), seen)


def planned(op, arrays, params):
    def make(avals):
        return [np.empty(aval.shape, aval.dtype) for aval in avals]

    return plan(instruction_of(op, arrays, params, make)[0])


def test_what_has_no_plan():
    x, w, params = layer(2, 3, 8, 9, 3)
    assert planned(conv, (x[:0], w), params) is None
    assert planned(conv, (x.astype("float16"), w.astype("float16")), params) is None
    more = {"stride": (1,) * 4, "padding": ((0, 0),) * 4, "dilation": (1,) * 4, "groups": 1}
    assert planned(conv, (np.ones((1, 1, 2, 2, 2, 2)), np.ones((1, 1, 1, 1, 1, 1))), more) is None


@pytest.mark.parametrize("op", OPS)
def test_a_batch_has_chunks_for_several_threads(op):
    rng = np.random.default_rng(0)
    for each, arrays, params in operands(*layer(64, 16, 16, 32, 3, padding=1), rng):
        if each is op:
            found = planned(each, arrays, params)
            assert -(-found.extent // found.grain) >= 4
            assert found.scratch < 1 << 20


@pytest.mark.parametrize("registers", [(16, 16), (16, 32), (32, 16), (32, 64)], ids=str)
def test_tiles_for_other_processors(registers, monkeypatch):
    monkeypatch.setattr(tiles, "registers", lambda: registers)
    monkeypatch.setattr(provider, "tile", tiles.tile.__wrapped__)
    rng = np.random.default_rng(0)
    for op, arrays, params in operands(*layer(3, 4, 10, 8, 3, padding=1), rng):
        (got,) = drive(plan, op, arrays, params)
        assert_close(got, op.eval(np, *arrays, **params))
