"""Losses of vectors: what belongs together is drawn near, what does not is pushed away.

A margin's kink has the slope of its rise, not 0. `reduction` is "mean", "sum" or "none".
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange
from tinygraph.array.elementwise import (
    astype,
    clip,
    logaddexp,
    minimum,
    relu,
    rsqrt,
    square,
    where,
)
from tinygraph.array.join import concat
from tinygraph.array.linear import matmul
from tinygraph.array.reduce import sum
from tinygraph.array.shape import expand_dims, matrix_transpose
from tinygraph.array.softmax import logsumexp
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.linalg import vector_norm
from tinygraph.nn.functional.classification import cross_entropy
from tinygraph.nn.functional.distance import pairwise_distance
from tinygraph.nn.functional.loss import check_same_shape, operands, reduced
from tinygraph.nn.functional.norm import normalize as to_length_1
from tinygraph.ops.rules import broadcast_shapes, show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "contrastive_loss", "cosine_embedding_loss", "info_nce_loss", "nt_xent_loss",
    "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip

Distance = Callable[[Tensor, Tensor], Tensor]

LEAST_SQUARE = 1e-12  # what PyTorch adds to the squares of lengths before it divides by them


# ---------------------------------------------------------------------------------- pairs


@api
def cosine_embedding_loss(
    input1: TensorLike,
    input2: TensorLike,
    target: TensorLike,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(input1, input2) where y is 1, and max(0, cos - margin) where y is -1.

    input1, input2: vectors (batch, features), or (features,). target: y (batch,), or one number.
    margin: up to which cosine two unlike vectors cost nothing, from -1 to 1; 0 to 0.5 is usual.
    reduction: "mean", "sum" or "none". A vector of zeros has the cosine 0 with all others.

    >>> import tinygraph as tg
    >>> x, y = tg.tensor([[3.0, 0.0], [1.0, 0.0]]), tg.tensor([[0.0, 1.0], [5.0, 0.0]])
    >>> loss = tg.nn.functional.cosine_embedding_loss
    >>> loss(x, y, tg.tensor([1, -1]), margin=0.5, reduction="none")
    tensor([1. , 0.5])
    """
    dtype, (a, b) = operands(input1, input2)
    y = to_tensor(target)
    if y.ndim > 1 or not a.ndim == b.ndim == y.ndim + 1:
        raise ShapeError(
            "expected vectors (batch, features) and a target (batch,), or (features,) and one "
            f"number, got {show_shape(a.shape)}, {show_shape(b.shape)} and {show_shape(y.shape)}"
        )
    broadcast_shapes(broadcast_shapes(a.shape, b.shape)[:-1], y.shape)
    cosine = sum(a * b, axis=-1)
    for vectors in (a, b):  # one after the other: the product of both squares could overflow
        cosine = cosine * rsqrt(sum(square(vectors), axis=-1) + LEAST_SQUARE)
    loss = where(y == 1, 1.0 - cosine, where(y == -1, clip(cosine - margin, 0.0), 0.0))
    return reduced(loss, reduction, dtype)


@api
def contrastive_loss(
    input1: TensorLike,
    input2: TensorLike,
    target: TensorLike,
    margin: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """y d² + (1 - y) max(0, margin - d)², d = |input1 - input2|, y 1 for a pair that is alike.

    input1, input2: vectors (..., features). target: y (...), 1 where both belong together, 0 where
    they do not. margin: the distance from which two unlike vectors cost nothing. reduction:
    "mean", "sum" or "none".

    The paper has a factor of 1/2 before both terms, and calls 0 what is 1 here.

    Source: Hadsell, Chopra and LeCun, "Dimensionality Reduction by Learning an Invariant Mapping"
    (2006).

    >>> import tinygraph as tg
    >>> x, y = tg.tensor([[0.0, 0.0], [0.0, 0.0]]), tg.tensor([[0.0, 2.0], [0.0, 0.5]])
    >>> tg.nn.functional.contrastive_loss(x, y, tg.tensor([1, 0]), reduction="none")
    tensor([4.  , 0.25])
    """
    dtype, (a, b) = operands(input1, input2)
    check_same_shape(a, b, "input2")
    if not a.ndim:
        raise ShapeError("expected vectors (..., features), got a single number")
    distance = vector_norm(a - b, -1)  # its slope is 0 where both are the same
    y = to_tensor(target, distance.dtype)
    check_same_shape(distance, y)
    loss = y * square(distance) + (1.0 - y) * square(relu(margin - distance))
    return reduced(loss, reduction, dtype)


# -------------------------------------------------------------------------------- triplets


@api
def triplet_margin_loss(
    anchor: TensorLike,
    positive: TensorLike,
    negative: TensorLike,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d(x, y) = |x - y + eps|_p.

    anchor, positive, negative: vectors (..., features), which broadcast. margin: by how much
    farther than the positive the negative is to be, more than 0. p: the order of the norm. swap:
    take the distance of the negative from the positive, where that is the smaller one. reduction:
    "mean", "sum" or "none".

    Source: Balntas et al., "Learning local feature descriptors with triplets and shallow
    convolutional neural networks" (2016), the swap too; as a loss of faces Schroff et al.,
    "FaceNet" (2015), where d is squared.

    >>> import tinygraph as tg
    >>> a, p, n = tg.tensor([[0.0, 0.0]]), tg.tensor([[0.0, 3.0]]), tg.tensor([[4.0, 0.0]])
    >>> tg.nn.functional.triplet_margin_loss(a, p, n, margin=1.5, eps=0.0).item()
    0.5
    """

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return _triplet((anchor, positive, negative), distance, margin, swap, reduction)


@api
def triplet_margin_with_distance_loss(
    anchor: TensorLike,
    positive: TensorLike,
    negative: TensorLike,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with any distance d.

    distance_function: d(x, y), a function of two Tensors; None for `pairwise_distance`. The other
    arguments are those of `triplet_margin_loss`.

    >>> import tinygraph as tg
    >>> a, p, n = tg.tensor([[0.0, 0.0]]), tg.tensor([[0.0, 3.0]]), tg.tensor([[4.0, 0.0]])
    >>> def city(x, y):
    ...     return tg.sum(abs(x - y), axis=-1)
    >>> loss = tg.nn.functional.triplet_margin_with_distance_loss
    >>> loss(a, p, n, distance_function=city, margin=1.5).item()
    0.5
    """
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet((anchor, positive, negative), distance, margin, swap, reduction)


def check_margin(margin: float) -> float:
    """`margin`. ValueError where it is not more than 0."""
    if not margin > 0:
        raise ValueError(f"expected a margin of more than 0, got {margin}")
    return margin


def _triplet(
    vectors: tuple[TensorLike, TensorLike, TensorLike],
    distance: Distance,
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    check_margin(margin)
    anchor, positive, negative = map(to_tensor, vectors)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            "expected anchor, positive and negative with the same number of dimensions, got "
            f"{show_shape(anchor.shape)}, {show_shape(positive.shape)} and "
            f"{show_shape(negative.shape)}"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    dtype, (near, far) = operands(near, far)
    return reduced(clip(margin + near - far, 0.0), reduction, dtype)


# --------------------------------------------------------------------- one against many


@api
def nt_xent_loss(
    z1: TensorLike, z2: TensorLike, temperature: float = 0.5, reduction: str = "mean"
) -> Tensor:
    """-log(exp(s(z_i, z_j) / t) / sum_{k != i} exp(s(z_i, z_k) / t)), s the cosine.

    The loss of SimCLR: of all vectors but z_i itself, the other view z_j of the same sample has to
    be the most alike. z1, z2: the two views, (batch, features); row i of one belongs to row i of
    the other. temperature: t, more than 0; the lower, the more count the hardest ones. reduction:
    "mean" over both directions, "sum", or "none": (2 batch,), first those of z1.

    The vectors are brought to length 1 first.

    Source: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations"
    (2020), equation 1.

    >>> import tinygraph as tg
    >>> z = tg.eye(2)
    >>> round(tg.nn.functional.nt_xent_loss(z, 3 * z, temperature=0.1).item(), 6)
    9.1e-05
    """
    check_temperature(temperature)
    dtype, (a, b) = operands(z1, z2)
    _check_rows(a, "z1")
    check_same_shape(a, b, "z2")
    z = to_length_1(concat([a, b]), dim=1)
    first, both = arange(a.shape[0]), arange(z.shape[0])
    # one that is infinitely far away adds nothing to the sum: so k = i is left out
    same = expand_dims(both, 1) == both
    scores = where(same, -math.inf, matmul(z, matrix_transpose(z)) / temperature)
    partners = concat([first + a.shape[0], first])
    return astype(cross_entropy(scores, partners, reduction=reduction), dtype)


@api
def info_nce_loss(
    query: TensorLike,
    positive_key: TensorLike,
    negative_keys: TensorLike | None = None,
    temperature: float = 0.1,
    reduction: str = "mean",
    normalize: bool = True,
) -> Tensor:
    """-log(exp(q·k+ / t) / sum_k exp(q·k / t)), over the positive key k+ and the negative ones.

    query: q (batch, features). positive_key: k+ of each, of the same shape. negative_keys:
    (keys, features), for all queries; or (batch, keys, features), for each its own; None for the
    positive keys of the other samples. temperature: t, more than 0. normalize: bring all vectors
    to length 1 first, so that the products are cosines; without it they are as they are given,
    which is the formula of the paper. reduction: "mean", "sum" or "none", (batch,).

    Source: van den Oord et al., "Representation Learning with Contrastive Predictive Coding"
    (2018); with a dictionary of keys He et al., "Momentum Contrast" (2020).

    >>> import tinygraph as tg
    >>> q, k = tg.tensor([[1.0, 0.0]]), tg.tensor([[2.0, 0.0]])
    >>> loss = tg.nn.functional.info_nce_loss(q, k, negative_keys=tg.tensor([[5.0, 0.0]]))
    >>> round(loss.item(), 4)
    0.6931
    """
    check_temperature(temperature)
    given = (query, positive_key) if negative_keys is None else (query, positive_key, negative_keys)
    dtype, vectors = operands(*given)
    _check_rows(vectors[0], "query")
    check_same_shape(vectors[0], vectors[1], "positive_key")
    if normalize:
        vectors = [to_length_1(x, dim=-1) for x in vectors]
    q, positive, *rest = vectors
    if not rest:
        scores = matmul(q, matrix_transpose(positive)) / temperature
        loss = cross_entropy(scores, arange(scores.shape[0]), reduction=reduction)
        return astype(loss, dtype)
    right = sum(q * positive, axis=-1) / temperature
    wrong = logsumexp(_products(q, rest[0]) / temperature, axis=-1)
    return reduced(logaddexp(wrong - right, 0.0), reduction, dtype)


def _products(q: Tensor, keys: Tensor) -> Tensor:
    """q·k of each query with each key, (batch, keys)."""
    fits = keys.ndim in (2, 3) and (
        keys.shape[-1] == q.shape[-1] or not is_known(keys.shape[-1], q.shape[-1])
    )
    if fits and keys.ndim == 2:
        return matmul(q, matrix_transpose(keys))
    if fits and (keys.shape[0] == q.shape[0] or not is_known(keys.shape[0], q.shape[0])):
        return matmul(keys, expand_dims(q, -1))[..., 0]
    raise ShapeError(
        "expected negative_keys (keys, features) or (batch, keys, features) for queries "
        f"{show_shape(q.shape)}, got {show_shape(keys.shape)}"
    )


def _check_rows(x: Tensor, what: str) -> None:
    if x.ndim != 2:
        raise ShapeError(f"expected {what} (batch, features), got shape {show_shape(x.shape)}")


def check_temperature(temperature: float) -> float:
    """`temperature`. ValueError where it is not more than 0."""
    if not temperature > 0:
        raise ValueError(f"expected a temperature of more than 0, got {temperature}")
    return temperature
