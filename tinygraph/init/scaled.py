"""Random weights whose size keeps signals and gradients from growing or dying out.

All draw numbers of mean 0; the variance is that of the numbers, uniform or normal. n_in and n_out
are the connections that enter and leave a unit (see `fans`), n one of them or their mean.
"""

from __future__ import annotations

import math

from tinygraph.init.fans import calculate_gain, fans
from tinygraph.init.fill import Generator, T, normal, trunc_normal, uniform

__all__ = [
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "kaiming_normal",
    "kaiming_uniform", "lecun_normal", "lecun_uniform", "variance_scaling", "xavier_normal",
    "xavier_uniform",
]  # fmt: skip

_CUT = 0.8796256610342398  # deviation of the standard normal distribution cut at -2 and 2
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "normal", "uniform")


def variance_scaling(
    tensor: T,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    generator: Generator = None,
) -> T:
    """Fill a weight (out, in, ...) with numbers of variance scale / n; returns it.

    mode: whether n is "fan_in", "fan_out" or "fan_avg", their mean. distribution: "uniform",
    "normal" (also "untruncated_normal"), or "truncated_normal", cut at two deviations and widened
    so that the variance is right. Names are those of Keras and JAX, whose Glorot, He and LeCun
    initializers of normal numbers are truncated ones with scale 1 (fan_avg), 2 and 1 (fan_in).

    >>> import tinygraph as tg
    >>> weight = tg.init.variance_scaling(tg.nn.Parameter(tg.zeros((2, 3))), distribution="uniform")
    >>> bool(abs(weight.numpy()).max() <= 1.0)
    True
    """
    if not scale >= 0:
        raise ValueError(f"variance_scaling: expected scale from 0, got {scale}")
    if distribution not in _DISTRIBUTIONS:
        raise ValueError(
            f"variance_scaling: expected distribution out of {', '.join(_DISTRIBUTIONS)}, got "
            f"{distribution!r}"
        )
    std = math.sqrt(scale / _connections(tensor, mode))
    if distribution == "uniform":
        return uniform(tensor, -math.sqrt(3.0) * std, math.sqrt(3.0) * std, generator)
    if distribution == "truncated_normal" and std > 0:
        wide = std / _CUT
        return trunc_normal(tensor, 0.0, wide, -2.0 * wide, 2.0 * wide, generator)
    return normal(tensor, 0.0, std, generator)


def _connections(tensor: T, mode: str) -> float:
    """n of `mode`; at least 1, for a weight without elements has no connections."""
    modes = ("fan_in", "fan_out", "fan_avg")
    if mode not in modes:
        raise ValueError(f"expected mode 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}")
    n_in, n_out = fans(tensor)
    return max((n_in, n_out, (n_in + n_out) / 2)[modes.index(mode)], 1.0)


def xavier_uniform(tensor: T, gain: float = 1.0, generator: Generator = None) -> T:
    """Fill a weight (out, in, ...) evenly from ±gain * sqrt(6 / (n_in + n_out)); returns it.

    For tanh and sigmoid. Also called Glorot's, and Keras' default for Dense. The variance is
    2 / (n_in + n_out), as published; for the 1 / (n_in + n_out) of some textbooks the gain is
    sqrt(1 / 2).

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010).

    >>> import tinygraph as tg
    >>> weight = tg.init.xavier_uniform(tg.nn.Parameter(tg.zeros((3, 3))))
    >>> bool(abs(weight.numpy()).max() <= 1.0)
    True
    """
    return variance_scaling(tensor, gain * gain, "fan_avg", "uniform", generator)


def xavier_normal(tensor: T, gain: float = 1.0, generator: Generator = None) -> T:
    """Fill a weight with normal numbers of variance gain² * 2 / (n_in + n_out); returns it.

    See `xavier_uniform`.
    """
    return variance_scaling(tensor, gain * gain, "fan_avg", "normal", generator)


def kaiming_uniform(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> T:
    """Fill a weight (out, in, ...) evenly from ±gain * sqrt(3 / n); returns it.

    a: the negative slope of a leaky ReLU after it. mode: whether n is "fan_in" (signals keep
    their size) or "fan_out" (gradients do). nonlinearity: what the gain is computed for.

    For ReLU, which halves the variance: it is 2 / n, as published (1 / n, as some textbooks have
    it, is LeCun's). Also called He's. Source: He et al., "Delving Deep into Rectifiers" (2015).

    >>> import tinygraph as tg
    >>> weight = tg.init.kaiming_uniform(tg.nn.Parameter(tg.zeros((3, 6))))
    >>> bool(abs(weight.numpy()).max() <= 1.0)
    True
    """
    scale = calculate_gain(nonlinearity, a) ** 2
    return variance_scaling(tensor, scale, mode, "uniform", generator)


def kaiming_normal(
    tensor: T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> T:
    """Fill a weight with normal numbers of variance gain² / n; returns it.

    See `kaiming_uniform`.
    """
    scale = calculate_gain(nonlinearity, a) ** 2
    return variance_scaling(tensor, scale, mode, "normal", generator)


def lecun_uniform(tensor: T, generator: Generator = None) -> T:
    """Fill a weight (out, in, ...) evenly from ±sqrt(3 / n_in); returns it.

    Variance 1 / n_in: for SELU, and for layers without an activation.

    Source: LeCun et al., "Efficient BackProp" (1998).

    >>> import tinygraph as tg
    >>> weight = tg.init.lecun_uniform(tg.nn.Parameter(tg.zeros((2, 3))))
    >>> bool(abs(weight.numpy()).max() <= 1.0)
    True
    """
    return variance_scaling(tensor, 1.0, "fan_in", "uniform", generator)


def lecun_normal(tensor: T, generator: Generator = None) -> T:
    """Fill a weight with normal numbers of variance 1 / n_in; returns it.

    See `lecun_uniform`. Keras cuts them at two deviations: see `variance_scaling`.
    """
    return variance_scaling(tensor, 1.0, "fan_in", "normal", generator)


glorot_uniform, glorot_normal = xavier_uniform, xavier_normal
he_uniform, he_normal = kaiming_uniform, kaiming_normal
