"""What recurrent layers share: the same step at each place of a sequence, with a memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygraph.array.convert import to_tensor
from tinygraph.array.creation import arange, zeros
from tinygraph.array.elementwise import where
from tinygraph.array.join import concat, stack
from tinygraph.array.precision import full_precision
from tinygraph.array.shape import swapaxes
from tinygraph.control import scan
from tinygraph.dtypes import is_integer
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.graph.node import Shape
from tinygraph.nn import functional as F
from tinygraph.nn.layers.linear import at_least, empty, fill_evenly
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.nn.utils.rnn import PackedSequence, pad_packed_sequence, repack
from tinygraph.ops.bounds import within
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor, tensor

__all__ = ["RNNBase"]

Memory = tuple[Tensor, ...]  # what one step hands to the next, the output h first
Step = Callable[[Memory, Tensor], Memory]
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


# ------------------------------------------------------------------------------------ weights


class Weights(NamedTuple):
    """The parameters of a cell, or of one direction of a layer; None for what it has not."""

    weight_ih: Any
    weight_hh: Any
    bias_ih: Any
    bias_hh: Any
    weight_hr: Any
    weight_ch: Any

    @classmethod
    def of(cls, module: Module, end: str = "") -> Weights:
        """Those of `module` whose names have this end."""
        return cls(*[getattr(module, name + end, None) for name in cls._fields])

    @property
    def bias(self) -> Tensor | None:
        """Both biases as one, for gates that see no more than their sum."""
        return None if self.bias_ih is None else self.bias_ih + self.bias_hh


def new_weights(
    gates: int,
    below: int,
    hidden: int,
    bias: bool,
    proj_size: int = 0,
    peephole: bool = False,
    dtype: Any = None,
) -> dict[str, Parameter]:
    """Those of `Weights` that are there, in PyTorch's order, to be filled.

    gates: how many vectors of size `hidden` a step makes of x and h. below: the size of x.
    """
    rows = gates * hidden
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih": (rows, below),
        "weight_hh": (rows, proj_size or hidden),
    }
    if bias:
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
    if proj_size:
        shapes["weight_hr"] = (proj_size, hidden)
    if peephole:
        shapes["weight_ch"] = (3 * hidden, hidden)
    return {name: empty(shape, dtype) for name, shape in shapes.items()}


# ------------------------------------------------------------------------------------- checks


def flag(layer: str, name: str, value: Any) -> bool:
    """`value`, which has to be True or False. TypeError, which names layer and argument."""
    if not isinstance(value, bool):
        raise TypeError(f"{layer}: expected {name} to be a bool, got {value!r}")
    return value


def check_input(layer: str, input: Any, weight: Tensor, forms: Mapping[int, str]) -> Tensor:
    """The input as a Tensor, which has the features and the dtype that `weight` (rows, features)
    needs; else an error.

    forms: for each number of dimensions that it may have, what they are called.
    """
    x = to_tensor(input)
    features = weight.shape[1]
    fits = x.ndim in forms and (x.shape[-1] == features or not is_known(x.shape[-1]))
    if not fits:
        expected = " or ".join(f"({form}{features})" for form in forms.values())
        raise ShapeError(f"{layer}: expected an input {expected}, got shape {show_shape(x.shape)}")
    if x.dtype != weight.dtype:
        raise DTypeError(
            f"{layer}: expected an input of {weight.dtype.name}, as the parameters are; got "
            f"{x.dtype.name}"
        )
    return x


def check_states(layer: str, hx: Any, x: Tensor, shapes: Mapping[str, Shape]) -> Memory:
    """The states before the first step as a tuple: `hx`, or zeros where that is None.

    shapes: the name and shape of each; where there is one, hx is a Tensor, else a tuple of them.
    """
    if hx is None:
        return tuple([zeros(shape, dtype=x.dtype) for shape in shapes.values()])
    if len(shapes) == 1:
        hx = (hx,)
    if not isinstance(hx, (tuple, list)) or len(hx) != len(shapes):
        raise TypeError(
            f"{layer}: expected hx to be a pair ({', '.join(shapes)}), got a {type(hx).__name__}"
        )
    states = []
    for (name, shape), state in zip(shapes.items(), hx, strict=True):
        if not isinstance(state, (Tensor, np.ndarray)):
            raise TypeError(
                f"{layer}: expected {name} to be a Tensor, got a {type(state).__name__}"
            )
        given = to_tensor(state)
        if given.ndim != len(shape) or not all(map(_may_equal, given.shape, shape)):
            raise ShapeError(
                f"{layer}: expected {name} of shape {show_shape(shape)}, got "
                f"{show_shape(given.shape)}"
            )
        if given.dtype != x.dtype:
            raise DTypeError(
                f"{layer}: expected {name} of {x.dtype.name}, as the input is; got "
                f"{given.dtype.name}"
            )
        states.append(given)
    return tuple(states)


def _may_equal(a: Any, b: Any) -> bool:
    return bool(a == b) or not is_known(a, b)


# -------------------------------------------------------------------------------------- steps


def run(
    step: Step, start: Memory, inputs: Tensor, alive: Tensor | None, reverse: bool
) -> tuple[Memory, Tensor]:
    """The memory after all steps over inputs (length, batch, ...), and the output of each step.

    alive: (length, batch, 1), whether a place is within its sequence: elsewhere the memory stays
    and the output is 0. So from behind, a sequence starts at its own end.
    """

    def masked(memory: Memory, slices: tuple[Tensor, ...]) -> tuple[Memory, Tensor]:
        new = step(memory, slices[0])
        if alive is None:
            return new, new[0]
        there = slices[1]
        kept = tuple([where(there, *pair) for pair in zip(new, memory, strict=True)])
        return kept, where(there, new[0], 0.0)

    xs = (inputs,) if alive is None else (inputs, alive)
    memory, output = scan(masked, start, xs, reverse=reverse)
    return memory, output


class RNNBase(Module):
    """h_t = step(x_t, h_(t-1)) for each t: what `RNN`, `LSTM` and `GRU` derive from.

    mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU". See `LSTM` for the other arguments.
    """

    def __init__(
        self,
        mode: str,
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
        super().__init__()
        name = type(self).__name__
        if mode not in GATES:
            raise ValueError(f"{name}: expected a mode of {', '.join(GATES)}, got {mode!r}")
        self.mode = mode
        self.input_size = at_least(name, "input_size", input_size, 1)
        self.hidden_size = at_least(name, "hidden_size", hidden_size, 1)
        self.num_layers = at_least(name, "num_layers", num_layers, 1)
        self.proj_size = at_least(name, "proj_size", proj_size, 0)
        if proj_size >= hidden_size:
            raise ShapeError(f"{name}: expected proj_size below {hidden_size}, got {proj_size}")
        self.bias = flag(name, "bias", bias)
        self.batch_first = flag(name, "batch_first", batch_first)
        self.bidirectional = flag(name, "bidirectional", bidirectional)
        self.dropout = self._checked(dropout)
        for end in self._ends:
            below = input_size if end.startswith("_l0") else self._out * len(self._directions)
            weights = new_weights(GATES[mode], below, hidden_size, bias, proj_size, peephole, dtype)
            for kind, weight in weights.items():
                self.register_parameter(kind + end, weight)
        self.reset_parameters()

    def _checked(self, dropout: Any) -> float:
        name = type(self).__name__
        if isinstance(dropout, bool) or not 0.0 <= dropout <= 1.0:
            raise ValueError(f"{name}: expected dropout from 0 to 1, got {dropout}")
        if dropout and self.num_layers == 1:
            text = f"{name}: dropout={dropout} acts between layers, and there is only one"
            warnings.warn(text, stacklevel=4)
        return float(dropout)

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def _ends(self) -> list[str]:
        """What the names of the parameters end in, for each direction of each layer in turn."""
        return [f"_l{i}{side}" for i in range(self.num_layers) for side in self._directions]

    @property
    def _out(self) -> int:
        """The size of h."""
        return self.proj_size or self.hidden_size

    @property
    def _states(self) -> dict[str, int]:
        """The name and size of what a step remembers."""
        return {"h": self._out}

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each direction of each layer in turn."""
        return [[w for w in Weights.of(self, end) if w is not None] for end in self._ends]

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        fill_evenly(self.hidden_size, *self.parameters())

    def flatten_parameters(self) -> None:
        """Nothing, for ported scripts: where parameters lie in memory does not matter here."""

    def _prepare(self, x: Tensor, weights: Weights) -> tuple[Tensor, Step]:
        """What the steps need of x (..., features), for all places at once, and the step."""
        raise NotImplementedError(f"{type(self).__name__} has no `_prepare`; define it")

    @full_precision
    def forward(self, input: Any, hx: Any = None, *, lengths: Any = None) -> Any:
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx, lengths)
        order = "batch, length, " if self.batch_first else "length, batch, "
        forms = {3: order, 2: "length, "}
        x = check_input(type(self).__name__, input, self.weight_ih_l0, forms)
        batched = x.ndim == 3
        x = swapaxes(x, 0, 1) if self.batch_first and batched else x
        if not batched:
            x = x.reshape(x.shape[0], 1, x.shape[1])
        alive = None if lengths is None else self._alive(x, lengths, batched)
        if alive is not None:
            x = where(alive, x, 0.0)  # NaN in the padding would be NaN in the gradients
        x, final = self._stacked(x, self._start(x, hx, batched), alive)
        if not batched:
            x, final = x[:, 0], tuple([state[:, 0] for state in final])
        elif self.batch_first:
            x = swapaxes(x, 0, 1)
        return x, self._bare(final)

    def _forward_packed(self, packed: PackedSequence, hx: Any, lengths: Any) -> Any:
        """The sequences are padded in their old order, which is that of the states too."""
        name = type(self).__name__
        if lengths is not None:
            raise TypeError(f"{name}: a PackedSequence has its lengths; expected lengths=None")
        check_input(name, packed.data, self.weight_ih_l0, {2: "sum of the lengths, "})
        x, counts = pad_packed_sequence(packed)
        alive = self._alive(x, counts, batched=True)
        output, final = self._stacked(x, self._start(x, hx, batched=True), alive)
        return repack(output, packed), self._bare(final)

    def _start(self, x: Tensor, hx: Any, batched: bool) -> Memory:
        """The states before the first step, (layers * directions, batch, size) each."""
        name, count = type(self).__name__, len(self._ends)
        if x.shape[0] == 0:
            raise ShapeError(f"{name}: expected a sequence of at least one step, got none")
        batch = (x.shape[1],) if batched else ()
        shapes = {state: (count, *batch, size) for state, size in self._states.items()}
        given = check_states(name, hx, x, shapes)
        return given if batched else tuple([h.reshape(count, 1, h.shape[1]) for h in given])

    def _alive(self, x: Tensor, lengths: Any, batched: bool) -> Tensor:
        """(length, batch, 1): whether a place of x is within its sequence."""
        name = type(self).__name__
        counts = lengths if isinstance(lengths, Tensor) else tensor(np.asarray(lengths))
        expected = (x.shape[1],) if batched else ()
        if counts.ndim != len(expected) or not all(map(_may_equal, counts.shape, expected)):
            raise ShapeError(
                f"{name}: expected lengths of shape {show_shape(expected)}, got "
                f"{show_shape(counts.shape)}"
            )
        if not is_integer(counts.dtype):
            raise DTypeError(f"{name}: expected lengths of integers, got {counts.dtype.name}")
        steps = x.shape[0]
        known = Tensor(within(counts.node, size=steps + 1, what="length"))
        alive: Tensor = arange(steps).reshape(steps, 1, 1) < known.reshape(1, x.shape[1], 1)
        return alive

    def _stacked(self, x: Tensor, start: Memory, alive: Tensor | None) -> tuple[Tensor, Memory]:
        """All layers over x (length, batch, features): the output, and their last states."""
        last: list[Memory] = []
        for layer in range(self.num_layers):
            if layer and self.training:
                x = F.dropout(x, self.dropout)
            sides = []
            for side in self._directions:
                inputs, step = self._prepare(x, Weights.of(self, f"_l{layer}{side}"))
                memory = tuple([state[len(last)] for state in start])
                memory, output = run(step, memory, inputs, alive, reverse=bool(side))
                sides.append(output)
                last.append(memory)
            x = sides[0] if len(sides) == 1 else concat(sides, axis=-1)
        return x, tuple([stack(states) for states in zip(*last, strict=True)])

    def _bare(self, states: Memory) -> Tensor | Memory:
        """The states as they are returned: a single one is not in a tuple."""
        return states if len(states) > 1 else states[0]

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False,
                 "dropout": 0.0, "bidirectional": False}  # fmt: skip
        parts += [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join(parts)
