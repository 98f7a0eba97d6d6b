"""Masks for attention: who may look at whom. True is for a key that takes part."""

from __future__ import annotations

import functools
import math
import operator

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange
from tinygraph.array.elementwise import abs as distance
from tinygraph.array.elementwise import not_equal, where
from tinygraph.array.shape import expand_dims
from tinygraph.dtypes import is_bool, is_float, is_integer
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["causal_mask", "combine_masks", "padding_mask", "sliding_window_mask"]


@api
def causal_mask(queries: Size, keys: Size | None = None, offset: TensorLike = 0) -> Tensor:
    """Whether key j is not after query i: j <= i + offset, (queries, keys) of bool.

    keys: as many as queries by default. offset: the place of the first query among the keys; with
    keys - queries, the last query sees all keys.

    Every mask here holds True for a key that takes part, as `scaled_dot_product_attention` has
    it; `MultiheadAttention` takes the opposite, `~mask`.

    >>> import tinygraph as tg
    >>> tg.nn.functional.causal_mask(2).tolist()
    [[True, False], [True, True]]
    """
    return _ahead(queries, keys, offset) <= 0


def _ahead(queries: Size, keys: Size | None, offset: TensorLike = 0) -> Tensor:
    """By how much key j is after query i, (queries, keys)."""
    row = expand_dims(arange(queries), -1) + to_tensor(offset)
    return arange(queries if keys is None else keys) - row


@api
def sliding_window_mask(
    queries: Size, window: int, keys: Size | None = None, is_causal: bool = False
) -> Tensor:
    """Whether key j is near query i: |i - j| <= window, (queries, keys) of bool.

    window: how far away a key may be, on each side. is_causal: those after the query are left
    out; then each query sees itself and `window` keys before.

    >>> import tinygraph as tg
    >>> tg.nn.functional.sliding_window_mask(3, 1).tolist()
    [[True, True, False], [True, True, True], [False, True, True]]
    """
    check_window(window)
    return near(_ahead(queries, keys), window, is_causal)


def check_window(window: int) -> None:
    """ShapeError for a window that is no number from 0."""
    if isinstance(window, bool) or not hasattr(window, "__index__") or window < 0:
        raise ShapeError(f"expected window to be an integer from 0, got {window!r}")


def near(ahead: Tensor, window: int, is_causal: bool) -> Tensor:
    """Whether a key that is so far after its query is within the window."""
    if is_causal:
        return (ahead <= 0) & (ahead >= -window)
    return distance(ahead) <= window


@api
def padding_mask(
    tokens: TensorLike | None = None,
    padding_idx: int = 0,
    *,
    lengths: TensorLike | None = None,
    max_length: Size | None = None,
) -> Tensor:
    """Whether a token is a real one, not padding: tokens != padding_idx, or i < length.

    tokens: integers (..., s), of which `padding_idx` stands for no token; or lengths: how many of
    the `max_length` tokens of each sequence are real, (...). One of the two is given.

    Returns bool (..., s), True for a real token. `mask[:, None, None]` fits the scores (batch,
    heads, l, s), `~mask` is the `key_padding_mask` of `MultiheadAttention`.

    >>> import tinygraph as tg
    >>> tg.nn.functional.padding_mask(tg.tensor([[5, 7, 0]])).tolist()
    [[True, True, False]]
    >>> tg.nn.functional.padding_mask(lengths=tg.tensor([1, 2]), max_length=2).tolist()
    [[True, False], [True, True]]
    """
    if (tokens is None) == (lengths is None):
        found = "neither" if tokens is None else "both"
        raise ValueError(f"expected tokens or lengths, got {found}")
    given = to_tensor(lengths) if tokens is None else to_tensor(tokens)
    if not is_integer(given.dtype):
        raise DTypeError(f"expected integers as tokens or lengths, got {given.dtype.name}")
    if tokens is not None:
        return not_equal(given, padding_idx)
    if max_length is None:
        raise ValueError("expected max_length together with lengths, got None")
    return arange(max_length) < expand_dims(given, -1)


@api
def combine_masks(*masks: TensorLike | None) -> Tensor | None:
    """One mask of several: a key takes part where all let it; what is added adds up.

    masks: of bool (True takes part) or of floats, which are added to the scores, or None. They
    broadcast. Of bool alone the result is bool; else floats, with -inf where a bool was False.

    >>> import tinygraph as tg
    >>> F = tg.nn.functional
    >>> real = F.padding_mask(tg.tensor([[5, 0]]))
    >>> F.combine_masks(F.causal_mask(2), real[:, None]).tolist()
    [[[True, False], [True, False]]]
    """
    tensors = [to_tensor(mask) for mask in masks if mask is not None]
    for mask in tensors:
        if not is_bool(mask.dtype) and not is_float(mask.dtype):
            raise DTypeError(f"expected masks of bool or floats, got {mask.dtype.name}")
    allowed = [mask for mask in tensors if is_bool(mask.dtype)]
    added = [mask for mask in tensors if is_float(mask.dtype)]
    both = functools.reduce(operator.and_, allowed) if allowed else None
    if not added:
        return both
    bias = functools.reduce(operator.add, added)
    return bias if both is None else where(both, bias, -math.inf)


def check_key_mask(mask: Tensor, key: Tensor) -> Tensor:
    """`mask`, which says of each key whether it takes part. ShapeError if it does not fit."""
    if not is_bool(mask.dtype):
        raise DTypeError(f"expected key_mask of bool, got {mask.dtype.name}")
    keys = key.shape[-2]
    if not mask.shape or (mask.shape[-1] != keys and is_known(mask.shape[-1], keys)):
        raise ShapeError(f"expected key_mask of shape (..., {keys}), got {show_shape(mask.shape)}")
    return mask
