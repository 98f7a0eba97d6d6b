"""Random weights whose size keeps signals and gradients from growing or dying out.

Both kinds draw numbers of mean 0; the variance is that of the numbers, uniform or normal.
"""

from __future__ import annotations

import math

from tinygraph.init.fans import calculate_gain, fans
from tinygraph.init.fill import T, normal, uniform

__all__ = [
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "kaiming_normal",
    "kaiming_uniform", "xavier_normal", "xavier_uniform",
]  # fmt: skip


def xavier_uniform(tensor: T, gain: float = 1.0) -> T:
    """Fill a weight (out, in, ...) evenly from ±gain * sqrt(6 / (n_in + n_out)); returns it.

    For tanh and sigmoid. Also called Glorot's. Source: Glorot and Bengio, "Understanding the
    difficulty of training deep feedforward neural networks" (2010).

    >>> import tinygraph as tg
    >>> weight = tg.init.xavier_uniform(tg.nn.Parameter(tg.zeros((3, 3))))
    >>> bool(abs(weight.numpy()).max() <= 1.0)
    True
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform(tensor, -bound, bound)


def xavier_normal(tensor: T, gain: float = 1.0) -> T:
    """Fill a weight with normal numbers of variance gain² * 2 / (n_in + n_out); returns it.

    See `xavier_uniform`.
    """
    return normal(tensor, 0.0, _xavier_std(tensor, gain))


def _xavier_std(tensor: T, gain: float) -> float:
    return gain * math.sqrt(2.0 / sum(fans(tensor)))


def kaiming_uniform(
    tensor: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> T:
    """Fill a weight (out, in, ...) evenly from ±gain * sqrt(3 / n); returns it.

    a: the negative slope of a leaky ReLU after it. mode: whether n is "fan_in" (signals keep
    their size) or "fan_out" (gradients do). nonlinearity: what the gain is computed for.

    For ReLU, which halves the variance. Also called He's. Source: He et al., "Delving Deep into
    Rectifiers" (2015).

    >>> import tinygraph as tg
    >>> weight = tg.init.kaiming_uniform(tg.nn.Parameter(tg.zeros((3, 6))))
    >>> bool(abs(weight.numpy()).max() <= 1.0)
    True
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform(tensor, -bound, bound)


def kaiming_normal(
    tensor: T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> T:
    """Fill a weight with normal numbers of variance gain² / n; returns it.

    See `kaiming_uniform`.
    """
    return normal(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def _kaiming_std(tensor: T, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"expected mode 'fan_in' or 'fan_out', got {mode!r}")
    count = fans(tensor)[mode == "fan_out"]
    # a weight without elements has no connections
    return calculate_gain(nonlinearity, a) / math.sqrt(max(count, 1))


glorot_uniform, glorot_normal = xavier_uniform, xavier_normal
he_uniform, he_normal = kaiming_uniform, kaiming_normal
