"""Initializers: they fill a Tensor in place and return it. PyTorch's, without the underscore."""

from tinygraph.init.fans import calculate_gain, fans
from tinygraph.init.fill import constant, normal, ones, uniform, zeros
from tinygraph.init.scaled import (
    kaiming_normal,
    kaiming_uniform,
    xavier_normal,
    xavier_uniform,
)

glorot_uniform, glorot_normal = xavier_uniform, xavier_normal
he_uniform, he_normal = kaiming_uniform, kaiming_normal

__all__ = [
    "calculate_gain", "constant", "fans", "glorot_normal", "glorot_uniform", "he_normal",
    "he_uniform", "kaiming_normal", "kaiming_uniform", "normal", "ones", "uniform",
    "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip
