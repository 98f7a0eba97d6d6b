"""Attention against its formulas, and what the notes say of it."""

import numpy as np
import pytest
from fused import count, count_with_gradient

import tinygraph as tg
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.functional import scaled_dot_product_attention as attention


def softmax(scores):
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def naive(q, k, v, mask=None, scale=None):
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = scores if mask is None else np.where(mask, scores, -np.inf)
    return softmax(scores) @ v


@pytest.fixture
def qkv(rng):
    return [rng.standard_normal((2, 3, n, d)) for n, d in ((4, 5), (6, 5), (6, 2))]


# ----------------------------------------------------------- scaled_dot_product_attention


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
    with pytest.raises(ShapeError, match=r"of query a multiple of that, got 3, 3 and 2"):
        attention(q[:, :2], k, v, enable_gqa=True)
    with pytest.raises(ShapeError, match=r"expected query of floats \(..., length, size\), got"):
        attention(q.astype("int64"), k, v)


@pytest.mark.parametrize("shape", [(5, 5), (2, 1, 5), (3, 1, 1, 5), (4, 1), (7, 7)])
def test_a_mask_of_another_shape_is_no_way_to_more_results(shape):
    """As it would be, if one query met the mask of five, or two sequences that of three."""
    q, k, mask = tg.ones((1, 1, 4)), tg.ones((1, 5, 4)), tg.ones(shape, dtype="bool")
    w = tg.ones((4, 4))
    for attend in (
        lambda mask: F.scaled_dot_product_attention(q, k, k, mask),
        lambda mask: F.additive_attention(q, k, k, w, w, w[0], mask),
        lambda mask: F.cross_attention(q, k, w, w, w, mask),
    ):
        message = rf"expected a mask that broadcasts to \(1, 1, 5\), got shape \({shape[0]}, "
        for kind in ("bool", "float32"):
            with pytest.raises(ShapeError, match=message):
                attend(mask.astype(kind))


def test_an_added_mask_of_minus_infinity_lets_no_key_take_part(qkv):
    mask = np.zeros((4, 6))
    mask[1], mask[2, :3] = -np.inf, -np.inf
    q, k, v = (tg.tensor(x, requires_grad=True) for x in qkv)
    result = attention(q, k, v, attn_mask=tg.tensor(mask))
    same = attention(q, k, v, attn_mask=tg.tensor(mask == 0))
    np.testing.assert_allclose(result.numpy(), same.numpy())
    tg.sum(result * result).backward()
    assert all(np.isfinite(x.grad.numpy()).all() for x in (q, k, v))


def test_a_mask_does_not_change_the_dtype(qkv):
    q, k, v = (tg.tensor(x.astype("float32")) for x in qkv)
    assert attention(q, k, v, tg.zeros((4, 6), dtype="float64")).dtype == "float32"


def test_shared_heads_are_the_same_as_repeated_ones(rng):
    q, k, v = (rng.standard_normal(s) for s in ((2, 6, 4, 5), (2, 2, 7, 5), (2, 2, 7, 3)))
    mask = rng.random((6, 4, 7)) < 0.8
    repeated = naive(q, np.repeat(k, 3, axis=1), np.repeat(v, 3, axis=1), mask)
    got = attention(*map(tg.tensor, (q, k, v, mask)), enable_gqa=True)
    np.testing.assert_allclose(got.numpy(), repeated)


def test_without_a_mask_it_is_three_kernels():
    shapes = (2, 8, 4), (2, 8, 4), (2, 8, 4)
    assert count(attention, *shapes) == 3
    assert count(lambda *x: attention(*x, is_causal=True), *shapes) == 3
    assert count_with_gradient(attention, *shapes) <= 10
    shared = (2, 4, 8, 4), (2, 2, 8, 4), (2, 2, 8, 4)
    assert count(lambda *x: attention(*x, enable_gqa=True), *shared) == 3


# --------------------------------------------------------------------------- other scores


def test_the_plain_product_as_score(qkv):
    got = F.dot_product_attention(*map(tg.tensor, qkv))
    np.testing.assert_allclose(got.numpy(), naive(*qkv, scale=1.0))


def additive(q, k, v, w1, w2, w, mask=None):
    hidden = np.tanh((q @ w1.T)[..., :, None, :] + (k @ w2.T)[..., None, :, :])
    scores = hidden @ w
    return softmax(scores if mask is None else np.where(mask, scores, -np.inf))


def test_the_additive_score(rng):
    shapes = (2, 4, 5), (2, 6, 3), (2, 6, 2), (7, 5), (7, 3), (7,)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    mask = rng.random((2, 4, 6)) < 0.7
    mask[..., 0] = True
    for m in (None, mask):
        output, weights = F.additive_attention(
            *map(tg.tensor, arrays), None if m is None else tg.tensor(m)
        )
        want = additive(*arrays, m)
        np.testing.assert_allclose(weights.numpy(), want)
        np.testing.assert_allclose(output.numpy(), want @ arrays[2])
    bias = rng.standard_normal(7)
    shifted, _ = F.additive_attention(*map(tg.tensor, arrays), None, tg.tensor(bias))
    assert abs(shifted.numpy() - output.numpy()).max() > 1e-3
    tg.testing.check_grads(lambda *x: F.additive_attention(*x)[0], arrays, order=2)
    with pytest.raises(ShapeError, match="additive_attention: expected as many keys and values"):
        F.additive_attention(*map(tg.tensor, (*arrays[:2], arrays[2][:, :3], *arrays[3:])))


def test_the_additive_score_stores_no_hidden_values():
    q, k, w, v = (tg.placeholder(s) for s in ((50, 8), (60, 8), (100, 8), (100,)))
    step = tg.function([q, k, w, v], F.additive_attention(q, k, k, w, w, v)[0])
    assert step.tape().memory.peak < 50 * 60 * 100 * 4 / 5


# ------------------------------------------------------------------- self-attention, cross


def projections(rng, d=5, size=4, values=3):
    return [rng.standard_normal(shape) for shape in ((d, size), (d, size), (d, values))]


def test_self_attention_projects_and_returns_the_weights(rng):
    x, w = rng.standard_normal((2, 6, 5)), projections(rng)
    output, weights = F.self_attention(*map(tg.tensor, (x, *w)))
    q, k, v = (x @ matrix for matrix in w)
    want = softmax(q @ k.swapaxes(-1, -2) / 2.0)
    np.testing.assert_allclose(weights.numpy(), want)
    np.testing.assert_allclose(output.numpy(), want @ v)
    np.testing.assert_allclose(output.numpy(), attention(*map(tg.tensor, (q, k, v))).numpy())


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("kind", ["int64", "bool", "float32"])
def test_a_row_that_is_masked_whole_has_equal_weights(rng, dtype, kind):
    x, w = rng.standard_normal((6, 5)), projections(rng)
    mask = np.tril(np.ones((6, 6)))
    mask[2] = 0
    arrays = [tg.tensor(a.astype(dtype)) for a in (x, *w)]
    output, weights = F.self_attention(*arrays, tg.tensor(mask.astype(kind)))
    rows = weights.numpy().astype("float64")
    np.testing.assert_allclose(rows[2], np.full(6, 1 / 6), rtol=1e-3)
    np.testing.assert_allclose(rows.sum(-1), np.ones(6), rtol=2e-3)
    assert not rows[:2][mask[:2] == 0].any()
    mean = (x @ w[2]).mean(0)
    np.testing.assert_allclose(output.numpy()[2], mean, rtol=0.05, atol=0.02)


def test_cross_attention_asks_another_sequence(rng):
    x, context = rng.standard_normal((2, 3, 5)), rng.standard_normal((2, 7, 4))
    w_q, w_k, w_v = (rng.standard_normal(shape) for shape in ((5, 2), (4, 2), (4, 6)))
    output, weights = F.cross_attention(*map(tg.tensor, (x, context, w_q, w_k, w_v)))
    np.testing.assert_allclose(output.numpy(), naive(x @ w_q, context @ w_k, context @ w_v))
    assert weights.shape == (2, 3, 7)
    tg.testing.check_grads(
        lambda *a: F.cross_attention(*a)[0], [x, context, w_q, w_k, w_v], order=2
    )


def test_permuted_tokens_give_permuted_outputs(rng):
    x, w = tg.tensor(rng.standard_normal((6, 5))), list(map(tg.tensor, projections(rng)))
    order = rng.permutation(6)
    output, weights = F.self_attention(x, *w)
    moved, moved_weights = F.self_attention(x[order], *w)
    np.testing.assert_allclose(moved.numpy(), output.numpy()[order])
    np.testing.assert_allclose(moved_weights.numpy(), weights.numpy()[order][:, order])


def test_later_tokens_do_not_change_earlier_outputs(rng):
    x, w = rng.standard_normal((6, 5)), list(map(tg.tensor, projections(rng)))
    changed = x.copy()
    changed[4:] += 100.0
    mask = F.causal_mask(6)
    before, after = (F.self_attention(tg.tensor(a), *w, mask)[0].numpy() for a in (x, changed))
    np.testing.assert_array_equal(before[:4], after[:4])
    assert (before[4:] != after[4:]).all()


def test_why_the_scale(rng):
    """Products have variance e; unscaled, the softmax saturates and has no gradient left."""
    q, k = (tg.tensor(rng.standard_normal((300, 256))) for _ in range(2))
    assert (q @ k.mT).numpy().var() == pytest.approx(256, rel=0.05)
    assert (q @ k.mT / 16).numpy().var() == pytest.approx(1, rel=0.05)

    towards = tg.tensor(rng.standard_normal((300, 300)))

    def slopes(scores):
        """How much the weights of each query answer to a change of its scores."""
        gradient = tg.grad(lambda x: (F.softmax(x) * towards).sum())(scores)
        return np.median(abs(gradient.numpy()).sum(-1))

    assert np.median(F.softmax(q @ k.mT).numpy().max(-1)) > 0.9
    assert np.median(F.softmax(q @ k.mT / 16).numpy().max(-1)) < 0.2
    assert slopes(q @ k.mT) < slopes(q @ k.mT / 16) / 4


ATTENTIONS = {
    "scaled": lambda q, k, v, w: F.scaled_dot_product_attention(q, k, v),
    "grouped": lambda q, k, v, w: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
    "masked": lambda q, k, v, w: F.scaled_dot_product_attention(q, k, v, tg.ones((6, 6)) == 1),
    "self": lambda q, k, v, w: F.self_attention(q, w, w, w)[0],
    "local": lambda q, k, v, w: F.local_attention(q, k, v, window=2),
    "sparse": lambda q, k, v, w: F.sparse_attention(q, k, v, window=1),
    "flash": lambda q, k, v, w: F.flash_attention(q, k, v, block_size=4),
}


@pytest.mark.parametrize("name", ATTENTIONS)
def test_scores_may_be_larger_than_16_bits_hold(name):
    def attend(dtype):
        rng = np.random.default_rng(0)
        q, k, v = (tg.tensor(rng.standard_normal((2, 3, 6, 4)) * 400, "float16") for _ in range(3))
        tensors = [x.astype(dtype) for x in (q, k, v, tg.eye(4))]

        def total(*tensors):
            return tg.sum(ATTENTIONS[name](*tensors).astype("float32"))

        return [ATTENTIONS[name](*tensors), *tg.grad(total, (0, 1, 2))(*tensors)]

    for narrow, wide in zip(attend("float16"), attend("float32"), strict=True):
        assert narrow.dtype == "float16"
        np.testing.assert_allclose(narrow.numpy(), wide.numpy(), rtol=2e-3, atol=1e-2)
