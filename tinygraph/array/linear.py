"""Products of vectors and matrices, and the diagonals of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.reduce import in_dtype
from tinygraph.array.shape import rolled
from tinygraph.array.sizes import known
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.ops import contract as c
from tinygraph.ops import elementwise as e
from tinygraph.ops import reduce as r
from tinygraph.ops.einsum import einsum as einsum_node
from tinygraph.ops.movement import permute, reshape, slice_, update_slice
from tinygraph.ops.rules import Axes, full, normalize_axis, product, show_shape
from tinygraph.tensor import Tensor

# ------------------------------------------------------------------------------- products


@api(x1="x", x2="y", mat2="y")
def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """The matrix product of x, (..., m, k), and y, (..., k, n): (..., m, n).

    The leading dimensions broadcast; an operand with one dimension is a vector, and its
    dimension is summed over. ShapeError where the sizes do not fit.

    >>> import tinygraph as tg
    >>> tg.matmul(tg.tensor([[1, 2], [3, 4]]), tg.tensor([1, 1]))
    tensor([3, 7])
    """
    return Tensor(c.matmul(as_node(x), as_node(y)))


mm = bmm = matmul


@api(x1="x", x2="y")
def dot(x: TensorLike, y: TensorLike) -> Tensor:
    """The sum of products over the last dimension of x and the last but one of y (its only one
    if it is a vector), as in NumPy; of a number the plain product.

    >>> import tinygraph as tg
    >>> tg.dot(tg.tensor([1, 2, 3]), tg.tensor([4, 5, 6])).item()
    32
    """
    a, b = as_node(x), as_node(y)
    if not a.ndim or not b.ndim:
        return Tensor(e.multiply(a, b))
    contract = ((a.ndim - 1,), (max(b.ndim - 2, 0),))
    return Tensor(c.dot_general(a, b, contract=contract, batch=((), ())))


@api
def vecdot(x1: TensorLike, x2: TensorLike, axis: int = -1) -> Tensor:
    """The sum of products of two arrays over `axis`; the other dimensions broadcast.

    >>> import tinygraph as tg
    >>> tg.vecdot(tg.tensor([[1, 2], [3, 4]]), tg.tensor([10, 1]))
    tensor([12, 34])
    """
    a, b = (_axis_last(as_node(x), axis) for x in (x1, x2))
    if a.shape[-1] != b.shape[-1] and is_known(a.shape[-1], b.shape[-1]):
        raise ShapeError(f"the sizes along axis {axis} differ: {a.shape[-1]} and {b.shape[-1]}")
    return Tensor(einsum_node("...i,...i->...", a, b))


def _axis_last(x: Node, axis: int) -> Node:
    place = normalize_axis(axis, x.ndim)
    return permute(x, axes=(*[i for i in range(x.ndim) if i != place], place))


@api
def tensordot(
    x1: TensorLike, x2: TensorLike, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Tensor:
    """The sum of products over pairs of dimensions.

    axes: how many of the last dimensions of x1 go with as many of the first of x2; or the
    dimensions of each. The result has the other dimensions of x1, then those of x2.

    >>> import tinygraph as tg
    >>> tg.tensordot(tg.ones(2, 3, 4), tg.ones(4, 3, 5), ((1, 2), (1, 0))).shape
    (2, 5)
    """
    a, b = as_node(x1), as_node(x2)
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ShapeError(
                f"{axes} dimensions cannot be taken from shapes {show_shape(a.shape)} and "
                f"{show_shape(b.shape)}"
            )
        left: Axes = tuple(range(a.ndim - axes, a.ndim))
        right: Axes = tuple(range(axes))
    else:
        left, right = _several(axes[0], a.ndim), _several(axes[1], b.ndim)
    return Tensor(c.dot_general(a, b, contract=(left, right), batch=((), ())))


def _several(axes: Any, ndim: int) -> Axes:
    chosen = axes if isinstance(axes, (tuple, list)) else (axes,)
    return tuple(normalize_axis(axis, ndim) for axis in chosen)


@api
def outer(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Every product of an element of x1, (n,), and one of x2, (m,): (n, m).

    >>> import tinygraph as tg
    >>> tg.outer(tg.tensor([1, 2]), tg.tensor([1, 10]))
    tensor([[ 1, 10],
            [ 2, 20]])
    """
    a, b = as_node(x1), as_node(x2)
    column = reshape(a, shape=(product(a.shape), 1))
    return Tensor(e.multiply(column, reshape(b, shape=(1, product(b.shape)))))


@api
def einsum(equation: str, *operands: TensorLike) -> Tensor:
    """The sum of products that an expression such as "bij,bjk->bik" describes.

    A letter names a dimension; one that is not behind the arrow is summed over. Without an arrow
    the result has the letters that occur once, in alphabetical order. "..." stands for further
    dimensions, which broadcast.

    >>> import tinygraph as tg
    >>> tg.einsum("ij->j", tg.tensor([[1, 2], [3, 4]]))
    tensor([4, 6])
    """
    if not isinstance(equation, str):
        raise DTypeError(f"needs the expression first, got {type(equation).__name__}")
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    return Tensor(einsum_node(equation, *[as_node(x) for x in operands]))


# ------------------------------------------------------------------------------ diagonals


@api
def diagonal(x: TensorLike, offset: int = 0) -> Tensor:
    """The diagonals of the matrices x, (..., m, n).

    offset: which diagonal; 0 is the main one, 1 the one above it, -1 the one below.

    >>> import tinygraph as tg
    >>> tg.diagonal(tg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return Tensor(diagonal_node(as_node(x), offset))


def diagonal_node(x: Node, offset: int) -> Node:
    """See `diagonal`."""
    if x.ndim < 2:
        raise ShapeError(f"needs at least 2 dimensions, got shape {show_shape(x.shape)}")
    *lead, rows, columns = x.shape
    count = _diagonal_size(rows, columns, offset)
    # in a matrix laid out row after row, the diagonal's elements are columns + 1 apart
    flat = reshape(x, shape=(*lead, rows * columns))
    start = offset if offset >= 0 else -offset * columns
    whole = [(0, size, 1) for size in lead]
    return slice_(flat, slices=(*whole, (start, count, known(columns) + 1)))


def _diagonal_size(rows: Size, columns: Size, offset: int) -> Size:
    if rows == columns:
        size = rows - abs(offset)
    else:
        size = min(known(rows) + min(offset, 0), known(columns) - max(offset, 0))
    return max(size, 0) if isinstance(size, int) else size


@api(diagonal="k", offset="k")
def diag(x: TensorLike, k: int = 0) -> Tensor:
    """The matrix with the vector x, (n,), on a diagonal and zeros elsewhere; the diagonal of a
    matrix.

    k: which diagonal; 0 is the main one, 1 the one above it.

    >>> import tinygraph as tg
    >>> tg.diag(tg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    node = as_node(x)
    if node.ndim == 2:
        return Tensor(diagonal_node(node, k))
    if node.ndim != 1:
        raise ShapeError(f"needs a vector or a matrix, got shape {show_shape(node.shape)}")
    count = known(node.shape[0])
    size = count + abs(k)
    start = k if k >= 0 else -k * size
    flat = full((size * size,), 0, node.dtype)
    placed = update_slice(flat, node, slices=((start, count, size + 1),))
    return Tensor(reshape(placed, shape=(size, size)))


@api
def trace(x: TensorLike, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sum of the diagonal of the matrices x, (..., m, n); see `diagonal`.

    >>> import tinygraph as tg
    >>> tg.trace(tg.tensor([[1, 2], [3, 4]])).item()
    5
    """
    line = in_dtype(diagonal_node(as_node(x), offset), dtype)
    return Tensor(in_dtype(r.sum(line, axis=(line.ndim - 1,), keepdims=False), dtype))


@api
def cross(x1: TensorLike, x2: TensorLike, axis: int = -1) -> Tensor:
    """The cross product of vectors of 3 elements along `axis`; the other dimensions broadcast.

    >>> import tinygraph as tg
    >>> tg.linalg.cross(tg.tensor([1, 0, 0]), tg.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    a, b = as_node(x1), as_node(x2)
    places = []
    for node in (a, b):
        place = normalize_axis(axis, node.ndim)
        if node.shape[place] != 3 and is_known(node.shape[place]):
            raise ShapeError(
                f"needs 3 elements along axis {axis}, got shape {show_shape(node.shape)}"
            )
        places.append(place)
    (a1, a2), (b1, b2) = (
        [rolled(node, shift, place) for shift in (-1, -2)]
        for node, place in zip((a, b), places, strict=True)
    )
    return Tensor(a1 * b2 - a2 * b1)
