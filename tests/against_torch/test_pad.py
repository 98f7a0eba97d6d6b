"""Borders in all modes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

from tinygraph import nn
from tinygraph.nn import functional as F

T = torch.nn
TF = torch.nn.functional
SIZES = {1: (6,), 2: (6, 5), 3: (6, 5, 4)}
KINDS = {"reflect": "Reflection", "replicate": "Replication", "circular": "Circular"}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("widths", [(1, 2), (0, 0), (3, 0, 1, 2), (-1, 2), (2, -3, -1, -1),
                                    (0, 1, 1, 0, 2, 2, 1, 0)], ids=str)  # fmt: skip
@pytest.mark.parametrize("value", [None, 0.0, -2.5])
def test_a_constant(widths, value, rng):
    for shape in ((2, 4, 3, 5), (3, 4, 4, 4, 5)):
        peer.same(F.pad, TF.pad, rng.standard_normal(shape), widths, "constant", value)
    peer.same(F.pad, TF.pad, rng.standard_normal((0, 4, 3, 5)), widths, "constant", value)


@pytest.mark.parametrize("mode", KINDS)
@pytest.mark.parametrize("lead", [(2, 3), (3,), (0, 3)])
@pytest.mark.parametrize(
    "widths",
    [(3, 2), (0, 1), (-1, 2), (-3, 3), (2, -4), (-1, -2), (0, 0), (1, -1, -2, 3), (3, 4, 5, 5),
     (2, 0, 0, 1, 3, 3), (-1, -1, 2, -1, 0, -2)],
    ids=str,
)  # fmt: skip
def test_other_borders(mode, lead, widths, rng):
    x = rng.standard_normal((*lead, *SIZES[len(widths) // 2]))
    if lead == (0, 3) and mode != "circular":  # PyTorch has no gradient of nothing
        peer.close(F.pad(x, widths, mode), TF.pad(torch.tensor(x), widths, mode))
    else:
        peer.same(F.pad, TF.pad, x, widths, mode)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", [*KINDS.values(), "Zero", "Constant"])
def test_layers(kind, dims, rng):
    name = f"{kind}Pad{dims}d"
    value = (2.5,) if kind == "Constant" else ()
    for padding in (1, tuple(range(2 * dims)) if dims < 3 else (1, 2, 0, 1, 3, 0)):
        mine, yours = getattr(nn, name)(padding, *value), getattr(T, name)(padding, *value)
        assert repr(mine) == repr(yours)
        assert mine.padding == yours.padding
        for lead in ((2, 3), (3,)):
            peer.same_module(mine, yours, rng.standard_normal((*lead, *SIZES[dims])))


@pytest.mark.parametrize(
    ("mode", "pad"),
    [("reflect", (6, 0)), ("circular", (7, 0)), ("mirror", (1, 1)), ("constant", (1, 1, 1))],
)
def test_borders_that_cannot_be(mode, pad, rng):
    x = rng.standard_normal((1, 2, 6))
    for function, array in ((TF.pad, torch.tensor(x)), (F.pad, x)):
        with pytest.raises((ValueError, RuntimeError, NotImplementedError)):
            function(array, pad, mode)


def test_a_value_that_is_not_used(rng):
    for function, array in ((TF.pad, torch.ones(1, 2, 3)), (F.pad, np.ones((1, 2, 3)))):
        with pytest.raises((ValueError, RuntimeError), match="value"):
            function(array, (1, 1), "reflect", 3.0)


def test_all_ways_to_run(rng):
    x = rng.standard_normal((2, 3, 5, 4)).astype("float32")
    for mode in ("constant", *KINDS):
        peer.modes(F.pad, x, pad=(1, 2, -1, 3), mode=mode)
