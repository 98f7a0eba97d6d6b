"""The comparison itself: it sees what is the same, and what is not."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import StateError


def test_the_same_passes():
    x = np.random.default_rng(0).standard_normal((3, 4))
    peer.same(tg.tanh, torch.tanh, x)
    peer.same_module(nn.Linear(4, 2), torch.nn.Linear(4, 2), x)
    peer.modes(tg.tanh, x.astype("float32"))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: tg.tanh(x) + 1e-5,  # the result
        lambda x: tg.tanh(x.detach()) + 0.0 * x,  # the gradient
        lambda x: tg.tanh(x).astype("float32"),  # the dtype
        lambda x: tg.tanh(x)[None],  # the shape
    ],
)
def test_a_difference_is_seen(wrong):
    x = np.random.default_rng(0).standard_normal((3, 4))
    with pytest.raises(AssertionError):
        peer.same(wrong, torch.tanh, x)


def test_a_module_that_differs_is_seen():
    x = np.random.default_rng(0).standard_normal((3, 4))
    with pytest.raises(StateError):
        peer.same_module(nn.Linear(4, 2), torch.nn.Sequential(torch.nn.Linear(4, 2)), x)
