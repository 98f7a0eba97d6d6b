"""Tensors filled with one number, or with numbers drawn from one distribution."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from tinygraph import random
from tinygraph.tensor import Tensor

__all__ = ["constant", "normal", "ones", "uniform", "zeros"]

T = TypeVar("T", bound=Tensor)


def constant(tensor: T, val: float) -> T:
    """Fill `tensor` with `val`; returns it.

    >>> import tinygraph as tg
    >>> tg.init.constant(tg.nn.Parameter([1.0, 2.0]), 0.5).tolist()
    [0.5, 0.5]
    """
    tensor.set(np.full(tensor.shape, val, tensor.dtype))
    return tensor


def zeros(tensor: T) -> T:
    """Fill `tensor` with 0; returns it. For biases: weights that are all alike stay alike."""
    return constant(tensor, 0)


def ones(tensor: T) -> T:
    """Fill `tensor` with 1; returns it."""
    return constant(tensor, 1)


def uniform(tensor: T, a: float = 0.0, b: float = 1.0) -> T:
    """Fill `tensor` with numbers drawn evenly from [a, b); returns it.

    >>> import tinygraph as tg
    >>> values = tg.init.uniform(tg.nn.Parameter(tg.zeros(100)), 2.0, 3.0).numpy()
    >>> bool((values >= 2.0).all() and (values < 3.0).all())
    True
    """
    if not a <= b:
        raise ValueError(f"uniform: expected a <= b, got {a} and {b}")
    # scaled here and not in the graph, where each pair of bounds would be a tape of its own
    tensor.set(a + (b - a) * random.rand(tensor.shape, dtype=tensor.dtype).numpy())
    return tensor


def normal(tensor: T, mean: float = 0.0, std: float = 1.0) -> T:
    """Fill `tensor` with numbers from the normal distribution of this mean and deviation.

    >>> import tinygraph as tg
    >>> tg.init.normal(tg.nn.Parameter([0.0, 0.0]), mean=4.0, std=0.0).tolist()
    [4.0, 4.0]
    """
    if not std >= 0:
        raise ValueError(f"normal: expected std of at least 0, got {std}")
    tensor.set(mean + std * random.randn(tensor.shape, dtype=tensor.dtype).numpy())
    return tensor
