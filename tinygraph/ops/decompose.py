"""Matrices as products of simpler ones: Cholesky, QR, singular values, eigenvalues.

All work on the last two dimensions, for any batch before them. Where a factor is free to
change sign, the one that LAPACK returns is meant. The gradients are from Giles, "An extended
collection of matrix derivative results" (2008), and Seeger et al., "Auto-differentiating linear
algebra" (2017); those of singular and eigenvectors exist where the values are distinct.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph.graph.node import Aval, Node
from tinygraph.ops.contract import matmul
from tinygraph.ops.linalg import (
    NO_FLOAT,
    NO_MATRIX,
    NOT_SQUARE,
    Gradients,
    check_matrix,
    check_square,
    definite_matrices,
    failing_with,
    lower_part,
    on_diagonal,
    spread_matrices,
    square,
    symmetric_part,
    triangular_solve,
)
from tinygraph.ops.movement import concat, reshape, swap_last, take_range
from tinygraph.ops.registry import Bad, Op, Sample, items, register
from tinygraph.ops.rules import widen, zeros_like

Several = tuple[Node | None, ...]  # a gradient for each result, None where none arrives

# -------------------------------------------------------------------------------- cholesky


def _symmetric(a: Any) -> Any:
    """The symmetric part of an array, in a float that LAPACK knows."""
    a = widen(a)
    return (a + a.swapaxes(-1, -2)) * a.dtype.type(0.5)


def _cholesky_eval(xp: Any, a: Any, *, upper: bool = False) -> Any:
    with failing_with("cholesky: a matrix (its symmetric part) is not positive definite"):
        lower = xp.linalg.cholesky(_symmetric(a))
    return xp.ascontiguousarray(lower.swapaxes(-1, -2) if upper else lower).astype(a.dtype)


def _cholesky_vjp(g: Node, out: Node, a: Node, *, upper: bool = False) -> Node:
    lower, g = (swap_last(out), swap_last(g)) if upper else (out, g)
    middle = lower_part(matmul(swap_last(lower), g), diagonal=0.5)
    left = triangular_solve(lower, middle, lower=True, transpose=True)
    both = triangular_solve(lower, swap_last(left), lower=True, transpose=True)
    return symmetric_part(both)


def _cholesky_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a = definite_matrices(rng, 2, 3, 3)
    skew = np.triu(rng.standard_normal((3, 3)), 1)
    return [
        Sample((np.array([[4.0, 2.0], [2.0, 5.0]]),), expected=[[2.0, 0.0], [1.0, 2.0]]),
        Sample((a + skew - skew.T,), {"upper": False}, expected=np.linalg.cholesky(a)),
        Sample((a[0],), {"upper": True}),
        Sample((np.zeros((2, 0, 0)),)),
        Sample((np.zeros((0, 2, 2)),)),
        Sample((a.astype("float32"),), grad=False),
        Bad((-np.eye(2),), {}, np.linalg.LinAlgError, "is not positive definite"),
        NOT_SQUARE, NO_MATRIX, NO_FLOAT,
    ]  # fmt: skip


cholesky: Op = register(Op(
    name="cholesky", kind="linalg", infer=square, eval=_cholesky_eval, vjp=(_cholesky_vjp,),
    samples=_cholesky_samples,
    doc="The lower triangular L with L L^T = a, or its transpose, for a symmetric and positive "
    "definite. It is the symmetric part (a + a^T) / 2 that counts, so the gradient is symmetric.",
))  # fmt: skip

# -------------------------------------------------------------------------------------- qr


def _qr_infer(a: Any) -> tuple[Aval, Aval]:
    check_matrix(a)
    *batch, rows, columns = a.shape
    rank = _smaller(rows, columns)
    return Aval((*batch, rows, rank), a.dtype), Aval((*batch, rank, columns), a.dtype)


def _smaller(rows: Any, columns: Any) -> Any:
    return rows if rows == columns else min(rows, columns)


def _narrowed(results: Any, dtype: Any) -> tuple[Any, ...]:
    return tuple(result.astype(dtype, copy=False) for result in results)


def _qr_eval(xp: Any, a: Any) -> tuple[Any, ...]:
    return _narrowed(xp.linalg.qr(widen(a)), a.dtype)


def _qr_vjp(g: Several, out: Node, a: Node) -> Gradients:
    q, r = items(out)
    gq, gr = (zeros_like(x) if part is None else part for x, part in zip((q, r), g, strict=True))
    rank, width = r.shape[-2:]
    if rank == width:
        return [_qr_gradient(gq, gr, q, r)]
    # wide: a = [x, y] and r = [u, v] with x = q u, and v = q^T y depends on x through q alone
    rest = width - rank
    y, gu, gv = _columns(a, rank, rest), _columns(gr, 0, rank), _columns(gr, rank, rest)
    gx = _qr_gradient(gq + matmul(y, swap_last(gv)), gu, q, _columns(r, 0, rank))
    return [concat(gx, matmul(q, gv), axis=a.ndim - 1)]


def _columns(x: Node, start: Any, count: Any) -> Node:
    return take_range(x, x.ndim - 1, start, count)


def _qr_gradient(gq: Node, gr: Node, q: Node, r: Node) -> Node:
    """The gradient of a, no wider than high: (gq + q sym(r gr^T - gq^T q)) r^-T, where sym
    copies what is below the diagonal to above it."""
    below = lower_part(matmul(r, swap_last(gr)) - matmul(swap_last(gq), q), diagonal=0.5)
    right = gq + matmul(q, below + swap_last(below))
    return swap_last(triangular_solve(r, swap_last(right), lower=False, transpose=False))


def _qr_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a = spread_matrices(rng, 2, 4, 3)
    return [
        Sample((a,)),
        Sample((a[0, :3],)),
        Sample((a.swapaxes(1, 2),)),
        Sample((a[:0],)),
        Sample((a.astype("float32"),), grad=False),
        NO_MATRIX, NO_FLOAT,
    ]  # fmt: skip


qr: Op = register(Op(
    name="qr", kind="linalg", infer=_qr_infer, eval=_qr_eval, vjp=_qr_vjp, samples=_qr_samples,
    doc="q r = a, for a (..., m, n) and k = min(m, n): q (..., m, k) has orthonormal columns, "
    "r (..., k, n) is upper triangular. The gradient needs the first k columns of a to be "
    "independent.",
))  # fmt: skip

# ------------------------------------------------------------------------------------- svd


def _as_row(v: Node) -> Node:
    """(..., n) as (..., 1, n)."""
    return reshape(v, shape=(*v.shape[:-1], 1, v.shape[-1]))


def _as_column(v: Node) -> Node:
    """(..., n) as (..., n, 1)."""
    return reshape(v, shape=(*v.shape, 1))


def _svd_infer(a: Any) -> tuple[Aval, Aval, Aval]:
    check_matrix(a)
    *batch, rows, columns = a.shape
    rank = _smaller(rows, columns)
    return (
        Aval((*batch, rows, rank), a.dtype),
        Aval((*batch, rank), a.dtype),
        Aval((*batch, rank, columns), a.dtype),
    )


def _svd_eval(xp: Any, a: Any) -> tuple[Any, ...]:
    with failing_with("svd: the singular values of a matrix cannot be found; is it finite?"):
        return _narrowed(xp.linalg.svd(widen(a), full_matrices=False), a.dtype)


def _inverse_gaps(values: Node, partner: Node) -> Node:
    """1 / (partner_j - values_i) for i != j, and 0 on the diagonal."""
    gaps = _as_row(partner) - _as_column(values)
    return on_diagonal(gaps, 0, 1 / on_diagonal(gaps, 1, gaps))


def _svd_vjp(g: Several, out: Node, a: Node) -> Gradients:
    gu, gs, gvh = g
    u, s, vh = items(out)
    inverse_gaps = _inverse_gaps(s * s, s * s)
    inside: list[Node] = []  # terms of u^T da v
    outside: list[Node] = []  # what leaves the space that u or v spans
    if gs is not None:
        inside.append(on_diagonal(inverse_gaps, _as_row(gs), 0))
    if gu is not None:
        turn = matmul(swap_last(u), gu)
        inside.append(inverse_gaps * (turn - swap_last(turn)) * _as_row(s))
        if u.shape[-2] != u.shape[-1]:
            outside.append(matmul((gu - matmul(u, turn)) / _as_row(s), vh))
    if gvh is not None:
        turn = matmul(vh, swap_last(gvh))
        inside.append(_as_column(s) * (inverse_gaps * (turn - swap_last(turn))))
        if vh.shape[-2] != vh.shape[-1]:
            outside.append(matmul(u, (gvh - matmul(swap_last(turn), vh)) / _as_column(s)))
    total = matmul(matmul(u, sum(inside[1:], inside[0])), vh)
    return [sum(outside, total)]


def _svd_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a = spread_matrices(rng, 2, 4, 3)
    return [
        Sample((a,)),
        Sample((a[0, :3],)),
        Sample((a.swapaxes(1, 2),)),
        Sample((a[:0],)),
        Sample((a.astype("float32"),), grad=False),
        Bad((np.full((2, 2), np.nan),), {}, np.linalg.LinAlgError, "is it finite?"),
        NO_MATRIX, NO_FLOAT,
    ]  # fmt: skip


svd: Op = register(Op(
    name="svd", kind="linalg", infer=_svd_infer, eval=_svd_eval, vjp=_svd_vjp,
    samples=_svd_samples,
    doc="u diag(s) vh = a, for a (..., m, n) and k = min(m, n): u (..., m, k) has orthonormal "
    "columns, vh (..., k, n) orthonormal rows, and s (..., k) is not negative and falls. The "
    "gradient of u and vh needs distinct singular values (and none 0 unless a is square).",
))  # fmt: skip

# ------------------------------------------------------------------------------------ eigh


def _eigh_infer(a: Any) -> tuple[Aval, Aval]:
    check_square(a)
    return Aval(a.shape[:-1], a.dtype), Aval(a.shape, a.dtype)


def _eigh_eval(xp: Any, a: Any) -> tuple[Any, ...]:
    with failing_with("eigh: the eigenvalues of a matrix cannot be found; is it finite?"):
        return _narrowed(xp.linalg.eigh(_symmetric(a)), a.dtype)


def _eigh_vjp(g: Several, out: Node, a: Node) -> Gradients:
    gw, gv = g
    w, v = items(out)
    inside: list[Node] = []
    if gw is not None:
        inside.append(on_diagonal(v, _as_row(gw), 0))
    if gv is not None:
        inside.append(_inverse_gaps(w, w) * matmul(swap_last(v), gv))
    return [symmetric_part(matmul(matmul(v, sum(inside[1:], inside[0])), swap_last(v)))]


def _eigh_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    q, _ = np.linalg.qr(rng.standard_normal((2, 3, 3)))
    a = q * np.array([-1.0, 0.5, 2.0]) @ q.swapaxes(1, 2)
    skew = np.triu(rng.standard_normal((3, 3)), 1)
    return [
        Sample((a,)),
        Sample((a + skew - skew.T,)),
        Sample((a[:0],)),
        Sample((a.astype("float32"),), grad=False),
        NOT_SQUARE, NO_MATRIX, NO_FLOAT,
    ]  # fmt: skip


eigh: Op = register(Op(
    name="eigh", kind="linalg", infer=_eigh_infer, eval=_eigh_eval, vjp=_eigh_vjp,
    samples=_eigh_samples,
    doc="The eigenvalues w (..., n), rising, and the eigenvectors v (..., n, n) in columns, of a "
    "symmetric: v diag(w) v^T = a. It is the symmetric part (a + a^T) / 2 that counts, so the "
    "gradient is symmetric. That of v needs distinct eigenvalues.",
))  # fmt: skip
