"""Optimizers, under PyTorch's names."""

from tinygraph.optim.adam import Adam, AdamW
from tinygraph.optim.group import ParamGroup
from tinygraph.optim.optimizer import Optimizer
from tinygraph.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "ParamGroup"]
