"""The gated recurrent unit: a state that one gate lets fade and another one hides."""

from __future__ import annotations

from typing import Any

from tinygraph.array.elementwise import sigmoid, tanh
from tinygraph.array.join import split
from tinygraph.nn import functional as F
from tinygraph.nn.layers.cells import RNNCellBase
from tinygraph.nn.layers.recurrent import Memory, RNNBase, Step, Weights
from tinygraph.tensor import Tensor

__all__ = ["GRU", "GRUCell"]


def _prepared(x: Tensor, weights: Weights, reset_after: bool) -> tuple[Tensor, Step]:
    weight = weights.weight_hh
    hidden = weight.shape[1]

    def after(memory: Memory, inputs: Tensor) -> Memory:
        (h,) = memory
        seen = split(F.linear(h, weight, weights.bias_hh), hidden, axis=-1)
        r, z, n = split(inputs, hidden, axis=-1)
        r, z = sigmoid(r + seen[0]), sigmoid(z + seen[1])
        return (_mixed(h, z, tanh(n + r * seen[2])),)

    if reset_after:
        return F.linear(x, weights.weight_ih, weights.bias_ih), after
    of_gates, of_new = weight[: 2 * hidden], weight[2 * hidden :]

    def before(memory: Memory, inputs: Tensor) -> Memory:
        (h,) = memory
        gates, n = split(inputs, [2 * hidden, hidden], axis=-1)
        r, z = split(sigmoid(gates + F.linear(h, of_gates)), hidden, axis=-1)
        return (_mixed(h, z, tanh(n + F.linear(r * h, of_new))),)

    return F.linear(x, weights.weight_ih, weights.bias), before


def _mixed(h: Tensor, z: Tensor, n: Tensor) -> Tensor:
    return n + z * (h - n)


class GRU(RNNBase):
    """h ← (1 - z) * n + z * h, with n = tanh(W x + b + r * (U h + d)) and gates r and z.

        r, z = sigmoid(W x + b + U h + d), each with its own weights

    One layer or several, each of which reads the one below. reset_after: r acts on U h + d, as
    in PyTorch; without it r acts before the matrix, as in the paper and in textbooks, which is
    n = tanh(W x + b + U (r * h) + d). Some textbooks call z what is 1 - z here.

    The other arguments, the names of the parameters, `lengths` and what goes in and comes out
    are as for `LSTM`, but that the only state is h: hx is h, and the result is (output, h).

    weight_ih_l0 (W): (3 * hidden, input), for r, z and n in this order; weight_hh_l0 (U): (3 *
    hidden, hidden); bias_ih_l0 (b), bias_hh_l0 (d): (3 * hidden,): three quarters of an LSTM.

    Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014).

    >>> import tinygraph as tg
    >>> output, h = tg.nn.GRU(3, 5, reset_after=False)(tg.ones((7, 2, 3)))
    >>> output.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        reset_after: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, dtype=dtype)  # fmt: skip
        self.reset_after = reset_after

    def _prepare(self, x: Tensor, weights: Weights) -> tuple[Tensor, Step]:
        return _prepared(x, weights, self.reset_after)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")


class GRUCell(RNNCellBase):
    """h' = (1 - z) * n + z * h, one step of `GRU`.

    input_size, hidden_size: the features of input and state. bias: whether there are biases.
    reset_after: as for `GRU`.

    weight_ih: (3 * hidden, input), for r, z and n in this order; weight_hh: (3 * hidden, hidden);
    bias_ih, bias_hh: (3 * hidden,); all drawn evenly from ±1 / sqrt(hidden_size).

    The call takes x (batch, input) or (input,), and h (batch, hidden) or (hidden,), zeros where
    it is not given; it returns the new h.

    >>> import tinygraph as tg
    >>> tg.nn.GRUCell(3, 5)(tg.ones((2, 3))).shape
    (2, 5)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset_after: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, dtype=dtype)
        self.reset_after = reset_after

    def _prepare(self, x: Tensor, weights: Weights) -> tuple[Tensor, Step]:
        return _prepared(x, weights, self.reset_after)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")
