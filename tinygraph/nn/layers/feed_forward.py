"""The feed-forward part of a transformer: two linear maps, at each position alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygraph.nn import functional as F
from tinygraph.nn.layers.dropout import Dropout
from tinygraph.nn.layers.linear import Linear, at_least
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["FeedForward"]

Activation = str | Callable[[Tensor], Tensor]

# what splits its input into a value and a gate, and so needs twice the features
_GATED = ("geglu", "glu", "reglu", "swiglu")
_PLAIN = ("elu", "gelu", "leaky_relu", "mish", "relu", "selu", "sigmoid", "silu", "softplus",
          "swish", "tanh")  # fmt: skip


def named_activation(layer: str, activation: Activation) -> Callable[[Tensor], Tensor]:
    """The function of an activation that is given by name or as it is."""
    if not isinstance(activation, str):
        return activation
    if activation not in (*_PLAIN, *_GATED):
        raise ValueError(
            f"{layer}: expected activation to be callable or one of "
            f"{', '.join(sorted((*_PLAIN, *_GATED)))}, got {activation!r}"
        )
    function: Callable[[Tensor], Tensor] = getattr(F, activation)
    return function


def _is_gated(function: Callable[[Tensor], Tensor]) -> bool:
    return getattr(function, "__name__", type(function).__name__).lower() in _GATED


class WithFeedForward(Module):
    """What has two linear maps with an activation in between, for each position alone."""

    linear1: Linear
    dropout: Dropout
    linear2: Linear
    activation: Callable[[Tensor], Tensor]

    def _add_maps(
        self, d_model: int, hidden: int, dropout: float, function: Any, bias: bool, dtype: Any
    ) -> None:
        at_least(type(self).__name__, "d_model", d_model, 1)
        at_least(type(self).__name__, "dim_feedforward", hidden, 1)
        wide = 2 * hidden if _is_gated(function) else hidden
        self.linear1 = Linear(d_model, wide, bias=bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(hidden, d_model, bias=bias, dtype=dtype)

    def _feed_forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return result


class FeedForward(WithFeedForward):
    """activation(x W1 + b1) W2 + b2 at each position alone.

    d_model: the features of input and result. dim_feedforward: those in between, 4 * d_model by
    default. dropout: the probability of dropping one of these, in training. activation: a
    function, or the name of one: "relu" gives the max(0, x W1 + b1) W2 + b2 of the paper; of a
    gated one, such as "swiglu", linear1 is twice as wide, for the values and then the gates. bias:
    whether b1 and b2 are there.

    linear1.weight: (dim_feedforward, d_model), linear2.weight: (d_model, dim_feedforward), and
    their biases, as in `Linear`.

    Source: Vaswani et al., "Attention Is All You Need" (2017); Shazeer, "GLU Variants Improve
    Transformer" (2020).

    >>> import tinygraph as tg
    >>> tg.nn.FeedForward(8, activation="swiglu")(tg.ones((2, 7, 8))).shape
    (2, 7, 8)
    """

    def __init__(
        self,
        d_model: int,
        dim_feedforward: int | None = None,
        dropout: float = 0.0,
        activation: Activation = "relu",
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        function = named_activation("FeedForward", activation)
        hidden = 4 * d_model if dim_feedforward is None else dim_feedforward
        self._add_maps(d_model, hidden, dropout, function, bias, dtype)
        self.activation = function

    def forward(self, input: Tensor) -> Tensor:
        return self._feed_forward(input)
