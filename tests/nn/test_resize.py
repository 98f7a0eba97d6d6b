"""Resizing against the formula, element by element."""

import math

import numpy as np
import pytest
from fused import count, count_with_gradient, kernels, tape_of

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError, TraceError
from tinygraph.nn import functional as F
from tinygraph.nn.functional import resample


def triangle(d):
    return max(1 - abs(d), 0)


def cubic(d, a=-0.75):
    d = abs(d)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0


def along(x, size, weight, align):
    """x, of one dimension, with `size` elements."""
    out, n = np.zeros(size), len(x)
    for i in range(size):
        step = (n - 1) / max(size - 1, 1) if align else n / size
        at = step * i if align else step * (i + 0.5) - 0.5
        for j in range(math.floor(at) - 2, math.floor(at) + 4):
            out[i] += weight(at - j) * x[min(max(j, 0), n - 1)]
    return out


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize(("mode", "weight"), [("bilinear", triangle), ("bicubic", cubic)])
@pytest.mark.parametrize("size", [(8, 6), (12, 9), (3, 2), (7, 1), (19, 31), (4, 3), (80, 3)])
def test_values(mode, weight, align, size, rng):
    x = rng.standard_normal((2, 4, 3))
    expected = np.apply_along_axis(along, 1, x, size[0], weight, align)
    expected = np.apply_along_axis(along, 2, expected, size[1], weight, align)
    result = F.interpolate(tg.tensor(x[None]), size, mode=mode, align_corners=align)
    np.testing.assert_allclose(result.numpy()[0], expected, rtol=1e-7, atol=1e-9)


def test_modes_of_nearest():
    x = tg.tensor([[[1, 2, 3]]])
    assert F.interpolate(x, 6).tolist() == [[[1, 1, 2, 2, 3, 3]]]
    assert F.interpolate(x, 2).tolist() == [[[1, 2]]]
    assert F.interpolate(x, 2, mode="nearest-exact").tolist() == [[[1, 3]]]
    assert F.interpolate(x, 40).tolist() == [[[1] * 14 + [2] * 13 + [3] * 13]]
    assert nn.UpsamplingNearest2d(scale_factor=(1, 2))(x[None]).tolist() == [[[[1, 1, 2, 2, 3, 3]]]]


@pytest.mark.parametrize(
    "options",
    [
        {"scale_factor": 2, "mode": "bilinear"}, {"size": (7, 4), "mode": "bicubic"},
        {"size": (7, 9), "mode": "bilinear", "align_corners": True}, {"size": (50, 3)},
        {"size": (3, 2), "mode": "bicubic", "antialias": True},
        {"size": (53, 2), "mode": "bicubic"},
    ],
    ids=str,
)  # fmt: skip
def test_gradients(options, rng):
    x = rng.standard_normal((1, 2, 5, 4))
    tg.testing.check_grads(lambda x: F.interpolate(x * x, **options), [x], order=2)


@pytest.fixture(params=["slices", "gathered"])
def way(request, monkeypatch):
    """Neighbours that take turns, and those that are gathered."""
    if request.param == "gathered":
        monkeypatch.setattr(resample, "MOST_TERMS", 0)
    resample._taken_in_turns.cache_clear()
    yield request.param
    resample._taken_in_turns.cache_clear()


@pytest.mark.parametrize("options", [
    {"size": (7, 9), "mode": "bicubic"}, {"size": (3, 7)}, {"scale_factor": 2, "mode": "bilinear"},
])  # fmt: skip
def test_neighbours_in_turns_and_gathered(options, way, rng):
    x = tg.tensor(rng.standard_normal((1, 2, 5, 4)), requires_grad=True)
    result = F.interpolate(x, **options)
    (result**2).sum().backward()
    matrix = tg.jacobian(lambda x: F.interpolate(x, **options))(x).numpy()  # it is linear
    elements = matrix.reshape(result.size, x.size)
    np.testing.assert_allclose(result.numpy().ravel(), elements @ x.numpy().ravel(), atol=1e-12)
    slope = 2 * elements.T @ result.numpy().ravel()
    np.testing.assert_allclose(x.grad.numpy().ravel(), slope, atol=1e-12)
    whole = tg.placeholder(x.shape, name="x")
    tape = tape_of(F.interpolate(whole, **options), inputs=[whole])
    assert len(kernels(tape, "gather")) == (2 if way == "gathered" else 0)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
@pytest.mark.parametrize("size", [(14, 10), (11, 12), (5, 4), (7, 101)])
def test_what_is_not_finite_stays_where_it_is(mode, size, way):
    x = np.zeros((1, 1, 7, 5))
    x[0, 0, 3, 2] = 1
    seen = F.interpolate(tg.tensor(x), size, mode=mode).numpy() != 0
    for value in (np.nan, np.inf):
        x[0, 0, 3, 2] = value
        result = F.interpolate(tg.tensor(x), size, mode=mode).numpy()
        np.testing.assert_array_equal(~np.isfinite(result), seen)


OPEN = [
    {"scale_factor": 2}, {"scale_factor": 12}, {"scale_factor": 1.5, "mode": "nearest-exact"},
    {"scale_factor": 2, "mode": "bilinear"}, {"scale_factor": (1.5, 0.5), "mode": "bilinear"},
    {"scale_factor": (3, 0.75), "mode": "bicubic"},
]  # fmt: skip


@pytest.mark.parametrize("options", OPEN, ids=str)
def test_sizes_that_are_not_known_before(options, rng):
    x = tg.placeholder((None, 2, None, None), name="x")
    slope = tg.grad(lambda x: (F.interpolate(x, **options) ** 2).sum())(x)
    call = tg.function([x], [F.interpolate(x, **options), slope])
    for shape in ((1, 2, 6, 8), (3, 2, 7, 9), (2, 2, 4, 11)):
        values = rng.standard_normal(shape).astype("float32")
        given = tg.tensor(values, requires_grad=True)
        expected = F.interpolate(given, **options)
        (expected**2).sum().backward()
        for have, want in zip(call(values), (expected, given.grad), strict=True):
            np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"size": 8}, {"scale_factor": 1.2345}, {"scale_factor": 2, "mode": "area"},
     {"scale_factor": 2, "mode": "bilinear", "align_corners": True}],
    ids=str,
)  # fmt: skip
def test_what_needs_a_known_size(options):
    x = tg.placeholder((1, 2, None, None), name="x")
    with pytest.raises(TraceError, match="interpolate: has to know the size"):
        F.interpolate(x, **options)


def test_mapped_over_a_dimension(rng):
    x = rng.standard_normal((3, 2, 4, 5))
    mapped = tg.vmap(lambda x: F.interpolate(x[None], scale_factor=2, mode="bilinear")[0])
    whole = F.interpolate(tg.tensor(x), scale_factor=2, mode="bilinear")
    np.testing.assert_allclose(mapped(tg.tensor(x)).numpy(), whole.numpy())


def test_traced(rng):
    x = rng.standard_normal((1, 2, 4, 5)).astype("float32")
    layer = nn.Upsample(scale_factor=2, mode="bicubic")
    traced = tg.jit(lambda x: layer(x))
    np.testing.assert_allclose(traced(tg.tensor(x)).numpy(), layer(tg.tensor(x)).numpy(), rtol=1e-6)


def test_means_of_16_bit_floats_do_not_overflow():
    x = tg.full((1, 1, 8, 8), 6e4, dtype="float16")
    for mode in ("bilinear", "bicubic", "area"):
        assert F.interpolate(x, 4, mode=mode).tolist() == [[[[6e4] * 4] * 4]]


def test_errors():
    x = tg.ones((1, 1, 4, 5))
    with pytest.raises(ValueError, match="expected either size or scale_factor, got None and None"):
        F.interpolate(x)
    with pytest.raises(ValueError, match="expected size to be a number or 2 of them"):
        F.interpolate(x, (1, 2, 3))
    with pytest.raises(NotImplementedError, match="mode 'linear' is for 1 dimensions of space"):
        F.interpolate(x, 3, mode="linear")
    with pytest.raises(NotImplementedError, match="mode 'lerp' is none of nearest"):
        F.interpolate(x, 3, mode="lerp")
    with pytest.raises(NotImplementedError, match=r"expected \(batch, channel, \*size\)"):
        F.interpolate(x[0, 0], 3)
    with pytest.raises(ValueError, match="align_corners is for the modes linear"):
        F.interpolate(x, 3, align_corners=True)
    with pytest.raises(ValueError, match="antialias is for bilinear, bicubic and lanczos"):
        F.interpolate(x, 3, mode="nearest", antialias=True)
    with pytest.raises(ValueError, match="'lanczos' needs antialias"):
        F.interpolate(x, 3, mode="lanczos")
    with pytest.raises(ValueError, match="recompute_scale_factor needs a scale_factor"):
        F.interpolate(x, 3, recompute_scale_factor=True)
    with pytest.raises(ShapeError, match=r"interpolate: expected sizes of at least 1"):
        F.interpolate(x, scale_factor=0.2)
    with pytest.raises(DTypeError, match=r"interpolate: a size is an integer, got 2\.5"):
        F.interpolate(x, 2.5)
    with pytest.raises(DTypeError, match="interpolate: needs a float, got int64"):
        F.interpolate(x.astype("int64"), 3, mode="bilinear")


# instructions forward, and of a sum of squares with its gradient
KERNELS = {
    "the same size": ({"size": (12, 16), "mode": "bilinear"}, 1, 2),
    "repeated": ({"scale_factor": 2}, 4, 6),
    "every second": ({"scale_factor": 0.5}, 1, 6),
    "halved": ({"scale_factor": 0.5, "mode": "bilinear"}, 1, 7),
    "doubled": ({"scale_factor": 2, "mode": "bilinear"}, 12, 22),
    "doubled, cubic": ({"scale_factor": 2, "mode": "bicubic"}, 12, 22),
    "corners kept": ({"scale_factor": 2, "mode": "bilinear", "align_corners": True}, 12, 22),
    "any size": ({"size": (53, 71), "mode": "bilinear"}, 21, 34),
}


@pytest.mark.parametrize("name", KERNELS)
def test_fusion(name):
    options, forward, both = KERNELS[name]

    def resize(x):
        return F.interpolate(x, **options)

    assert count(resize, (2, 3, 12, 16)) <= forward
    assert count_with_gradient(resize, (2, 3, 12, 16)) <= both
