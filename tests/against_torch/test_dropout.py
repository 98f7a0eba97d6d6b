"""Dropout: what PyTorch's does that does not depend on its random numbers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn import functional as F

T, TF = torch.nn, torch.nn.functional
rng = np.random.default_rng(0)

NAMES = [
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
]  # fmt: skip
MODULES = [
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout",
]  # fmt: skip
SHAPES = {"dropout1d": (2, 3, 4), "dropout2d": (2, 3, 2, 2), "dropout3d": (2, 3, 2, 2, 2)}


def shape_for(name):
    return SHAPES.get(name.lower(), (4, 3, 2))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("p", "training"), [(0.5, False), (0.0, True), (1.0, True), (1.0, False)], ids=str
)
def test_what_is_certain(name, p, training):
    shape = shape_for(name)
    for x in (rng.standard_normal(shape), rng.standard_normal((0, *shape[1:]))):
        peer.same(getattr(F, name), getattr(TF, name), x, p=p, training=training)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("p", [0.2, 0.7])
def test_the_values_between_which_is_drawn(name, p):
    """Of an input of equal numbers: the result has two, the same in PyTorch, drawn as often."""
    shape = (*shape_for(name)[:1], 500, *shape_for(name)[2:])
    x = np.full(shape, 1.5)
    tg.manual_seed(0)
    torch.manual_seed(0)
    ours = getattr(F, name)(tg.tensor(x), p, True).numpy()
    theirs = getattr(TF, name)(torch.tensor(x), p, True).numpy()
    np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-12, atol=1e-12)
    whole_channels = name not in ("dropout", "alpha_dropout")
    spread = np.ptp(ours.reshape(*shape[:2], -1), axis=2)
    assert (spread == 0).all() == whole_channels
    assert (np.ptp(theirs.reshape(*shape[:2], -1), axis=2) == 0).all() == whole_channels
    low = np.unique(theirs)[0]
    assert np.isclose(ours, low).mean() == pytest.approx(p, abs=0.07)


@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3-D:UserWarning")
@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3D:UserWarning")
@pytest.mark.parametrize(
    ("name", "shape", "drawn"),
    [
        ("dropout1d", (300, 4), (300, 1)),
        ("dropout1d", (30, 40, 4), (30, 40, 1)),
        ("dropout2d", (30, 40, 4), (30, 40, 1)),
        ("dropout2d", (30, 40, 2, 2), (30, 40, 1, 1)),
        ("dropout3d", (300, 2, 2, 2), (300, 1, 1, 1)),
        ("dropout3d", (30, 40, 2, 2, 2), (30, 40, 1, 1, 1)),
        ("feature_alpha_dropout", (30, 40), (30, 40)),
        ("feature_alpha_dropout", (30, 40, 2), (30, 40, 1)),
    ],
)
def test_what_is_dropped_as_one(name, shape, drawn):
    def places(result):
        return result == result.min()

    ours = places(getattr(F, name)(tg.ones(shape), 0.5, True).numpy())
    theirs = places(getattr(TF, name)(torch.ones(shape), 0.5, True).numpy())
    first = tuple(slice(0, size) for size in drawn)
    for found in (ours, theirs):
        np.testing.assert_array_equal(found, np.broadcast_to(found[first], shape))
        assert 0.3 < found[first].mean() < 0.7  # and no larger parts at once


@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    ours, theirs = getattr(nn, name)(0.3), getattr(T, name)(0.3)
    assert repr(ours) == repr(theirs)
    assert repr(getattr(nn, name)(inplace=True)) == repr(getattr(T, name)(inplace=True))
    x = rng.standard_normal(shape_for(name))
    peer.same_module(ours.eval(), theirs.eval(), x)
    peer.same_module(getattr(nn, name)(1.0).train(), getattr(T, name)(1.0).train(), x)


@pytest.mark.parametrize("name", NAMES)
def test_what_pytorch_refuses(name):
    for functional, ones, kind in [
        (F, tg.ones, "expected p from"),
        (TF, torch.ones, "probability"),
    ]:
        with pytest.raises(ValueError, match=kind):
            getattr(functional, name)(ones(shape_for(name)), 1.5)
    for module, kind in [(nn, "expected p from 0 to 1, got -0.1"), (T, "probability")]:
        with pytest.raises(ValueError, match=kind):
            getattr(module, MODULES[NAMES.index(name)])(-0.1)


def test_shapes_that_pytorch_refuses():
    for name, shape in [("dropout1d", (3,)), ("dropout1d", (1, 1, 1, 1)),
                        ("feature_alpha_dropout", (3,))]:  # fmt: skip
        with pytest.raises(RuntimeError):
            getattr(TF, name)(torch.ones(shape), 0.5, True)
        with pytest.raises(tg.errors.ShapeError, match=f"{name}: expected an input"):
            getattr(F, name)(tg.ones(shape), 0.5, True)
