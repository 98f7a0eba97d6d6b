"""Sorting along one dimension. NaN counts as the largest number upwards, and stays last
downwards."""

from __future__ import annotations

from typing import NamedTuple

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.sizes import as_size
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.ops import sort as s
from tinygraph.ops.index import take_along_axis
from tinygraph.ops.movement import take_range
from tinygraph.ops.rules import normalize_axis, show_shape
from tinygraph.tensor import Tensor


@api
def sort(x: TensorLike, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """x sorted along `axis`: the values alone. Always stable.

    >>> import tinygraph as tg
    >>> tg.sort(tg.tensor([3, 1, 2]), descending=True)
    tensor([3, 2, 1])
    """
    node = as_node(x)
    place = normalize_axis(axis, node.ndim)
    return Tensor(s.sort(node, axis=place, descending=bool(descending)))


@api
def argsort(x: TensorLike, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices (int64) that sort x along `axis`. Always stable: equal elements keep their order.

    >>> import tinygraph as tg
    >>> tg.argsort(tg.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    node = as_node(x)
    place = normalize_axis(axis, node.ndim)
    return Tensor(s.argsort(node, axis=place, descending=bool(descending)))


class TopK(NamedTuple):
    """values: the largest elements. indices: their places (int64)."""

    values: Tensor
    indices: Tensor


@api
def topk(x: TensorLike, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> TopK:
    """The k largest elements of x along `axis`, the largest first, and their places.

    largest: False for the smallest ones. sorted: the result is in order in any case.

    >>> import tinygraph as tg
    >>> values, indices = tg.topk(tg.tensor([1.0, 9.0, 4.0]), 2)
    >>> values
    tensor([9., 4.])
    >>> indices
    tensor([1, 2])
    """
    node = as_node(x)
    place = normalize_axis(axis, node.ndim)
    count, size = as_size(k), node.shape[place]
    if is_known(count, size) and not 0 <= count <= size:
        raise ShapeError(
            f"k is from 0 to the size of the dimension, got k = {count} for dimension {place} of "
            f"shape {show_shape(node.shape)}"
        )
    order = s.argsort(node, axis=place, descending=bool(largest))
    first = take_range(order, place, 0, count)
    return TopK(Tensor(take_along_axis(node, first, axis=place)), Tensor(first))
