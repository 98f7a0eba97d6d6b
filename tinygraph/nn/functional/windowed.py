"""Attention to a window around each place, and to a few places that all share: cost O(n)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange, ones
from tinygraph.array.elementwise import astype, where
from tinygraph.array.info import finfo
from tinygraph.array.join import concat, split
from tinygraph.array.pad import pad
from tinygraph.array.select import isin, take
from tinygraph.array.shape import expand_dims, matrix_transpose, reshape
from tinygraph.array.sizes import known
from tinygraph.array.softmax import softmax
from tinygraph.dtypes import DType
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.nn.functional.attention import (
    check_attention,
    default_scale,
    masked_softmax,
    weighted_mean,
)
from tinygraph.nn.functional.loss import operands
from tinygraph.nn.functional.masks import check_key_mask, check_window, near
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["local_attention", "sparse_attention"]


@api
def local_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    window: int,
    is_causal: bool = False,
    scale: float | None = None,
    key_mask: TensorLike | None = None,
) -> Tensor:
    """softmax(query key^T * scale) value over the keys with |i - j| <= window alone.

    query, key: (..., n, e). value: (..., n, v). window: how far away a key may be, on each side.
    is_causal: not after the query either. scale: 1 / sqrt(e) by default. key_mask: bool, (..., n),
    False for a key that takes no part, such as padding.

    The sequence is cut into blocks as long as the window; a block looks at itself and at its
    neighbours, so that n * 3 window scores are computed, not n * n. Returns (..., n, v): what
    `scaled_dot_product_attention` gives with `sliding_window_mask`.

    Source: Beltagy et al., "Longformer: The Long-Document Transformer" (2020), where the window
    is the width of both sides together.

    >>> import tinygraph as tg
    >>> x = tg.tensor([[0.0], [0.0], [3.0]])
    >>> tg.nn.functional.local_attention(0 * x, x, x, window=1).tolist()
    [[0.0], [1.0], [1.5]]
    """
    dtype, q, k, v, seen = _checked(query, key, value, key_mask)
    windows = _Windows(q.shape[-2], window, is_causal)
    return astype(windows.attend(q * default_scale(q, scale), k, v, seen), dtype)


@api
def sparse_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    window: int,
    global_tokens: int | Sequence[int] = 1,
    is_causal: bool = False,
    scale: float | None = None,
    key_mask: TensorLike | None = None,
) -> Tensor:
    """softmax(query key^T * scale) value over a window and a few global tokens.

    global_tokens: the places that look at all others and that all others look at; a number is for
    so many at the front. The other arguments, and the result, are those of `local_attention`.

    Source: Beltagy et al., "Longformer: The Long-Document Transformer" (2020); here a global
    token uses the same projections as the others.

    >>> import tinygraph as tg
    >>> x = tg.tensor([[0.0], [0.0], [3.0], [6.0]])
    >>> tg.nn.functional.sparse_attention(0 * x, x, x, window=0).tolist()
    [[2.25], [0.0], [1.5], [3.0]]
    """
    dtype, q, k, v, seen = _checked(query, key, value, key_mask)
    places = _places(global_tokens, q.shape[-2])
    mask = None if seen is None else expand_dims(seen, -2)
    if is_causal:
        before = arange(q.shape[-2]) <= expand_dims(places, -1)
        mask = before if mask is None else before & mask
    theirs, _ = weighted_mean(take(q, places, axis=-2), k, v, mask, scale=scale)
    windows = _Windows(q.shape[-2], window, is_causal)
    rest = windows.attend_shared(q * default_scale(q, scale), k, v, seen, places)
    return astype(rest.at[..., places, :].set(theirs), dtype)


def _checked(
    query: TensorLike, key: TensorLike, value: TensorLike, key_mask: TensorLike | None
) -> tuple[DType, Tensor, Tensor, Tensor, Tensor | None]:
    """The dtype of the result; query, key and value in 32 bits at least; who takes part."""
    q, k, v = to_tensor(query), to_tensor(key), to_tensor(value)
    check_attention(q, k, v)
    if q.shape[-2] != k.shape[-2] and is_known(q.shape[-2], k.shape[-2]):
        raise ShapeError(
            f"expected as many queries as keys, got shapes {show_shape(q.shape)} and "
            f"{show_shape(k.shape)}"
        )
    seen = None if key_mask is None else check_key_mask(to_tensor(key_mask), k)
    dtype, (q, k, v) = operands(q, k, v)
    return dtype, q, k, v, seen


def _places(global_tokens: int | Sequence[int], length: Size) -> Tensor:
    """The places of the global tokens, as a Tensor of integers."""
    if isinstance(global_tokens, int):
        global_tokens = range(global_tokens)
    places = [int(place) for place in global_tokens]
    wrong = [p for p in places if p < 0 or (is_known(length) and p >= known(length))]
    if wrong or len(set(places)) != len(places):
        raise ShapeError(
            f"expected global_tokens to be different places within the {length} tokens, got "
            f"{global_tokens!r}"
        )
    return to_tensor(np.array(places, np.int64))


class _Windows:
    """A sequence cut into blocks as long as the window, each of which sees its neighbours.

    A key within the window of a query is in the query's own block, the one before or the one
    after, of which the last is left out where no query looks ahead.
    """

    def __init__(self, length: Size, window: int, is_causal: bool) -> None:
        check_window(window)
        self.length, self.window, self.is_causal = length, window, is_causal
        self.block = max(min(window, length) if isinstance(length, int) else window, 1)
        self.count = -(-length // self.block)
        self.sides = 2 if is_causal else 3

    def attend(self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> Tensor:
        """The mean of the values in the window of each query, which is scaled already."""
        scores, mask = self._scores(q, k, seen)
        return self._joined(masked_softmax(scores, mask) @ self._around(v))

    def attend_shared(
        self, q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None, places: Tensor
    ) -> Tensor:
        """As `attend`, with the keys at `places` seen by all queries besides."""
        own = ~isin(arange(self.length), places)
        scores, mask = self._scores(q, k, own if seen is None else own & seen)
        more = self._blocks(q @ matrix_transpose(take(k, places, axis=-2)))
        let = self._blocks(self._reaching(seen, places))
        # one softmax over both; the lowest finite number keeps NaN out of a row without keys
        lowest = float(finfo(scores.dtype).min)
        both = concat([where(mask, scores, lowest), where(let, more, lowest)], axis=-1)
        near_by, far = split(softmax(both, axis=-1), [scores.shape[-1], more.shape[-1]], axis=-1)
        mean = self._joined(where(mask, near_by, 0.0) @ self._around(v))
        return mean + self._joined(where(let, far, 0.0)) @ take(v, places, axis=-2)

    def _reaching(self, seen: Tensor | None, places: Tensor) -> Tensor:
        """Whether a query sees the key at a place, (..., n, places)."""
        column = expand_dims(arange(self.length), -1)
        let = (places <= column) | (not self.is_causal)
        return let if seen is None else let & expand_dims(take(seen, places, axis=-1), -2)

    def _scores(self, q: Tensor, k: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
        """Of each block with its neighbours, (..., count, block, sides * block), and who of them
        takes part."""
        scores = self._blocks(q) @ matrix_transpose(self._around(k))
        there = ones((self.length,), dtype=bool) if seen is None else seen
        ahead = arange(-self.block, (self.sides - 1) * self.block)
        ahead = ahead - expand_dims(arange(self.block), -1)
        usable = matrix_transpose(self._around(expand_dims(there, -1)))
        return scores, near(ahead, self.window, self.is_causal) & usable

    def _blocks(self, x: Tensor) -> Tensor:
        """x, (..., n, e), as (..., count, block, e)."""
        return self._cut(x, 0, self.count)

    def _around(self, x: Tensor) -> Tensor:
        """Each block of x with its neighbours, (..., count, sides * block, e)."""
        parts = self._cut(x, self.block, self.count + self.sides - 1)
        sides = [parts[..., i : i + self.count, :, :] for i in range(self.sides)]
        return concat(sides, axis=-2)

    def _cut(self, x: Tensor, before: int, count: Size) -> Tensor:
        """x with a border, in `count` blocks."""
        after = count * self.block - self.length - before
        widths = [(0, 0)] * (x.ndim - 2) + [(before, after), (0, 0)]
        return reshape(pad(x, widths), (*x.shape[:-2], count, self.block, x.shape[-1]))

    def _joined(self, x: Tensor) -> Tensor:
        """The blocks of x, (..., count, block, e), as (..., n, e)."""
        whole = reshape(x, (*x.shape[:-3], self.count * self.block, x.shape[-1]))
        return whole[..., : self.length, :]
