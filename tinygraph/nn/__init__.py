"""Neural networks: modules, layers, losses. Names, arguments and layouts are PyTorch's."""

from tinygraph.nn import clip as utils
from tinygraph.nn import functional
from tinygraph.nn.layers import *
from tinygraph.nn.layers import __all__ as _layers
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter

__all__ = ["Module", "Parameter", "functional", "utils", *_layers]
