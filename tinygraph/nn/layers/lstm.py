"""Long short-term memory: a cell whose content gates keep, change and show."""

from __future__ import annotations

from typing import Any

from tinygraph.array.elementwise import sigmoid, tanh
from tinygraph.array.join import split
from tinygraph.nn import functional as F
from tinygraph.nn.layers.cells import RNNCellBase
from tinygraph.nn.layers.recurrent import Memory, RNNBase, Step, Weights
from tinygraph.tensor import Tensor

__all__ = ["LSTM", "LSTMCell", "PeepholeLSTM"]


def _prepared(x: Tensor, weights: Weights) -> tuple[Tensor, Step]:
    hidden = weights.weight_hh.shape[0] // 4

    def step(memory: Memory, gates: Tensor) -> Memory:
        h, cell = memory
        i, f, g, o = split(gates + F.linear(h, weights.weight_hh), hidden, axis=-1)
        if weights.weight_ch is not None:
            seen = split(F.linear(cell, weights.weight_ch), hidden, axis=-1)
            i, f, o = (gate + part for gate, part in zip((i, f, o), seen, strict=True))
        cell = sigmoid(f) * cell + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(cell)
        return (h if weights.weight_hr is None else F.linear(h, weights.weight_hr)), cell

    return F.linear(x, weights.weight_ih, weights.bias), step


class LSTM(RNNBase):
    """c ← f * c + i * g, h ← o * tanh(c), with gates i, f, o = sigmoid(W x + b + U h + d).

    Each gate has weights of its own, and so has g = tanh(W x + b + U h + d), what is to be
    remembered. One layer or several, each of which reads the h of the one below.

    input_size, hidden_size: the features of input and state. num_layers: how many. bias: whether
    b and d are there. batch_first: sequences are (batch, length, features) instead of (length,
    batch, features). dropout: the probability of dropping what one layer hands to the next.
    bidirectional: read in both directions; the results stand side by side. proj_size: where it
    is not 0, h is R (o * tanh(c)) of this size. peephole: the gates also see the cell, as in
    sigmoid(W x + b + U h + d + V c) with the c before the step, for o too; V is a full matrix.

    weight_ih_l0 (W): (4 * hidden, input), for i, f, g and o in this order; weight_hh_l0 (U):
    (4 * hidden, hidden); bias_ih_l0 (b), bias_hh_l0 (d): (4 * hidden,); weight_hr_l0 (R):
    (proj_size, hidden); weight_ch_l0 (V): (3 * hidden, hidden), for i, f and o; and so on with
    l1, l2, ...; those of the other direction end in _reverse. All are drawn evenly from
    ±1 / sqrt(hidden_size).

    The call takes the sequences, or a single one (length, features), or a `PackedSequence`, and
    hx, the first (h, c), zeros where it is not given. It returns (output, (h, c)): the h of the
    last layer at each place, (length, batch, hidden), and the last states of all layers, (layers
    * directions, batch, hidden). lengths: (batch,) integers, how many steps of each sequence
    count, which a graph may get as an input; behind them the output is 0, the last states are
    those at the end of each sequence, and from behind it is read from there.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with the forget gate of
    Gers et al. (2000). Peepholes are due to Gers and Schmidhuber (2000), who take a diagonal V,
    and show o the c after the step.

    >>> import tinygraph as tg
    >>> layer = tg.nn.LSTM(3, 5, batch_first=True)
    >>> output, (h, c) = layer(tg.ones((2, 7, 3)), lengths=tg.tensor([7, 4]))
    >>> output.shape, h.shape
    ((2, 7, 5), (1, 2, 5))
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
        proj_size: int = 0,
        *,
        peephole: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, proj_size, peephole=peephole, dtype=dtype)  # fmt: skip
        self.peephole = peephole

    @property
    def _states(self) -> dict[str, int]:
        return {"h": self._out, "c": self.hidden_size}

    def _prepare(self, x: Tensor, weights: Weights) -> tuple[Tensor, Step]:
        return _prepared(x, weights)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", peephole=True" if self.peephole else "")


class PeepholeLSTM(LSTM):
    """`LSTM` whose gates also see the cell: i, f, o = sigmoid(W x + b + U h + d + V c).

    The same as `LSTM(..., peephole=True)`, which see.

    >>> import tinygraph as tg
    >>> tg.nn.PeepholeLSTM(3, 5).weight_ch_l0.shape
    (15, 5)
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, peephole=True, **options)


class LSTMCell(RNNCellBase):
    """c' = f * c + i * g, h' = o * tanh(c'), one step of `LSTM`.

    input_size, hidden_size: the features of input and state. bias: whether there are biases.
    peephole: whether the gates also see c.

    weight_ih: (4 * hidden, input), for i, f, g and o in this order; weight_hh: (4 * hidden,
    hidden); bias_ih, bias_hh: (4 * hidden,); weight_ch: (3 * hidden, hidden) with `peephole`;
    all drawn evenly from ±1 / sqrt(hidden_size).

    The call takes x (batch, input) or (input,), and the pair (h, c) of (batch, hidden) or
    (hidden,), zeros where it is not given; it returns the new pair.

    >>> import tinygraph as tg
    >>> h, c = tg.nn.LSTMCell(3, 5)(tg.ones((2, 3)))
    >>> h.shape
    (2, 5)
    """

    _states = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        peephole: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, peephole=peephole, dtype=dtype)

    def _prepare(self, x: Tensor, weights: Weights) -> tuple[Tensor, Step]:
        return _prepared(x, weights)
