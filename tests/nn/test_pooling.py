"""Pooling against NumPy on the windows themselves."""

import itertools

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def windows(x, kernel, stride, padding, fill):
    """Each window of x (batch, channel, *size) as (place, elements)."""
    dims = len(kernel)
    x = np.pad(x, [(0, 0)] * 2 + [(padding, padding)] * dims, constant_values=fill)
    size = [(n - k) // stride + 1 for n, k in zip(x.shape[2:], kernel, strict=True)]
    for place in itertools.product(*map(range, size)):
        at = tuple(slice(p * stride, p * stride + k) for p, k in zip(place, kernel, strict=True))
        yield size, place, x[(..., *at)].reshape(*x.shape[:2], -1)


def pooled(x, kernel, stride, padding, fill, reduce):
    out = None
    for size, place, elements in windows(x, kernel, stride, padding, fill):
        out = np.zeros((*x.shape[:2], *size)) if out is None else out
        out[(..., *place)] = reduce(elements)
    return out


CASES = [((2,), 2, 0, (7,)), ((3, 2), 1, 1, (5, 4)), ((3, 3), 2, 1, (6, 7)),
         ((2, 2, 2), 2, 0, (4, 5, 2))]  # fmt: skip


@pytest.mark.parametrize(("kernel", "stride", "padding", "size"), CASES)
def test_values(kernel, stride, padding, size, rng):
    x = rng.standard_normal((2, 3, *size))
    dims = len(kernel)
    largest = getattr(nn, f"MaxPool{dims}d")(kernel, stride, padding)(tg.tensor(x)).numpy()
    expected = pooled(x, kernel, stride, padding, -np.inf, lambda e: e.max(-1))
    np.testing.assert_array_equal(largest, expected)
    mean = getattr(nn, f"AvgPool{dims}d")(kernel, stride, padding)(tg.tensor(x)).numpy()
    np.testing.assert_allclose(mean, pooled(x, kernel, stride, padding, 0, lambda e: e.mean(-1)))
    inside = getattr(F, f"avg_pool{dims}d")(
        tg.tensor(x), kernel, stride, padding, count_include_pad=False
    ).numpy()
    expected = pooled(x, kernel, stride, padding, np.nan, lambda e: np.nanmean(e, -1))
    np.testing.assert_allclose(inside, expected)


def test_the_gradient_goes_to_the_first_of_equal_elements():
    x = tg.tensor([[[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 2.0, 2.0]]], requires_grad=True)
    tg.sum(F.max_pool2d(x, 2)).backward()
    assert x.grad.tolist() == [[[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]]


def test_gradients(rng):
    x = rng.permutation(np.linspace(-1, 1, 60)).reshape(1, 3, 4, 5)
    tg.testing.check_grads(lambda x: F.max_pool2d(x, 3, 2, 1), [x], order=2)
    tg.testing.check_grads(lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), [x])
    tg.testing.check_grads(lambda x: F.adaptive_avg_pool2d(x, (3, 2)), [x])


def test_indices_and_stride_default():
    x = tg.tensor([[[1.0, 5.0, 2.0], [4.0, 3.0, 9.0]]])
    values, places = F.max_pool2d(x, (2, 1), return_indices=True)
    assert values.tolist() == [[[4.0, 5.0, 9.0]]]
    assert places.tolist() == [[[3, 1, 5]]]


def test_adaptive_parts_overlap_where_they_must():
    x = tg.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    assert F.adaptive_avg_pool1d(x, 2).tolist() == [[2.0, 4.0]]
    assert F.adaptive_avg_pool1d(x, 1).tolist() == [[3.0]]
    assert nn.AdaptiveAvgPool2d((None, 1))(tg.ones((2, 3, 4, 5))).shape == (2, 3, 4, 1)


def test_open_sizes():
    x = tg.placeholder((None, 2, None, 4), name="x")
    net = nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    call = tg.function([x], net(x))
    for shape in ((1, 2, 4, 4), (3, 2, 6, 4)):
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        expected = pooled(values, (2, 2), 2, 0, 0, lambda e: e.max(-1)).mean((2, 3))
        np.testing.assert_allclose(call(values).numpy(), expected, rtol=1e-6)


def test_errors():
    x = tg.ones((1, 1, 4, 4))
    with pytest.raises(ShapeError, match=r"padding of at most half of the kernel \(2, 2\)"):
        F.max_pool2d(x, 2, padding=2)
    with pytest.raises(ShapeError, match="covers 5 positions"):
        F.max_pool2d(x, 5)
    with pytest.raises(DTypeError, match="avg_pool2d: needs a float, got int64"):
        F.avg_pool2d(tg.ones((1, 1, 4, 4), dtype="int64"), 2)
    with pytest.raises(ShapeError, match="expected output_size to have 2 entries"):
        F.adaptive_avg_pool2d(x, (1, 2, 3))
    with pytest.raises(ShapeError, match="expected an input with 3 dimensions"):
        F.max_pool1d(x, 2)


def test_means_of_16_bit_floats_do_not_overflow():
    x = tg.full((1, 1, 1000), 100.0, dtype="float16")
    assert F.avg_pool1d(x, 1000).item() == 100.0
    assert F.avg_pool1d(x, 1000, 1000, 10, count_include_pad=False)[0, 0, 0].item() == 100.0
    assert F.adaptive_avg_pool1d(x, 1).item() == 100.0


@pytest.mark.parametrize("sizes", [{"kernel_size": 0}, {"stride": 0}, {"padding": -1}])
def test_sizes_out_of_range(sizes):
    (name,) = sizes
    with pytest.raises(ShapeError, match=f"_pool1d: expected {name} of at least"):
        F.avg_pool1d(tg.ones((1, 1, 9)), **{"kernel_size": 2, **sizes})
