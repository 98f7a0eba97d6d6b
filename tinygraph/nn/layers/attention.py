"""Attention layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph import init
from tinygraph.array.convert import to_tensor
from tinygraph.array.creation import arange, zeros
from tinygraph.array.shape import expand_dims, squeeze
from tinygraph.autodiff.mode import no_grad
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.functional.dropout import probability
from tinygraph.nn.layers.linear import Linear, at_least, empty
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.ops.bounds import within
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["BahdanauAttention", "KVCache", "MultiheadAttention"]


class MultiheadAttention(Module):
    """Concat(head_1 ... head_h) W_O with head_i = attention(Q W_i^Q, K W_i^K, V W_i^V).

    embed_dim: the features of queries and outputs, an equal part of them for each head.
    num_heads: how many heads. dropout: the probability of dropping a weight, in training. bias:
    whether the projections have one. add_bias_kv: a learned key and value behind all others.
    add_zero_attn: a key and a value of zeros behind them. kdim, vdim: the features of keys and
    values, embed_dim by default. batch_first: sequences are (batch, length, features) instead of
    (length, batch, features). num_kv_heads: fewer heads for keys and values, each shared by
    num_heads / num_kv_heads heads of the query (grouped-query attention, 1 for multi-query).

    in_proj_weight: (3 * embed_dim, embed_dim), for query, key and value; where kdim or vdim
    differ, q_proj_weight, k_proj_weight and v_proj_weight instead; from Xavier's uniform
    distribution. in_proj_bias: (3 * embed_dim,), out_proj.bias: (embed_dim,), zeros.
    out_proj.weight: (embed_dim, embed_dim). bias_k, bias_v: (1, 1, embed_dim), normal. With
    num_kv_heads, keys and values have num_kv_heads * head_dim rows instead of embed_dim.

    Called as `layer(query, key, value)`: self-attention where all are the same Tensor, in which
    case one matrix product makes all three; cross-attention where key and value are from another
    sequence, such as an encoder's states. Further arguments:

    key_padding_mask: (batch, s), True (or -inf, which is added) for a key that takes no part.
    attn_mask: (l, s) or (batch * heads, l, s), likewise: the opposite of what
    `scaled_dot_product_attention` has. need_weights: return the weights too, average_attn_weights:
    their mean over the heads. is_causal: query i sees keys 0 to i alone; with `attn_mask`, a
    promise that this is what it says. cache: a `KVCache`, for one token after the other.

    Returns (output, weights): (length, batch, embed_dim) as the query is laid out, and (batch, l,
    s), (batch, heads, l, s) without averaging, or None. Sequences without a batch, (length,
    features), do as well. Where no key takes part, output and weights are 0 before the last
    projection; PyTorch has NaN there with need_weights.

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> x = tg.ones((7, 2, 8))
    >>> output, weights = tg.nn.MultiheadAttention(8, 4)(x, x, x)
    >>> output.shape, weights.shape
    ((7, 2, 8), (2, 7, 7))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        num_kv_heads: int | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.embed_dim = at_least("MultiheadAttention", "embed_dim", embed_dim, 1)
        self.num_heads = at_least("MultiheadAttention", "num_heads", num_heads, 1)
        kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        self.num_kv_heads = at_least("MultiheadAttention", "num_kv_heads", kv_heads, 1)
        self._check_heads()
        self.dropout = probability("MultiheadAttention", dropout)
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn
        self.head_dim = embed_dim // num_heads
        self._add_projections(bias, add_bias_kv, dtype)
        self.reset_parameters()

    def _check_heads(self) -> None:
        for whole, part, names in (
            (self.embed_dim, self.num_heads, "embed_dim and num_heads"),
            (self.num_heads, self.num_kv_heads, "num_heads and num_kv_heads"),
        ):
            if whole % part:
                raise ShapeError(
                    f"MultiheadAttention: expected {names} to divide without remainder, got "
                    f"{whole} and {part}"
                )

    def _add_projections(self, bias: bool, add_bias_kv: bool, dtype: Any) -> None:
        width, shared = self.embed_dim, self.num_kv_heads * self.head_dim
        packed = self.kdim == width and self.vdim == width
        shapes = {
            "q_proj_weight": None if packed else (width, width),
            "k_proj_weight": None if packed else (shared, self.kdim),
            "v_proj_weight": None if packed else (shared, self.vdim),
            "in_proj_weight": (width + 2 * shared, width) if packed else None,
            "in_proj_bias": (width + 2 * shared,) if bias else None,
        }
        for name, shape in shapes.items():
            self.register_parameter(name, None if shape is None else empty(shape, dtype))
        self.out_proj = Linear(width, width, bias=bias, dtype=dtype)
        for name in ("bias_k", "bias_v"):
            parameter = empty((1, 1, shared), dtype) if add_bias_kv else None
            self.register_parameter(name, parameter)

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        matrices = (
            self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
        )  # fmt: skip
        for matrix in matrices:
            if matrix is not None:
                init.xavier_uniform(matrix)
        for vector in (self.in_proj_bias, self.out_proj.bias):
            if vector is not None:
                init.zeros(vector)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal(extra)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        result: tuple[Tensor, Tensor | None] = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight,
            self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn, self.dropout,
            self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask,
            need_weights, attn_mask, self.in_proj_weight is None, self.q_proj_weight,
            self.k_proj_weight, self.v_proj_weight, None, None, average_attn_weights, is_causal,
            batch_first=self.batch_first, cache=cache,
        )  # fmt: skip
        return result

    def make_cache(self, batch: int, max_length: int) -> KVCache:
        """An empty `KVCache` for this layer."""
        dtype = self.out_proj.weight.dtype
        return KVCache(batch, self.num_kv_heads, max_length, self.head_dim, dtype=dtype)


class KVCache(Module):
    """The keys and values of the tokens so far, so that a new token costs one row of scores.

    batch, num_heads, max_length, head_dim: the sizes of the buffers. They are fixed, and the place
    that is written to is a number in a buffer, so that a compiled step serves all tokens.

    `layer(x, x, x, cache=cache)` enters the tokens of x behind those before and lets each of them
    see all up to itself: token by token or several at once, the outputs are those of one whole
    pass with a causal mask. Then `attn_mask` and `key_padding_mask`, if any, are of max_length
    keys. For use without gradients.

    key, value: (batch, num_heads, max_length, head_dim), length: how many tokens there are; all
    three are not saved with the state.

    >>> import tinygraph as tg
    >>> layer = tg.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> cache = layer.make_cache(batch=1, max_length=5)
    >>> for token in tg.ones((3, 1, 1, 8)):
    ...     output, _ = layer(token, token, token, cache=cache)
    >>> output.shape, cache.length.item()
    ((1, 1, 8), 3)
    """

    key: Tensor
    value: Tensor
    length: Tensor

    def __init__(
        self, batch: int, num_heads: int, max_length: int, head_dim: int, *, dtype: Any = None
    ) -> None:
        super().__init__()
        self.max_length = at_least("KVCache", "max_length", max_length, 1)
        shape = (
            at_least("KVCache", "batch", batch, 0), at_least("KVCache", "num_heads", num_heads, 1),
            self.max_length, at_least("KVCache", "head_dim", head_dim, 1),
        )  # fmt: skip
        for name in ("key", "value"):
            self.register_buffer(name, zeros(shape, dtype=dtype), persistent=False)
        self.register_buffer("length", np.array(0, np.int64), persistent=False)

    def reset(self) -> KVCache:
        """Forget all tokens; returns the cache."""
        self.length.set(0)
        return self

    def update(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Enter the keys and values of new tokens, (batch, num_heads, new, head_dim).

        Returns all keys, all values, and which of them each new token sees, (new, max_length).
        IndexError, when it is computed, where the buffers are full.
        """
        expected = (*self.key.shape[:2], key.shape[2], self.key.shape[3])
        if key.shape != expected or value.shape != expected:
            raise ShapeError(
                f"KVCache: expected keys and values of shape {show_shape(expected)}, got "
                f"{show_shape(key.shape)} and {show_shape(value.shape)}"
            )
        new = key.shape[2]
        with no_grad():
            places = self.length + arange(new)
            places = Tensor(within(places.node, size=self.max_length, what="place in the cache"))
            seen = arange(self.max_length) <= expand_dims(places, -1)
            self.key.assign(self.key.at[:, :, places].set(key))
            self.value.assign(self.value.at[:, :, places].set(value))
            self.length.assign(self.length + new)
            return self.key, self.value, seen

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.key.shape))


class BahdanauAttention(Module):
    """softmax(v^T tanh(W1 query + W2 key)) value, also called additive attention.

    query_size, key_size: the features of queries and keys. hidden_size: those in the tanh. bias:
    whether a learned vector is added there.

    w1.weight: (hidden, query), w1.bias: (hidden,), w2.weight: (hidden, key), v.weight: (1,
    hidden), all as in `Linear`.

    Called as `layer(query, key, value=None, mask=None)`: query (batch, l, query) or, for the one
    state of a decoder, (batch, query); key (batch, s, key), value: the keys by default, (batch,
    s, e); mask: bool, True for keys that take part, what broadcasts to (batch, l, s). Returns the
    context, (batch, l, e), and the weights, (batch, l, s), both without l where the query has
    none.

    Source: Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and
    Translate" (2015).

    >>> import tinygraph as tg
    >>> states = tg.ones((2, 7, 5))
    >>> context, weights = tg.nn.BahdanauAttention(3, 5, 4)(tg.ones((2, 3)), states)
    >>> context.shape, weights.shape
    ((2, 5), (2, 7))
    """

    def __init__(
        self,
        query_size: int,
        key_size: int,
        hidden_size: int,
        bias: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = {"query_size": query_size, "key_size": key_size, "hidden_size": hidden_size}
        for name, size in sizes.items():
            setattr(self, name, at_least("BahdanauAttention", name, size, 1))
        self.w1 = Linear(query_size, hidden_size, bias=bias, dtype=dtype)
        self.w2 = Linear(key_size, hidden_size, bias=False, dtype=dtype)
        self.v = Linear(hidden_size, 1, bias=False, dtype=dtype)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        query, key = to_tensor(query), to_tensor(key)
        single = query.ndim == key.ndim - 1
        if single:
            query = expand_dims(query, -2)
            mask = None if mask is None else expand_dims(mask, -2)
        values = key if value is None else value
        context, weights = F.additive_attention(
            query, key, values, self.w1.weight, self.w2.weight, self.v.weight[0], mask,
            self.w1.bias,
        )  # fmt: skip
        return (squeeze(context, -2), squeeze(weights, -2)) if single else (context, weights)
