"""Linear algebra: norms, decompositions, equations. Named as in the Array API's extension.

A matrix is the last two dimensions of an array; those before are a batch, and what is said here
holds for each matrix of it. Integers are cast to float32. A matrix that an algorithm cannot take
(a singular one, say) is a `numpy.linalg.LinAlgError` when the graph runs.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike
from tinygraph.array.info import finfo
from tinygraph.array.linear import cross, diagonal, matmul, outer, tensordot, trace, vecdot
from tinygraph.array.reduce import Axis, as_float_node, in_dtype, widened
from tinygraph.array.shape import matrix_transpose, with_ones
from tinygraph.array.sizes import known
from tinygraph.dtypes import int64
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.dim import Size
from tinygraph.graph.node import Node
from tinygraph.ops import decompose as d
from tinygraph.ops import elementwise as e
from tinygraph.ops import linalg as la
from tinygraph.ops import reduce as r
from tinygraph.ops.contract import matmul as product_node
from tinygraph.ops.movement import (
    broadcast_to,
    concat,
    iota,
    permute,
    reshape,
    swap_last,
    take_range,
)
from tinygraph.ops.registry import Op, cast, items
from tinygraph.ops.rules import Axes, full, normalize_axes, show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm",
    "matrix_power", "matrix_rank", "matrix_transpose", "norm", "outer", "pinv", "qr", "slogdet",
    "solve", "solve_triangular", "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip


def _matrix(x: TensorLike) -> Node:
    node = as_float_node(x)
    if node.ndim < 2:
        raise ShapeError(f"needs at least 2 dimensions, got shape {show_shape(node.shape)}")
    return node


# ---------------------------------------------------------------------------------- norms


@api(p="ord")
def vector_norm(x: TensorLike, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The p-norm over `axis`: the sum of |x|^p, to the power 1 / p.

    ord: p; inf for the largest and -inf for the smallest absolute value, 0 for the number of
    elements that are not zero. The gradient at 0 is 0.

    >>> import tinygraph as tg
    >>> tg.linalg.vector_norm(tg.tensor([3.0, 4.0])).item()
    5.0
    """
    node = as_float_node(x)
    return Tensor(_vector_norm(node, normalize_axes(axis, node.ndim), bool(keepdims), ord))


def _vector_norm(x: Node, axes: Axes, keepdims: bool, p: float) -> Node:
    # squares of 16-bit floats, and sums of many, would overflow
    return in_dtype(_wide_norm(widened(x), axes, keepdims, p), x.dtype)


def _wide_norm(x: Node, axes: Axes, keepdims: bool, p: float) -> Node:
    def over(op: Op, node: Node) -> Node:
        return op(node, axis=axes, keepdims=keepdims)

    if p == 2:
        return _root(over(r.sum, e.square(x)), 2)
    if p == 0:
        return cast(over(r.sum, e.not_equal(x, 0)), dtype=x.dtype)
    size = e.abs(x)
    if math.isinf(p):
        return over(r.max if p > 0 else r.min, size)
    return over(r.sum, size) if p == 1 else _root(over(r.sum, _power(size, float(p))), p)


def _power(size: Node, p: float) -> Node:
    """size^p, with slope 0 at 0, where for p < 1 the power itself has none."""
    if p > 1:
        return e.pow(size, p)
    zero = e.equal(size, 0)
    return e.where(zero, 0 if p > 0 else math.inf, e.pow(e.where(zero, 1, size), p))


def _root(total: Node, p: float) -> Node:
    """total^(1/p), with slope 0 at 0, where the root itself has none."""
    if p < 0:
        return e.pow(total, 1 / p)
    zero = e.equal(total, 0)
    safe = e.where(zero, 1, total)
    return e.where(zero, 0, e.sqrt(safe) if p == 2 else e.pow(safe, 1 / p))


@api(p="ord")
def matrix_norm(x: TensorLike, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """A norm of each matrix.

    ord: "fro" for the root of the sum of squares, "nuc" for the sum of the singular values; 1 and
    -1 for the largest and smallest sum of absolute values in a column, inf and -inf in a row;
    2 and -2 for the largest and smallest singular value.

    >>> import tinygraph as tg
    >>> tg.linalg.matrix_norm(tg.tensor([[3.0, 0.0], [0.0, 4.0]]), ord=2).item()
    4.0
    """
    node = _matrix(x)
    if ord == "fro":
        result = _vector_norm(node, (node.ndim - 2, node.ndim - 1), False, 2)
    elif ord in ("nuc", 2, -2):
        op = {"nuc": r.sum, 2: r.max, -2: r.min}[ord]
        result = op(_singular_values(node), axis=(node.ndim - 2,), keepdims=False)
    elif ord in (1, -1, math.inf, -math.inf):
        summed = node.ndim - 2 if abs(ord) == 1 else node.ndim - 1
        sums = r.sum(e.abs(widened(node)), axis=(summed,), keepdims=False)
        extreme = (r.max if ord > 0 else r.min)(sums, axis=(node.ndim - 2,), keepdims=False)
        result = in_dtype(extreme, node.dtype)
    else:
        raise GraphError(f"ord is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")
    return Tensor(reshape(result, shape=(*result.shape, 1, 1)) if keepdims else result)


@api(p="ord")
def norm(x: TensorLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The norm of vectors or matrices, whichever `axis` and `ord` ask for (as in NumPy).

    Without `ord` the root of the sum of squares, over `axis` or over all elements. With it, a
    vector norm over one axis or of a vector, a matrix norm over two axes or of a matrix.

    >>> import tinygraph as tg
    >>> tg.linalg.norm(tg.tensor([[3.0, 0.0], [0.0, 4.0]])).item()
    5.0
    """
    node = as_float_node(x)
    axes = normalize_axes(axis, node.ndim)
    if ord is None or (len(axes) == 1 and ord != "fro"):
        return Tensor(_vector_norm(node, axes, bool(keepdims), 2 if ord is None else ord))
    if len(axes) != 2:
        raise ShapeError(f"ord {ord!r} needs one or two dimensions, got {len(axes)}")
    last = _moved_last(node, axes)
    result: Tensor = matrix_norm(Tensor(last), False, ord)
    return Tensor(with_ones(result.node, axes)) if keepdims else result


def _moved_last(x: Node, axes: Axes) -> Node:
    return permute(x, axes=(*[i for i in range(x.ndim) if i not in axes], *axes))


# ----------------------------------------------------------------------------- equations


@api(A="x1", B="x2")
def solve(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The x with x1 x = x2.

    x1: (..., n, n). x2: (..., n, k), or one vector (n,). LinAlgError where x1 is singular.

    >>> import tinygraph as tg
    >>> tg.linalg.solve(tg.tensor([[2.0, 0.0], [0.0, 4.0]]), tg.tensor([2.0, 8.0]))
    tensor([1., 2.])
    """
    a, b = _matrix(x1), as_float_node(x2)
    if b.ndim != 1:
        return Tensor(la.solve(a, b))
    column = la.solve(a, reshape(b, shape=(*b.shape, 1)))
    return Tensor(reshape(column, shape=column.shape[:-1]))


@api(A="x1", B="x2", unitriangular="unit_diagonal")
def solve_triangular(
    x1: TensorLike, x2: TensorLike, upper: bool = False, unit_diagonal: bool = False
) -> Tensor:
    """The x with t x = x2, where t is a triangle of x1, (..., n, n), and x2 is (..., n, k).

    upper: whether t is the upper triangle. unit_diagonal: take its diagonal for ones.

    >>> import tinygraph as tg
    >>> tg.linalg.solve_triangular(tg.tensor([[2.0, 9.0], [1.0, 1.0]]), tg.tensor([[2.0], [3.0]]))
    tensor([[1.],
            [2.]])
    """
    return Tensor(
        la.triangular_solve(
            _matrix(x1), as_float_node(x2), lower=not upper, transpose=False,
            unit_diagonal=bool(unit_diagonal),
        )
    )  # fmt: skip


@api(A="x")
def inv(x: TensorLike) -> Tensor:
    """The inverse of x, (..., n, n). To solve equations use `solve`. LinAlgError if singular.

    >>> import tinygraph as tg
    >>> tg.linalg.inv(tg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return Tensor(la.inv(_matrix(x)))


@api(A="x")
def pinv(x: TensorLike, rtol: float | None = None) -> Tensor:
    """The Moore-Penrose inverse of x, (..., m, n): (..., n, m).

    rtol: singular values that are smaller than this share of the largest count as 0; unless
    given, max(m, n) times the precision of the dtype.

    >>> import tinygraph as tg
    >>> tg.linalg.pinv(tg.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5, 0. ],
            [0. , 0. ]])
    """
    node = _matrix(x)
    u, values, vh = items(d.svd(node))
    kept = _above(values, node, rtol)
    inverse = e.where(kept, 1 / e.where(kept, values, 1), 0)
    scaled = swap_last(vh) * reshape(inverse, shape=(*inverse.shape[:-1], 1, inverse.shape[-1]))
    return Tensor(product_node(scaled, swap_last(u)))


def _above(values: Node, matrix: Node, rtol: float | None) -> Node:
    """Which singular values of a matrix count as more than 0."""
    largest = r.max(values, axis=(values.ndim - 1,), keepdims=True)
    if rtol is None:
        rows, columns = matrix.shape[-2:]
        rtol = finfo(matrix.dtype).eps * max(known(rows), known(columns))
    return values > largest * rtol


@api(A="x")
def matrix_rank(x: TensorLike, rtol: float | None = None) -> Tensor:
    """How many singular values of x, (..., m, n), are not 0 (int64); for `rtol` see `pinv`.

    >>> import tinygraph as tg
    >>> tg.linalg.matrix_rank(tg.ones(3, 3)).item()
    1
    """
    node = _matrix(x)
    values = _singular_values(node)
    return Tensor(r.sum(_above(values, node, rtol), axis=(values.ndim - 1,), keepdims=False))


@api(A="x")
def det(x: TensorLike) -> Tensor:
    """The determinant of x, (..., n, n). For a large matrix `slogdet` does not overflow.

    >>> import tinygraph as tg
    >>> tg.linalg.det(tg.tensor([[2.0, 1.0], [0.0, 4.0]])).item()
    8.0
    """
    return Tensor(la.det(_matrix(x)))


class SlogDet(NamedTuple):
    """sign: of the determinant, 0 if singular. logabsdet: the logarithm of its absolute value."""

    sign: Tensor
    logabsdet: Tensor


@api(A="x")
def slogdet(x: TensorLike) -> SlogDet:
    """The sign of the determinant of x, (..., n, n), and the logarithm of its absolute value.

    >>> import tinygraph as tg
    >>> tg.linalg.slogdet(tg.eye(2)).sign.item()
    1.0
    """
    sign, logabsdet = items(la.slogdet(_matrix(x)))
    return SlogDet(Tensor(sign), Tensor(logabsdet))


@api(A="x")
def matrix_power(x: TensorLike, n: int) -> Tensor:
    """The product of n copies of x, (..., m, m); of its inverse if n is negative.

    >>> import tinygraph as tg
    >>> tg.linalg.matrix_power(tg.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    node = _matrix(x)
    la.check_square(node)
    if n < 0:
        node, n = la.inv(node), -n
    result = None
    while n:  # by the binary digits of n: each time the square of the square
        if n & 1:
            result = node if result is None else product_node(result, node)
        node, n = product_node(node, node) if n > 1 else node, n >> 1
    if result is None:
        result = broadcast_to(_unit(node.shape[-1], node), shape=node.shape)
    return Tensor(result)


def _unit(size: Size, like: Node) -> Node:
    """The unit matrix of this size, of the dtype of `like`."""
    numbers = iota(size=size, dtype=int64)
    return cast(e.equal(reshape(numbers, shape=(size, 1)), numbers), dtype=like.dtype)


# ------------------------------------------------------------------------ decompositions


@api(A="x")
def cholesky(x: TensorLike, upper: bool = False) -> Tensor:
    """The lower triangular L with L L^T = x, for x (..., n, n) symmetric and positive definite.

    upper: its transpose instead. LinAlgError where x is not positive definite.

    >>> import tinygraph as tg
    >>> tg.linalg.cholesky(tg.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return Tensor(d.cholesky(_matrix(x), upper=bool(upper)))


class QR(NamedTuple):
    """Q: orthonormal columns. R: upper triangular. Q R is the matrix."""

    Q: Tensor
    R: Tensor


@api(A="x")
def qr(x: TensorLike, mode: str = "reduced") -> QR:
    """Q and R with Q R = x, (..., m, n); see `QR`.

    mode: "reduced", where Q is (..., m, k), k = min(m, n); or "complete", where it is (..., m, m).

    >>> import tinygraph as tg
    >>> q, r = tg.linalg.qr(tg.tensor([[0.0, 1.0], [2.0, 0.0]]))
    >>> tg.allclose(q @ r, tg.tensor([[0.0, 1.0], [2.0, 0.0]]))
    True
    """
    if mode not in ("reduced", "complete"):
        raise GraphError(f"mode is 'reduced' or 'complete', got {mode!r}")
    q, upper = items(d.qr(_matrix(x)))
    if mode == "complete":
        rows, count = q.shape[-2:]
        below = full((*q.shape[:-2], rows - count, upper.shape[-1]), 0, q.dtype)
        q, upper = _completed(q), concat(upper, below, axis=q.ndim - 2)
    return QR(Tensor(q), Tensor(upper))


def _completed(q: Node) -> Node:
    """The orthonormal columns q, (..., m, k), and m - k more: a basis of everything."""
    rows, count = q.shape[-2:]
    unit = broadcast_to(_unit(rows, q), shape=(*q.shape[:-2], rows, rows))
    last = q.ndim - 1
    basis = items(d.qr(concat(q, unit, axis=last)))[0]
    return concat(q, take_range(basis, last, count, rows - count), axis=last)


class SVD(NamedTuple):
    """U: orthonormal columns. S: the singular values, falling. Vh: orthonormal rows."""

    U: Tensor
    S: Tensor
    Vh: Tensor


@api(A="x")
def svd(x: TensorLike, full_matrices: bool = True) -> SVD:
    """U, S and Vh with U diag(S) Vh = x, (..., m, n); see `SVD`.

    full_matrices: whether U is (..., m, m) and Vh (..., n, n); else they have k = min(m, n)
    columns and rows. The gradient needs singular values that differ.

    >>> import tinygraph as tg
    >>> tg.linalg.svd(tg.tensor([[0.0, 2.0], [3.0, 0.0]])).S
    tensor([3., 2.])
    """
    u, values, vh = items(d.svd(_matrix(x)))
    if full_matrices and u.shape[-2] != vh.shape[-1]:
        if u.shape[-2] != u.shape[-1]:
            u = _completed(u)
        else:
            vh = swap_last(_completed(swap_last(vh)))
    return SVD(Tensor(u), Tensor(values), Tensor(vh))


@api(A="x")
def svdvals(x: TensorLike) -> Tensor:
    """The singular values of x, (..., m, n), falling: (..., min(m, n)).

    >>> import tinygraph as tg
    >>> tg.linalg.svdvals(tg.tensor([[0.0, 2.0], [3.0, 0.0]]))
    tensor([3., 2.])
    """
    return Tensor(_singular_values(_matrix(x)))


def _singular_values(x: Node) -> Node:
    return items(d.svd(x))[1]


class Eigh(NamedTuple):
    """eigenvalues: rising. eigenvectors: one in each column."""

    eigenvalues: Tensor
    eigenvectors: Tensor


@api(A="x")
def eigh(x: TensorLike) -> Eigh:
    """The eigenvalues and eigenvectors of x, (..., n, n), symmetric; see `Eigh`.

    >>> import tinygraph as tg
    >>> tg.linalg.eigh(tg.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    values, vectors = items(d.eigh(_matrix(x)))
    return Eigh(Tensor(values), Tensor(vectors))


@api(A="x")
def eigvalsh(x: TensorLike) -> Tensor:
    """The eigenvalues of x, (..., n, n), symmetric, rising: (..., n).

    >>> import tinygraph as tg
    >>> tg.linalg.eigvalsh(tg.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    return Tensor(items(d.eigh(_matrix(x)))[0])
