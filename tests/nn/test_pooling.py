"""Pooling against NumPy on the windows themselves."""

import itertools

import numpy as np
import pytest
from fused import count, count_with_gradient

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
    tg.testing.check_grads(lambda x: F.adaptive_max_pool2d(x, (3, 2)), [x])
    tg.testing.check_grads(lambda x: F.lp_pool2d(x * x, 3, 2, 1), [x], order=2)
    tg.testing.check_grads(lambda x: F.unpool2d(x * x, 2), [x], order=2)
    places = F.max_pool2d(x, 2, return_indices=True)[1]
    tg.testing.check_grads(
        lambda x: F.max_unpool2d(F.max_pool2d(x * x, 2), places, 2, output_size=(4, 5)),
        [x],
        order=2,
    )


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
    with pytest.raises(ValueError, match="a divisor_override that is not 0"):
        F.avg_pool2d(x, 2, divisor_override=0)
    with pytest.raises(ValueError, match="a norm_type that is not 0"):
        F.lp_pool2d(x, 0, 2)
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


def test_a_window_that_rounding_up_adds_starts_in_the_input():
    x = tg.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
    assert F.max_pool1d(x, 2, ceil_mode=True).tolist() == [[[2.0, 4.0, 5.0]]]
    assert F.avg_pool1d(x, 2, ceil_mode=True).tolist() == [[[1.5, 3.5, 5.0]]]
    assert F.avg_pool1d(x, 3, 2, 1, ceil_mode=True).shape == (1, 1, 3)
    assert F.max_pool1d(x, 1, 4, ceil_mode=True).tolist() == [[[1.0, 5.0]]]
    assert F.max_pool1d(x, 2, 7, ceil_mode=True).tolist() == [[[2.0]]]  # not at 7


def test_not_a_number_counts_as_the_largest():
    x = tg.tensor([[[1.0, float("nan"), 3.0, 2.0]]], requires_grad=True)
    pooled = F.max_pool1d(x, 2)
    np.testing.assert_array_equal(pooled.numpy(), [[[np.nan, 3.0]]])
    pooled.sum().backward()
    assert x.grad.tolist() == [[[0.0, 1.0, 1.0, 0.0]]]


def test_what_is_not_finite_stays_in_its_part():
    x = np.ones((1, 1, 10))
    x[0, 0, 4] = np.inf
    assert F.adaptive_avg_pool1d(tg.tensor(x), 4).tolist() == [[[1.0, np.inf, 1.0, 1.0]]]


@pytest.mark.parametrize("mode", ["max", "avg"])
@pytest.mark.parametrize("size", [(4, 4), (13, 17), (3, 5), (1, 1)])
def test_spatial_pyramid(mode, size, rng):
    x = rng.standard_normal((2, 3, *size))
    reduce = np.max if mode == "max" else np.mean
    parts = []
    for n in (1, 2, 4):
        for c, i, j in itertools.product(range(3), range(n), range(n)):
            at = [
                slice(k * s // n, -(-(k + 1) * s // n)) for k, s in zip((i, j), size, strict=True)
            ]
            parts.append(reduce(x[:, c, at[0], at[1]], axis=(1, 2)))
    layer = nn.SpatialPyramidPooling((1, 2, 4), mode)
    np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), np.stack(parts, axis=1))
    assert layer(tg.tensor(x[0])).shape == (63,)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_global_pools(dims, rng):
    x = rng.standard_normal((2, 3, 4, 5, 6)[: dims + 2])
    space = tuple(range(2, dims + 2))
    for layer, reduce in ((f"GlobalAvgPool{dims}d", np.mean), (f"GlobalMaxPool{dims}d", np.max)):
        pool, kept = getattr(nn, layer)(), getattr(nn, layer)(keepdims=True)
        np.testing.assert_allclose(pool(tg.tensor(x)).numpy(), reduce(x, axis=space))
        np.testing.assert_allclose(pool(tg.tensor(x[0])).numpy(), reduce(x, axis=space)[0])
        assert kept(tg.tensor(x)).shape == (2, 3, *(1,) * dims)
        with pytest.raises(ShapeError, match=f"expected an input with {dims + 2} dimensions"):
            pool(tg.ones(3))
    assert nn.GlobalAveragePooling2D is nn.GlobalAvgPool2d
    with pytest.raises(ShapeError, match=r"expected \(batch, channel, \*size\)"):
        F.global_max_pool(tg.ones(3))


def test_the_gradient_of_the_global_maximum_goes_to_the_first():
    x = tg.tensor([[[1.0, 2.0, 2.0]]], requires_grad=True)
    F.global_max_pool(x).sum().backward()
    assert x.grad.tolist() == [[[0.0, 1.0, 0.0]]]


@pytest.mark.parametrize("kernel", [1, 2, 3, (2, 5), (4, 1)])
def test_unpool_to_the_middle(kernel, rng):
    x = rng.standard_normal((2, 3, 4, 5))
    k, m = (kernel, kernel) if isinstance(kernel, int) else kernel
    expected = np.zeros((2, 3, 4 * k, 5 * m))
    for i, j in itertools.product(range(4), range(5)):
        expected[:, :, i * k + (k - 1) // 2, j * m + (m - 1) // 2] = x[:, :, i, j]
    np.testing.assert_array_equal(nn.Unpool2d(kernel)(tg.tensor(x)).numpy(), expected)
    np.testing.assert_array_equal(F.unpool2d(tg.tensor(x[0]), kernel).numpy(), expected[0])


def test_errors_of_unpooling():
    x, places = tg.ones((1, 1, 2, 2)), tg.zeros((1, 1, 2, 2), dtype="int64")
    with pytest.raises(DTypeError, match="expected indices of dtype int64, got int32"):
        F.max_unpool2d(x, places.astype("int32"), 2)
    with pytest.raises(ShapeError, match=r"indices of the shape \(1, 1, 2, 2\) of the input"):
        F.max_unpool2d(x, places[:, :, :1], 2)
    with pytest.raises(ShapeError, match=r"to differ from \(4, 4\) by less than the stride"):
        F.max_unpool2d(x, places, 2, output_size=(4, 6))
    with pytest.raises(ShapeError, match="expected output_size to have 2 or 4 entries"):
        F.max_unpool2d(x, places, 2, output_size=(4, 4, 4))
    with pytest.raises(IndexError, match="index 16 is out of range"):
        F.max_unpool2d(x, places + 16, 2).numpy()


def test_errors_of_pyramids():
    with pytest.raises(ValueError, match="expected mode 'max' or 'avg', got 'sum'"):
        nn.SpatialPyramidPooling(mode="sum")
    with pytest.raises(ShapeError, match="expected levels to be one or more integers"):
        nn.SpatialPyramidPooling(())
    with pytest.raises(ShapeError, match="expected levels of at least 1"):
        F.spatial_pyramid_pool(tg.ones(1, 2, 4, 4), (0, 1))


def test_errors_of_fractional_pooling():
    x = tg.ones(1, 2, 6, 6)
    with pytest.raises(ValueError, match="expected either output_size or output_ratio"):
        nn.FractionalMaxPool2d(2)
    with pytest.raises(ValueError, match="expected 2 ratios between 0 and 1"):
        nn.FractionalMaxPool2d(2, output_ratio=1.5)
    with pytest.raises(ShapeError, match="of at most the size"):
        F.fractional_max_pool2d(x, 3, output_size=5)
    with pytest.raises(ShapeError, match=r"_random_samples of shape \(1, 2, 2\)"):
        F.fractional_max_pool2d(x, 2, output_size=3, _random_samples=tg.ones(2, 2))


def test_fractional_pooling_draws_anew():
    x = tg.tensor(np.random.default_rng(0).standard_normal((1, 1, 40)))[..., None]
    x = tg.broadcast_to(x, (1, 1, 40, 40))
    first, second = (F.fractional_max_pool2d(x, 2, output_size=15) for _ in range(2))
    assert first.tolist() != second.tolist()


OPEN = {
    "max": lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "average": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "average, apart": lambda x: F.avg_pool2d(x, 2),
    "norm": lambda x: F.lp_pool2d(x * x, 2, 3, 2, ceil_mode=True),
    "adaptive average": lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, (3, None)),
    "places": lambda x: F.adaptive_max_pool2d(x, (4, 3), return_indices=True)[1] * 1.0,
    "pyramid": F.spatial_pyramid_pool,
    "global": lambda x: F.global_avg_pool(x) + F.global_max_pool(x),
    "unpool": lambda x: F.unpool2d(x, 3),
    "max unpool": lambda x: F.max_unpool2d(
        *F.max_pool2d(x, 2, return_indices=True), 2, output_size=x.shape
    ),
}


@pytest.mark.parametrize("name", OPEN)
def test_sizes_that_are_not_known_before(name):
    """One graph for images of any size, whose elements are often equal."""
    x = tg.placeholder((None, 2, None, None), name="x")
    outputs = [OPEN[name](x)]
    if name != "places":
        outputs.append(tg.grad(lambda x: (OPEN[name](x) ** 2).sum())(x))
    call = tg.function([x], outputs)
    for shape in ((1, 2, 6, 8), (3, 2, 7, 9), (2, 2, 4, 12)):
        values = np.random.default_rng(1).integers(-3, 3, shape).astype("float32")
        given = tg.tensor(values, requires_grad=True)
        expected = [OPEN[name](given)]
        if name != "places":
            (expected[0] ** 2).sum().backward()
            expected.append(given.grad)
        for have, want in zip(call(values), expected, strict=True):
            np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=1e-5, atol=1e-5)


def test_the_lowest_number_in_a_part_of_a_size_that_is_not_known():
    x = tg.placeholder((1, 1, None), name="x")
    places = tg.function([x], F.adaptive_max_pool1d(x, 2, return_indices=True)[1])
    assert places(np.full((1, 1, 4), -np.inf, "float32")).tolist() == [[[0, 2]]]


# instructions forward, and of a sum of squares with its gradient
KERNELS = {
    "max": (lambda x: F.max_pool2d(x, 2), 2, 5),
    "average": (lambda x: F.avg_pool2d(x, 2), 2, 4),
    "average of windows that overlap": (lambda x: F.avg_pool2d(x, 3, 2), 2, 4),
    "average without padding": (lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), 3, 6),
    "norm": (lambda x: F.lp_pool2d(x, 2, 2), 2, 5),
    "adaptive average": (lambda x: F.adaptive_avg_pool2d(x, 4), 2, 4),
    "adaptive average of parts that overlap": (lambda x: F.adaptive_avg_pool2d(x, 5), 5, 10),
    "adaptive max": (lambda x: F.adaptive_max_pool2d(x, 4), 2, 5),
    "adaptive max of parts that overlap": (lambda x: F.adaptive_max_pool2d(x, 5), 5, 8),
    "global average": (F.global_avg_pool, 1, 3),
    "global max": (F.global_max_pool, 2, 5),
    "unpool": (lambda x: F.unpool2d(x, 3), 1, 4),
    "max unpool": (
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), 3, 7,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
def test_fusion(name):
    function, forward, both = KERNELS[name]
    assert count(function, (2, 3, 12, 16)) <= forward
    assert count_with_gradient(function, (2, 3, 12, 16)) <= both
