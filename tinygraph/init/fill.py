"""Tensors filled with one number, or with numbers drawn from one distribution.

Everything here draws at once: `generator` says from which source, the default one if None.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from tinygraph import random
from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError
from tinygraph.tensor import Tensor

__all__ = ["constant", "naive", "normal", "ones", "trunc_normal", "uniform", "zeros"]

T = TypeVar("T", bound=Tensor)
Generator = random.Generator | None


def check_floats(name: str, tensor: Tensor) -> None:
    """TypeError or DTypeError unless `tensor` is one of floats, as random numbers are."""
    check_tensor(name, tensor)
    if not is_float(tensor.dtype):
        raise DTypeError(f"{name}: expected a Tensor of floats to fill, got {tensor.dtype.name}")


def check_tensor(name: str, tensor: Tensor) -> None:
    """TypeError unless `tensor` is one."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: expected a Tensor to fill, got a {type(tensor).__name__}")


def constant(tensor: T, val: float) -> T:
    """Fill `tensor` with `val`; returns it.

    A weight of one constant makes all units of a layer alike, and their gradients too: they stay
    alike for ever, as if the layer had one.

    >>> import tinygraph as tg
    >>> tg.init.constant(tg.nn.Parameter([1.0, 2.0]), 0.5).tolist()
    [0.5, 0.5]
    """
    check_tensor("constant", tensor)
    tensor.set(np.full(tensor.shape, val, tensor.dtype))
    return tensor


def zeros(tensor: T) -> T:
    """Fill `tensor` with 0; returns it. For biases: weights that are all alike stay alike.

    >>> import tinygraph as tg
    >>> tg.init.zeros(tg.nn.Parameter([1.0, 2.0])).tolist()
    [0.0, 0.0]
    """
    return constant(tensor, 0)


def ones(tensor: T) -> T:
    """Fill `tensor` with 1; returns it.

    >>> import tinygraph as tg
    >>> tg.init.ones(tg.nn.Parameter([3.0, 2.0])).tolist()
    [1.0, 1.0]
    """
    return constant(tensor, 1)


def uniform(tensor: T, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> T:
    """Fill `tensor` with numbers drawn evenly from [a, b); returns it.

    >>> import tinygraph as tg
    >>> values = tg.init.uniform(tg.nn.Parameter(tg.zeros(100)), 2.0, 3.0).numpy()
    >>> bool((values >= 2.0).all() and (values < 3.0).all())
    True
    """
    check_floats("uniform", tensor)
    if not a <= b:
        raise ValueError(f"uniform: expected a <= b, got {a} and {b}")
    # scaled here and not in the graph, where each pair of bounds would be a tape of its own
    unit = random.rand(tensor.shape, dtype=tensor.dtype, generator=generator).numpy()
    tensor.set(a + (b - a) * unit)
    return tensor


def normal(tensor: T, mean: float = 0.0, std: float = 1.0, generator: Generator = None) -> T:
    """Fill `tensor` with numbers from the normal distribution of this mean and deviation.

    >>> import tinygraph as tg
    >>> tg.init.normal(tg.nn.Parameter([0.0, 0.0]), mean=4.0, std=0.0).tolist()
    [4.0, 4.0]
    """
    check_floats("normal", tensor)
    if not std >= 0:
        raise ValueError(f"normal: expected std of at least 0, got {std}")
    unit = random.randn(tensor.shape, dtype=tensor.dtype, generator=generator).numpy()
    tensor.set(mean + std * unit)
    return tensor


def trunc_normal(
    tensor: T,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator = None,
) -> T:
    """Fill `tensor` from the normal distribution, of which only [a, b] is taken; returns it.

    mean, std: those before the cut. a, b: bounds of the values themselves, not in deviations.

    >>> import tinygraph as tg
    >>> values = tg.init.trunc_normal(tg.nn.Parameter(tg.zeros(100)), std=5.0).numpy()
    >>> bool((abs(values) <= 2.0).all())
    True
    """
    from scipy import special  # takes a tenth of a second to import

    check_floats("trunc_normal", tensor)
    if not std > 0 or not a < b:
        raise ValueError(f"trunc_normal: expected std above 0 and a < b, got {std}, {a}, {b}")
    low, high = special.ndtr((a - mean) / std), special.ndtr((b - mean) / std)
    unit = random.rand(tensor.shape, dtype="float64", generator=generator).numpy()
    values = mean + std * special.ndtri(low + (high - low) * unit)
    tensor.set(np.clip(values, a, b).astype(tensor.dtype))
    return tensor


def naive(tensor: T, scale: float = 1.0, generator: Generator = None) -> T:
    """Fill `tensor` with scale * normal numbers, whatever the size of the layer; returns it.

    What textbooks warn of: the signal dies out layer by layer if `scale` is small (0.01), and
    saturates or explodes if it is large (1). The variance has to follow the number of connections,
    as in `xavier_normal` and `kaiming_normal`.

    >>> import tinygraph as tg
    >>> tg.init.naive(tg.nn.Parameter([1.0, 2.0]), scale=0.0).tolist()
    [0.0, 0.0]
    """
    if not scale >= 0 or math.isinf(scale):
        raise ValueError(f"naive: expected a finite scale of at least 0, got {scale}")
    return normal(tensor, 0.0, scale, generator)
