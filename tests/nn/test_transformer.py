"""Transformer layers and stacks: what the notes say of them, and what PyTorch's have not."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F


def tensor(rng, *shape):
    return tg.tensor(rng.standard_normal(shape).astype("float32"))


def close(mine, want):
    np.testing.assert_allclose(mine.numpy(), want.numpy(), rtol=1e-4, atol=1e-5)


# ----------------------------------------------------------------------------- FeedForward


def test_feed_forward_is_two_linear_maps_at_each_position(rng):
    layer, x = nn.FeedForward(4, 6), tensor(rng, 2, 5, 4)
    w1, b1, w2, b2 = (
        layer.state_dict()[f"linear{n}.{p}"] for n in "12" for p in ("weight", "bias")
    )
    want = np.maximum(0, x.numpy() @ w1.T + b1) @ w2.T + b2
    np.testing.assert_allclose(layer(x).numpy(), want, rtol=1e-4, atol=1e-5)
    close(layer(x)[:, 2], layer(x[:, 2]))
    assert nn.FeedForward(4).linear1.out_features == 16
    assert list(nn.FeedForward(4, bias=False).state_dict()) == ["linear1.weight", "linear2.weight"]


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh", tg.sin, F.elu, nn.Tanh()])
def test_any_activation(rng, activation):
    layer, x = nn.FeedForward(4, 6, activation=activation), tensor(rng, 3, 4)
    function = getattr(F, activation) if isinstance(activation, str) else activation
    close(layer(x), layer.linear2(function(layer.linear1(x))))


@pytest.mark.parametrize("activation", ["swiglu", "geglu", "glu", "reglu", F.swiglu])
def test_gated_activations_have_twice_the_features_in_between(rng, activation):
    layer, x = nn.FeedForward(4, 6, activation=activation, bias=False), tensor(rng, 3, 4)
    assert (layer.linear1.out_features, layer.linear2.in_features) == (12, 6)
    function = getattr(F, activation) if isinstance(activation, str) else activation
    close(layer(x), layer.linear2(function(layer.linear1(x))))
    encoder = nn.TransformerEncoderLayer(4, 2, 6, activation=activation)
    assert encoder.linear1.out_features == 12
    assert encoder(x[:, None]).shape == (3, 1, 4)


def test_wrong_arguments(rng):
    with pytest.raises(ValueError, match=r"FeedForward: expected activation to be .* 'sine'"):
        nn.FeedForward(4, activation="sine")
    with pytest.raises(ShapeError, match="expected dim_feedforward to be an integer from 1, got 0"):
        nn.TransformerEncoderLayer(4, 2, 0)
    model = nn.Transformer(4, 2, 1, 1, 6)
    with pytest.raises(ShapeError, match="Transformer: expected a batch as large in src and tgt"):
        model(tg.ones(3, 2, 4), tg.ones(3, 1, 4))
    with pytest.raises(ShapeError, match="Transformer: expected tgt of 4 features, got shape"):
        model(tg.ones(3, 2, 4), tg.ones(3, 2, 5))
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6), 2)
    with pytest.raises(ValueError, match=r"TransformerEncoder: expected 2 caches, .* got 1"):
        encoder(tg.ones(1, 2, 4), caches=encoder.make_caches(2, 3)[:1])


# ---------------------------------------------------------------------------------- blocks


def test_pre_and_post_norm(rng):
    x, options = tensor(rng, 5, 3, 8), (8, 2, 12, 0.0)
    pre = nn.TransformerEncoderLayer(*options, norm_first=True)
    y = pre.norm1(x)
    x1 = x + pre.self_attn(y, y, y)[0]
    close(pre(x), x1 + pre.linear2(F.relu(pre.linear1(pre.norm2(x1)))))
    post = nn.TransformerEncoderLayer(*options)
    x1 = post.norm1(x + post.self_attn(x, x, x)[0])
    close(post(x), post.norm2(x1 + post.linear2(F.relu(post.linear1(x1)))))


def test_a_decoder_block_asks_itself_and_then_the_encoder(rng):
    layer = nn.TransformerDecoderLayer(8, 2, 12, 0.0, norm_first=True)
    x, memory = tensor(rng, 5, 3, 8), tensor(rng, 7, 3, 8)
    y = layer.norm1(x)
    x1 = x + layer.self_attn(y, y, y, is_causal=True)[0]
    x2 = x1 + layer.multihead_attn(layer.norm2(x1), memory, memory)[0]
    want = x2 + layer.linear2(F.relu(layer.linear1(layer.norm3(x2))))
    close(layer(x, memory, tgt_is_causal=True), want)


def test_copies_start_equal_and_are_not_shared():
    layer = nn.TransformerEncoderLayer(8, 2, 12)
    stack = nn.TransformerEncoder(layer, 2, nn.LayerNorm(8))
    first, second = (module.linear1.weight for module in stack.layers)
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    assert first is not second
    assert layer.linear1.weight is not first
    first.set(np.zeros(first.shape))
    assert second.numpy().any()


def test_dropout_in_training_alone(rng):
    tg.manual_seed(0)
    layer, x = nn.TransformerEncoderLayer(8, 2, 12, 0.5), tensor(rng, 5, 3, 8)
    assert (layer(x).numpy() != layer(x).numpy()).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x).numpy(), layer(x).numpy())


def test_permuted_tokens_give_permuted_outputs(rng):
    layer = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True)
    x, order = tensor(rng, 2, 6, 8), rng.permutation(6)
    close(layer(x[:, order]), layer(x)[:, order])


def test_padding_does_not_change_the_rest(rng):
    model = nn.Transformer(8, 2, 1, 1, 12, 0.0, batch_first=True)
    src, tgt = tensor(rng, 2, 6, 8), tensor(rng, 2, 4, 8)
    hidden = ~F.padding_mask(lengths=tg.tensor([4, 4]), max_length=6)
    got = model(src, tgt, src_key_padding_mask=hidden, memory_key_padding_mask=hidden)
    close(got, model(src[:, :4], tgt))


@pytest.mark.parametrize(("norm_first", "forward", "step"), [(False, 7, 28), (True, 8, 30)])
def test_an_encoder_layer_is_few_kernels(norm_first, forward, step):
    layer = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True, norm_first=norm_first)
    x = tg.placeholder((2, 5, 8))
    # norm and activation go along with the products: in, scale, scores, mean, out, and two more
    assert len(tg.function([x], layer(x)).tape()) <= forward
    loss = tg.sum(layer(x) ** 2)
    updates = optim.SGD(layer.parameters(), 0.1).minimize(loss)
    assert len(tg.function([x], loss, updates=updates).tape()) <= step


# ---------------------------------------------------------------- in parallel, one by one


@pytest.mark.parametrize("norm_first", [False, True])
def test_one_pass_with_the_causal_mask_is_token_by_token(rng, norm_first):
    layer = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True, norm_first=norm_first)
    stack, x = nn.TransformerEncoder(layer, 2).eval(), tensor(rng, 2, 5, 8)
    whole = stack(x, is_causal=True).numpy()
    masked = stack(x, nn.Transformer.generate_square_subsequent_mask(5))
    np.testing.assert_allclose(masked.numpy(), whole, rtol=1e-4, atol=1e-5)
    caches = stack.make_caches(2, 5)
    for i in range(5):
        prefix = stack(x[:, : i + 1], is_causal=True).numpy()[:, -1]
        np.testing.assert_allclose(prefix, whole[:, i], rtol=1e-4, atol=1e-5)
        cached = stack(x[:, i : i + 1], caches=caches).numpy()[:, 0]
        np.testing.assert_allclose(cached, whole[:, i], rtol=1e-4, atol=1e-5)


def test_a_decoder_goes_token_by_token_as_well(rng):
    stack = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 12, 0.0), 2, nn.LayerNorm(8))
    x, memory = tensor(rng, 5, 2, 8), tensor(rng, 7, 2, 8)
    whole = stack(x, memory, tgt_is_causal=True).numpy()
    caches = stack.make_caches(2, 5)
    step = tg.jit(lambda token: stack(token, memory, tgt_is_causal=True, caches=caches))
    parts = [step(token).numpy() for token in tg.split(x, 1)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4, atol=1e-5)
    assert step.traces == 1


class Copier(nn.Module):
    """Embeddings, places, a transformer and the scores of each letter."""

    def __init__(self, letters, length, width=16):
        super().__init__()
        self.letters, self.places = nn.Embedding(letters, width), nn.Embedding(length, width)
        self.body = nn.Transformer(width, 2, 1, 1, 32, 0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(width, letters)

    def forward(self, src, tgt):
        src = self.letters(src) + self.places.weight[: src.shape[1]]
        tgt = self.letters(tgt) + self.places.weight[: tgt.shape[1]]
        return self.head(self.body(src, tgt, tgt_is_causal=True))


def test_the_whole_learns_to_copy(rng):
    tg.manual_seed(1)
    letters, length = 6, 5
    model = Copier(letters, length)
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    src, tgt = (tg.placeholder((64, length), "int64", name=name) for name in ("src", "tgt"))
    loss = F.cross_entropy(model(src, tgt).reshape(-1, letters), src.reshape(-1))
    step = tg.function([src, tgt], loss, updates=optimizer.minimize(loss))
    for _ in range(200):
        text = rng.integers(1, letters, (64, length))
        last = float(step(text, np.pad(text[:, :-1], ((0, 0), (1, 0)))))
    assert last < 0.05
    text = rng.integers(1, letters, (8, length))
    found = np.zeros((8, 1), int)
    for _ in range(length):  # each letter from those it has written itself
        scores = model(tg.tensor(text), tg.tensor(found)).numpy()
        found = np.concatenate([found, scores[:, -1:].argmax(-1)], 1)
    assert (found[:, 1:] == text).mean() > 0.95
