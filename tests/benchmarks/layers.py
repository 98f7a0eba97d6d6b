"""The layers and their functions that bench_layers.py measures, by family, at a realistic size."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from case import Cases, function, integers, layer, made, normal, other

import tinygraph as tg

X = normal(2048, 512)
PICTURES = normal(16, 32, 32, 32)  # pictures of 32 channels
SIGNALS = normal(16, 32, 1024)
VOLUMES = normal(4, 16, 16, 32, 16)
TOKENS = normal(32, 64, 256)  # texts of 64 tokens
HEADS = normal(8, 8, 128, 64), other(8, 8, 128, 64), normal(8, 8, 128, 64)  # queries, keys, values
SERIES = normal(64, 32, 128)  # 32 series of 64 steps
INPUTS = {1: SIGNALS, 2: PICTURES, 3: VOLUMES}
DIMS = (1, 2, 3)

ACTIVATIONS: Cases = {
    **{name: function(name, X) for name in (
        "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish", "sigmoid",
        "logsigmoid", "tanh", "tanhshrink", "softplus", "softsign", "hardshrink", "hardsigmoid",
        "hardswish", "hardtanh", "softshrink",
    )},
    **{name: function(name, X, wrt=()) for name in ("step", "bipolar_step")},
    "gelu, tanh": function("gelu", X, approximate="tanh"),
    "swish, beta 1.5": function("swish", X, beta=1.5),
    "threshold": function("threshold", X, threshold=0.1, value=20.0),
    "prelu": layer("PReLU", 512)(X),
    "rrelu": function("rrelu", X, training=True),
    **{name: function(name, X) for name in ("glu", "geglu", "reglu", "swiglu")},
    "maxout": function("maxout", X, groups=128),
}  # fmt: skip

PROBABILITIES: Cases = {
    **{name: function(name, X, dim=-1) for name in ("softmax", "softmin", "log_softmax")},
    "softmax, dim 0": function("softmax", X, dim=0),
    "softmax2d": layer("Softmax2d")(PICTURES),
    "sparsemax": function("sparsemax", X),
    "gumbel_softmax": function("gumbel_softmax", X, dim=-1),
    "gumbel_softmax, hard": function("gumbel_softmax", X, dim=-1, hard=True),
}

DROPOUTS: Cases = {
    "dropout": function("dropout", X),
    "dropout1d": function("dropout1d", SIGNALS),
    "dropout2d": function("dropout2d", PICTURES),
    "dropout3d": function("dropout3d", VOLUMES),
    "alpha_dropout": function("alpha_dropout", X, training=True),
    "feature_alpha_dropout": function("feature_alpha_dropout", PICTURES, training=True),
    "drop_path": function("drop_path", PICTURES, p=0.1),
    "gaussian_dropout": function("gaussian_dropout", X),
    "gaussian_noise": function("gaussian_noise", X, std=0.1),
}

NORMS: Cases = {
    "batch_norm1d": layer("BatchNorm1d", 512)(X),
    "batch_norm2d": layer("BatchNorm2d", 32)(PICTURES),
    "batch_norm3d": layer("BatchNorm3d", 16)(VOLUMES),
    "layer_norm": layer("LayerNorm", 512)(X),
    "rms_norm": layer("RMSNorm", 512)(X),
    "group_norm": layer("GroupNorm", 8, 32)(PICTURES),
    "instance_norm1d": layer("InstanceNorm1d", 32, affine=True)(SIGNALS),
    "instance_norm2d": layer("InstanceNorm2d", 32, affine=True)(PICTURES),
    "instance_norm3d": layer("InstanceNorm3d", 16, affine=True)(VOLUMES),
    "local_response_norm": layer("LocalResponseNorm", 5)(PICTURES),
    "normalize": function("normalize", X),
}


def separable(nn: ModuleType) -> Any:
    """A depthwise convolution and one of 1x1; `nn.SeparableConv2d` is the same."""
    return nn.Sequential(nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.Conv2d(32, 64, 1))


CONVOLUTIONS: Cases = {
    "conv1d": layer("Conv1d", 32, 64, 5, padding=2)(SIGNALS),
    "conv2d": layer("Conv2d", 32, 64, 3, padding=1)(PICTURES),
    "conv2d, 1x1": layer("Conv2d", 32, 64, 1)(PICTURES),
    "conv2d, stride 2": layer("Conv2d", 32, 64, 3, stride=2, padding=1)(PICTURES),
    "conv2d, dilated": layer("Conv2d", 32, 64, 3, dilation=2, padding=2)(PICTURES),
    "conv2d, reflecting": layer("Conv2d", 32, 64, 3, padding=1, padding_mode="reflect")(PICTURES),
    "conv2d, 4 groups": layer("Conv2d", 32, 64, 3, padding=1, groups=4)(PICTURES),
    "conv3d": layer("Conv3d", 16, 16, 3, padding=1)(VOLUMES),
    "depthwise conv1d": layer("Conv1d", 32, 32, 5, padding=2, groups=32)(SIGNALS),
    "depthwise conv2d": layer("Conv2d", 32, 32, 3, padding=1, groups=32)(PICTURES),
    "separable conv2d": made(separable)(PICTURES),
    "conv_transpose1d": layer("ConvTranspose1d", 32, 32, 4, stride=2, padding=1)(SIGNALS),
    "conv_transpose2d": layer("ConvTranspose2d", 32, 32, 4, stride=2, padding=1)(PICTURES),
    "conv_transpose3d": layer("ConvTranspose3d", 16, 16, 4, stride=2, padding=1)(VOLUMES),
    "unfold": function("unfold", PICTURES, kernel_size=3, padding=1),
    "fold": function("fold", normal(16, 288, 1024), output_size=32, kernel_size=3, padding=1),
}


def places(batch: int, channels: int, *pooled: int) -> np.ndarray:
    """For each window of 2 x 2 (or 2, or 2 x 2 x 2), where its maximum might have been."""
    inner = integers(2, batch, channels, len(pooled), *pooled)
    flat = np.zeros((batch, channels, *pooled), np.int64)
    for axis, start in enumerate(np.indices(pooled)):
        flat = flat * (2 * pooled[axis]) + 2 * start + inner[:, :, axis]
    return flat


def unpooling(dims: int) -> Any:
    values = INPUTS[dims][(..., *[slice(None, None, 2)] * dims)].copy()
    return function(f"max_unpool{dims}d", values, places(*values.shape), kernel_size=2)


POOLINGS: Cases = {
    **{f"max_pool{d}d": function(f"max_pool{d}d", INPUTS[d], kernel_size=2) for d in DIMS},
    "max_pool2d, 3 stride 2": function("max_pool2d", PICTURES, kernel_size=3, stride=2, padding=1),
    "max_pool2d, indices": function("max_pool2d", PICTURES, kernel_size=2, return_indices=True),
    **{f"avg_pool{d}d": function(f"avg_pool{d}d", INPUTS[d], kernel_size=2) for d in DIMS},
    "avg_pool2d, 3 stride 1": function("avg_pool2d", PICTURES, kernel_size=3, stride=1, padding=1),
    **{f"lp_pool{d}d": function(f"lp_pool{d}d", INPUTS[d], norm_type=2.0, kernel_size=2)
       for d in DIMS},
    **{f"adaptive_{kind}_pool{d}d": function(f"adaptive_{kind}_pool{d}d", INPUTS[d], output_size=7)
       for kind in ("avg", "max") for d in DIMS},
    "fractional_max_pool2d": layer("FractionalMaxPool2d", 2, output_size=20)(PICTURES),
    "fractional_max_pool3d": layer("FractionalMaxPool3d", 2, output_size=10)(VOLUMES),
    **{f"max_unpool{d}d": unpooling(d) for d in DIMS},
    "unpool2d": function("unpool2d", PICTURES, kernel_size=2),
    "global_avg_pool": function("global_avg_pool", PICTURES),
    "global_max_pool": function("global_max_pool", PICTURES),
    "spatial_pyramid_pool": function("spatial_pyramid_pool", PICTURES),
}  # fmt: skip

RESIZINGS: Cases = {
    **{f"resize, {mode}": function("interpolate", x, scale_factor=2.0, mode=mode)
       for mode, x in (("nearest", PICTURES), ("nearest-exact", PICTURES), ("linear", SIGNALS),
                       ("bilinear", PICTURES), ("bicubic", PICTURES), ("trilinear", VOLUMES))},
    "resize, bilinear, 0.6": function("interpolate", PICTURES, scale_factor=0.6, mode="bilinear"),
    "resize, antialias": function(
        "interpolate", PICTURES, scale_factor=0.6, mode="bilinear", antialias=True
    ),
    "resize, area": function("interpolate", PICTURES, scale_factor=0.5, mode="area"),
    "pixel_shuffle": function("pixel_shuffle", PICTURES, upscale_factor=4),
    "pixel_unshuffle": function("pixel_unshuffle", PICTURES, downscale_factor=4),
    "channel_shuffle": function("channel_shuffle", PICTURES, groups=4),
}  # fmt: skip

PADDINGS: Cases = {
    **{f"pad{d}d, {mode}": function("pad", INPUTS[d], pad=(2,) * 2 * d, mode=mode)
       for mode in ("constant", "reflect", "replicate", "circular") for d in DIMS},
}  # fmt: skip

BAGS = integers(10_000, 512, 16)
EMBEDDINGS: Cases = {
    "embedding": layer("Embedding", 10_000, 64)(integers(10_000, 64, 128)),
    "embedding, by frequency": layer("Embedding", 10_000, 64, scale_grad_by_freq=True)(
        integers(10_000, 64, 128)
    ),
    **{f"embedding_bag, {mode}": layer("EmbeddingBag", 10_000, 64, mode=mode)(BAGS)
       for mode in ("sum", "mean", "max")},
    "one_hot": function("one_hot", integers(512, 2048), num_classes=512),
    "sinusoidal positions": layer("SinusoidalPositionalEncoding", 256)(TOKENS),
    "learned positions": layer("LearnedPositionalEmbedding", 256, 64)(TOKENS),
    "rotary_embedding": function("rotary_embedding", HEADS[0]),
    "rotary_embedding, halves": function("rotary_embedding", HEADS[0], interleaved=False),
    "alibi_bias": function("alibi_bias", num_heads=8, length=256),
}  # fmt: skip

LINEARS: Cases = {
    "linear": layer("Linear", 512, 512)(normal(1024, 512)),
    "bilinear": layer("Bilinear", 64, 64, 64)(normal(1024, 64), other(1024, 64)),
    "cosine_similarity": function("cosine_similarity", X, other(2048, 512)),
    "pairwise_distance": function("pairwise_distance", X, other(2048, 512)),
    "pdist": function("pdist", normal(512, 64)),
    "feed_forward": layer("FeedForward", 256)(TOKENS),
    "reparametrize": function("reparametrize", X, other(2048, 512)),
    "mixup": function("mixup", PICTURES, integers(10, 16), num_classes=10),
    "cutmix": function("cutmix", PICTURES, integers(10, 16), num_classes=10),
}


def with_lengths(target: Any, series: Any, lengths: Any) -> Any:
    """In PyTorch the way to give lengths is to pack the series."""
    if isinstance(target, tg.nn.Module):
        return target(series, lengths=lengths)
    from torch.nn.utils.rnn import pack_padded_sequence

    return target(pack_padded_sequence(series, lengths, enforce_sorted=False))[1]


LENGTHS = integers(64, 32) + 1
RECURRENT: Cases = {
    "rnn": layer("RNN", 128, 256)(SERIES),
    "rnn, relu": layer("RNN", 128, 256, nonlinearity="relu")(SERIES),
    "lstm": layer("LSTM", 128, 256)(SERIES),
    "lstm, 2 layers, both ways": layer("LSTM", 128, 128, 2, bidirectional=True)(SERIES),
    "lstm, projected": layer("LSTM", 128, 256, proj_size=64)(SERIES),
    "lstm, lengths": layer("LSTM", 128, 256, call=with_lengths)(SERIES, LENGTHS),
    "peephole lstm": layer("PeepholeLSTM", 128, 256)(SERIES),
    "gru": layer("GRU", 128, 256)(SERIES),
    "gru, reset before": layer("GRU", 128, 256, reset_after=False)(SERIES),
    "rnn cell": layer("RNNCell", 512, 512)(normal(1024, 512)),
    "lstm cell": layer("LSTMCell", 512, 512)(normal(1024, 512)),
    "gru cell": layer("GRUCell", 512, 512)(normal(1024, 512)),
}


def to_itself(target: Any, x: Any) -> Any:
    return target(x, x, x, need_weights=False)


def attention(name: str, **options: Any) -> Any:
    return function(name, *HEADS, **options)


ATTENTION: Cases = {
    "attention": attention("scaled_dot_product_attention"),
    "attention, causal": attention("scaled_dot_product_attention", is_causal=True),
    "attention, dropout": attention("scaled_dot_product_attention", dropout_p=0.1),
    "flash_attention": attention("flash_attention"),
    "flash_attention, causal": attention("flash_attention", is_causal=True),
    "local_attention": attention("local_attention", window=16),
    "sparse_attention": attention("sparse_attention", window=16),
    "linear_attention": attention("linear_attention"),
    "linear_attention, causal": attention("linear_attention", is_causal=True),
    "linformer_attention": function("linformer_attention", *HEADS, normal(32, 128)),
    "performer_attention": attention("performer_attention", num_features=64),
    "additive attention": layer("BahdanauAttention", 256, 256, 128)(
        normal(32, 16, 256), normal(32, 64, 256)
    ),
    "multi-head attention": layer(
        "MultiheadAttention", 256, 8, batch_first=True, call=to_itself
    )(TOKENS),
    "multi-head, with weights": layer("MultiheadAttention", 256, 8, batch_first=True)(
        TOKENS, other(32, 64, 256), TOKENS
    ),
    "encoder layer": layer("TransformerEncoderLayer", 256, 8, 1024, batch_first=True)(TOKENS),
    "encoder layer, gelu first": layer(
        "TransformerEncoderLayer", 256, 8, 1024, dropout=0.0, activation="gelu", batch_first=True,
        norm_first=True,
    )(TOKENS),
    "decoder layer": layer("TransformerDecoderLayer", 256, 8, 1024, batch_first=True)(
        TOKENS, other(32, 64, 256)
    ),
}  # fmt: skip

FAMILIES: dict[str, Cases] = {
    "activation": ACTIVATIONS, "probability": PROBABILITIES, "dropout": DROPOUTS, "norm": NORMS,
    "convolution": CONVOLUTIONS, "pooling": POOLINGS, "resizing": RESIZINGS, "padding": PADDINGS,
    "embedding": EMBEDDINGS, "linear": LINEARS, "recurrent": RECURRENT, "attention": ATTENTION,
}  # fmt: skip
