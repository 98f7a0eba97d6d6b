"""Layers that tell where in a sequence an element stands."""

from __future__ import annotations

from typing import Any

from tinygraph import init
from tinygraph.array.assign import getitem
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange
from tinygraph.array.elementwise import astype
from tinygraph.array.shape import expand_dims, swapaxes
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.nn import functional as F
from tinygraph.nn.layers.linear import at_least, empty
from tinygraph.nn.module import Module
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "LearnedPositionalEmbedding", "RoPE", "RotaryPositionalEmbedding", "RotaryPositionalEmbeddings",
    "SinusoidalPositionalEncoding",
]  # fmt: skip


def _sequence(name: str, input: TensorLike, features: int) -> tuple[Tensor, Size]:
    """A sequence (..., length, features), and its length."""
    x = to_tensor(input)
    if x.ndim < 2 or (x.shape[-1] != features and is_known(x.shape[-1])):
        raise ShapeError(
            f"{name}: expected an input (..., length, {features}), got {show_shape(x.shape)}"
        )
    return x, x.shape[-2]


def _end(length: Size, offset: TensorLike) -> int | None:
    """Where the sequence ends, if it is known now and begins within the table."""
    if not (isinstance(length, int) and isinstance(offset, int)) or offset < 0:
        return None
    return length + offset


class SinusoidalPositionalEncoding(Module):
    """x + PE, where PE[p, 2i] = sin(p / base^(2i / d)) and PE[p, 2i + 1] is the cosine.

    d_model: d, even. max_len: for how many positions the encoding is kept ready; that of longer
    sequences is computed when they come. base: 2 pi times it is the longest wave.

    Input: (..., length, d_model). offset: the position of its first element. There is nothing to
    learn, and nothing in the state.

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.SinusoidalPositionalEncoding(2)(tg.zeros((2, 2)))
    tensor([[0.        , 1.        ],
            [0.84147096, 0.5403023 ]])
    """

    pe: Tensor

    def __init__(self, d_model: int, max_len: int = 5000, base: float = 10000.0) -> None:
        super().__init__()
        self.d_model, self.base = d_model, base
        self.max_len = at_least("SinusoidalPositionalEncoding", "max_len", max_len, 0)
        kept = F.sinusoidal_positions(self.max_len, d_model, base=base, dtype="float64")
        self.register_buffer("pe", kept, persistent=False)

    def forward(self, input: Tensor, offset: TensorLike = 0) -> Tensor:
        x, length = _sequence("SinusoidalPositionalEncoding", input, self.d_model)
        end = _end(length, offset)
        if end is not None and end <= self.max_len:
            positions = getitem(self.pe, slice(offset, end))
        else:
            positions = F.sinusoidal_positions(length, self.d_model, offset, self.base, "float64")
        return x + astype(positions, x.dtype)

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_len={self.max_len}, base={self.base}"


class LearnedPositionalEmbedding(Module):
    """x + weight[p] at position p: a vector for each position, learned as all else.

    d_model: the features. max_len: how many positions there are; a longer sequence is an error.

    weight: (max_len, d_model), drawn from the normal distribution of deviation 0.02, as in BERT
    and GPT-2. Input: (..., length, d_model). offset: the position of its first element.

    Source: Gehring et al., "Convolutional Sequence to Sequence Learning" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.LearnedPositionalEmbedding(4, max_len=10)(tg.ones((2, 7, 4))).shape
    (2, 7, 4)
    """

    def __init__(self, d_model: int, max_len: int, *, dtype: Any = None) -> None:
        super().__init__()
        name = type(self).__name__
        self.d_model = at_least(name, "d_model", d_model, 1)
        self.max_len = at_least(name, "max_len", max_len, 1)
        self.weight = empty((max_len, d_model), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal(self.weight, 0.0, 0.02)

    def forward(self, input: Tensor, offset: TensorLike = 0) -> Tensor:
        name = type(self).__name__
        x, length = _sequence(name, input, self.d_model)
        end = _end(length, offset)
        if end is None:
            return x + F.embedding(arange(length) + offset, self.weight)
        if end > self.max_len:
            raise ShapeError(
                f"{name}: expected at most max_len={self.max_len} positions, got {end}: shape "
                f"{show_shape(x.shape)} from position {offset}"
            )
        return x + getitem(self.weight, slice(offset, end))

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_len={self.max_len}"


class RotaryPositionalEmbedding(Module):
    """Pair i of the features at position p, turned by p / base^(2i / d): for queries and keys.

    dim: how many features are turned, the first of each query or key; even. base, interleaved:
    see `functional.rotary_embedding`.

    Input: (..., length, features). offset: the position of its first element: for a key-value
    cache, how many are in it. positions: integers (..., length) in its place.

    Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021).

    >>> import tinygraph as tg
    >>> rope = tg.nn.RotaryPositionalEmbedding(8)
    >>> rope(tg.randn((2, 4, 10, 8))).shape  # (batch, heads, length, features)
    (2, 4, 10, 8)
    """

    def __init__(self, dim: int, base: float = 10000.0, interleaved: bool = True) -> None:
        super().__init__()
        self.dim = at_least(type(self).__name__, "dim", dim, 2)
        if dim % 2:
            raise ShapeError(f"{type(self).__name__}: expected an even dim, got {dim}")
        self.base, self.interleaved = base, interleaved

    def forward(
        self, input: Tensor, offset: TensorLike = 0, positions: TensorLike | None = None
    ) -> Tensor:
        return F.rotary_embedding(input, offset, self.base, self.interleaved, self.dim, positions)

    def extra_repr(self) -> str:
        return f"{self.dim}, base={self.base}, interleaved={self.interleaved}"


RoPE = RotaryPositionalEmbedding


class RotaryPositionalEmbeddings(Module):
    """`RotaryPositionalEmbedding` for (batch, length, heads, features), torchtune's layout.

    dim: the features, even. max_seq_len is taken and ignored: no table is kept. input_pos: the
    positions, (batch, length) or (length,).

    >>> import tinygraph as tg
    >>> tg.nn.RotaryPositionalEmbeddings(8)(tg.randn((2, 10, 4, 8))).shape
    (2, 10, 4, 8)
    """

    def __init__(self, dim: int, max_seq_len: int = 4096, base: float = 10000.0) -> None:
        super().__init__()
        self.dim, self.max_seq_len, self.base = dim, max_seq_len, base

    def forward(self, x: Tensor, *, input_pos: TensorLike | None = None) -> Tensor:
        # the positions are the same for all heads
        places = None if input_pos is None else expand_dims(input_pos, -2)
        by_head = swapaxes(x, 1, 2)
        return swapaxes(F.rotary_embedding(by_head, base=self.base, positions=places), 1, 2)

    def extra_repr(self) -> str:
        return f"{self.dim}, max_seq_len={self.max_seq_len}, base={self.base}"
