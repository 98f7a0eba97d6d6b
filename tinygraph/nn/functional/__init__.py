"""Functions that layers are made of, under PyTorch's names. They take Tensors and keep no state."""

from tinygraph.nn.functional.activation import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from tinygraph.nn.functional.attention import scaled_dot_product_attention
from tinygraph.nn.functional.classification import cross_entropy, nll_loss
from tinygraph.nn.functional.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    unfold,
)
from tinygraph.nn.functional.dropout import dropout
from tinygraph.nn.functional.linear import embedding, linear, one_hot
from tinygraph.nn.functional.loss import binary_cross_entropy_with_logits, l1_loss, mse_loss
from tinygraph.nn.functional.norm import batch_norm, layer_norm, normalize
from tinygraph.nn.functional.pad import pad
from tinygraph.nn.functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)

swish = silu

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d",
    "avg_pool2d", "avg_pool3d", "batch_norm", "binary_cross_entropy_with_logits", "conv1d",
    "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "cross_entropy", "dropout", "elu", "embedding", "gelu", "l1_loss", "layer_norm",
    "leaky_relu", "linear", "log_softmax", "max_pool1d", "max_pool2d", "max_pool3d", "mse_loss",
    "nll_loss", "normalize", "one_hot", "pad", "relu", "scaled_dot_product_attention", "sigmoid",
    "silu", "softmax", "softplus", "swish", "tanh", "unfold",
]  # fmt: skip
