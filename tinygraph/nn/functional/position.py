"""Where in a sequence an element stands: sinusoids to add, pairs to turn, and biases of distance.

    sinusoidal_positions  added to the embeddings, once
    rotary_embedding      turns queries and keys, in each attention
    alibi_bias            added to the scores of each attention

In all three what two elements make of each other can depend on their distance alone, and a
sequence may be longer than those that were trained on.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.elementwise import where
from tinygraph.array.join import stack
from tinygraph.array.reduce import in_dtype, widened
from tinygraph.array.sizes import as_size
from tinygraph.dtypes import DEFAULT_FLOAT, float64, int64, is_float
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.nn.functional.embedding import integers
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import concat, iota, reshape, take_range
from tinygraph.ops.registry import cast
from tinygraph.tensor import Tensor, tensor

__all__ = ["alibi_bias", "alibi_slopes", "rotary_embedding", "sinusoidal_positions"]


@api
def sinusoidal_positions(
    length: Size,
    d_model: int,
    offset: TensorLike = 0,
    base: float = 10000.0,
    dtype: Any = None,
) -> Tensor:
    """PE[p, 2i] = sin(p / base^(2i / d)), PE[p, 2i + 1] = cos(p / base^(2i / d)): (length, d).

    length: of the sequence. d_model: d, even. offset: the position of the first element; a Tensor
    of integers (..., 1) for several sequences, which gives (..., length, d). dtype: float32 where
    it is left out; the angles are computed in 64 bits.

    For each k there is one matrix that takes PE[p] to PE[p + k], for every p: pair i is turned by
    the angle k / base^(2i / d).

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.functional.sinusoidal_positions(2, 2)
    tensor([[0.        , 1.        ],
            [0.84147096, 0.5403023 ]])
    """
    angles = _angles(_positions(as_size(length), offset), _even("d_model", d_model), base)
    both = stack([Tensor(e.sin(angles)), Tensor(e.cos(angles))], axis=-1)
    flat = reshape(both.node, shape=(*angles.shape[:-1], d_model))
    return Tensor(in_dtype(flat, dtype or DEFAULT_FLOAT))


@api
def rotary_embedding(
    input: TensorLike,
    offset: TensorLike = 0,
    base: float = 10000.0,
    interleaved: bool = True,
    rotary_dim: int | None = None,
    positions: TensorLike | None = None,
) -> Tensor:
    """Pair i of the features at position p, turned by p / base^(2i / d): RoPE.

        (x, y) -> (x cos a - y sin a, x sin a + y cos a),  a = p / base^(2i / d)

    The product of a query and a key that are turned so depends on how far apart they stand, not
    on where.

    input: (..., length, d), d even: queries or keys. offset: the position of the first element,
    which for a key-value cache is how many are in it; give it as a Tensor where it changes from
    call to call. interleaved: whether features 2i and 2i + 1 make a pair (the paper), or i and
    i + d / 2 (GPT-NeoX, LLaMA). rotary_dim: how many features are turned, the first; all where it
    is left out. positions: integers that broadcast to (..., length), in place of `offset`.

    Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021).

    >>> import tinygraph as tg
    >>> tg.nn.functional.rotary_embedding(tg.tensor([[1.0, 0.0], [1.0, 0.0]]))
    tensor([[1.        , 0.        ],
            [0.5403023 , 0.84147096]])
    """
    x = as_node(input)
    if x.ndim < 2 or not is_float(x.dtype):
        raise ShapeError(f"expected an input of floats (..., length, d), got {x.aval}")
    features = x.shape[-1]
    dim = features if rotary_dim is None else rotary_dim
    if is_known(dim, features) and dim > features:
        raise ShapeError(f"expected a rotary_dim of at most {features}, got {dim}")
    places = (
        _positions(x.shape[-2], offset) if positions is None else integers("positions", positions)
    )
    angles = _angles(places, _even("the number of features", dim), base)
    last = x.ndim - 1
    turned = _turned(take_range(x, last, 0, dim) if dim != features else x, angles, interleaved)
    if dim != features:
        turned = concat(turned, take_range(x, last, dim, features - dim), axis=last)
    return Tensor(turned)


def _turned(x: Node, angles: Node, interleaved: bool) -> Node:
    """Each pair of features of x, (..., length, d), turned by its angle, (..., length, d / 2)."""
    half = angles.shape[-1]
    # the two numbers of a pair stand along the last axis, or along the one before
    axis = x.ndim if interleaved else x.ndim - 1
    shape = (*x.shape[:-1], half, 2) if interleaved else (*x.shape[:-1], 2, half)
    pairs = reshape(widened(x), shape=shape)
    first, second = (
        Tensor(reshape(take_range(pairs, axis, i, 1), shape=(*x.shape[:-1], half))) for i in (0, 1)
    )
    # put into one array, the table is in memory: it is not computed anew for each head
    table = stack([Tensor(e.cos(angles)), Tensor(e.sin(angles))]).astype(pairs.dtype)
    cos, sin = table[0], table[1]
    turned = stack([first * cos - second * sin, first * sin + second * cos], axis=axis)
    return in_dtype(reshape(turned.node, shape=x.shape), x.dtype)


def _even(name: str, size: Any) -> int:
    if not isinstance(size, int) or size < 2 or size % 2:
        raise ShapeError(f"expected {name} to be an even integer from 2, got {size!r}")
    return size


def _positions(length: Size, offset: TensorLike) -> Node:
    """offset, offset + 1, ...: as many as the sequence is long."""
    return iota(size=length, dtype=int64) + integers("positions", offset)


def _angles(positions: Node, dim: int, base: float) -> Node:
    """p / base^(2i / dim) for the positions p, (..., length), and each pair i of features."""
    rates = tensor(float(base) ** (-np.arange(0, dim, 2) / dim))
    column = reshape(cast(positions, dtype=float64), shape=(*positions.shape, 1))
    return column * rates.node


# --------------------------------------------------------------------------------- ALiBi


@api
def alibi_slopes(num_heads: int, dtype: Any = None) -> Tensor:
    """2^(-8 i / n) for i from 1 to n, the number of heads: how fast each of them forgets.

    Where n is no power of two: those of the next lower power of two m, then every second of
    those of 2 m, as in the authors' code.

    Source: Press et al., "Train Short, Test Long: Attention with Linear Biases Enables Input
    Length Extrapolation" (2022).

    >>> import tinygraph as tg
    >>> tg.nn.functional.alibi_slopes(2)
    tensor([0.0625    , 0.00390625])
    """
    if not isinstance(num_heads, int) or num_heads < 1:
        raise ShapeError(f"expected num_heads to be an integer from 1, got {num_heads!r}")
    lower = 1 << (num_heads.bit_length() - 1)
    more = _powers(2 * lower)[::2][: num_heads - lower]
    return tensor(np.concatenate([_powers(lower), more]), dtype or DEFAULT_FLOAT)


def _powers(heads: int) -> np.ndarray:
    return np.asarray(2.0 ** (-8.0 * np.arange(1, heads + 1) / heads))


@api
def alibi_bias(
    num_heads: int,
    length: Size,
    key_length: Size | None = None,
    is_causal: bool = True,
    dtype: Any = None,
) -> Tensor:
    """-slope * (i - j) for query i and key j, -inf for later keys: (heads, length, key_length).

    It is an `attn_mask` of `scaled_dot_product_attention`, alone or added to another.

    length: how many queries. key_length: how many keys, as many where it is left out; the last
    query stands beside the last key. is_causal: whether a query sees no later keys; else their
    bias is -slope * |i - j|. The slopes are `alibi_slopes(num_heads)`.

    Source: Press et al., "Train Short, Test Long: Attention with Linear Biases Enables Input
    Length Extrapolation" (2022).

    >>> import tinygraph as tg
    >>> tg.nn.functional.alibi_bias(8, 3)[0]
    tensor([[ 0. , -inf, -inf],
            [-0.5,  0. , -inf],
            [-1. , -0.5,  0. ]])
    """
    slopes = alibi_slopes(num_heads, dtype)
    queries = as_size(length)
    keys = queries if key_length is None else as_size(key_length)
    row = reshape(_positions(queries, keys - queries), shape=(queries, 1))
    ahead = iota(size=keys, dtype=int64) - row  # above 0 for later keys
    bias = reshape(slopes.node, shape=(num_heads, 1, 1)) * cast(-e.abs(ahead), dtype=slopes.dtype)
    if not is_causal:
        return Tensor(bias)
    return where(Tensor(e.greater(ahead, 0)), -math.inf, Tensor(bias))
