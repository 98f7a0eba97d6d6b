"""Exact attention tile by tile, with no matrix of queries times keys in memory."""

from __future__ import annotations

import functools
from typing import NamedTuple

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange, full, ones, zeros
from tinygraph.array.elementwise import astype, exp, log, maximum, where
from tinygraph.array.info import finfo
from tinygraph.array.pad import pad
from tinygraph.array.reduce import max as largest
from tinygraph.array.reduce import sum as total
from tinygraph.array.reduce import widened
from tinygraph.array.shape import (
    broadcast_shapes,
    broadcast_to,
    expand_dims,
    matrix_transpose,
    moveaxis,
    reshape,
)
from tinygraph.control import custom_vjp, scan
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size
from tinygraph.nn.functional.attention import check_attention, default_scale
from tinygraph.nn.functional.masks import check_key_mask
from tinygraph.tensor import Tensor

__all__ = ["flash_attention"]

Three = tuple[Tensor, Tensor, Tensor]


@api
def flash_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    is_causal: bool = False,
    scale: float | None = None,
    key_mask: TensorLike | None = None,
    block_size: int = 128,
) -> Tensor:
    """softmax(query key^T * scale) value, exact, tile by tile: memory O(n), not O(n²).

    query: (..., l, e). key: (..., s, e). value: (..., s, v). The leading dimensions broadcast.
    is_causal: query i sees keys 0 to i alone. scale: 1 / sqrt(e) by default. key_mask: bool,
    (..., s), False for a key that takes no part. block_size: how many keys a tile has.

    The tiles are gone through one after the other with a running maximum m, sum z and result:

        m' = max(m, scores),  z' = z exp(m - m') + sum exp(scores - m'),  the result likewise

    The gradient computes the scores of each tile again, from log z + m. Returns (..., l, v): what
    `scaled_dot_product_attention` gives, which is quicker where the matrix fits the cache.

    Source: Dao et al., "FlashAttention: Fast and Memory-Efficient Exact Attention with
    IO-Awareness" (2022); Rabe and Staats, "Self-attention Does Not Need O(n²) Memory" (2021).

    >>> import tinygraph as tg
    >>> q, v = tg.zeros((2, 1)), tg.tensor([[1.0], [3.0]])
    >>> tg.nn.functional.flash_attention(q, q, v, is_causal=True).tolist()
    [[1.0], [2.0]]
    """
    q, k, v = to_tensor(query), to_tensor(key), to_tensor(value)
    check_attention(q, k, v)
    if isinstance(block_size, bool) or not isinstance(block_size, int) or block_size < 1:
        raise ShapeError(f"expected block_size to be an integer from 1, got {block_size!r}")
    seen = ones(k.shape[-2:-1], dtype=bool)
    if key_mask is not None:
        seen = check_key_mask(to_tensor(key_mask), k)
    lead = broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2], seen.shape[:-1])
    q, k, v = (broadcast_to(x, (*lead, *x.shape[-2:])) for x in (q, k, v))
    tiles = _Tiles(q.shape[-2], k.shape[-2], block_size, is_causal)
    return _flash(tiles, q * default_scale(q, scale), k, v, seen)


class _Tiles(NamedTuple):
    """How the keys are cut up."""

    queries: Size
    keys: Size
    size: int
    is_causal: bool

    @property
    def number(self) -> Size:
        """How many tiles there are."""
        return -(-self.keys // self.size)

    def cut(self, x: Tensor) -> Tensor:
        """x, (..., keys, e), as (tiles, ..., size, e), with zeros at the end."""
        widths = [(0, 0)] * (x.ndim - 2) + [(0, self.number * self.size - self.keys), (0, 0)]
        tiles = reshape(pad(x, widths), (*x.shape[:-2], self.number, self.size, x.shape[-1]))
        return moveaxis(tiles, -3, 0)

    def joined(self, tiles: Tensor) -> Tensor:
        """The way back."""
        x = moveaxis(tiles, 0, -3)
        whole = reshape(x, (*x.shape[:-3], self.number * self.size, x.shape[-1]))
        return whole[..., : self.keys, :]

    def scores(self, q: Tensor, k: Tensor, start: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of one tile, and which of them count."""
        counts = matrix_transpose(seen)
        if self.is_causal:
            column = expand_dims(arange(self.queries), -1)
            counts = counts & (start + arange(self.size) <= column)
        return _wide(q) @ matrix_transpose(_wide(k)), counts


def _wide(x: Tensor) -> Tensor:
    """x in 32 bits at least, for sums."""
    return Tensor(widened(x.node))


def _flash(tiles: _Tiles, q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """The attention as one function with a gradient of its own."""

    def forward(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        result, sums = _forward(tiles, q, k, v, seen)
        return result, (q, k, v, seen, result, sums)

    whole = custom_vjp(forward)
    whole.defvjp(forward, functools.partial(_backward, tiles))
    result: Tensor = whole(q, k, v, seen)
    return result


def _forward(tiles: _Tiles, q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """The means, and the logarithm of each query's sum of exp(scores)."""
    wide = _wide(q).dtype
    lowest = float(finfo(wide).min)

    def step(carry: Three, tile: tuple[Tensor, ...]) -> tuple[Three, tuple[()]]:
        top, weight, mean = carry
        keys, values, start, there = tile
        scores, counts = tiles.scores(q, keys, start, there)
        scores = where(counts, scores, lowest)
        above = maximum(top, largest(scores, axis=-1, keepdims=True))
        share, parts = exp(top - above), exp(scores - above)
        weight = weight * share + total(parts, axis=-1, keepdims=True)
        mean = mean * share + parts @ _wide(values)
        return (above, weight, mean), ()

    rows = q.shape[:-1]
    start = (
        full((*rows, 1), lowest, dtype=wide),
        zeros((*rows, 1), dtype=wide),
        zeros((*rows, v.shape[-1]), dtype=wide),
    )
    (top, weight, mean), _ = scan(step, start, _sequence(tiles, k, v, seen))
    # a query that saw no key has a sum of parts exp(lowest - lowest), which means nothing
    some = top > lowest
    result = where(some, mean / where(some, weight, 1.0), 0.0)
    return astype(result, q.dtype), top + log(where(some, weight, 1.0))


def _sequence(tiles: _Tiles, k: Tensor, v: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
    starts = arange(tiles.number) * tiles.size
    return tiles.cut(k), tiles.cut(v), starts, tiles.cut(expand_dims(seen, -1))


def _backward(tiles: _Tiles, needed: tuple[Tensor, ...], g: Tensor) -> tuple[Tensor | None, ...]:
    """The gradients of q, k and v; the weights of each tile are computed again."""
    q, k, v, seen, result, sums = needed
    g = _wide(g)
    # the sum over all keys of weight * slope, which softmax takes from each slope
    common = total(g * result, axis=-1, keepdims=True)

    def step(dq: Tensor, tile: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        keys, values, start, there = tile
        scores, counts = tiles.scores(q, keys, start, there)
        weights = where(counts, exp(where(counts, scores - sums, 0.0)), 0.0)
        slopes = weights * (g @ matrix_transpose(_wide(values)) - common)
        dk = matrix_transpose(slopes) @ _wide(q)
        dv = matrix_transpose(weights) @ g
        return dq + slopes @ _wide(keys), (dk, dv)

    dq, (dk, dv) = scan(step, zeros(q.shape, dtype=g.dtype), _sequence(tiles, k, v, seen))
    dk, dv = tiles.joined(dk), tiles.joined(dv)
    return astype(dq, q.dtype), astype(dk, k.dtype), astype(dv, v.dtype), None
