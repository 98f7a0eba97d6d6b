"""How far apart two vectors are, and how alike in direction."""

from __future__ import annotations

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike
from tinygraph.array.elementwise import maximum
from tinygraph.array.reduce import as_float_node, in_dtype, sum, widened
from tinygraph.array.select import take
from tinygraph.array.shape import broadcast_arrays, expand_dims, reshape, swapaxes
from tinygraph.array.sizes import known
from tinygraph.control import custom_vjp
from tinygraph.dtypes import promote
from tinygraph.errors import ShapeError
from tinygraph.linalg import vector_norm
from tinygraph.ops.rules import normalize_axis, show_shape
from tinygraph.tensor import Tensor
from tinygraph.transforms import vjp

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


@api
def cosine_similarity(x1: TensorLike, x2: TensorLike, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (max(|x1|, eps) max(|x2|, eps)): the cosine of the angle between two vectors.

    x1, x2: arrays that broadcast to one shape. dim: the dimension of that shape along which the
    vectors lie. eps: what the length of a shorter vector is taken for. Returns that shape without
    `dim`: numbers from -1 (opposite) over 0 (at right angles) to 1 (the same direction).

    >>> import tinygraph as tg
    >>> x, y = tg.tensor([[1.0, 0.0], [0.0, 4.0]]), tg.tensor([[0.0, 2.0], [0.0, 3.0]])
    >>> tg.nn.functional.cosine_similarity(x, y)
    tensor([0., 1.])
    """
    first, second = as_float_node(x1), as_float_node(x2)
    x, y = broadcast_arrays(*[Tensor(widened(node)) for node in (first, second)])
    axis = normalize_axis(dim, x.ndim)
    cosine = sum(x * y, axis)
    for vectors in (x, y):  # one after the other: the product of both lengths could underflow
        cosine = cosine / maximum(vector_norm(vectors, axis), eps)
    return Tensor(in_dtype(cosine.node, promote(first.dtype, second.dtype)))


@api
def pairwise_distance(
    x1: TensorLike, x2: TensorLike, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """|x1 - x2 + eps|_p over the last dimension: the distance of each vector from its partner.

    x1, x2: (..., features), which broadcast. p: the order of the norm; 2 is Euclid's distance, 1
    the sum of differences, `float("inf")` the largest one. eps: added to each difference, as
    PyTorch does. keepdim: whether the last dimension stays, with size 1. Returns (...).

    >>> import tinygraph as tg
    >>> x, y = tg.tensor([[0.0, 0.0], [1.0, 1.0]]), tg.tensor([[3.0, 4.0], [1.0, 2.0]])
    >>> tg.nn.functional.pairwise_distance(x, y, eps=0.0)
    tensor([5., 1.])
    """
    first, second = Tensor(as_float_node(x1)), Tensor(as_float_node(x2))
    return vector_norm(first - second + eps, -1, keepdim, p)


@api
def pdist(input: TensorLike, p: float = 2.0) -> Tensor:
    """|x_i - x_j|_p for each pair i < j of rows: the distances of n vectors from each other.

    input: (n, features). p: the order of the norm. Returns (n (n - 1) / 2,), those of row 0 first.

    >>> import tinygraph as tg
    >>> tg.nn.functional.pdist(tg.tensor([[0.0], [1.0], [5.0]]))
    tensor([1., 5., 4.])
    """
    x = Tensor(as_float_node(input))
    if x.ndim != 2:
        raise ShapeError(f"expected (n, features), got shape {show_shape(x.shape)}")
    if p < 0:
        raise ValueError(f"pdist: expected a p from 0, got {p}")
    count = known(x.shape[0])
    i, j = np.triu_indices(count, k=1)
    return take(reshape(_from_each_other(x, p), (-1,)), i * count + j, axis=0)


def _from_each_other(x: Tensor, p: float) -> Tensor:
    """|x_i - x_j|_p for all i and j. What lies between is in no array: one kernel sums it up."""

    def between(x: Tensor) -> Tensor:
        return expand_dims(x, 1) - expand_dims(x, 0)

    def distances(x: Tensor) -> Tensor:
        return vector_norm(between(x), -1, ord=p)

    def backward(x: Tensor, g: Tensor) -> tuple[Tensor]:
        # |x_i - x_j| pulls at x_j as it does at x_i, the other way: all sums are over one axis
        _, pull = vjp(lambda difference: vector_norm(difference, -1, ord=p), between(x))
        return (sum(pull(g + swapaxes(g, 0, 1))[0], axis=1),)

    found = custom_vjp(distances)
    found.defvjp(lambda x: (distances(x), x), backward)
    result: Tensor = found(x)
    return result
