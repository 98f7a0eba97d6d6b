"""Dropout layers: parts of a network left out at random while training."""

from __future__ import annotations

from tinygraph.nn import functional as F
from tinygraph.nn.functional.dropout import probability
from tinygraph.nn.layers.activation import Shown
from tinygraph.tensor import Tensor

__all__ = [
    "AlphaDropout", "DropPath", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d",
    "FeatureAlphaDropout",
]  # fmt: skip


class _Dropping(Shown):
    """A layer that leaves out parts with probability `p`.

    p: of dropping. inplace: ignored, results are always new.
    """

    shown = ("p", "inplace")

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p, self.inplace = probability(type(self).__name__, p), inplace


class Dropout(_Dropping):
    """x / (1 - p) with each element zeroed with probability p while training, else x.

    inplace: ignored, results are always new. inverted: False for the form of the original paper:
    x without a scale while training, and x * (1 - p) afterwards.

    >>> import tinygraph as tg
    >>> tg.nn.Dropout(0.5).eval()(tg.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    >>> tg.nn.Dropout(0.5, inverted=False).eval()(tg.ones(3)).tolist()
    [0.5, 0.5, 0.5]
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, *, inverted: bool = True) -> None:
        super().__init__(p, inplace)
        self.inverted = inverted

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, inverted=self.inverted)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.inverted else ", inverted=False")


class Dropout1d(_Dropping):
    """x / (1 - p) with whole channels zeroed, each with probability p, while training, else x.

    Input: (batch, channel, length), or (channel, length).

    >>> import tinygraph as tg
    >>> tg.nn.Dropout1d(1.0)(tg.ones((1, 2, 1))).tolist()
    [[[0.0], [0.0]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training)


class Dropout2d(_Dropping):
    """As `Dropout1d`, for an input (batch, channel, height, width)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training)


class Dropout3d(_Dropping):
    """As `Dropout1d`, for an input (batch, channel, depth, height, width), or without batch."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training)


class AlphaDropout(_Dropping):
    """a * x + b with each x set to -1.7581 with probability p while training, else x.

    The companion of `SELU`: mean 0 and variance 1 stay so.

    >>> import tinygraph as tg
    >>> tg.nn.AlphaDropout(0.2).eval()(tg.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropping):
    """As `AlphaDropout`, of whole channels: the input is (batch, channel, ...)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)


class DropPath(Shown):
    """x / (1 - p) with whole samples zeroed, each with probability p, while training, else x.

    Put on the branch of a residual block, it leaves out the block for some of the samples:
    stochastic depth. Input: (batch, ...).

    >>> import tinygraph as tg
    >>> tg.nn.DropPath(0.2).eval()(tg.ones((1, 3))).tolist()
    [[1.0, 1.0, 1.0]]
    """

    shown = ("p",)

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = probability("DropPath", p)

    def forward(self, input: Tensor) -> Tensor:
        return F.drop_path(input, self.p, self.training)
