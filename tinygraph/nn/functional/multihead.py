"""Multi-head attention: several attentions side by side, each on projections of its own."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import zeros
from tinygraph.array.join import concat, split
from tinygraph.array.pad import pad
from tinygraph.array.reduce import mean
from tinygraph.array.shape import broadcast_to, expand_dims, permute_dims, reshape, squeeze
from tinygraph.array.sizes import known
from tinygraph.dtypes import is_bool, is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Shape
from tinygraph.nn.functional.attention import weighted_mean
from tinygraph.nn.functional.linear import linear
from tinygraph.nn.functional.masks import causal_mask, combine_masks
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["multi_head_attention_forward"]

Three = tuple[Tensor, Tensor, Tensor]
Masks = tuple[Tensor | None, Tensor | None]  # attn_mask, key_padding_mask


class Cache(Protocol):
    """What keeps the keys and values of the tokens so far: `nn.KVCache`."""

    max_length: int

    def update(self, key: Tensor, value: Tensor) -> Three:
        """Enter those of new tokens; returns all keys, all values, and who may see whom."""
        ...


@api
def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None,
    bias_k: Tensor | None, bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float,
    out_proj_weight: Tensor, out_proj_bias: Tensor | None, training: bool = True,
    key_padding_mask: Tensor | None = None, need_weights: bool = True,
    attn_mask: Tensor | None = None, use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None, k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None, static_k: Tensor | None = None,
    static_v: Tensor | None = None, average_attn_weights: bool = True, is_causal: bool = False,
    *, batch_first: bool = False, cache: Cache | None = None,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Concat(head_1 ... head_h) W_O, head_i = attention(Q W_i^Q, K W_i^K, V W_i^V); the weights.

    What `nn.MultiheadAttention` computes; the arguments are explained there. static_k, static_v:
    projected keys and values, (batch * heads, s, head_dim), in the place of those of key and
    value. The projections of key and value may have fewer heads than that of the query, by a
    whole factor: these are shared then.

    Returns the output and, with `need_weights`, the weights.

    >>> import tinygraph as tg
    >>> x, w = tg.ones((3, 1, 2)), tg.ones((6, 2))
    >>> output, weights = tg.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 2, 1, w, None, None, None, False, 0.0, w[:2], None)
    >>> output.shape, weights.shape
    ((3, 1, 2), (1, 3, 3))
    """
    inputs = _tensors(query, key, value)
    form = _form(*inputs, embed_dim_to_check, num_heads, batch_first)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    matrices = separate if use_separate_proj_weight else (in_proj_weight,)
    q, k, v = (form.heads(x) for x in _projected(form, inputs, matrices, in_proj_bias))
    k = k if static_k is None else _static("static_k", static_k, q)
    v = v if static_v is None else _static("static_v", static_v, q)
    k, v, extra = _with_extra_keys(form, k, v, (bias_k, bias_v), add_zero_attn)
    # of a flag and a mask, the flag only says what the mask holds
    masks = (attn_mask, key_padding_mask)
    flag = is_causal and cache is None and not extra and key_padding_mask is None
    flag = flag and (attn_mask is None or not need_weights)
    if cache is not None:
        k, v, mask = _cached(cache, form, k, v, masks, extra)
    else:
        mask = None if flag else _mask(form, masks, k.shape[2] - extra, is_causal, extra)
    p = dropout_p if training else 0.0
    found, weights = weighted_mean(q, k, v, mask, p, flag, enable_gqa=k.shape[1] != q.shape[1])
    output = form.plain(linear(form.joined(found), out_proj_weight, out_proj_bias))
    if not need_weights:
        return output, None
    weights = mean(weights, axis=1) if average_attn_weights else weights
    return output, weights if form.is_batched else squeeze(weights, 0)


# ------------------------------------------------------------------------------- layout


class _Form(NamedTuple):
    """How queries and keys are laid out."""

    batch: Size
    queries: Size
    head_dim: int
    num_heads: int
    is_batched: bool
    batch_first: bool

    @property
    def batch_axis(self) -> int:
        """Where the batch stands."""
        return 0 if self.batch_first else 1

    def batched(self, x: Tensor) -> Tensor:
        """x with a dimension for the batch."""
        return x if self.is_batched else expand_dims(x, self.batch_axis)

    def plain(self, x: Tensor) -> Tensor:
        """x as the caller laid out the query."""
        return x if self.is_batched else squeeze(x, self.batch_axis)

    def heads(self, x: Tensor) -> Tensor:
        """Projected x as (batch, heads, length, head_dim)."""
        x = reshape(x, (*x.shape[:2], known(x.shape[2]) // self.head_dim, self.head_dim))
        return permute_dims(x, (0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3))

    def joined(self, x: Tensor) -> Tensor:
        """The heads side by side again."""
        x = permute_dims(x, (0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3))
        return reshape(x, (*x.shape[:2], self.num_heads * self.head_dim))


def _tensors(query: TensorLike, key: TensorLike, value: TensorLike) -> Three:
    """The three as Tensors; what is given twice stays one."""
    q = to_tensor(query)
    k = q if key is query else to_tensor(key)
    return q, k, k if value is key else to_tensor(value)


def _form(
    query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_heads: int, batch_first: bool
) -> _Form:
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.ndim != query.ndim or x.ndim not in (2, 3) or not is_float(x.dtype):
            raise ShapeError(
                f"expected query, key and value of floats with 3 dimensions, or 2 without a "
                f"batch, got {x.node.aval} as {name}"
            )
    features = query.shape[-1]
    if (features != embed_dim and is_known(features)) or embed_dim % num_heads:
        raise ShapeError(
            f"expected a query of {embed_dim} features, in {num_heads} heads of equal size, got "
            f"shape {show_shape(query.shape)}"
        )
    lead = key.shape[:-1]
    if lead != value.shape[:-1] and is_known(*lead, *value.shape[:-1]):
        raise ShapeError(
            f"expected as many keys and values, got shapes {show_shape(key.shape)} and "
            f"{show_shape(value.shape)}"
        )
    if query.ndim == 2:
        return _Form(1, query.shape[0], embed_dim // num_heads, num_heads, False, batch_first)
    places = (0, 1) if batch_first else (1, 0)
    batch, length = (query.shape[place] for place in places)
    if batch != lead[places[0]] and is_known(batch, lead[places[0]]):
        raise ShapeError(
            f"expected a batch as large in query and key, got shapes {show_shape(query.shape)} "
            f"and {show_shape(key.shape)}"
        )
    return _Form(batch, length, embed_dim // num_heads, num_heads, True, batch_first)


# --------------------------------------------------------------------------- projections


def _projected(
    form: _Form, inputs: Three, weights: tuple[Tensor | None, ...], bias: Tensor | None
) -> Three:
    """Query, key and value, each times its weight: three matrices, or one of all rows."""
    matrices = [weight for weight in weights if weight is not None]
    if len(matrices) < len(weights):
        raise ValueError(
            "expected in_proj_weight, or with use_separate_proj_weight q_proj_weight, "
            "k_proj_weight and v_proj_weight, got None"
        )
    query, key, value = inputs
    if len(matrices) == 1:
        own = form.num_heads * form.head_dim
        shared = (known(matrices[0].shape[0]) - own) // 2
        sizes = [own, shared, shared]
        if query is key and key is value:  # one matrix product for all three
            q, k, v = split(linear(form.batched(query), matrices[0], bias), sizes, axis=-1)
            return q, k, v
        matrices = list(split(matrices[0], sizes))
    sizes = [known(matrix.shape[0]) for matrix in matrices]
    biases = (None, None, None) if bias is None else split(bias, sizes)
    q, k, v = (
        linear(form.batched(x), matrix, own_bias)
        for x, matrix, own_bias in zip(inputs, matrices, biases, strict=True)
    )
    return q, k, v


def _static(name: str, x: Tensor, q: Tensor) -> Tensor:
    """Keys or values that were projected before, (batch * heads, s, head_dim)."""
    batch, heads, _, size = q.shape
    expected = (batch * heads, None, size)
    if x.ndim != 3 or any(a not in (b, None) for a, b in zip(expected, x.shape, strict=True)):
        raise ShapeError(
            f"expected {name} of shape ({batch * heads}, s, {size}), got {show_shape(x.shape)}"
        )
    return reshape(x, (batch, heads, x.shape[1], size))


def _with_extra_keys(
    form: _Form, k: Tensor, v: Tensor, biases: tuple[Tensor | None, Tensor | None], zero: bool
) -> tuple[Tensor, Tensor, int]:
    """k and v with a learned pair behind, and with a pair of zeros; and how many these are."""
    shape = (*k.shape[:2], 1, form.head_dim)
    extra = 0
    if biases[0] is not None or biases[1] is not None:
        if biases[0] is None or biases[1] is None:
            raise ValueError("expected bias_k and bias_v together, got one of them")
        parts = [
            broadcast_to(permute_dims(b.reshape(1, 1, *shape[1::2]), (0, 2, 1, 3)), shape)
            for b in biases if b is not None
        ]  # fmt: skip
        k, v = concat([k, parts[0]], axis=2), concat([v, parts[1]], axis=2)
        extra += 1
    if zero:
        k, v = (concat([x, zeros(shape, dtype=x.dtype)], axis=2) for x in (k, v))
        extra += 1
    return k, v, extra


def _cached(
    cache: Cache, form: _Form, k: Tensor, v: Tensor, masks: Masks, extra: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """All keys and values so far, and who sees whom: no token a later one."""
    if extra:
        raise ValueError("a cache goes with neither add_bias_kv nor add_zero_attn")
    k, v, seen = cache.update(k, v)
    return k, v, combine_masks(seen, _mask(form, masks, cache.max_length))


# ---------------------------------------------------------------------------------- masks


def _mask(
    form: _Form, masks: Masks, keys: Size, is_causal: bool = False, extra: int = 0
) -> Tensor | None:
    """`attn_mask` and `key_padding_mask` as one, with `extra` keys that all may see."""
    causal = causal_mask(form.queries, keys) if is_causal and masks[0] is None else None
    mask = combine_masks(causal, _attn_mask(form, masks[0], keys), _padding(form, masks[1], keys))
    if mask is None or not extra:
        return mask
    return pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, extra)], value=is_bool(mask.dtype))


def _attn_mask(form: _Form, mask: Tensor | None, keys: Size) -> Tensor | None:
    """`attn_mask`, (queries, keys) or (batch * heads, queries, keys), in four dimensions."""
    if mask is None:
        return None
    rows = form.batch * form.num_heads
    expected: Shape = (form.queries, keys) if mask.ndim == 2 else (rows, form.queries, keys)
    if mask.shape != expected and (mask.ndim not in (2, 3) or is_known(*mask.shape, *expected)):
        raise ShapeError(
            f"expected attn_mask of shape ({form.queries}, {keys}) or ({rows}, {form.queries}, "
            f"{keys}), got {show_shape(mask.shape)}"
        )
    mask = _taking_part("attn_mask", mask)
    if mask.ndim == 2:
        return mask
    return reshape(mask, (form.batch, form.num_heads, form.queries, keys))


def _padding(form: _Form, mask: Tensor | None, keys: Size) -> Tensor | None:
    """`key_padding_mask`, (batch, keys), in four dimensions."""
    if mask is None:
        return None
    expected: Shape = (form.batch, keys) if form.is_batched else (keys,)
    if mask.shape != expected and (mask.ndim != len(expected) or is_known(*mask.shape, *expected)):
        raise ShapeError(
            f"expected key_padding_mask of shape {show_shape(expected)}, got "
            f"{show_shape(mask.shape)}"
        )
    return reshape(_taking_part("key_padding_mask", mask), (form.batch, 1, 1, keys))


def _taking_part(name: str, mask: Tensor) -> Tensor:
    """A mask whose True is for keys that take no part, the other way round; floats as they are."""
    if is_bool(mask.dtype):
        return ~mask
    if not is_float(mask.dtype):
        raise DTypeError(f"expected {name} of bool or floats, got {mask.dtype.name}")
    return mask
