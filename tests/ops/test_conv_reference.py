"""Convolution and windows against plain loops, over strides, pads, dilations and groups."""

from itertools import product

import naive
import numpy as np
import pytest

from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import columns
from tinygraph.ops.conv import conv, conv_input, conv_weight
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.ops.windows import fold, window_argmax, window_sum, windows
from tinygraph.runtime.interpret import interpret

RNG = np.random.default_rng(0)


def evaluate(op, *arrays, **params):
    nodes = [Node(PLACEHOLDER, (), {"name": "x"}, Aval(a.shape, a.dtype)) for a in arrays]
    out = op(*nodes, **params)
    (value,) = interpret(Graph(nodes, [out]), dict(zip(nodes, arrays, strict=True)), np)
    assert value.shape == out.shape
    assert value.dtype == out.dtype
    return value


def layouts(dims, groups=(1,)):
    """Kernels, strides, pads and dilations, uneven from dimension to dimension."""
    kernels = {1: [(1,), (2,), (3,)], 2: [(1, 1), (3, 2)], 3: [(1, 1, 1), (2, 1, 3)]}[dims]
    strides = [(1,) * dims, (2, 1, 3)[:dims]]
    paddings = [((0, 0),) * dims, ((1, 2), (0, 1), (2, 0))[:dims]]
    dilations = [(1,) * dims, (2, 1, 2)[:dims]]
    return product(kernels, strides, paddings, dilations, groups)


SIZES = {1: (7,), 2: (5, 4), 3: (4, 3, 5)}
CASES = [case for dims in (1, 2, 3) for case in layouts(dims, (1, 2, 4))]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "groups"), CASES)
def test_convolution_and_its_adjoints_equal_plain_loops(kernel, stride, padding, dilation, groups):
    size = SIZES[len(kernel)]
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x = RNG.standard_normal((2, 4, *size))
    w = RNG.standard_normal((4, 4 // groups, *kernel))
    expected = naive.conv(x, w, **params)
    g = RNG.standard_normal(expected.shape)
    np.testing.assert_allclose(evaluate(conv, x, w, **params), expected, atol=1e-12)
    np.testing.assert_allclose(
        evaluate(conv_input, g, w, size=size, **params),
        naive.conv_input(g, w, size=size, **params), atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(
        evaluate(conv_weight, x, g, size=kernel, **params),
        naive.conv_weight(x, g, size=kernel, **params), atol=1e-12,
    )  # fmt: skip


@pytest.mark.parametrize("channels", [(2, 6), (6, 2)])
def test_channels_that_grow_or_shrink(channels):
    into, out = channels
    params = {"stride": (1, 1), "padding": ((1, 1), (2, 0)), "dilation": (1, 1), "groups": 2}
    x, w = RNG.standard_normal((3, into, 4, 5)), RNG.standard_normal((out, into // 2, 3, 3))
    g = RNG.standard_normal((3, out, 4, 5))
    np.testing.assert_allclose(
        evaluate(conv, x, w, **params), naive.conv(x, w, **params), atol=1e-12
    )
    np.testing.assert_allclose(
        evaluate(conv_input, g, w, size=(4, 5), **params),
        naive.conv_input(g, w, size=(4, 5), **params), atol=1e-12,
    )  # fmt: skip


@pytest.mark.parametrize("limit", [1, 600, 1 << 20])
def test_a_batch_done_in_parts_gives_the_same(monkeypatch, limit):
    monkeypatch.setattr(columns, "BLOCK_BYTES", limit)
    params = {"stride": (2, 1), "padding": ((1, 1), (0, 2)), "dilation": (1, 1), "groups": 1}
    x, w = RNG.standard_normal((5, 2, 6, 5)), RNG.standard_normal((3, 2, 3, 3))
    expected = naive.conv(x, w, **params)
    g = RNG.standard_normal(expected.shape)
    np.testing.assert_allclose(evaluate(conv, x, w, **params), expected, atol=1e-12)
    np.testing.assert_allclose(
        evaluate(conv_input, g, w, size=(6, 5), **params),
        naive.conv_input(g, w, size=(6, 5), **params), atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(
        evaluate(conv_weight, x, g, size=(3, 3), **params),
        naive.conv_weight(x, g, size=(3, 3), **params), atol=1e-12,
    )  # fmt: skip


@pytest.mark.parametrize("op", [conv, conv_input, conv_weight])
def test_results_do_not_share_memory_with_later_calls(op):
    params = {"stride": (1,), "padding": ((1, 1),), "dilation": (1,), "groups": 1}
    shapes = {conv: ((2, 3, 8), (3, 3, 3)), conv_input: ((2, 3, 8), (3, 3, 3)),
              conv_weight: ((2, 3, 8), (2, 3, 8))}[op]  # fmt: skip
    if op is not conv:
        params["size"] = (8,) if op is conv_input else (3,)
    first = evaluate(op, *(np.ones(shape) for shape in shapes), **params)
    kept = first.copy()
    evaluate(op, *(np.full(shape, 7.0) for shape in shapes), **params)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("strided", [False, True])
def test_a_result_can_be_written_where_it_is_wanted(strided):
    x, w = RNG.standard_normal((2, 3, 4, 4)), RNG.standard_normal((5, 3, 1, 1))
    params = {"stride": (1, 1), "padding": ((0, 0),) * 2, "dilation": (1, 1), "groups": 1}
    out = np.empty((2, 5, 4, 8))[..., ::2] if strided else np.empty((2, 5, 4, 4))
    assert conv.eval(np, x, w, out=out, **params) is out
    np.testing.assert_allclose(out, naive.conv(x, w, **params), atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_narrow_floats_are_summed_in_32_bits(dtype):
    from tinygraph.dtypes import canonical

    x = np.full((1, 300, 3), 1.0).astype(canonical(dtype))
    w = np.full((1, 300, 2), 1.0).astype(canonical(dtype))
    params = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
    value = evaluate(conv, x, w, **params)
    np.testing.assert_array_equal(value.astype("float64"), [[[600.0, 600.0]]])


def test_open_sizes_go_through_and_are_checked_when_they_are_known():
    batch, width = Dim.symbol("batch"), Dim.symbol("width")
    x = Node(PLACEHOLDER, (), {"name": "x"}, Aval((batch, 2, width), np.dtype("float64")))
    w = Node(PLACEHOLDER, (), {"name": "w"}, Aval((4, 2, 3), np.dtype("float64")))
    params = {"padding": ((1, 1),), "dilation": (1,), "groups": 1}
    plain = conv(x, w, stride=(1,), **params)
    assert plain.shape == (batch, 4, width)
    halved = conv(x, w, stride=(2,), **params)
    back = conv_input(halved, w, size=(width,), stride=(2,), **params)
    assert back.shape == x.shape
    assert windows(x, kernel=(3,), stride=(1,), dilation=(1,)).shape == (batch, 2, width - 2, 3)
    narrow = np.zeros((1, 2, 1))
    with pytest.raises(ShapeError, match="covers 4 positions"):
        conv.eval(np, narrow, np.zeros((1, 2, 4)), stride=(1,), **params)


WINDOW_CASES = [case for dims in (1, 2, 3) for case in layouts(dims)]


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "_groups"), WINDOW_CASES)
def test_windows_and_fold_equal_plain_loops(kernel, stride, padding, dilation, _groups):
    size = tuple(n + low + high for n, (low, high) in zip(SIZES[len(kernel)], padding, strict=True))
    x = RNG.standard_normal((2, *size))
    params = {"stride": stride, "dilation": dilation}
    expected = naive.windows(x, kernel, **params)
    np.testing.assert_array_equal(evaluate(windows, x, kernel=kernel, **params), expected)
    summed = expected.reshape(*expected.shape[: 1 + len(kernel)], -1).sum(axis=-1)
    np.testing.assert_allclose(evaluate(window_sum, x, kernel=kernel, **params), summed, atol=1e-12)
    g = RNG.standard_normal(expected.shape)
    np.testing.assert_allclose(
        evaluate(fold, g, size=size, **params), naive.fold(g, size, **params), atol=1e-12
    )


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "_groups"), WINDOW_CASES)
@pytest.mark.parametrize("values", ["ties", "nan", "lowest", "float32"])
def test_window_argmax_equals_plain_loops(kernel, stride, padding, dilation, _groups, values):
    size = SIZES[len(kernel)]
    padding = tuple(
        (min(low, d * (k - 1)), min(high, d * (k - 1)))
        for (low, high), k, d in zip(padding, kernel, dilation, strict=True)
    )
    x = {
        "ties": RNG.integers(0, 3, (2, *size)),
        "nan": np.where(RNG.random((2, *size)) < 0.3, np.nan, RNG.standard_normal((2, *size))),
        "lowest": np.full((2, *size), -np.inf),
        "float32": RNG.standard_normal((2, *size)).astype("float32"),
    }[values]
    params = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}
    np.testing.assert_array_equal(
        evaluate(window_argmax, x, **params), naive.window_argmax(x, **params)
    )


def test_windows_copy_nothing():
    x = np.arange(12.0).reshape(3, 4)
    seen = windows.eval(np, x, kernel=(2, 2), stride=(1, 1), dilation=(1, 1))
    assert np.shares_memory(seen, x)


def test_a_last_window_beyond_the_end_is_allowed_while_it_touches_the_input():
    x = np.arange(6.0).reshape(1, 6)
    params = {"kernel": (3,), "stride": (2,), "dilation": (1,)}
    rounded_up = evaluate(window_argmax, x, padding=((0, 1),), **params)
    np.testing.assert_array_equal(rounded_up, [[2, 4, 5]])
    with pytest.raises(ShapeError, match="lies wholly in the padding"):
        evaluate(window_argmax, x, padding=((0, 3),), **params)
