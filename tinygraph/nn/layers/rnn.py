"""The plain recurrent network, after Elman: a layer of neurons that also reads its own output."""

from __future__ import annotations

from typing import Any

from tinygraph.array.elementwise import tanh
from tinygraph.nn import functional as F
from tinygraph.nn.layers.cells import RNNCellBase
from tinygraph.nn.layers.recurrent import Memory, RNNBase, Step, Weights
from tinygraph.tensor import Tensor

__all__ = ["RNN", "RNNCell"]

ACTIVATIONS = {"tanh": tanh, "relu": F.relu}


def _checked(layer: str, nonlinearity: str) -> str:
    if nonlinearity not in ACTIVATIONS:
        raise ValueError(
            f"{layer}: expected a nonlinearity of 'tanh' or 'relu', got {nonlinearity!r}"
        )
    return nonlinearity


def _prepared(x: Tensor, weights: Weights, nonlinearity: str) -> tuple[Tensor, Step]:
    activation = ACTIVATIONS[nonlinearity]

    def step(memory: Memory, inputs: Tensor) -> Memory:
        return (activation(inputs + F.linear(memory[0], weights.weight_hh)),)

    return F.linear(x, weights.weight_ih, weights.bias), step


class RNN(RNNBase):
    """h ← tanh(W x + b + U h + d), one layer or several, each of which reads the one below.

    nonlinearity: "tanh" or "relu". The other arguments, the names of the parameters, `lengths`
    and what goes in and comes out are as for `LSTM`, but that the only state is h: hx is h, and
    the result is (output, h).

    weight_ih_l0 (W): (hidden, input); weight_hh_l0 (U): (hidden, hidden); bias_ih_l0 (b) and
    bias_hh_l0 (d): (hidden,). There are two biases because PyTorch has two; textbooks have one,
    their sum, or none (`bias=False`).

    Source: Elman, "Finding Structure in Time" (1990).

    >>> import tinygraph as tg
    >>> output, h = tg.nn.RNN(3, 5)(tg.ones((7, 2, 3)))
    >>> output.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        mode = f"RNN_{_checked(type(self).__name__, nonlinearity)}".upper()
        super().__init__(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, dtype=dtype)  # fmt: skip
        self.nonlinearity = nonlinearity

    def _prepare(self, x: Tensor, weights: Weights) -> tuple[Tensor, Step]:
        return _prepared(x, weights, self.nonlinearity)


class RNNCell(RNNCellBase):
    """h' = tanh(W x + b + U h + d), one step of `RNN`.

    input_size, hidden_size: the features of input and state. bias: whether b and d are there.
    nonlinearity: "tanh" or "relu".

    weight_ih (W): (hidden, input); weight_hh (U): (hidden, hidden); bias_ih (b) and bias_hh (d):
    (hidden,); all drawn evenly from ±1 / sqrt(hidden_size).

    The call takes x (batch, input) or (input,), and h (batch, hidden) or (hidden,), zeros where
    it is not given; it returns the new h.

    >>> import tinygraph as tg
    >>> tg.nn.RNNCell(3, 5)(tg.ones((2, 3)), tg.zeros((2, 5))).shape
    (2, 5)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, dtype=dtype)
        self.nonlinearity = _checked(type(self).__name__, nonlinearity)

    def _prepare(self, x: Tensor, weights: Weights) -> tuple[Tensor, Step]:
        return _prepared(x, weights, self.nonlinearity)

    def extra_repr(self) -> str:
        usual = self.nonlinearity == "tanh"
        return super().extra_repr() + ("" if usual else f", nonlinearity={self.nonlinearity}")
