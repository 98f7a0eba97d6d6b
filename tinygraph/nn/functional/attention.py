"""Attention: for each query a mean of values, weighted by how well their keys fit it."""

from __future__ import annotations

import math

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import astype, tanh, where
from tinygraph.array.info import finfo
from tinygraph.array.reduce import sum as total
from tinygraph.array.shape import expand_dims
from tinygraph.array.sizes import known
from tinygraph.array.softmax import softmax
from tinygraph.dtypes import int64, is_bool, is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.functional.dropout import dropout
from tinygraph.nn.functional.linear import linear
from tinygraph.nn.functional.loss import operands
from tinygraph.ops.contract import matmul
from tinygraph.ops.logic import greater_equal
from tinygraph.ops.movement import iota, reshape, swap_last
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "additive_attention", "cross_attention", "dot_product_attention",
    "scaled_dot_product_attention", "self_attention",
]  # fmt: skip

MASKED = -1e9  # the score of a masked key where a row without keys is to be a plain mean


@api
def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    attn_mask: TensorLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query key^T * scale + mask) value: for each query a mean of the values.

    query: (..., l, e). key: (..., s, e). value: (..., s, v). The leading dimensions broadcast.
    attn_mask: what broadcasts to (..., l, s); bool says who takes part, floats are added.
    is_causal: query i sees keys 0 to i alone; not together with `attn_mask`. dropout_p: the
    probability of dropping a weight, always applied. scale: 1 / sqrt(e) by default: products of
    vectors of variance 1 have variance e, and a softmax of large numbers has no gradient left.
    enable_gqa: query, (..., h, l, e), may have a multiple of the heads of key and value, which
    are shared by groups of as many neighbours (grouped-query attention).

    Where the mask, False or -inf, lets no key take part, the result is 0.

    Returns (..., l, v).

    Source: Vaswani et al., "Attention Is All You Need" (2017); Ainslie et al., "GQA: Training
    Generalized Multi-Query Transformer Models from Multi-Head Checkpoints" (2023).

    >>> import tinygraph as tg
    >>> q, v = tg.zeros((2, 1)), tg.tensor([[1.0], [3.0]])
    >>> tg.nn.functional.scaled_dot_product_attention(q, q, v, is_causal=True).tolist()
    [[1.0], [2.0]]
    """
    q, k, v = to_tensor(query), to_tensor(key), to_tensor(value)
    check_attention(q, k, v)
    mask = None if attn_mask is None else to_tensor(attn_mask)
    return weighted_mean(q, k, v, mask, dropout_p, is_causal, scale, enable_gqa)[0]


@api
def dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    attn_mask: TensorLike | None = None,
    is_causal: bool = False,
) -> Tensor:
    """softmax(query key^T + mask) value: attention whose score is the plain product q · k.

    The arguments are those of `scaled_dot_product_attention`, which scales the scores.

    Source: Luong et al., "Effective Approaches to Attention-based Neural Machine Translation"
    (2015).

    >>> import tinygraph as tg
    >>> k, v = tg.tensor([[0.0], [100.0]]), tg.tensor([[1.0], [3.0]])
    >>> tg.nn.functional.dot_product_attention(tg.ones((1, 1)), k, v).tolist()
    [[3.0]]
    """
    result: Tensor = scaled_dot_product_attention(
        query, key, value, attn_mask, is_causal=is_causal, scale=1.0
    )
    return result


@api
def self_attention(
    x: TensorLike,
    w_q: TensorLike,
    w_k: TensorLike,
    w_v: TensorLike,
    mask: TensorLike | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """softmax(Q K^T / sqrt(d_k)) V with Q = x W_Q, K = x W_K, V = x W_V; and the weights.

    x: (..., n, d). w_q, w_k: (d, d_k). w_v: (d, d_v). mask: what broadcasts to (..., n, n); where
    it is 0 or False, the score becomes -1e9. scale: 1 / sqrt(d_k) by default.

    Returns the output, (..., n, d_v), and the weights, (..., n, n). Where the textbooks differ: a
    row that is masked whole has equal weights here, because of the finite -1e9; with minus
    infinity they would be NaN, and `scaled_dot_product_attention` makes them 0.

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> x, w = tg.tensor([[1.0], [3.0]]), tg.zeros((1, 1))
    >>> output, weights = tg.nn.functional.self_attention(x, w, w, tg.ones((1, 1)))
    >>> output.tolist(), weights.tolist()
    ([[2.0], [2.0]], [[0.5, 0.5], [0.5, 0.5]])
    """
    return _projected(to_tensor(x), to_tensor(x), w_q, w_k, w_v, mask, scale)


@api
def cross_attention(
    x: TensorLike,
    context: TensorLike,
    w_q: TensorLike,
    w_k: TensorLike,
    w_v: TensorLike,
    mask: TensorLike | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """softmax(Q K^T / sqrt(d_k)) V with Q = x W_Q, K = context W_K, V = context W_V; the weights.

    x: (..., n, d), what asks: in a decoder, its own states. context: (..., s, c), what answers:
    the states of the encoder. The rest is as in `self_attention`.

    >>> import tinygraph as tg
    >>> w = tg.ones((1, 1))
    >>> output, _ = tg.nn.functional.cross_attention(tg.ones((1, 1)), tg.ones((5, 1)), w, w, w)
    >>> output.tolist()
    [[1.0]]
    """
    return _projected(to_tensor(x), to_tensor(context), w_q, w_k, w_v, mask, scale)


def _projected(
    x: Tensor,
    context: Tensor,
    w_q: TensorLike,
    w_k: TensorLike,
    w_v: TensorLike,
    mask: TensorLike | None,
    scale: float | None,
) -> tuple[Tensor, Tensor]:
    q, k, v = x @ to_tensor(w_q), context @ to_tensor(w_k), context @ to_tensor(w_v)
    check_attention(q, k, v)
    dtype, (q, k, v) = operands(q, k, v)
    scores = _scores(q, k, scale)
    if mask is not None:
        kept = to_tensor(mask) != 0
        _check_mask(kept, scores)
        scores = where(kept, scores, max(MASKED, float(finfo(scores.dtype).min)))
    weights = softmax(scores, axis=-1)
    return astype(weights @ v, dtype), astype(weights, dtype)


@api
def additive_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    w1: TensorLike,
    w2: TensorLike,
    v: TensorLike,
    attn_mask: TensorLike | None = None,
    bias: TensorLike | None = None,
) -> tuple[Tensor, Tensor]:
    """softmax(v^T tanh(w1 query + w2 key)) value, and the weights: Bahdanau's attention.

    query: (..., l, q). key: (..., s, k). value: (..., s, e). w1: (hidden, q). w2: (hidden, k). v:
    (hidden,). attn_mask: as in `scaled_dot_product_attention`. bias: what is added in the tanh,
    (hidden,).

    Returns the output, (..., l, e), and the weights, (..., l, s).

    Source: Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and
    Translate" (2015).

    >>> import tinygraph as tg
    >>> k, w = tg.tensor([[-100.0], [100.0]]), tg.ones((1, 1))
    >>> F = tg.nn.functional
    >>> output, weights = F.additive_attention(tg.zeros((1, 1)), k, k, w, w, 100 * tg.ones(1))
    >>> weights.tolist()
    [[0.0, 1.0]]
    """
    keys, values = to_tensor(key), to_tensor(value)
    left = expand_dims(linear(query, w1, bias), -2)
    right = expand_dims(linear(keys, w2), -3)
    # one sum of products, not a matrix product: (..., l, s, hidden) is never stored
    scores = total(tanh(left + right) * to_tensor(v), axis=-1)
    if keys.shape[-2] != values.shape[-2] and is_known(keys.shape[-2], values.shape[-2]):
        raise ShapeError(
            f"expected as many keys and values, got shapes {show_shape(keys.shape)} and "
            f"{show_shape(values.shape)}"
        )
    weights = _softmax(scores, None if attn_mask is None else to_tensor(attn_mask), False)
    return weights @ values, weights


def check_attention(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Query, key and value fit together. ShapeError otherwise."""
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


def default_scale(q: Tensor, scale: float | None) -> float:
    """1 / sqrt(e) for queries of e features, unless a scale is given."""
    return 1.0 / math.sqrt(max(known(q.shape[-1]), 1)) if scale is None else scale


def _scores(q: Tensor, k: Tensor, scale: float | None) -> Tensor:
    return Tensor(matmul((q * default_scale(q, scale)).node, swap_last(k.node)))


def weighted_mean(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[Tensor, Tensor]:
    """See `scaled_dot_product_attention`; with the weights, (..., l, s), after dropout."""
    if is_causal and mask is not None:
        raise ValueError("expected attn_mask or is_causal, got both")
    dtype, (q, k, v) = operands(q, k, v)  # scores may be too large for 16 bits
    groups = _groups(q, k, v) if enable_gqa else 1
    scores = _ungrouped(_scores(_grouped(q, groups), k, scale), groups)
    weights = dropout(_softmax(scores, mask, is_causal), dropout_p)
    output = Tensor(matmul(_grouped(weights, groups).node, v.node))
    return astype(_ungrouped(output, groups), dtype), astype(weights, dtype)


def _groups(q: Tensor, k: Tensor, v: Tensor) -> int:
    """How many heads of the query share one of key and value."""
    heads = [known(x.shape[-3]) if x.ndim > 2 else 1 for x in (q, k, v)]
    if heads[1] != heads[2] or not heads[1] or heads[0] % heads[1]:
        raise ShapeError(
            "expected as many heads of key and value, and of query a multiple of that, got "
            f"{heads[1]}, {heads[2]} and {heads[0]}: shapes {show_shape(q.shape)}, "
            f"{show_shape(k.shape)}, {show_shape(v.shape)}"
        )
    return heads[0] // heads[1]


def _grouped(x: Tensor, groups: int) -> Tensor:
    """x, (..., h, l, e), with the rows of heads that share a key one after the other."""
    if groups == 1:
        return x
    *lead, heads, rows, size = x.shape
    return Tensor(reshape(x.node, shape=(*lead, heads // groups, groups * rows, size)))


def _ungrouped(x: Tensor, groups: int) -> Tensor:
    if groups == 1:
        return x
    *lead, heads, rows, size = x.shape
    return Tensor(reshape(x.node, shape=(*lead, heads * groups, rows // groups, size)))


def _softmax(scores: Tensor, mask: Tensor | None, is_causal: bool) -> Tensor:
    if scores.shape[-1] == 0:
        return scores  # no keys, no weights; the sum over them is 0
    if is_causal:
        return _causal_softmax(scores)
    return softmax(scores, axis=-1) if mask is None else masked_softmax(scores, mask)


def _causal_softmax(scores: Tensor) -> Tensor:
    """softmax over the keys that do not come after the query; there is always one."""
    queries, keys = scores.shape[-2:]
    row = reshape(iota(size=queries, dtype=int64), shape=(queries, 1))
    seen = Tensor(greater_equal(row, iota(size=keys, dtype=int64)))
    return softmax(where(seen, scores, -math.inf), axis=-1)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """softmax over the keys that a mask, of bool or of floats to be added, lets take part; 0 for
    a query that has none."""
    _check_mask(mask, scores)
    if is_float(mask.dtype):
        mask = mask.astype(scores.dtype)
        scores, mask = scores + mask, mask != -math.inf
    if not is_bool(mask.dtype):
        raise DTypeError(f"expected a mask of bool or floats, got {mask.dtype.name}")
    # the lowest finite number, not -inf: a row without keys must not become NaN
    lowest = finfo(scores.dtype).min
    return where(mask, softmax(where(mask, scores, lowest), axis=-1), 0.0)


def _check_mask(mask: Tensor, scores: Tensor) -> None:
    """ShapeError unless the mask broadcasts to the shape of the scores. One for more queries than
    there are would give a result for each of them."""
    lead = scores.ndim - mask.ndim
    pairs = zip(mask.shape, scores.shape[max(lead, 0) :], strict=False)
    if lead < 0 or any(m not in (1, s) and is_known(m, s) for m, s in pairs):
        raise ShapeError(
            f"expected a mask that broadcasts to {show_shape(scores.shape)}, got shape "
            f"{show_shape(mask.shape)}"
        )
