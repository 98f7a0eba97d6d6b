"""Clipping of gradients, their norms, and parameters as a vector."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn

SHAPES = [(3, 4), (5,), (), (2, 3, 2), (1, 1)]
ORDERS = [2.0, 1.0, 3.0, 0.5, math.inf, -math.inf, 0.0, -1.0, 2, "inf"]
utils = torch.nn.utils


@pytest.fixture(autouse=True)
def numpy_backend():
    with tg.backend("numpy"):
        yield


def both(rng, shapes=SHAPES, scale=1.0, dtype="float64"):
    """Parameters with gradients, of one without, on either side."""
    mine, yours = [], []
    for shape in shapes:
        g = np.asarray(scale * rng.standard_normal(shape), dtype)
        mine.append(nn.Parameter(np.zeros(shape, dtype)))
        yours.append(torch.nn.Parameter(torch.zeros(shape, dtype=getattr(torch, dtype))))
        mine[-1].grad, yours[-1].grad = tg.tensor(g), torch.tensor(g)
    mine.insert(1, nn.Parameter(np.zeros(2)))
    yours.insert(1, torch.nn.Parameter(torch.zeros(2)))
    return mine, yours


def same_gradients(mine, yours):
    for m, y in zip(mine, yours, strict=True):
        assert (m.grad is None) == (y.grad is None)
        if m.grad is not None:
            peer.close(m.grad, y.grad, "gradient")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [0.0, 0.5, 1.0, 1e3])
def test_clip_grad_norm(rng, order, limit):
    mine, yours = both(rng)
    peer.close(
        nn.utils.clip_grad_norm_(mine, limit, order), utils.clip_grad_norm_(yours, limit, order)
    )
    same_gradients(mine, yours)


@pytest.mark.parametrize("order", ORDERS)
def test_get_total_norm(rng, order):
    arrays = [rng.standard_normal(shape) for shape in SHAPES]
    arrays[1][:] = 0.0
    mine = [tg.tensor(a) for a in arrays]
    yours = [torch.tensor(a) for a in arrays]
    peer.close(nn.utils.get_total_norm(mine, order), utils.get_total_norm(yours, order))
    peer.close(nn.utils.get_total_norm(mine[0], order), utils.get_total_norm(yours[0], order))
    assert nn.utils.get_total_norm([], order).item() == utils.get_total_norm([], order).item()


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0])
def test_the_norm_of_empty_and_strided_tensors(rng, order):
    a = rng.standard_normal((6, 4))[::2].T
    mine = [tg.tensor(a), tg.zeros((0, 3), dtype="float64")]
    yours = [torch.tensor(a), torch.zeros(0, 3, dtype=torch.float64)]
    peer.close(nn.utils.get_total_norm(mine, order), utils.get_total_norm(yours, order))


@pytest.mark.parametrize("total", [0.0, 0.3, 7.0, math.inf])
def test_clip_grads_with_norm(rng, total):
    mine, yours = both(rng)
    nn.utils.clip_grads_with_norm_(mine, 1.5, tg.tensor(total, "float64"))
    utils.clip_grads_with_norm_(yours, 1.5, torch.tensor(total, dtype=torch.float64))
    same_gradients(mine, yours)


@pytest.mark.parametrize("limit", [0.0, 0.5, 100.0])
def test_clip_grad_value(rng, limit):
    mine, yours = both(rng)
    mine[0].grad = tg.tensor(np.array(mine[0].grad.numpy(), copy=True))
    nn.utils.clip_grad_value_(mine, limit)
    utils.clip_grad_value_(yours, limit)
    same_gradients(mine, yours)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite(rng, bad):
    mine, yours = both(rng)
    mine[0].grad = tg.tensor(np.full((3, 4), bad))
    yours[0].grad = torch.full((3, 4), bad, dtype=torch.float64)
    for clip, error in ((nn.utils.clip_grad_norm_, tg.errors.NonFiniteError),
                        (utils.clip_grad_norm_, RuntimeError)):  # fmt: skip
        with pytest.raises(error):
            clip(mine if error is not RuntimeError else yours, 1.0, error_if_nonfinite=True)
    peer.close(nn.utils.clip_grad_norm_(mine, 1.0), utils.clip_grad_norm_(yours, 1.0))
    same_gradients(mine, yours)
    nn.utils.clip_grad_value_(mine, 0.5)
    utils.clip_grad_value_(yours, 0.5)
    same_gradients(mine, yours)


def test_float32(rng):
    mine, yours = both(rng, dtype="float32")
    mine_, yours_ = nn.utils.clip_grad_norm_(mine, 1.0), utils.clip_grad_norm_(yours, 1.0)
    peer.close(mine_, yours_, rtol=1e-6)
    for m, y in zip(mine, yours, strict=True):
        if m.grad is not None:
            peer.close(m.grad, y.grad, rtol=1e-6)


def test_foreach_is_accepted(rng):
    mine, yours = both(rng)
    nn.utils.clip_grad_norm_(mine, 1.0, 2.0, False, True)
    utils.clip_grad_norm_(yours, 1.0, 2.0, False, True)
    nn.utils.clip_grad_value_(mine, 0.1, foreach=False)
    utils.clip_grad_value_(yours, 0.1, foreach=False)
    same_gradients(mine, yours)


def test_parameters_as_a_vector(rng):
    mine, yours = both(rng)
    vector = rng.standard_normal(sum(p.numel() for p in yours))
    nn.utils.vector_to_parameters(tg.tensor(vector), mine)
    utils.vector_to_parameters(torch.tensor(vector), yours)
    for m, y in zip(mine, yours, strict=True):
        peer.close(m, y)
    peer.close(nn.utils.parameters_to_vector(mine), utils.parameters_to_vector(yours))
