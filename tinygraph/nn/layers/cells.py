"""What recurrent cells share. A cell is one step of a recurrent layer."""

from __future__ import annotations

from typing import Any

from tinygraph.array.precision import full_precision
from tinygraph.nn.layers.linear import at_least, fill_evenly
from tinygraph.nn.layers.recurrent import (
    Memory,
    Step,
    Weights,
    check_input,
    check_states,
    flag,
    new_weights,
)
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["RNNCellBase"]


class RNNCellBase(Module):
    """h' = step(x, h): what `RNNCell`, `LSTMCell` and `GRUCell` derive from.

    num_chunks: how many vectors of size `hidden_size` a step makes of x and h. See `RNNCell` for
    the other arguments.
    """

    _states: tuple[str, ...] = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        *,
        peephole: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = at_least(name, "input_size", input_size, 0)
        self.hidden_size = at_least(name, "hidden_size", hidden_size, 0)
        self.bias = flag(name, "bias", bias)
        weights = new_weights(
            num_chunks, input_size, hidden_size, bias, peephole=peephole, dtype=dtype
        )
        for kind, weight in weights.items():
            self.register_parameter(kind, weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        fill_evenly(self.hidden_size, *self.parameters())

    def _prepare(self, x: Tensor, weights: Weights) -> tuple[Tensor, Step]:
        """What the step needs of x (..., features), and the step."""
        raise NotImplementedError(f"{type(self).__name__} has no `_prepare`; define it")

    @full_precision
    def forward(self, input: Tensor, hx: Any = None) -> Any:
        name, weights = type(self).__name__, Weights.of(self)
        x = check_input(name, input, weights.weight_ih, {2: "batch, ", 1: ""})
        shape = (*x.shape[:-1], self.hidden_size)
        memory: Memory = check_states(name, hx, x, dict.fromkeys(self._states, shape))
        inputs, step = self._prepare(x, weights)
        new = step(memory, inputs)
        return new if len(new) > 1 else new[0]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")
