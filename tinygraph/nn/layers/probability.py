"""Softmax and its relatives as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from tinygraph.nn import functional as F
from tinygraph.nn.layers.activation import Shown
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin", "Sparsemax"]


class _Distribution(Shown):
    """Probabilities, or their logarithms, along `dim`; None means the last dimension."""

    shown = ("dim",)
    probabilities: ClassVar[Callable[..., Tensor]]

    def __init__(self, dim: int | None = -1) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, input: Tensor) -> Tensor:
        return type(self).probabilities(input, self.dim)


class Softmax(_Distribution):
    """exp(x) / sum(exp(x)) over `dim`.

    >>> import tinygraph as tg
    >>> tg.nn.Softmax()(tg.tensor([0.0, 0.0]))
    tensor([0.5, 0.5])
    """

    probabilities = staticmethod(F.softmax)


class LogSoftmax(_Distribution):
    """log(softmax(x)) over `dim`, finite for any finite x.

    >>> import tinygraph as tg
    >>> tg.nn.LogSoftmax()(tg.tensor([0.0, 1000.0]))
    tensor([-1000.,     0.])
    """

    probabilities = staticmethod(F.log_softmax)


class Softmin(_Distribution):
    """exp(-x) / sum(exp(-x)) over `dim`.

    >>> import tinygraph as tg
    >>> tg.nn.Softmin()(tg.tensor([0.0, 1000.0]))
    tensor([1., 0.])
    """

    probabilities = staticmethod(F.softmin)


class Sparsemax(_Distribution):
    """max(x - t, 0) over `dim`, t such that the results sum to 1: a softmax with exact zeros.

    >>> import tinygraph as tg
    >>> tg.nn.Sparsemax()(tg.tensor([1.0, 0.5, -1.0]))
    tensor([0.75, 0.25, 0.  ])
    """

    probabilities = staticmethod(F.sparsemax)


class Softmax2d(Module):
    """exp(x) / sum(exp(x)) over the channels of each place of (batch, channel, height, width).

    >>> import tinygraph as tg
    >>> tg.nn.Softmax2d()(tg.zeros((2, 1, 1))).tolist()
    [[[0.5]], [[0.5]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax2d(input)
