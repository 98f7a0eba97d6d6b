"""Attention layers: what PyTorch's have not, and tokens one after the other."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.compiler.compile import TAPES
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def tensor(rng, *shape):
    return tg.tensor(rng.standard_normal(shape).astype("float32"))


# ---------------------------------------------------------------------- MultiheadAttention


def test_heads_are_attentions_on_projections_of_their_own(rng):
    layer, x = nn.MultiheadAttention(6, 2, bias=False, batch_first=True), tensor(rng, 2, 5, 6)
    output, weights = layer(x, x, x, average_attn_weights=False)
    w_q, w_k, w_v = np.split(layer.in_proj_weight.numpy(), 3)
    heads, each = zip(*[
        F.self_attention(x, *[tg.tensor(w[rows].T) for w in (w_q, w_k, w_v)])
        for rows in (slice(0, 3), slice(3, 6))
    ])  # fmt: skip
    want = tg.concat(heads, axis=-1) @ layer.out_proj.weight.mT
    np.testing.assert_allclose(output.numpy(), want.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weights.numpy(), tg.stack(each, 1).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [1, 2, 4])
@pytest.mark.parametrize("kdim", [None, 3])
@pytest.mark.parametrize("extra", [False, True])
def test_grouped_queries_share_heads(rng, shared, kdim, extra):
    options = {"kdim": kdim, "add_bias_kv": extra, "add_zero_attn": extra}
    grouped = nn.MultiheadAttention(8, 4, num_kv_heads=shared, **options)
    whole = nn.MultiheadAttention(8, 4, **options)

    def repeated(rows):
        return np.repeat(rows.reshape(shared, 2, -1), 4 // shared, axis=0).reshape(8, -1)

    for name, parameter in whole.named_parameters():
        values = getattr(grouped, name, None)
        values = grouped.out_proj.weight if name == "out_proj.weight" else values
        if values is None:
            continue
        values = values.numpy()
        if name.startswith("in_proj"):
            parts = np.split(values, [8, 8 + 2 * shared])
            values = np.concatenate([parts[0].reshape(8, -1), *map(repeated, parts[1:])])
        elif name[0] in "kv" or name.startswith("bias"):
            values = repeated(values.reshape(2 * shared, -1))
        parameter.set(values.reshape(parameter.shape))
    query, key = tensor(rng, 5, 2, 8), tensor(rng, 7, 2, kdim or 8)
    value = key if kdim is None else tensor(rng, 7, 2, 8)
    for mine, want in zip(grouped(query, key, value), whole(query, key, value), strict=True):
        np.testing.assert_allclose(mine.numpy(), want.numpy(), rtol=1e-4, atol=1e-5)
    assert grouped.num_parameters() <= whole.num_parameters()


def test_one_product_projects_all_three():
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    x, y = tg.placeholder((2, 5, 8)), tg.placeholder((2, 5, 8))
    alone = tg.function([x], layer(x, x, x, need_weights=False)[0]).tape()
    crossed = tg.function([x, y], layer(x, y, y, need_weights=False)[0]).tape()
    assert len(alone) == 5  # in, scores with softmax (2), mean, out
    assert len(alone) < len(crossed)


def test_where_no_key_takes_part_the_output_is_zero(rng):
    """PyTorch has NaN here where the weights are asked for, and 0 where they are not."""
    layer, x = nn.MultiheadAttention(8, 2, bias=False, batch_first=True), tensor(rng, 2, 5, 8)
    hidden = tg.tensor([[True] * 5, [False] * 5])
    for need_weights in (False, True):
        output, weights = layer(x, x, x, hidden, need_weights)
        assert not output.numpy()[0].any()
        assert output.numpy()[1].all()
    assert not weights.numpy()[0].any()
    np.testing.assert_allclose(weights.numpy()[1].sum(-1), np.ones(5), rtol=1e-5)


def test_a_causal_flag_does_without_a_mask(rng):
    layer, x = nn.MultiheadAttention(8, 2), tensor(rng, 5, 3, 8)
    mask = ~F.causal_mask(5)
    hidden = tg.tensor([[False] * 4 + [True]] * 3)
    for padding in (None, hidden):
        for need_weights in (False, True):
            flagged = layer(x, x, x, padding, need_weights, is_causal=True)[0]
            masked = layer(x, x, x, padding, need_weights, mask)[0]
            np.testing.assert_allclose(flagged.numpy(), masked.numpy(), rtol=1e-4, atol=1e-6)


def test_dropout_is_of_weights_and_in_training_alone(rng):
    tg.manual_seed(0)
    layer, x = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True), tensor(rng, 1, 40, 8)
    _, weights = layer(x, x, x, average_attn_weights=False)
    assert (weights.numpy() == 0).mean() == pytest.approx(0.5, abs=0.05)
    _, weights = layer.eval()(x, x, x)
    np.testing.assert_allclose(weights.numpy().sum(-1), np.ones((1, 40)), rtol=1e-5)


def test_permuted_tokens_give_permuted_outputs(rng):
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True), tensor(rng, 1, 6, 8)
    order = rng.permutation(6)
    moved, whole = layer(*[x[:, order]] * 3)[0].numpy(), layer(x, x, x)[0].numpy()
    np.testing.assert_allclose(moved, whole[:, order], rtol=1e-4, atol=1e-6)


def test_wrong_arguments(rng):
    with pytest.raises(ShapeError, match=r"expected embed_dim and num_heads to divide .* 8 and 3"):
        nn.MultiheadAttention(8, 3)
    with pytest.raises(ShapeError, match=r"num_heads and num_kv_heads to divide .* 4 and 3"):
        nn.MultiheadAttention(8, 4, num_kv_heads=3)
    with pytest.raises(ShapeError, match="expected num_heads to be an integer from 1, got 0"):
        nn.MultiheadAttention(8, 0)
    with pytest.raises(ValueError, match=r"MultiheadAttention: expected .* from 0 to 1, got 2"):
        nn.MultiheadAttention(8, 2, dropout=2)
    layer, x = nn.MultiheadAttention(8, 2), tensor(rng, 5, 3, 8)
    with pytest.raises(ShapeError, match="a query of 8 features, in 2 heads of equal size, got"):
        layer(x[..., :4], x, x)
    with pytest.raises(ShapeError, match=r"3 dimensions, or 2 without a batch, got float32\[5\]"):
        layer(x[:, 0, 0], x, x)
    with pytest.raises(ShapeError, match="expected as many keys and values"):
        layer(x, x, x[:3])
    with pytest.raises(ShapeError, match="a batch as large in query and key"):
        layer(x, x[:, :2], x[:, :2])
    with pytest.raises(ShapeError, match=r"attn_mask of shape \(5, 5\) or \(6, 5, 5\), got \(5, 4"):
        layer(x, x, x, attn_mask=tg.zeros(5, 4))
    with pytest.raises(ShapeError, match=r"key_padding_mask of shape \(3, 5\), got \(5, 3\)"):
        layer(x, x, x, tg.zeros(5, 3))
    with pytest.raises(DTypeError, match="expected attn_mask of bool or floats, got int64"):
        layer(x, x, x, attn_mask=tg.zeros((5, 5), dtype="int64"))
    with pytest.raises(
        ShapeError, match=r"expected static_k of shape \(6, s, 4\), got \(5, 3, 8\)"
    ):
        F.multi_head_attention_forward(
            x, x, x, 8, 2, layer.in_proj_weight, None, None, None, False, 0.0,
            layer.out_proj.weight, None, static_k=x,
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"expected in_proj_weight, or with .* got None"):
        F.multi_head_attention_forward(
            x, x, x, 8, 2, None, None, None, None, False, 0.0, layer.out_proj.weight, None
        )


# --------------------------------------------------------------------------------- KVCache


@pytest.mark.parametrize("options", [{}, {"num_kv_heads": 2}, {"kdim": 8, "bias": False}])
@pytest.mark.parametrize("batch_first", [False, True])
def test_token_by_token_is_the_whole_with_a_causal_mask(rng, options, batch_first):
    layer = nn.MultiheadAttention(8, 4, batch_first=batch_first, **options)
    x = tensor(rng, *((2, 7, 8) if batch_first else (7, 2, 8)))
    axis = 1 if batch_first else 0
    whole = layer(x, x, x, is_causal=True)[0].numpy()
    for cuts in (range(8), (0, 4, 5, 7)):
        cache = layer.make_cache(2, 9)
        parts = [
            layer(part, part, part, cache=cache)[0].numpy()
            for part in tg.split(x, list(np.diff(cuts)), axis=axis)
        ]
        np.testing.assert_allclose(np.concatenate(parts, axis), whole, rtol=1e-4, atol=1e-6)
        assert cache.length.item() == 7


def test_a_jitted_step_with_a_cache_is_compiled_once(rng):
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True), rng.standard_normal((1, 6, 8))
    x = x.astype("float32")
    cache = layer.make_cache(1, 6)
    step = tg.jit(lambda token: layer(token, token, token, cache=cache)[0])
    first = step(tg.tensor(x[:, :1])).numpy()
    misses = TAPES.info().misses
    rest = [step(tg.tensor(x[:, i : i + 1])).numpy() for i in range(1, 6)]
    assert (step.traces, TAPES.info().misses) == (1, misses)
    whole = layer(*[tg.tensor(x)] * 3, is_causal=True)[0].numpy()
    np.testing.assert_allclose(np.concatenate([first, *rest], 1), whole, rtol=1e-4, atol=1e-6)
    cache.reset()
    np.testing.assert_array_equal(step(tg.tensor(x[:, :1])).numpy(), first)


def test_a_cache_with_masks(rng):
    """Padding on the left: the first sequence begins two places later."""
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True), tensor(rng, 2, 5, 8)
    hidden = tg.tensor([[True] * 2 + [False] * 4, [False] * 6])
    cache = layer.make_cache(2, 6)
    got = [layer(t, t, t, hidden, cache=cache)[0].numpy() for t in tg.split(x, 1, axis=1)]
    alone = layer(*[x[:1, 2:]] * 3, is_causal=True)[0].numpy()
    np.testing.assert_allclose(np.concatenate(got, 1)[:1, 2:], alone, rtol=1e-4, atol=1e-6)


def test_a_cache_is_no_state_and_takes_no_more_than_it_holds(rng):
    cache = nn.KVCache(2, 4, 3, 8)
    assert (cache.state_dict(), repr(cache)) == ({}, "KVCache(2, 4, 3, 8)")
    k = tensor(rng, 2, 4, 2, 8)
    keys, values, seen = cache.update(k, 2 * k)
    assert seen.tolist() == [[True, False, False], [True, True, False]]
    np.testing.assert_array_equal(keys.numpy()[:, :, :2], k.numpy())
    np.testing.assert_array_equal(values.numpy()[:, :, 2], np.zeros((2, 4, 8)))
    with pytest.raises(IndexError, match="place in the cache 3 is out of range: expected 0 to 2"):
        cache.update(k, k)[0].numpy()
    with pytest.raises(ShapeError, match=r"KVCache: expected .* of shape \(2, 4, 1, 8\), got"):
        cache.update(k[:1, :, :1], k[:1, :, :1])
    with pytest.raises(ShapeError, match="KVCache: expected max_length to be an integer from 1"):
        nn.KVCache(2, 4, 0, 8)
    layer = nn.MultiheadAttention(8, 2, add_zero_attn=True)
    x, empty = tensor(rng, 1, 2, 8), layer.make_cache(2, 3)
    with pytest.raises(ValueError, match="goes with neither add_bias_kv nor add_zero_attn"):
        layer(x, x, x, cache=empty)


# ----------------------------------------------------------------------- BahdanauAttention


@pytest.mark.parametrize("bias", [False, True])
def test_bahdanau(rng, bias):
    layer = nn.BahdanauAttention(3, 5, 4, bias=bias)
    names = ["w1.weight", "w1.bias", "w2.weight", "v.weight"]
    assert list(layer.state_dict()) == [n for n in names if bias or n != "w1.bias"]
    query, states = tensor(rng, 2, 3), tensor(rng, 2, 7, 5)
    context, weights = layer(query, states)
    w1, w2, v = (m.weight.numpy() for m in (layer.w1, layer.w2, layer.v))
    hidden = query.numpy() @ w1.T + (layer.w1.bias.numpy() if bias else 0.0)
    scores = np.tanh(hidden[:, None] + states.numpy() @ w2.T) @ v[0]
    want = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(weights.numpy(), want, rtol=1e-4)
    mean = (want[..., None] * states.numpy()).sum(1)
    np.testing.assert_allclose(context.numpy(), mean, rtol=1e-4, atol=1e-6)
    several = layer(tg.stack([query, query], 1), states)
    assert (several[0].shape, several[1].shape) == ((2, 2, 5), (2, 2, 7))
    np.testing.assert_allclose(several[0].numpy()[:, 1], mean, rtol=1e-4, atol=1e-6)


def test_bahdanau_with_values_and_padding(rng):
    layer = nn.BahdanauAttention(3, 5, 4)
    query, states, values = tensor(rng, 2, 3), tensor(rng, 2, 7, 5), tensor(rng, 2, 7, 2)
    real = F.padding_mask(lengths=tg.tensor([3, 7]), max_length=7)
    context, weights = layer(query, states, values, real)
    short, _ = layer(query[:1], states[:1, :3], values[:1, :3])
    np.testing.assert_allclose(context.numpy()[0], short.numpy()[0], rtol=1e-4, atol=1e-6)
    assert not weights.numpy()[0, 3:].any()
    with pytest.raises(ShapeError, match="BahdanauAttention: expected key_size to be an integer"):
        nn.BahdanauAttention(3, 0, 4)
