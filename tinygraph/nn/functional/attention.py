"""Attention."""

from __future__ import annotations

import math

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import where
from tinygraph.array.info import finfo
from tinygraph.array.sizes import known
from tinygraph.array.softmax import softmax
from tinygraph.dtypes import int64, is_bool, is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.functional.dropout import dropout
from tinygraph.ops.contract import matmul
from tinygraph.ops.logic import greater_equal
from tinygraph.ops.movement import iota, reshape, swap_last
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["scaled_dot_product_attention"]


@api
def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    attn_mask: TensorLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(query key^T * scale + mask) value: for each query a mean of the values.

    query: (..., l, e). key: (..., s, e). value: (..., s, v). The leading dimensions broadcast.
    attn_mask: what broadcasts to (..., l, s); bool says who takes part, floats are added.
    is_causal: query i sees keys 0 to i alone; not together with `attn_mask`. dropout_p: the
    probability of dropping a weight, always applied. scale: 1 / sqrt(e) by default. Where the
    mask, False or -inf, lets no key take part, the result is 0.

    Returns (..., l, v).

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> q, v = tg.zeros((2, 1)), tg.tensor([[1.0], [3.0]])
    >>> tg.nn.functional.scaled_dot_product_attention(q, q, v, is_causal=True).tolist()
    [[1.0], [2.0]]
    """
    q, k, v = to_tensor(query), to_tensor(key), to_tensor(value)
    _check(q, k, v)
    if is_causal and attn_mask is not None:
        raise ValueError("expected attn_mask or is_causal, got both")
    factor = 1.0 / math.sqrt(known(q.shape[-1])) if scale is None else scale
    scores = Tensor(matmul((q * factor).node, swap_last(k.node)))
    if is_causal:
        weights = _causal_softmax(scores)
    elif attn_mask is not None:
        weights = _masked_softmax(scores, to_tensor(attn_mask))
    else:
        weights = softmax(scores, axis=-1)
    return Tensor(matmul(dropout(weights, dropout_p).node, v.node))


def _check(q: Tensor, k: Tensor, v: Tensor) -> None:
    for name, x in (("query", q), ("key", k), ("value", v)):
        if x.ndim < 2 or not is_float(x.dtype):
            raise ShapeError(f"expected {name} of floats (..., length, size), got {x.node.aval}")
    features, lengths = (q.shape[-1], k.shape[-1]), (k.shape[-2], v.shape[-2])
    for (a, b), what in ((features, "features of query and key"), (lengths, "keys and values")):
        if a != b and is_known(a, b):
            raise ShapeError(
                f"expected as many {what}, got {a} and {b}: shapes {show_shape(q.shape)}, "
                f"{show_shape(k.shape)}, {show_shape(v.shape)}"
            )


def _causal_softmax(scores: Tensor) -> Tensor:
    """softmax over the keys that do not come after the query; there is always one."""
    queries, keys = scores.shape[-2:]
    row = reshape(iota(size=queries, dtype=int64), shape=(queries, 1))
    seen = Tensor(greater_equal(row, iota(size=keys, dtype=int64)))
    return softmax(where(seen, scores, -math.inf), axis=-1)


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    if is_float(mask.dtype):
        scores, mask = scores + mask, mask != -math.inf
    if not is_bool(mask.dtype):
        raise DTypeError(f"expected a mask of bool or floats, got {mask.dtype.name}")
    # the lowest finite number, not -inf: a row without keys must not become NaN
    lowest = finfo(scores.dtype).min
    return where(mask, softmax(where(mask, scores, lowest), axis=-1), 0.0)
