"""Parts of arrays, places in them and what is counted there, under PyTorch's names."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.assign import Place, getitem
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import zeros
from tinygraph.array.elementwise import multiply
from tinygraph.array.select import nonzero, take_along_axis, unique_all
from tinygraph.array.shape import moveaxis, swapaxes
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.ops.movement import take_range
from tinygraph.ops.rules import normalize_axis, show_shape
from tinygraph.tensor import Tensor, tensor

movedim, swapdims, take_along_dim = moveaxis, swapaxes, take_along_axis


@api
def narrow(x: TensorLike, axis: int, start: int, length: int) -> Tensor:
    """`length` slices of x from `start` along `axis`.

    >>> import tinygraph as tg
    >>> tg.narrow(tg.arange(6), 0, 2, 3)
    tensor([2, 3, 4])
    """
    node = to_tensor(x).node
    place = normalize_axis(axis, node.ndim)
    size = node.shape[place]
    first = start + size if start < 0 else start
    if isinstance(size, int) and not 0 <= first <= first + length <= size:
        raise ShapeError(
            f"{length} slices from {start} do not lie within dimension {place} of shape "
            f"{show_shape(node.shape)}"
        )
    return Tensor(take_range(node, place, first, length))


@api
def select(x: TensorLike, axis: int, index: int) -> Tensor:
    """Slice number `index` of x along `axis`, whose dimension is gone.

    >>> import tinygraph as tg
    >>> tg.select(tg.tensor([[1, 2], [3, 4]]), 1, -1)
    tensor([2, 4])
    """
    array = to_tensor(x)
    result: Tensor = getitem(array, (*_before(array, axis), int(index)))
    return result


def _before(x: Tensor, axis: int) -> tuple[slice, ...]:
    """All of the dimensions that come before `axis`."""
    return (slice(None),) * normalize_axis(axis, x.ndim)


@api
def index_add(
    x: TensorLike, axis: int, index: Any, source: TensorLike, *, alpha: float = 1
) -> Tensor:
    """x with slice i of alpha * `source` along `axis` added to its slice number index[i].

    >>> import tinygraph as tg
    >>> tg.index_add(tg.zeros(3), 0, tg.tensor([2, 0, 2]), tg.tensor([1.0, 2.0, 5.0]))
    tensor([2., 0., 6.])
    """
    array = to_tensor(x)
    added = source if alpha == 1 else multiply(source, alpha)
    return Place(array, (*_before(array, axis), index)).add(added)


def argwhere(x: TensorLike) -> Tensor:
    """The places of the elements that are not zero, a row for each. The values must be known.

    >>> import tinygraph as tg
    >>> tg.argwhere(tg.tensor([[0, 3], [4, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    return to_tensor(nonzero(x, as_tuple=False))


@api
def unique(
    x: TensorLike, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> Any:
    """The distinct elements of x, in order; the values of x must be known.

    return_inverse: add for each element of x the number of its value. return_counts: add how
    often each occurs. Returns the values, or a tuple. The Array API's `unique_all` has both.

    >>> import tinygraph as tg
    >>> tg.unique(tg.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    found = unique_all(x)
    wanted = [found.values]
    wanted += [found.inverse_indices] if return_inverse else []
    wanted += [found.counts] if return_counts else []
    return tuple(wanted) if len(wanted) > 1 else found.values


@api
def bincount(x: TensorLike, weights: TensorLike | None = None, minlength: int = 0) -> Tensor:
    """How often each number from 0 occurs in x, or the sum of its `weights`.

    x: integers from 0 in one dimension, whose values must be known, as the length of the result is
    their largest + 1, or `minlength`. weights: one for each.

    >>> import tinygraph as tg
    >>> tg.bincount(tg.tensor([0, 2, 2]), minlength=4)
    tensor([1, 0, 2, 0])
    """
    places = to_tensor(x)
    values = places.numpy()
    if values.ndim != 1 or values.dtype.kind not in "iu" or (values.size and values.min() < 0):
        raise DTypeError(f"expected integers from 0 in one dimension, got {places.node.aval}")
    if weights is None:
        return tensor(np.bincount(values, minlength=minlength))
    added = to_tensor(weights)
    length = max(int(values.max(initial=-1)) + 1, minlength)
    return Place(zeros(length, dtype=added.dtype), places).add(added)


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The places (2, n) of a matrix on and below the diagonal number `offset`, row after row.

    >>> import tinygraph as tg
    >>> tg.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return tensor(np.stack(np.tril_indices(row, offset, col)))


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The places (2, n) of a matrix on and above the diagonal number `offset`, row after row.

    >>> import tinygraph as tg
    >>> tg.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return tensor(np.stack(np.triu_indices(row, offset, col)))
