"""Activations that take several features together, as layers; they have no weights of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from tinygraph.nn import functional as F
from tinygraph.nn.layers.activation import Shown
from tinygraph.nn.layers.linear import at_least
from tinygraph.tensor import Tensor

__all__ = ["GLU", "GeGLU", "Maxout", "ReGLU", "SwiGLU"]


class _Gated(Shown):
    """The first half along `dim` times a gate made of the second."""

    shown = ("dim",)
    gated: ClassVar[Callable[..., Tensor]]

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return type(self).gated(input, self.dim)


class GLU(_Gated):
    """a * sigmoid(b), a and b the halves of x along `dim`.

    >>> import tinygraph as tg
    >>> tg.nn.GLU()(tg.tensor([4.0, 6.0, 0.0, 100.0]))
    tensor([2., 6.])
    """

    gated = staticmethod(F.glu)


class SwiGLU(_Gated):
    """a * silu(b), a and b the halves of x along `dim`.

    >>> import tinygraph as tg
    >>> tg.nn.SwiGLU()(tg.tensor([4.0, 0.5, 0.0, 100.0]))
    tensor([ 0., 50.])
    """

    gated = staticmethod(F.swiglu)


class GeGLU(_Gated):
    """a * gelu(b), a and b the halves of x along `dim`.

    >>> import tinygraph as tg
    >>> tg.nn.GeGLU()(tg.tensor([4.0, 0.5, 0.0, 100.0]))
    tensor([ 0., 50.])
    """

    gated = staticmethod(F.geglu)


class ReGLU(_Gated):
    """a * relu(b), a and b the halves of x along `dim`.

    >>> import tinygraph as tg
    >>> tg.nn.ReGLU()(tg.tensor([4.0, 0.5, -3.0, 100.0]))
    tensor([ 0., 50.])
    """

    gated = staticmethod(F.reglu)


class Maxout(Shown):
    """out[i] = max(x[g i], ..., x[g i + g - 1]), g = groups: the largest of neighbours along `dim`.

    A layer of n maxout units of k pieces is Sequential(Linear(in_features, n * k), Maxout(k)).

    >>> import tinygraph as tg
    >>> tg.nn.Maxout(2)(tg.tensor([1.0, 5.0, 7.0, 2.0]))
    tensor([5., 7.])
    """

    shown = ("groups", "dim")

    def __init__(self, groups: int, dim: int = -1) -> None:
        super().__init__()
        self.groups, self.dim = at_least("Maxout", "groups", groups, 1), dim

    def forward(self, input: Tensor) -> Tensor:
        return F.maxout(input, self.groups, self.dim)
