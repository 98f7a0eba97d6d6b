"""Noise on activations while training: what a network learns must not hang on small differences."""

from __future__ import annotations

import math

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.nn.functional.activation import floats
from tinygraph.tensor import Tensor

__all__ = ["gaussian_dropout", "gaussian_noise"]


@api
def gaussian_noise(input: TensorLike, std: float, training: bool = True) -> Tensor:
    """x + std * z with z from the standard normal distribution while training, else x.

    std: Keras' `stddev`. The numbers come from the default generator. Raises ValueError for a
    negative std.

    Source: Bishop, "Training with Noise is Equivalent to Tikhonov Regularization" (1995).

    >>> import tinygraph as tg
    >>> tg.nn.functional.gaussian_noise(tg.tensor([1.0, 2.0]), 0.1, training=False)
    tensor([1., 2.])
    """
    deviation("gaussian_noise", std)
    if not training or std == 0.0:
        return to_tensor(input)
    x = floats(input)
    return x + random.normal(x.shape, 0.0, std, dtype=x.dtype)


def deviation(name: str, std: float) -> float:
    """`std`. ValueError, which names the function or layer, if it is negative or not finite."""
    if not 0.0 <= std < math.inf:
        raise ValueError(f"{name}: expected a finite std from 0, got {std}")
    return std


@api
def gaussian_dropout(input: TensorLike, p: float = 0.5, training: bool = True) -> Tensor:
    """x * (1 + sqrt(p / (1 - p)) * z), z standard normal, while training, else x.

    The factors have the mean and the variance of those of `dropout` with the same p (Keras'
    `rate`). The numbers come from the default generator. Raises ValueError for a p outside of
    [0, 1), where the variance is finite.

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting" (2014), section 10.

    >>> import tinygraph as tg
    >>> tg.nn.functional.gaussian_dropout(tg.tensor([1.0, 2.0]), training=False)
    tensor([1., 2.])
    """
    below_one("gaussian_dropout", p)
    if not training or p == 0.0:
        return to_tensor(input)
    x = floats(input)
    return x * random.normal(x.shape, 1.0, math.sqrt(p / (1.0 - p)), dtype=x.dtype)


def below_one(name: str, p: float) -> float:
    """`p`. ValueError, which names the function or layer, if it is not from 0 to below 1."""
    if not 0.0 <= p < 1.0:
        raise ValueError(f"{name}: expected p from 0 to below 1, got {p}")
    return p
