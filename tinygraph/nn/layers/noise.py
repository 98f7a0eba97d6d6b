"""Layers that add noise while training."""

from __future__ import annotations

from tinygraph.nn import functional as F
from tinygraph.nn.functional.noise import below_one, deviation
from tinygraph.nn.layers.activation import Shown
from tinygraph.tensor import Tensor

__all__ = ["GaussianDropout", "GaussianNoise"]


class GaussianNoise(Shown):
    """x + std * z with z from the standard normal distribution while training, else x.

    std: Keras' `stddev`.

    >>> import tinygraph as tg
    >>> tg.nn.GaussianNoise(0.1).eval()(tg.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    shown = ("std",)

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = deviation("GaussianNoise", std)

    def forward(self, input: Tensor) -> Tensor:
        return F.gaussian_noise(input, self.std, self.training)


class GaussianDropout(Shown):
    """x * (1 + sqrt(p / (1 - p)) * z), z standard normal, while training, else x.

    p: Keras' `rate`.

    >>> import tinygraph as tg
    >>> tg.nn.GaussianDropout(0.5).eval()(tg.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    shown = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = below_one("GaussianDropout", p)

    def forward(self, input: Tensor) -> Tensor:
        return F.gaussian_dropout(input, self.p, self.training)
