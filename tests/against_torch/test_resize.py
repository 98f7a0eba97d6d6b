"""Resizing, against PyTorch."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn import functional as F

T = torch.nn.functional

SIZES = {1: (7,), 2: (7, 5), 3: (4, 5, 4)}
MODES = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}
TARGETS = {1: (1, 3, 7, 9, 14, 20), 2: (1, (4, 5), (14, 10), (11, 3)), 3: ((5, 5, 4), (8, 10, 3))}
FACTORS = (2, 0.5, 1.5, 1.7, 3.2, 0.3, 4)


def arrays(*lead, dims):
    return np.random.default_rng(dims).standard_normal((*lead, *SIZES[dims]))


def resized(*args, **options):
    peer.same(F.interpolate, T.interpolate, *args, **options)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "area"])
def test_nearest_and_area(dims, mode):
    x = arrays(2, 3, dims=dims)
    for size in TARGETS[dims]:
        resized(x, size=size, mode=mode)
    for factor, again in itertools.product(FACTORS, (None, True)):
        resized(x, scale_factor=factor, mode=mode, recompute_scale_factor=again)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_rounds_the_same(mode, dtype):
    for size in (1, 2, 3, 5, 6, 7, 10, 12, 25, 49):
        x = np.arange(size, dtype=dtype).reshape(1, 1, size)
        for count in range(1, 60):
            ours = F.interpolate(tg.tensor(x), size=count, mode=mode)
            theirs = T.interpolate(torch.tensor(x), size=count, mode=mode)
            assert ours.tolist() == theirs.tolist(), (size, count)
        for factor in np.arange(1, 40) / 10:
            if int(size * factor):
                ours = F.interpolate(tg.tensor(x), scale_factor=factor, mode=mode)
                theirs = T.interpolate(torch.tensor(x), scale_factor=factor, mode=mode)
                assert ours.tolist() == theirs.tolist(), (size, factor)


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize(("dims", "mode"), [(d, m) for d in MODES for m in MODES[d]])
def test_smooth(dims, mode, align):
    x = arrays(2, 3, dims=dims)
    for size in TARGETS[dims]:
        resized(x, size=size, mode=mode, align_corners=align)
    for factor, again in itertools.product(FACTORS, (None, True)):
        options = {"recompute_scale_factor": again, "align_corners": align}
        resized(x, scale_factor=factor, mode=mode, **options)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("align", [False, True])
def test_antialias(mode, align):
    if mode == "lanczos" and align:
        return
    x = arrays(2, 3, dims=2)
    for size in TARGETS[2]:
        resized(x, size=size, mode=mode, align_corners=align, antialias=True)
    for factor in FACTORS:
        # PyTorch repeats its first row where the width becomes 1, and the height more
        if int(5 * factor) > 1:
            resized(x, scale_factor=factor, mode=mode, align_corners=align, antialias=True)


@pytest.mark.parametrize("lead", [(0, 3), (1, 1), (3, 0)])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "area"])
def test_shapes_of_the_input(lead, mode):
    x = arrays(*lead, dims=2)
    turned = np.swapaxes(x, -1, -2)
    for given in (x, turned, turned[:, :, ::2]):
        if given.shape[1]:
            resized(given, size=(3, 8), mode=mode)
            resized(given, scale_factor=(2, 3), mode=mode)


def test_what_is_not_finite_stays_where_it_is():
    x = arrays(1, 1, dims=2)
    x[0, 0, 3, 2], x[0, 0, 6, 4] = np.nan, np.inf
    for size in ((14, 10), (11, 12), (5, 4)):
        for mode in ("nearest", "bilinear", "area"):
            ours = F.interpolate(tg.tensor(x), size=size, mode=mode).numpy()
            theirs = T.interpolate(torch.tensor(x), size=size, mode=mode).numpy()
            np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(theirs))


MODULES = [
    ("Upsample", (9,), {}), ("Upsample", ((9, 4),), {"mode": "bilinear"}),
    ("Upsample", (), {"scale_factor": 2, "mode": "bicubic", "align_corners": True}),
    ("Upsample", (None, (2, 1.5), "bilinear", False, True), {}),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}), ("UpsamplingNearest2d", ((3, 8),), {}),
    ("UpsamplingBilinear2d", (), {"scale_factor": 3}), ("UpsamplingBilinear2d", (8,), {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options"), MODULES, ids=str)
def test_modules(name, args, options):
    ours = getattr(nn, name)(*args, **options)
    theirs = getattr(torch.nn, name)(*args, **options)
    assert repr(ours) == repr(theirs)
    peer.same_module(ours, theirs, arrays(2, 3, dims=2))


@pytest.mark.parametrize(
    "options",
    [
        {"scale_factor": 2}, {"size": (9, 4), "mode": "nearest-exact"},
        {"scale_factor": 2, "mode": "bilinear"}, {"size": (5, 11), "mode": "bicubic"},
        {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
        {"size": (3, 4), "mode": "bilinear", "antialias": True}, {"size": (3, 4), "mode": "area"},
    ],
    ids=str,
)  # fmt: skip
def test_modes(options):
    peer.modes(F.interpolate, arrays(2, 3, dims=2).astype("float32"), **options)


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8"])
def test_dtypes(dtype):
    x = np.arange(35).reshape(1, 1, 7, 5).astype(dtype)
    resized(x, scale_factor=1.7, rtol=2e-3, atol=2e-3)
    if dtype != "uint8":
        for mode in ("bilinear", "bicubic", "area"):
            resized(x, size=(4, 9), mode=mode, rtol=2e-3, atol=2e-3)


def test_errors_of_both():
    wrong = [
        {}, {"size": 3, "scale_factor": 2}, {"size": (3, 4, 5)}, {"scale_factor": (2, 3, 4)},
        {"size": 3, "mode": "linear"}, {"size": 3, "mode": "trilinear"},
        {"size": 3, "mode": "cubic"},
        {"size": 3, "align_corners": True}, {"size": 3, "mode": "area", "align_corners": False},
        {"size": 3, "mode": "bilinear", "recompute_scale_factor": True},
        {"size": 3, "mode": "nearest", "antialias": True}, {"size": 3, "mode": "lanczos"},
        {"size": 0}, {"size": (3.5, 2)}, {"scale_factor": 0.01},
    ]  # fmt: skip
    x, t = tg.ones((1, 1, 7, 5)), torch.ones((1, 1, 7, 5))
    for options in wrong:
        with pytest.raises((ValueError, NotImplementedError, TypeError)):
            F.interpolate(x, **options)
        with pytest.raises((ValueError, NotImplementedError, TypeError, RuntimeError)):
            T.interpolate(t, **options)
