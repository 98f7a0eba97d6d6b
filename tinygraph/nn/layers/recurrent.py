"""Recurrent layers: the same step at each place of a sequence, with a memory."""

from __future__ import annotations

from typing import Any

from tinygraph.array.creation import zeros
from tinygraph.array.elementwise import sigmoid, tanh
from tinygraph.array.join import concat, split, stack
from tinygraph.array.shape import swapaxes
from tinygraph.control import scan
from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn import functional as F
from tinygraph.nn.layers.linear import at_least, empty, fill_evenly
from tinygraph.nn.module import Module
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["LSTM"]

Memory = tuple[Tensor, Tensor]


class LSTM(Module):
    """Long short-term memory, one layer or several, each of which reads the one below.

        i, f, o = sigmoid of W x + b + U h + c, each with its own weights; g = tanh of such
        cell ← f * cell + i * g
        h ← o * tanh(cell)

    input_size, hidden_size: the features of input and state. num_layers: how many. bias: whether
    b and c are there. batch_first: sequences are (batch, length, features) instead of (length,
    batch, features). dropout: the probability of dropping what one layer hands to the next.
    bidirectional: read in both directions; the results stand side by side.

    weight_ih_l0: (4 * hidden, input), for i, f, g and o in this order; weight_hh_l0: (4 * hidden,
    hidden); bias_ih_l0, bias_hh_l0: (4 * hidden,); and so on with l1, l2, ...; those of the
    other direction end in _reverse. All are drawn evenly from ±1 / sqrt(hidden_size).

    Returns (output, (h, cell)): the h of the last layer at each place, (length, batch, hidden),
    and the last states of all layers, (layers, batch, hidden).

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with Gers' forget gate.

    >>> import tinygraph as tg
    >>> output, (h, cell) = tg.nn.LSTM(3, 5, batch_first=True)(tg.ones((2, 7, 3)))
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
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = at_least("LSTM", "input_size", input_size, 1)
        self.hidden_size = at_least("LSTM", "hidden_size", hidden_size, 1)
        self.num_layers = at_least("LSTM", "num_layers", num_layers, 1)
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"LSTM: expected dropout from 0 to 1, got {dropout}")
        self.bias, self.batch_first = bias, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        for layer in range(num_layers):
            below = input_size if layer == 0 else hidden_size * len(self._directions)
            for end in self._directions:
                self._add_weights(f"l{layer}{end}", below, dtype)
        self.reset_parameters()

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _add_weights(self, end: str, below: int, dtype: Any) -> None:
        rows = 4 * self.hidden_size
        self.register_parameter(f"weight_ih_{end}", empty((rows, below), dtype))
        self.register_parameter(f"weight_hh_{end}", empty((rows, self.hidden_size), dtype))
        if self.bias:
            self.register_parameter(f"bias_ih_{end}", empty((rows,), dtype))
            self.register_parameter(f"bias_hh_{end}", empty((rows,), dtype))

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        fill_evenly(self.hidden_size, *self.parameters())

    def forward(self, input: Tensor, hx: Memory | None = None) -> tuple[Tensor, Memory]:
        x = swapaxes(input, 0, 1) if self.batch_first and input.ndim == 3 else input
        batched = input.ndim == 3
        self._check(input)
        if not batched:
            x = x.reshape(x.shape[0], 1, x.shape[1])
        hidden, cell = self._start(x, hx, batched)
        last: list[Memory] = []
        for layer in range(self.num_layers):
            if layer and self.training:
                x = F.dropout(x, self.dropout)
            sides = []
            for end in self._directions:
                start = hidden[len(last)], cell[len(last)]
                side, memory = self._run(f"l{layer}{end}", x, start, reverse=bool(end))
                sides.append(side)
                last.append(memory)
            x = sides[0] if len(sides) == 1 else concat(sides, axis=-1)
        final = stack([h for h, _ in last]), stack([c for _, c in last])
        if not batched:
            return x[:, 0], (final[0][:, 0], final[1][:, 0])
        return (swapaxes(x, 0, 1) if self.batch_first else x), final

    def _check(self, input: Tensor) -> None:
        features = input.shape[-1] if input.ndim in (2, 3) else None
        if features is None or (features != self.input_size and is_known(features)):
            order = "(batch, length" if self.batch_first else "(length, batch"
            raise ShapeError(
                f"LSTM: expected an input {order}, {self.input_size}) or (length, "
                f"{self.input_size}), got shape {show_shape(input.shape)}"
            )
        if not is_float(input.dtype):
            raise DTypeError(f"LSTM: expected an input of floats, got {input.dtype.name}")

    def _start(self, x: Tensor, hx: Memory | None, batched: bool) -> Memory:
        """The states before the first step, (layers, batch, hidden) each."""
        shape = (self.num_layers * len(self._directions), x.shape[1], self.hidden_size)
        if hx is None:
            start = zeros(shape, dtype=x.dtype)
            return start, start
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise TypeError(f"LSTM: expected hx to be a pair (h, cell), got a {type(hx).__name__}")
        for name, given in zip(("h", "cell"), hx, strict=True):
            if not isinstance(given, Tensor):
                raise TypeError(
                    f"LSTM: expected {name} to be a Tensor, got a {type(given).__name__}"
                )
            expected = shape if batched else (shape[0], shape[2])
            if given.shape != expected and is_known(*given.shape, *expected):
                raise ShapeError(
                    f"LSTM: expected {name} of shape {show_shape(expected)}, got "
                    f"{show_shape(given.shape)}"
                )
        return hx[0].reshape(*shape), hx[1].reshape(*shape)

    def _run(self, end: str, x: Tensor, start: Memory, reverse: bool) -> tuple[Tensor, Memory]:
        """One direction of one layer over the whole sequence."""
        bias = None
        if self.bias:
            bias = getattr(self, f"bias_ih_{end}") + getattr(self, f"bias_hh_{end}")
        # all places at once, as one matrix product; only what needs h is left to the steps
        inputs = F.linear(x, getattr(self, f"weight_ih_{end}"), bias)
        weight = getattr(self, f"weight_hh_{end}")

        def step(memory: Memory, gates: Tensor) -> tuple[Memory, Tensor]:
            h, cell = memory
            i, f, g, o = split(gates + F.linear(h, weight), self.hidden_size, axis=-1)
            cell = sigmoid(f) * cell + sigmoid(i) * tanh(g)
            h = sigmoid(o) * tanh(cell)
            return (h, cell), h

        memory, output = scan(step, start, inputs, reverse=reverse)
        return output, memory

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0,
                 "bidirectional": False}  # fmt: skip
        parts += [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join(parts)
