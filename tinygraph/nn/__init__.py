"""Neural networks: modules, layers, losses. Names, arguments and layouts are PyTorch's."""

from tinygraph import init
from tinygraph.nn import constraints, functional, regularizers, utils
from tinygraph.nn.layers import *
from tinygraph.nn.layers import __all__ as _layers
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter

__all__ = [
    "Module", "Parameter", "constraints", "functional", "init", "regularizers", "utils", *_layers,
]  # fmt: skip
