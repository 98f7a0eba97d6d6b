"""Optimizers, under PyTorch's names."""

from tinygraph.optim import adam as _adam
from tinygraph.optim import group as _group
from tinygraph.optim import optimizer as _optimizer
from tinygraph.optim import sgd as _sgd
from tinygraph.optim.adam import *
from tinygraph.optim.group import *
from tinygraph.optim.optimizer import *
from tinygraph.optim.sgd import *

__all__ = [
    *_adam.__all__,
    *_group.__all__,
    *_optimizer.__all__,
    *_sgd.__all__,
]
