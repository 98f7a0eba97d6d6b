"""Transformer layers and stacks against PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")
LAYER = {"d_model": 8, "nhead": 2, "dim_feedforward": 12, "dropout": 0.0}
FORMS = [
    {}, {"norm_first": True}, {"activation": "gelu"}, {"bias": False, "batch_first": True},
    {"batch_first": True, "layer_norm_eps": 0.1, "norm_first": True},
]  # fmt: skip


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def causal(size):
    return ~np.tril(np.ones((size, size), bool))


def pair(name, *args, **options):
    torch.manual_seed(0)
    return getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)


def padding(*lengths):
    return np.arange(max(lengths)) >= np.array(lengths)[:, None]


@pytest.mark.parametrize("form", FORMS)
def test_an_encoder_layer(form):
    ours, theirs = pair("TransformerEncoderLayer", **LAYER, **form)
    x = normal(4, 4, 8)
    peer.same_module(ours, theirs, x)
    peer.same_module(ours, theirs, x, causal(4))
    peer.same_module(ours, theirs, x, None, padding(4, 2, 1, 3))
    peer.same_module(ours, theirs, x, causal(4), padding(4, 2, 1, 3))
    peer.same_module(ours, theirs, x, causal(4), None, True)
    peer.same_module(ours, theirs, x[0])
    peer.same_module(ours.eval(), theirs.eval(), x)


@pytest.mark.parametrize("form", FORMS)
def test_a_decoder_layer(form):
    ours, theirs = pair("TransformerDecoderLayer", **LAYER, **form)
    x, memory = normal(4, 4, 8), normal(4, 4, 8, seed=1)
    peer.same_module(ours, theirs, x, memory)
    peer.same_module(ours, theirs, x, memory, causal(4), causal(4))
    peer.same_module(ours, theirs, x, memory, causal(4), None, padding(4, 2, 1, 3))
    peer.same_module(ours, theirs, x, memory, causal(4), None, None, padding(2, 4, 4, 1))
    peer.same_module(ours, theirs, x, memory, causal(4), None, None, None, True)
    peer.same_module(ours, theirs, x[0], memory[0])


def test_activations_as_functions_and_modules():
    x = normal(3, 2, 8)
    ours = nn.TransformerEncoderLayer(**LAYER, activation=tg.tanh)
    peer.same_module(ours, torch.nn.TransformerEncoderLayer(**LAYER, activation=torch.tanh), x)
    ours = nn.TransformerDecoderLayer(**LAYER, activation=nn.ELU())
    theirs = torch.nn.TransformerDecoderLayer(**LAYER, activation=torch.nn.ELU())
    peer.same_module(ours, theirs, x, x)


@pytest.mark.parametrize("norm", [False, True])
def test_stacks(norm):
    x, memory = normal(5, 3, 8), normal(4, 3, 8, seed=1)
    end = pair("LayerNorm", 8) if norm else (None, None)
    encoders = pair("TransformerEncoderLayer", **LAYER)
    encoders = [
        side.TransformerEncoder(layer, 3, last, enable_nested_tensor=False)
        for side, layer, last in zip((nn, torch.nn), encoders, end, strict=True)
    ]
    peer.same_module(*encoders, x, None, padding(5, 2, 3))
    peer.same_module(*encoders, x, causal(5))
    decoders = pair("TransformerDecoderLayer", **LAYER)
    decoders = [
        side.TransformerDecoder(layer, 2, last)
        for side, layer, last in zip((nn, torch.nn), decoders, end, strict=True)
    ]
    peer.same_module(*decoders, x, memory, causal(5), None, None, padding(4, 2, 3))


@pytest.mark.parametrize("batch_first", [False, True])
def test_the_whole(batch_first):
    sizes = (8, 2, 2, 2, 12, 0.0)
    ours, theirs = pair("Transformer", *sizes, batch_first=batch_first)
    order = (1, 0, 2) if batch_first else (0, 1, 2)
    src, tgt = normal(6, 3, 8).transpose(order), normal(4, 3, 8, seed=1).transpose(order)
    peer.same_module(ours, theirs, src, tgt)
    hidden = padding(6, 2, 3)
    peer.same_module(ours, theirs, src, tgt, None, causal(4), None, hidden, None, hidden)
    rows = src[:, 0] if not batch_first else src[0]
    peer.same_module(ours, theirs, rows, rows[:2])
    assert [n for n, _ in ours.named_modules() if n.count(".") < 3] == [
        n for n, _ in theirs.named_modules() if n.count(".") < 3
    ]


def test_the_mask():
    for dtype in ("float32", "float64"):
        ours = nn.Transformer.generate_square_subsequent_mask(4, dtype=dtype)
        theirs = torch.nn.Transformer.generate_square_subsequent_mask(
            4, dtype=getattr(torch, dtype)
        )
        peer.close(ours, theirs)


def test_custom_stacks():
    encoder = pair("TransformerEncoderLayer", **LAYER)
    stacks = [
        side.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        for side, layer in zip((nn, torch.nn), encoder, strict=True)
    ]
    models = [
        side.Transformer(8, 2, 1, 1, 12, 0.0, custom_encoder=stack)
        for side, stack in zip((nn, torch.nn), stacks, strict=True)
    ]
    peer.same_module(*models, normal(6, 3, 8), normal(4, 3, 8))


def test_initial_values():
    tg.manual_seed(0)
    torch.manual_seed(0)
    for name, args in (
        ("Transformer", (64, 4, 1, 1, 128)), ("TransformerEncoderLayer", (64, 4, 128)),
        ("MultiheadAttention", (64, 4, 0.0, True, True, False, 32)),
    ):  # fmt: skip
        ours, theirs = pair(name, *args)
        pairs = zip(ours.named_parameters(), theirs.named_parameters(), strict=True)
        for (path, mine), (same, yours) in pairs:
            assert path == same
            a, b = mine.numpy(), yours.detach().numpy()
            assert a.shape == b.shape
            assert a.std() == pytest.approx(b.std(), rel=0.2, abs=1e-7), path
            if a.size > 1000:  # both uniform: the largest is close to the bound
                assert abs(a).max() == pytest.approx(abs(b).max(), rel=0.02), path


def test_all_modes():
    layer = nn.TransformerEncoderLayer(8, 2, 12, 0.0, activation="gelu", batch_first=True)
    x = normal(2, 5, 8).astype("float32")
    peer.modes(lambda x: layer(x, is_causal=True), x)
    model = nn.Transformer(8, 2, 1, 1, 12, 0.0, batch_first=True)
    peer.modes(model, x, x[:, :3])
