"""Scaled dot-product attention against its formula."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn.functional import scaled_dot_product_attention as attention


def naive(q, k, v, mask=None, scale=None):
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = scores if mask is None else np.where(mask, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


@pytest.fixture
def qkv(rng):
    return [rng.standard_normal((2, 3, n, d)) for n, d in ((4, 5), (6, 5), (6, 2))]


def test_values(qkv, rng):
    tensors = list(map(tg.tensor, qkv))
    np.testing.assert_allclose(attention(*tensors).numpy(), naive(*qkv))
    np.testing.assert_allclose(attention(*tensors, scale=0.3).numpy(), naive(*qkv, scale=0.3))
    causal = np.tril(np.ones((4, 6), bool))
    np.testing.assert_allclose(attention(*tensors, is_causal=True).numpy(), naive(*qkv, causal))
    mask = rng.random((2, 1, 4, 6)) < 0.7
    mask[..., 0] = True
    got = attention(*tensors, attn_mask=tg.tensor(mask))
    np.testing.assert_allclose(got.numpy(), naive(*qkv, mask))
    added = attention(*tensors, attn_mask=tg.tensor(np.where(mask, 0.0, -np.inf)))
    np.testing.assert_allclose(added.numpy(), naive(*qkv, mask))


def test_a_query_without_keys_yields_zero_and_a_finite_gradient(qkv):
    mask = np.ones((4, 6), bool)
    mask[1] = False
    q, k, v = (tg.tensor(x, requires_grad=True) for x in qkv)
    result = attention(q, k, v, attn_mask=tg.tensor(mask))
    tg.sum(result * result).backward()
    assert not result.numpy()[..., 1, :].any()
    assert all(np.isfinite(x.grad.numpy()).all() for x in (q, k, v))


def test_gradients(qkv):
    tg.testing.check_grads(lambda q, k, v: attention(q, k, v, is_causal=True), qkv, order=2)


def test_dropout_keeps_the_mean(rng):
    tg.manual_seed(0)
    q, v = tg.zeros((1, 2000)), tg.ones((2000, 1))
    got = attention(q, tg.zeros((2000, 2000)), v, dropout_p=0.5).item()
    assert got == pytest.approx(1.0, abs=0.1)
    assert got != 1.0


def test_errors(qkv):
    q, k, v = map(tg.tensor, qkv)
    with pytest.raises(ValueError, match="expected attn_mask or is_causal, got both"):
        attention(q, k, v, tg.ones((4, 6)), is_causal=True)
    with pytest.raises(ShapeError, match="as many features of query and key, got 5 and 2"):
        attention(q, v, v)
    with pytest.raises(ShapeError, match="as many keys and values, got 6 and 4"):
        attention(q, k, q)
    with pytest.raises(DTypeError, match="a mask of bool or floats, got int64"):
        attention(q, k, v, tg.ones((4, 6), dtype="int64"))


def test_an_added_mask_of_minus_infinity_lets_no_key_take_part(qkv):
    mask = np.zeros((4, 6))
    mask[1], mask[2, :3] = -np.inf, -np.inf
    q, k, v = (tg.tensor(x, requires_grad=True) for x in qkv)
    result = attention(q, k, v, attn_mask=tg.tensor(mask))
    same = attention(q, k, v, attn_mask=tg.tensor(mask == 0))
    np.testing.assert_allclose(result.numpy(), same.numpy())
    tg.sum(result * result).backward()
    assert all(np.isfinite(x.grad.numpy()).all() for x in (q, k, v))
