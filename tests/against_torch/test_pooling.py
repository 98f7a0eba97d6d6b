"""Pooling and unpooling, against PyTorch."""

import itertools
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn import functional as F

T = torch.nn.functional


def shuffled(*shape, seed=0):
    """Different numbers, so that maxima are unique."""
    count = int(np.prod(shape))
    return np.random.default_rng(seed).permutation(np.linspace(-3, 3, count)).reshape(shape)


SIZES = {1: (9,), 2: (9, 7), 3: (6, 7, 5)}
# batches: one, none at all, several (not contiguous), and no batch
LEADS = {"batch": (2, 3), "empty": (0, 3), "row": (1, 1), "no batch": (3,)}


def arrays(dims, lead="batch"):
    return shuffled(*LEADS[lead], *SIZES[dims])


def both(name):
    return getattr(F, name), getattr(T, name)


LAYOUTS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "stride": 3},
    {"kernel_size": 3, "stride": 1, "padding": 1},
]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_max_pool(dims, layout):
    for ceil_mode, dilation in itertools.product((False, True), (1, 2)):
        options = {**layout, "ceil_mode": ceil_mode, "dilation": dilation}
        ours, theirs = both(f"max_pool{dims}d")
        peer.same(ours, theirs, arrays(dims), return_indices=True, **options)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_avg_pool(dims, layout):
    ours, theirs = both(f"avg_pool{dims}d")
    for ceil_mode, include in itertools.product((False, True), (True, False)):
        options = {**layout, "ceil_mode": ceil_mode, "count_include_pad": include}
        peer.same(ours, theirs, arrays(dims), **options)
        if dims > 1:
            peer.same(ours, theirs, arrays(dims), divisor_override=5, **options)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("norm", [1, 2, 3.0, -2, 2.5, float("inf"), -float("inf")])
def test_lp_pool(dims, norm):
    ours, theirs = both(f"lp_pool{dims}d")
    x = np.abs(arrays(dims))
    for layout in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2}):
        for ceil_mode in (False, True):
            peer.same(ours, theirs, x, norm, ceil_mode=ceil_mode, **layout)


@pytest.mark.parametrize("norm", [1, 2, 3, 4.5])
def test_lp_pool_at_zero_and_of_a_negative_sum(norm):
    x = np.zeros((1, 2, 4, 6))
    x[0, 1, 0, 0], x[0, 1, 3, 3] = 2.0, -1.5
    peer.same(F.lp_pool2d, T.lp_pool2d, x, norm, 2)


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_shapes_of_the_input(dims, lead):
    x = arrays(dims, lead)
    turned = np.swapaxes(x, -1, 0).copy().swapaxes(-1, 0)
    strided = np.repeat(x, 2, axis=-1)[..., ::2]
    size = {1: 2, 2: (4, 3), 3: (4, 3, 2)}[dims]
    for given in (x, turned, strided):
        peer.same(*both(f"max_pool{dims}d"), given, 2, return_indices=True)
        peer.same(*both(f"avg_pool{dims}d"), given, 3, 2, 1, count_include_pad=False)
        peer.same(*both(f"lp_pool{dims}d"), np.abs(given), 2, 2)
        if 0 not in x.shape:  # PyTorch refuses those
            peer.same(*both(f"adaptive_max_pool{dims}d"), given, size, return_indices=True)
        peer.same(*both(f"adaptive_avg_pool{dims}d"), given, size)


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_adaptive(kind, dims):
    ours, theirs = both(f"adaptive_{kind}_pool{dims}d")
    options = {"return_indices": True} if kind == "max" else {}
    most = max(SIZES[dims]) + 2
    counts = range(1, most) if dims < 3 else (1, 2, 4, 7)
    for count in counts:
        peer.same(ours, theirs, arrays(dims), count, **options)
    if dims > 1:
        for given in ((None, 2, 3), (1, 1, None), (3, 4, 1), (6, 7, None), (12, 3, 2)):
            peer.same(ours, theirs, arrays(dims), given[:dims], **options)
    peer.same(ours, theirs, arrays(dims)[..., :1], 3, **options)  # one element in several parts


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_equal_elements(size):
    """The first of them is chosen, in windows that overlap and that do not."""
    x = np.random.default_rng(3).integers(0, 2, (2, 2, 6, 7)).astype(float)
    options = {"return_indices": True}
    peer.same(F.max_pool2d, T.max_pool2d, x, size, 1, **options)
    peer.same(F.adaptive_max_pool2d, T.adaptive_max_pool2d, x, size, **options)


def test_nan_and_infinity():
    x = arrays(2)
    x[0, 0, 2, 3], x[0, 1, 0, 0], x[1, 1, 8, 6], x[1, 0] = np.nan, np.inf, -np.inf, -np.inf
    peer.same(F.max_pool2d, T.max_pool2d, x, 2, return_indices=True)
    peer.same(F.max_pool2d, T.max_pool2d, x, 3, 2, 1, return_indices=True)
    peer.same(F.adaptive_max_pool2d, T.adaptive_max_pool2d, x, (4, 3), return_indices=True)
    x[1, 0] = 1.0
    peer.same(F.adaptive_avg_pool2d, T.adaptive_avg_pool2d, x, (4, 3))
    peer.same(F.avg_pool2d, T.avg_pool2d, x, 3, 2, 1)


UNPOOLED = [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2}, {"kernel_size": 2, "stride": 3},
            {"kernel_size": 3, "stride": 2, "padding": 1}]  # fmt: skip


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("layout", UNPOOLED, ids=str)
@pytest.mark.parametrize("lead", ["batch", "no batch", "empty"])
def test_max_unpool(dims, layout, lead):
    """There and back; overlapping windows have equal elements, and gradients for each."""

    def run(library, x, size):
        pooled = getattr(library, f"max_pool{dims}d")(x, **layout, return_indices=True)
        return getattr(library, f"max_unpool{dims}d")(*pooled, **layout, output_size=size)

    x = arrays(dims, lead)
    for size in (x.shape[-dims:], (9, 9, *x.shape[-dims:])):
        peer.same(partial(run, F), partial(run, T), x, size)
    usual = tuple(n - (n - 2) % 3 for n in x.shape[-dims:])  # fits without a remainder
    x = x[(..., *map(slice, usual))]
    if layout == UNPOOLED[2]:
        peer.same(partial(run, F), partial(run, T), x, None)


MODULES = [
    ("MaxPool1d", (3, 2, 1), {}), ("MaxPool2d", ((3, 2),), {"ceil_mode": True}),
    ("MaxPool2d", (2, 1, 1, 2, True, True), {}), ("MaxPool3d", (2,), {"return_indices": True}),
    ("AvgPool1d", (3, 2, 1, True, False), {}), ("AvgPool1d", (2,), {}),
    ("AvgPool2d", (3, 2, 1, True, False, 4), {}), ("AvgPool2d", ((2, 3),), {}),
    ("AvgPool3d", (2, 2, 1), {"divisor_override": 3}), ("AvgPool3d", (2,), {}),
    ("LPPool1d", (2, 3), {}), ("LPPool2d", (2, 2, 1), {"ceil_mode": True}),
    ("LPPool3d", (1.5, 2), {}), ("AdaptiveAvgPool1d", (4,), {}),
    ("AdaptiveAvgPool2d", ((None, 3),), {}), ("AdaptiveAvgPool3d", (2,), {}),
    ("AdaptiveMaxPool1d", (4, True), {}), ("AdaptiveMaxPool2d", ((5, None),), {}),
    ("AdaptiveMaxPool3d", ((1, 2, 3),), {"return_indices": True}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options"), MODULES, ids=str)
def test_modules(name, args, options):
    ours = getattr(nn, name)(*args, **options)
    theirs = getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    x = arrays(int(name[-2]))
    peer.same_module(ours, theirs, np.abs(x) if "LP" in name else x)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpool_modules(dims):
    args = (3, 2, 1)
    ours = getattr(nn, f"MaxUnpool{dims}d")(*args)
    theirs = getattr(torch.nn, f"MaxUnpool{dims}d")(*args)
    assert repr(ours) == repr(theirs)
    x = torch.tensor(arrays(dims))
    values, places = both(f"max_pool{dims}d")[1](x, *args, return_indices=True)
    peer.same_module(ours, theirs, values.numpy(), places.numpy(), output_size=x.shape[2:])


def single(*shape):
    return shuffled(*shape).astype("float32")


WAYS = {
    "max": lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True, return_indices=True),
    "avg": lambda x: F.avg_pool2d(x, 3, 2, 1, True, False),
    "lp": lambda x: F.lp_pool2d(x, 2, 2),
    "adaptive avg": lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, (3, 4), return_indices=True),
    "pyramid": lambda x: F.spatial_pyramid_pool(x),
    "global": lambda x: (F.global_avg_pool(x), F.global_max_pool(x)),
    "unpool2d": lambda x: F.unpool2d(x, (2, 3)),
    "max_unpool": lambda x: F.max_unpool2d(*F.max_pool2d(x, (2, 1), return_indices=True), (2, 1)),
}


@pytest.mark.parametrize("way", WAYS)
def test_modes(way):
    peer.modes(WAYS[way], single(2, 3, 6, 7))


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "int8"])
def test_dtypes(dtype):
    x = np.arange(48).reshape(1, 2, 4, 6).astype(dtype)
    options = {"rtol": 1e-3, "atol": 1e-3}
    peer.same(F.max_pool2d, T.max_pool2d, x, 2, return_indices=True)
    peer.same(F.adaptive_max_pool2d, T.adaptive_max_pool2d, x.astype("float32"), 3)
    if np.dtype(dtype).kind == "f":
        peer.same(F.avg_pool2d, T.avg_pool2d, x, 3, 2, 1, **options)
        peer.same(F.adaptive_avg_pool2d, T.adaptive_avg_pool2d, x, (3, 4), **options)


def test_errors_of_both():
    x, t = tg.ones((1, 1, 4, 4)), torch.ones((1, 1, 4, 4))
    wrong = [
        ("max_pool2d", (2, 2, 2), {}), ("max_pool2d", (5,), {}), ("max_pool2d", (0,), {}),
        ("max_pool2d", (2, 0), {}), ("max_pool2d", (2, 2, -1), {}), ("max_pool1d", (2,), {}),
        ("max_pool2d", (2, 1, 0, 0), {}), ("max_pool3d", (6,), {}), ("avg_pool2d", (2, 2, 2), {}),
        ("avg_pool2d", (2,), {"divisor_override": 0}), ("adaptive_avg_pool2d", ((1, 2, 3),), {}),
    ]  # fmt: skip
    for name, args, options in wrong:
        with pytest.raises((ValueError, TypeError)):
            getattr(F, name)(x, *args, **options)
        with pytest.raises((RuntimeError, ValueError, TypeError)):
            getattr(T, name)(t, *args, **options)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("lead", ["batch", "no batch"])
def test_fractional(dims, lead):
    """With the same random numbers."""
    x = arrays(dims, lead)
    wide = x.shape[:-dims] if lead == "batch" else (1, *x.shape[:1])
    samples = np.random.default_rng(0).random((*wide, dims))
    ours, theirs = both(f"fractional_max_pool{dims}d")
    for kernel, size in ((2, (4, 5, 3)[:dims]), (3, 1), ((2, 3, 1)[:dims], 3)):
        options = {"output_size": size, "return_indices": True}

        def run(function, x, samples, kernel=kernel, options=options):
            return function(x, kernel, _random_samples=samples.detach(), **options)

        peer.same(lambda x, s: run(ours, x, s), lambda x, s: run(theirs, x, s), x, samples)


@pytest.mark.parametrize("dims", [2, 3])
def test_fractional_modules(dims):
    x = arrays(dims)
    samples = np.random.default_rng(0).random((2, 3, dims))
    ours = getattr(nn, f"FractionalMaxPool{dims}d")(2, output_ratio=0.6, _random_samples=samples)
    samples = torch.tensor(samples)
    theirs = getattr(torch.nn, f"FractionalMaxPool{dims}d")
    theirs = theirs(2, output_ratio=0.6, _random_samples=samples)
    assert repr(ours) == repr(theirs)
    peer.same_module(ours, theirs, x)
