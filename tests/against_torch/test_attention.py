"""Attention against PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn import functional as F

attend, their_attend = (
    F.scaled_dot_product_attention,
    torch.nn.functional.scaled_dot_product_attention,
)
mismatched = pytest.mark.filterwarnings("ignore:Support for mismatched:UserWarning")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def causal(rows, columns=None):
    return np.tril(np.ones((rows, columns or rows), bool))


def qkv(lead=(2, 3), rows=4, keys=6, size=5, values=2):
    shapes = ((rows, size), (keys, size), (keys, values))
    return [normal(*lead, *shape, seed=i) for i, shape in enumerate(shapes)]


# ------------------------------------------------------------- scaled_dot_product_attention


@pytest.mark.parametrize("lead", [(), (3,), (2, 3), (0, 3), (1, 1)])
@pytest.mark.parametrize(("rows", "keys"), [(4, 6), (6, 4), (1, 5), (5, 1), (4, 4)])
def test_plain_and_causal(lead, rows, keys):
    inputs = qkv(lead, rows, keys)
    peer.same(attend, their_attend, *inputs)
    peer.same(attend, their_attend, *inputs, is_causal=True)
    peer.same(attend, their_attend, *inputs, scale=0.3)


@pytest.mark.parametrize("shape", [(4, 6), (2, 1, 4, 6), (1, 3, 4, 6), (2, 1, 1, 6), (2, 3, 4, 6)])
def test_masks(shape):
    mask = np.random.default_rng(0).random(shape) < 0.7
    peer.same(attend, their_attend, *qkv(), mask)
    added = np.where(mask, normal(*shape), -np.inf)
    peer.same(attend, their_attend, *qkv(), added)
    peer.same(attend, their_attend, *qkv(), normal(*shape), scale=2.0)


def test_no_key_for_a_query_and_no_keys_at_all():
    mask = np.ones((4, 6), bool)
    mask[1] = False
    peer.same(attend, their_attend, *qkv(), mask)
    peer.same(attend, their_attend, *qkv(), np.where(mask, 0.0, -np.inf))
    peer.same(attend, their_attend, *qkv(keys=0))
    peer.same(attend, their_attend, *qkv(rows=0))


@pytest.mark.parametrize(("heads", "shared"), [(4, 2), (6, 1), (3, 3)])
@pytest.mark.parametrize("mode", ["plain", "causal", "mask"])
def test_grouped_queries(heads, shared, mode):
    q, (_, k, v) = normal(2, heads, 4, 5), qkv((2, shared))
    masks = [np.random.default_rng(0).random((heads, 4, 6)) < 0.8] if mode == "mask" else []
    peer.same(attend, their_attend, q, k, v, *masks, is_causal=mode == "causal", enable_gqa=True)


def test_arrays_that_are_not_contiguous():
    q, k, v = qkv(rows=8, values=6)
    turned = np.ascontiguousarray(k.swapaxes(-1, -2)).swapaxes(-1, -2)
    peer.same(attend, their_attend, q[:, :, ::2], turned, v[..., ::3])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits(dtype):
    wide = [x.astype("float32") for x in qkv()]
    theirs = their_attend(*[torch.tensor(x).to(getattr(torch, dtype)) for x in wide])
    ours = attend(*[tg.tensor(x).astype(dtype) for x in wide])
    assert ours.dtype == dtype
    np.testing.assert_allclose(
        ours.astype("float32").numpy(), theirs.float().numpy(), rtol=2e-2, atol=2e-2
    )


def test_all_modes():
    inputs = [x.astype("float32") for x in qkv()]
    mask = np.random.default_rng(0).random((4, 6)) < 0.7
    peer.modes(attend, *inputs, is_causal=True)
    peer.modes(attend, *inputs, mask)
    peer.modes(attend, normal(2, 6, 4, 5).astype("float32"), *inputs[1:], enable_gqa=True)


# ---------------------------------------------------------------------- MultiheadAttention


class Self(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, *rest):
        return self.layer(x, x, x, *rest)


class TheirSelf(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, *rest):
        return self.layer(x, x, x, *rest)


def pair(*args, **options):
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(*args, **options)
    for parameter in theirs.parameters():  # biases are 0 at first
        torch.nn.init.normal_(parameter)
    return nn.MultiheadAttention(*args, **options), theirs


OPTIONS = [
    {}, {"bias": False}, {"add_bias_kv": True}, {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True, "bias": False},
    {"kdim": 3}, {"kdim": 3, "vdim": 7, "bias": False}, {"vdim": 5, "add_bias_kv": True},
]  # fmt: skip


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
def test_layer(options, batch_first):
    ours, theirs = pair(8, 2, batch_first=batch_first, **options)
    sizes = (8, options.get("kdim", 8), options.get("vdim", 8))
    order = (1, 0, 2) if batch_first else (0, 1, 2)
    inputs = [
        normal(length, 3, size).transpose(order)
        for length, size in zip((4, 6, 6), sizes, strict=True)
    ]
    for need_weights, average in ((True, True), (True, False), (False, True)):
        peer.same_module(ours, theirs, *inputs, None, need_weights, None, average)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("kind", ["bool", "float"])
@mismatched
def test_layer_with_masks(kind, extra, need_weights):
    ours, theirs = pair(8, 2, add_bias_kv=extra, add_zero_attn=extra)
    query, key = normal(4, 3, 8), normal(6, 3, 8, seed=1)
    padding = np.zeros((3, 6), bool)
    padding[0, 4:], padding[2, 1] = True, True
    two, three = ~causal(4, 6), np.random.default_rng(0).random((6, 4, 6)) < 0.3
    if kind == "float":
        two, three = np.where(two, -np.inf, 0.0), normal(6, 4, 6)
    for mask in (None, two, three):
        for hidden in (None, padding):
            peer.same_module(ours, theirs, query, key, key, hidden, need_weights, mask)
    soft = normal(3, 6)
    peer.same_module(ours, theirs, query, key, key, soft, need_weights)


@pytest.mark.parametrize("need_weights", [False, True])
def test_the_causal_hint(need_weights):
    ours, theirs = pair(8, 2)
    x, mask = normal(5, 3, 8), ~causal(5)
    peer.same_module(Self(ours), TheirSelf(theirs), x, None, need_weights, mask, True, True)


@pytest.mark.parametrize("batch_first", [False, True])
def test_self_attention_and_inputs_without_a_batch(batch_first):
    ours, theirs = pair(8, 4, batch_first=batch_first)
    three = np.random.default_rng(0).random((4, 5, 5)) < 0.3
    for x, padding in ((normal(5, 8), np.arange(5) > 3), (normal(5, 5, 8), np.eye(5, k=1) > 0)):
        peer.same_module(Self(ours), TheirSelf(theirs), x)
        peer.same_module(Self(ours), TheirSelf(theirs), x, padding, False)
        peer.same_module(Self(ours), TheirSelf(theirs), x, padding, True, ~causal(5), False)
    peer.same_module(Self(ours), TheirSelf(theirs), normal(5, 8), None, True, three)
    peer.same_module(Self(ours), TheirSelf(theirs), normal(0, 1, 8))


def test_the_function_with_static_keys():
    _, theirs = pair(8, 2)
    x, static = normal(4, 3, 8), normal(6, 5, 4, seed=1)
    tensors = {n: p.detach().double().numpy() for n, p in theirs.named_parameters()}
    names = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    weights = [tensors[name] for name in names]

    def call(function):
        def run(x, k, v, *w):
            return function(x, x, x, 8, 2, *w[:2], None, None, False, 0.0, *w[2:], static_k=k,
                            static_v=v)  # fmt: skip

        return run

    peer.same(
        call(F.multi_head_attention_forward),
        call(torch.nn.functional.multi_head_attention_forward),
        x, static, 2 * static, *weights,
    )  # fmt: skip


def test_the_layer_in_all_modes():
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    x = normal(2, 5, 8).astype("float32")
    peer.modes(lambda x: layer(x, x, x), x)
    peer.modes(lambda x, y: layer(x, y, y, need_weights=False), x, x[:, :3])
