"""Attention in linear time: by a kernel in the place of the softmax, or by shorter keys."""

from __future__ import annotations

import math
from collections.abc import Callable

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import tril
from tinygraph.array.cumulative import cumulative_sum
from tinygraph.array.elementwise import astype, exp, maximum, minimum, sign, where
from tinygraph.array.info import finfo
from tinygraph.array.linear import diagonal
from tinygraph.array.pad import pad
from tinygraph.array.reduce import max as largest
from tinygraph.array.reduce import sum as total
from tinygraph.array.reduce import widened
from tinygraph.array.shape import expand_dims, matrix_transpose, reshape
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size
from tinygraph.linalg import qr, vector_norm
from tinygraph.nn.functional.attention import check_attention, default_scale, weighted_mean
from tinygraph.nn.functional.loss import operands
from tinygraph.nn.functional.masks import check_key_mask
from tinygraph.ops.rules import show_shape
from tinygraph.random import Generator
from tinygraph.tensor import Tensor

__all__ = [
    "linear_attention", "linformer_attention", "performer_attention", "random_features",
]  # fmt: skip

CHUNK = 64  # how many queries of a causal kernel attention are computed at once

FeatureMap = Callable[[Tensor], Tensor]


@api
def linear_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    is_causal: bool = False,
    feature_map: FeatureMap | None = None,
    key_mask: TensorLike | None = None,
) -> Tensor:
    """phi(q) (phi(k)^T v) / (phi(q) sum phi(k)) with phi(x) = elu(x) + 1: cost O(n).

    query: (..., l, e). key: (..., s, e). value: (..., s, v). is_causal: query i sees keys 0 to i
    alone. feature_map: another phi; what it gives must not be negative. key_mask: bool, (..., s),
    False for a key that takes no part.

    No matrix of l times s numbers is made. Returns (..., l, v).

    Source: Katharopoulos et al., "Transformers are RNNs: Fast Autoregressive Transformers with
    Linear Attention" (2020).

    >>> import tinygraph as tg
    >>> v = tg.tensor([[1.0], [3.0]])
    >>> tg.nn.functional.linear_attention(v, tg.zeros((2, 1)), v, is_causal=True).tolist()
    [[1.0], [2.0]]
    """
    q, k, v = to_tensor(query), to_tensor(key), to_tensor(value)
    check_attention(q, k, v)
    phi = _elu_plus_one if feature_map is None else feature_map
    seen = None if key_mask is None else check_key_mask(to_tensor(key_mask), k)
    return _kernel_attention(phi(q), phi(k), v, is_causal, seen)


def _elu_plus_one(x: Tensor) -> Tensor:
    """elu(x) + 1, with all digits where it is small."""
    return where(x > 0, x + 1.0, exp(minimum(x, 0.0)))


@api
def performer_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    num_features: int = 256,
    is_causal: bool = False,
    scale: float | None = None,
    key_mask: TensorLike | None = None,
    projection: TensorLike | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """softmax(query key^T * scale) value, approximated by random features: cost O(n).

        exp(q · k) = E[phi(q) · phi(k)],  phi(x)_i = exp(w_i · x - |x|² / 2),  w_i ~ N(0, I)

    num_features: how many w; the error falls with the root of their number. projection: the w
    themselves, (features, e), from `random_features`; without it they are drawn anew in each call,
    from `generator` or the default one. The other arguments are those of `linear_attention`,
    scale: 1 / sqrt(e) by default.

    Source: Choromanski et al., "Rethinking Attention with Performers" (2021): positive orthogonal
    random features.

    >>> import tinygraph as tg
    >>> v = tg.tensor([[1.0], [3.0]])
    >>> tg.nn.functional.performer_attention(tg.zeros((1, 1)), tg.zeros((2, 1)), v).tolist()
    [[2.0]]
    """
    q, k, v = to_tensor(query), to_tensor(key), to_tensor(value)
    check_attention(q, k, v)
    if projection is None:
        w = random_features(num_features, q.shape[-1], generator=generator)
    else:
        w = to_tensor(projection)
    if w.ndim != 2 or w.shape[-1] != q.shape[-1]:
        raise ShapeError(
            f"expected a projection (features, {q.shape[-1]}), got shape {show_shape(w.shape)}"
        )
    seen = None if key_mask is None else check_key_mask(to_tensor(key_mask), k)
    dtype, (q, k, v) = operands(q, k, v)
    root = math.sqrt(default_scale(q, scale))
    across = matrix_transpose(w.astype(q.dtype))
    k = k * root
    left = (q * root) @ across
    right = k @ across - 0.5 * total(k * k, axis=-1, keepdims=True)
    # a factor common to a query, or to all keys, cancels out: these keep exp from overflow
    if seen is not None:
        right = where(expand_dims(seen, -1), right, float(finfo(right.dtype).min))
    left = exp(left - largest(left, axis=-1, keepdims=True).detach())
    right = exp(right - largest(right, axis=(-2, -1), keepdims=True).detach())
    return astype(_kernel_attention(left, right, v, is_causal, seen), dtype)


@api
def random_features(
    num_features: int, size: int, generator: Generator | None = None, dtype: object = None
) -> Tensor:
    """Directions w, (num_features, size), each N(0, I), at right angles in groups of `size`.

    For `performer_attention`, which is more exact with them than with independent ones. They may
    be kept for many steps.

    Source: Choromanski et al., "Rethinking Attention with Performers" (2021).

    >>> import tinygraph as tg
    >>> tg.nn.functional.random_features(6, 4).shape
    (6, 4)
    """
    if num_features < 1 or size < 1:
        raise ShapeError(f"expected num_features and size from 1, got {num_features} and {size}")
    groups = -(-num_features // size)
    squares = random.randn(groups, size, size, dtype=dtype, generator=generator)
    unit, triangle = qr(squares)
    # without its signs, the decomposition would prefer some directions
    unit = unit * expand_dims(sign(diagonal(triangle)), -2)
    unit = reshape(unit, (groups * size, size))[:num_features]
    lengths = random.randn(num_features, size, dtype=dtype, generator=generator)
    return unit * vector_norm(lengths, axis=-1, keepdims=True)


@api
def linformer_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    e: TensorLike,
    f: TensorLike | None = None,
    scale: float | None = None,
    key_mask: TensorLike | None = None,
) -> Tensor:
    """softmax(query (E key)^T * scale) (F value): keys and values projected to a fixed length.

    query: (..., l, d). key: (..., s, d). value: (..., s, v). e: (length, s), f: the same for the
    values, `e` unless given; learned. scale: 1 / sqrt(d) by default. key_mask: bool, (..., s);
    keys where it is False, and their values, count as 0.

    The cost is l * length scores. Returns (..., l, v).

    Source: Wang et al., "Linformer: Self-Attention with Linear Complexity" (2020).

    >>> import tinygraph as tg
    >>> x, half = tg.tensor([[1.0], [3.0]]), tg.full((1, 2), 0.5)
    >>> tg.nn.functional.linformer_attention(x, x, x, half).tolist()
    [[2.0], [2.0]]
    """
    q, k, v = to_tensor(query), to_tensor(key), to_tensor(value)
    check_attention(q, k, v)
    left = to_tensor(e)
    right = left if f is None else to_tensor(f)
    for name, matrix in (("e", left), ("f", right)):
        if matrix.ndim != 2 or matrix.shape[1] != k.shape[-2]:
            raise ShapeError(
                f"expected {name} of shape (length, {k.shape[-2]}), got {show_shape(matrix.shape)}"
            )
    if key_mask is not None:
        column = expand_dims(check_key_mask(to_tensor(key_mask), k), -1)
        k, v = where(column, k, 0.0), where(column, v, 0.0)
    return weighted_mean(q, left @ k, right @ v, scale=scale)[0]


def _kernel_attention(
    q: Tensor, k: Tensor, v: Tensor, is_causal: bool, seen: Tensor | None
) -> Tensor:
    """q (k^T v) / (q sum k) of features that are not negative; 0 for a query without keys."""
    dtype = v.dtype
    q, k, v = (Tensor(widened(x.node)) for x in (q, k, v))
    if seen is not None:
        k = where(expand_dims(seen, -1), k, 0.0)
    if is_causal:
        return astype(_causal_kernel_attention(q, k, v), dtype)
    weights = q @ expand_dims(total(k, axis=-2), -1)
    return astype(_ratio(q @ (matrix_transpose(k) @ v), weights), dtype)


def _ratio(values: Tensor, weights: Tensor) -> Tensor:
    return values / maximum(weights, float(finfo(weights.dtype).smallest_normal))


def _causal_kernel_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """In chunks: the keys of all chunks before as one running sum, those of the own one by one."""
    length = q.shape[-2]
    q, k, v = (_chunks(x, length) for x in (q, k, v))
    across = matrix_transpose(k)
    own = tril(q @ across)
    values = own @ v + q @ _before(across @ v)
    weights = total(own, axis=-1, keepdims=True)
    weights = weights + q @ _before(total(across, axis=-1, keepdims=True))
    mean = _ratio(values, weights)
    count, size, features = mean.shape[-3:]
    return reshape(mean, (*mean.shape[:-3], count * size, features))[..., :length, :]


def _chunks(x: Tensor, length: Size) -> Tensor:
    """x, (..., n, e), as (..., chunks, CHUNK, e), with zeros at the end."""
    count = -(-length // CHUNK)
    widths = [(0, 0)] * (x.ndim - 2) + [(0, count * CHUNK - length), (0, 0)]
    return reshape(pad(x, widths), (*x.shape[:-2], count, CHUNK, x.shape[-1]))


def _before(x: Tensor) -> Tensor:
    """For each chunk of x, (..., chunks, a, b), the sum of those before it."""
    return cumulative_sum(x, axis=-3, include_initial=True)[..., :-1, :, :]
