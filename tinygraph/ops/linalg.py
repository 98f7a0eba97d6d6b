"""Linear algebra over the last two dimensions, for any batch of matrices before them.

The gradients follow Giles, "An extended collection of matrix derivative results" (2008), and
Seeger et al., "Auto-differentiating linear algebra" (2017). A cap on a name there, or `g` here,
is the gradient that arrives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import reduce
from tinygraph.ops.contract import matmul
from tinygraph.ops.elementwise import where
from tinygraph.ops.logic import equal, greater
from tinygraph.ops.movement import iota, reshape, swap_last
from tinygraph.ops.registry import Bad, Op, Sample, register
from tinygraph.ops.rules import broadcast_shapes, show_shape, widen

Gradients = Sequence[Node | None]

# ------------------------------------------------------------------------------ rules shared


def check_matrix(a: Any) -> None:
    """ShapeError or DTypeError unless `a` is a batch of matrices of floats."""
    if len(a.shape) < 2:
        raise ShapeError(f"needs a matrix, got an array of shape {show_shape(a.shape)}")
    if not is_float(a.dtype):
        raise DTypeError(f"needs a float, got {a.dtype.name}; cast it with astype")


def check_square(a: Any) -> None:
    """As `check_matrix`, and as many rows as columns."""
    check_matrix(a)
    rows, columns = a.shape[-2:]
    if rows != columns and is_known(rows, columns):
        raise ShapeError(f"needs a square matrix, got shape {show_shape(a.shape)}")


def square(a: Any, **params: Any) -> Aval:
    """The shape rule of square matrix to square matrix."""
    check_square(a)
    return Aval(a.shape, a.dtype)


@contextmanager
def failing_with(text: str) -> Iterator[None]:
    """LAPACK's failures in the words of `text`."""
    try:
        yield
    except np.linalg.LinAlgError:
        raise np.linalg.LinAlgError(text) from None


def symmetric_part(a: Node) -> Node:
    """(a + a transposed) / 2."""
    return (a + swap_last(a)) * 0.5


def _row_and_column(a: Node) -> tuple[Node, Node]:
    """The indices of the elements of a square matrix: (n, 1) and (1, n)."""
    n = a.shape[-1]
    numbers = iota(size=n, dtype=np.dtype("int64"))
    return reshape(numbers, shape=(n, 1)), reshape(numbers, shape=(1, n))


def lower_part(a: Node, diagonal: float) -> Node:
    """What stands below the diagonal of a square matrix, and `diagonal` times what is on it."""
    row, column = _row_and_column(a)
    return where(greater(row, column), a, where(equal(row, column), a * diagonal, 0))


def on_diagonal(a: Node, inside: Node | float, outside: Node | float) -> Node:
    """`inside` on the diagonal of matrices as large as `a`, `outside` elsewhere."""
    return where(equal(*_row_and_column(a)), inside, outside)


def spread_matrices(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random matrices whose singular values are well apart, for samples."""
    u, _, vh = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    matrices: np.ndarray = u * np.linspace(2.5, 0.7, u.shape[-1]) @ vh
    return matrices


def definite_matrices(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random symmetric and positive definite matrices, for samples."""
    half = rng.standard_normal(shape)
    return half @ half.swapaxes(-1, -2) + np.eye(shape[-1])


NOT_SQUARE = Bad((np.zeros((2, 3)),), {}, ShapeError, "needs a square matrix, got shape (2, 3)")
NO_MATRIX = Bad((np.zeros(3),), {}, ShapeError, "needs a matrix, got an array of shape (3,)")
NO_FLOAT = Bad((np.ones((2, 2), int),), {}, DTypeError, "needs a float, got int64")

# ----------------------------------------------------------------------------------- solve


def _solve_infer(a: Any, b: Any, **params: Any) -> Aval:
    check_square(a)
    check_matrix(b)
    if a.shape[-1] != b.shape[-2] and is_known(a.shape[-1], b.shape[-2]):
        raise ShapeError(
            f"{a.shape[-1]} unknowns need {a.shape[-1]} rows on the right side, got "
            f"shape {show_shape(b.shape)}"
        )
    return Aval((*broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), b.dtype)


def _solve_eval(xp: Any, a: Any, b: Any) -> Any:
    with failing_with("solve: a matrix is singular"):
        return xp.linalg.solve(widen(a), widen(b)).astype(b.dtype, copy=False)


def _solve_vjp(g: Node, out: Node, a: Node, b: Node) -> Gradients:
    db = solve(swap_last(a), g)
    return [-matmul(db, swap_last(out)), db]


def _solve_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a, b = spread_matrices(rng, 2, 3, 3), rng.standard_normal((2, 3, 4))
    return [
        Sample((np.array([[2.0, 1.0], [0.0, 4.0]]), np.array([[4.0], [8.0]])),
               expected=[[1.0], [2.0]]),
        Sample((a, b)),
        Sample((a[0], b)),
        Sample((a, b[0, :, :1])),
        Sample((a[:, None], b)),
        Sample((a[:0], b[:0])),
        Sample((a.astype("float32"), b.astype("float32")), grad=False),
        Bad((np.ones((2, 2)), np.ones((2, 1))), {}, np.linalg.LinAlgError,
            "solve: a matrix is singular"),
        Bad((a, b[:, :2]), {}, ShapeError, "3 unknowns need 3 rows on the right side"),
        Bad((a[..., :2], b), {}, ShapeError, "needs a square matrix"),
        Bad((a, b[0, 0]), {}, ShapeError, "needs a matrix, got an array of shape (4,)"),
    ]  # fmt: skip


solve: Op = register(Op(
    name="solve", kind="linalg", infer=_solve_infer, eval=_solve_eval, vjp=_solve_vjp,
    promote=slice(None), samples=_solve_samples,
    doc="The x with a x = b, for a (..., n, n) and b (..., n, k); batches broadcast.",
))  # fmt: skip

# ------------------------------------------------------------------------ triangular_solve


def _triangular_eval(
    xp: Any, a: Any, b: Any, *, lower: bool, transpose: bool, unit_diagonal: bool = False
) -> Any:
    a, b, dtype = widen(a), widen(b), b.dtype
    with failing_with("triangular_solve: a matrix has a zero on its diagonal"):
        if xp is np and a.ndim == b.ndim == 2 and b.size:
            from scipy.linalg import solve_triangular

            x = solve_triangular(
                a, b, trans=int(transpose), lower=lower, unit_diagonal=unit_diagonal,
                check_finite=False,
            )  # fmt: skip
        else:  # substitution would be a loop over the batch; this is one call
            full = (xp.tril if lower else xp.triu)(a)
            if unit_diagonal:
                full = xp.where(xp.eye(a.shape[-1], dtype=bool), a.dtype.type(1), full)
            x = xp.linalg.solve(full.swapaxes(-1, -2) if transpose else full, b)
    return xp.ascontiguousarray(x).astype(dtype, copy=False)


def _triangular_vjp(
    g: Node, out: Node, a: Node, b: Node, *, lower: bool, transpose: bool,
    unit_diagonal: bool = False,
) -> Gradients:  # fmt: skip
    db = triangular_solve(a, g, lower=lower, transpose=not transpose, unit_diagonal=unit_diagonal)
    da = -(matmul(out, swap_last(db)) if transpose else matmul(db, swap_last(out)))
    diagonal = 0.0 if unit_diagonal else 1.0
    if lower:
        return [lower_part(da, diagonal), db]
    return [swap_last(lower_part(swap_last(da), diagonal)), db]


def _triangular_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a, b = definite_matrices(rng, 2, 3, 3), rng.standard_normal((2, 3, 4))
    plain = {"lower": True, "transpose": False}
    return [
        Sample((a, b), plain, expected=np.linalg.solve(np.tril(a), b)),
        Sample((a[0], b[0]), plain, expected=np.linalg.solve(np.tril(a[0]), b[0])),
        Sample((a[0], b[0]), {"lower": False, "transpose": True, "unit_diagonal": False},
               expected=np.linalg.solve(np.triu(a[0]).T, b[0])),
        Sample((a, b), {"lower": False, "transpose": False, "unit_diagonal": True},
               expected=np.linalg.solve(np.triu(a, 1) + np.eye(3), b)),
        Sample((a[0], b[0]), {"lower": True, "transpose": True, "unit_diagonal": True},
               expected=np.linalg.solve(np.tril(a[0], -1).T + np.eye(3), b[0])),
        Sample((a[0], b), {"lower": True, "transpose": True}),
        Sample((a[0], b[0, :, :0]), plain),
        Sample((a.astype("float32"), b.astype("float32")), plain, grad=False),
        Bad((np.zeros((2, 2)), np.ones((2, 1))), plain, np.linalg.LinAlgError,
            "has a zero on its diagonal"),
        Bad((a, b[:, :2]), plain, ShapeError, "3 unknowns need 3 rows"),
    ]  # fmt: skip


triangular_solve: Op = register(Op(
    name="triangular_solve", kind="linalg", infer=_solve_infer, eval=_triangular_eval,
    vjp=_triangular_vjp, promote=slice(None), samples=_triangular_samples,
    doc="The x with t x = b, or t^T x = b with `transpose`, where t is the lower or the upper "
    "triangle of a; the other triangle is not read, nor the diagonal with `unit_diagonal`, which "
    "is then 1. Batches broadcast.",
))  # fmt: skip

# ------------------------------------------------------------------------- inv, det, slogdet


def _inv_eval(xp: Any, a: Any) -> Any:
    with failing_with("inv: a matrix is singular"):
        return xp.linalg.inv(widen(a)).astype(a.dtype, copy=False)


def _inv_vjp(g: Node, out: Node, a: Node) -> Node:
    return -matmul(matmul(swap_last(out), g), swap_last(out))


def _inv_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a = spread_matrices(rng, 2, 3, 3)
    return [
        Sample((np.array([[2.0, 1.0], [0.0, 4.0]]),), expected=[[0.5, -0.125], [0.0, 0.25]]),
        Sample((a,)),
        Sample((a[:0],)),
        Sample((np.zeros((0, 0)),)),
        Sample((a.astype("float32"),), grad=False),
        Bad((np.ones((2, 2)),), {}, np.linalg.LinAlgError, "inv: a matrix is singular"),
        NOT_SQUARE, NO_MATRIX, NO_FLOAT,
    ]  # fmt: skip


inv: Op = register(Op(
    name="inv", kind="linalg", infer=square, eval=_inv_eval, vjp=(_inv_vjp,),
    samples=_inv_samples, doc="The inverse matrix. To solve equations, `solve` is better.",
))  # fmt: skip


def _cofactor_eval(xp: Any, a: Any) -> Any:
    # det(a) a^-T = det(u) det(vh) u (det(s) / s) vh; the s_i are left out one by one, not divided
    u, s, vh = xp.linalg.svd(widen(a), full_matrices=False)
    itself = xp.eye(a.shape[-1], dtype=bool)
    others = xp.where(itself, s.dtype.type(1), s[..., None, :]).prod(axis=-1)
    turn = xp.linalg.det(u) * xp.linalg.det(vh)
    result = turn[..., None, None] * xp.matmul(u * others[..., None, :], vh)
    return result.astype(a.dtype, copy=False)


def _cofactor_vjp(g: Node, out: Node, a: Node) -> Node:
    inverse = swap_last(inv(a))
    along = reduce.sum(g * inverse, axis=(a.ndim - 2, a.ndim - 1), keepdims=True)
    return along * out - matmul(matmul(out, swap_last(g)), inverse)


def _cofactor_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a = spread_matrices(rng, 2, 3, 3)
    by_inverse = np.linalg.det(a)[:, None, None] * np.linalg.inv(a).swapaxes(1, 2)
    return [
        Sample((np.array([[1.0, 2.0], [3.0, 4.0]]),), expected=[[4.0, -3.0], [-2.0, 1.0]]),
        Sample((np.array([[1.0, 2.0], [2.0, 4.0]]),), grad=False, expected=[[4, -2], [-2, 1]]),
        Sample((np.zeros((2, 2)),), grad=False, expected=np.zeros((2, 2))),
        Sample((a,), expected=by_inverse),
        Sample((a[:0],)),
        Sample((np.array([[3.0]]),), expected=[[1.0]]),
        Sample((a.astype("float32"),), grad=False),
        NOT_SQUARE, NO_MATRIX, NO_FLOAT,
    ]  # fmt: skip


cofactor: Op = register(Op(
    name="cofactor", kind="linalg", infer=square, eval=_cofactor_eval, vjp=(_cofactor_vjp,),
    samples=_cofactor_samples,
    doc="The matrix of cofactors, det(a) times the transposed inverse: the slope of det. It is "
    "there for singular matrices too, but its own gradient needs an inverse.",
))  # fmt: skip


def _for_each_matrix(g: Node) -> Node:
    """A number for each matrix of a batch, to be multiplied with the matrices."""
    return reshape(g, shape=(*g.shape, 1, 1))


def _det_infer(a: Any) -> Aval:
    check_square(a)
    return Aval(a.shape[:-2], a.dtype)


def _det_eval(xp: Any, a: Any) -> Any:
    return xp.asarray(xp.linalg.det(widen(a))).astype(a.dtype, copy=False)


def _det_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a = spread_matrices(rng, 2, 3, 3)
    return [
        Sample((np.array([[1.0, 2.0], [3.0, 4.0]]),), expected=-2.0),
        Sample((a,)),
        Sample((np.ones((2, 2)),), grad=False, expected=0.0),
        Sample((a[:0],)),
        Sample((a.astype("float32"),), grad=False),
        NOT_SQUARE, NO_MATRIX, NO_FLOAT,
    ]  # fmt: skip


det: Op = register(Op(
    name="det", kind="linalg", infer=_det_infer, eval=_det_eval, samples=_det_samples,
    vjp=(lambda g, out, a: _for_each_matrix(g) * cofactor(a),),
    doc="The determinant. Its gradient, the cofactors, holds for singular matrices too; the "
    "gradient of that gradient needs an inverse.",
))  # fmt: skip


def _slogdet_infer(a: Any) -> tuple[Aval, Aval]:
    check_square(a)
    return Aval(a.shape[:-2], a.dtype), Aval(a.shape[:-2], a.dtype)


def _slogdet_eval(xp: Any, a: Any) -> tuple[Any, ...]:
    results = xp.linalg.slogdet(widen(a))
    return tuple(xp.asarray(result).astype(a.dtype, copy=False) for result in results)


def _slogdet_vjp(g: tuple[Node | None, Node | None], out: Node, a: Node) -> Gradients:
    slope = g[1]
    if slope is None:  # the sign is constant almost everywhere
        return [None]
    return [_for_each_matrix(slope) * swap_last(inv(a))]


def _slogdet_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a = spread_matrices(rng, 2, 3, 3)
    return [
        Sample((np.array([[1.0, 2.0], [3.0, 4.0]]),), expected=(-1.0, np.log(2.0))),
        Sample((a,)),
        Sample((np.zeros((2, 2)),), grad=False, expected=(0.0, -np.inf)),
        Sample((a[:0],)),
        Sample((a.astype("float32"),), grad=False),
        NOT_SQUARE, NO_MATRIX, NO_FLOAT,
    ]  # fmt: skip


slogdet: Op = register(Op(
    name="slogdet", kind="linalg", infer=_slogdet_infer, eval=_slogdet_eval, vjp=_slogdet_vjp,
    samples=_slogdet_samples,
    doc="The sign of the determinant and the logarithm of its absolute value, without overflow: "
    "0 and -inf if singular. The gradient is the transposed inverse, so it needs one.",
))  # fmt: skip
