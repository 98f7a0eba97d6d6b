"""Products, diagonals and tg.linalg against NumPy."""

import math
import re

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.errors import DTypeError, GraphError, ShapeError

RNG = np.random.default_rng(0)
A = RNG.standard_normal((2, 3, 4))
S = RNG.standard_normal((2, 3, 3)) + 3 * np.eye(3)
P = S @ S.mT


def close(got, want, **tolerance):
    want = np.asarray(want)
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy(), want, **{"rtol": 1e-9, "atol": 1e-9, **tolerance})


# ------------------------------------------------------------------------------- products


@pytest.mark.parametrize(
    "shapes", [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((5, 1, 2, 3), (4, 3, 2))]
)
def test_matmul(shapes):
    a, b = (RNG.standard_normal(shape) for shape in shapes)
    close(tg.matmul(a, b), a @ b)
    close(tg.tensor(a) @ b, a @ b)
    close(a @ tg.tensor(b), a @ b)
    close(tg.dot(a, b), np.dot(a, b))


def test_other_products():
    a, b = A[0], A[1]
    close(tg.vecdot(A, b[0]), np.vecdot(A, b[0]))
    close(tg.vecdot(A, A[:1], axis=1), np.vecdot(A, A[:1], axis=1))
    assert tg.vecdot(np.arange(3, dtype="int8"), np.arange(3, dtype="int8")).dtype == tg.int8
    close(tg.tensordot(a, b.T, 1), a @ b.T)
    close(tg.tensordot(A, A, ((1, 2), (1, 2))), np.tensordot(A, A, ((1, 2), (1, 2))))
    close(tg.tensordot(a, b, 0), np.tensordot(a, b, 0))
    close(tg.outer(a[0], b[1]), np.outer(a[0], b[1]))
    close(tg.dot(2.0, a), 2 * a)
    for spec in ("ijk,lk->ijl", "ijk->k", "...k,...k->...", "ijk,ijk"):
        arrays = (A, b) if "l" in spec else (A, A) if "," in spec else (A,)
        close(tg.einsum(spec, *arrays), np.einsum(spec, *arrays))
    close(tg.linalg.cross(A[..., :3], A[0, :, 1:]), np.cross(A[..., :3], A[0, :, 1:]))
    close(tg.cross(A[:, :, 0], A[:, :, 1], dim=1), np.cross(A[:, :, 0], A[:, :, 1]))


@pytest.mark.parametrize("offset", [-3, -1, 0, 2, 9])
def test_diagonals(offset):
    for x in (A, A.mT, S, A[:, :0]):
        close(tg.diagonal(x, offset), np.diagonal(x, offset, 1, 2))
        close(tg.trace(x, offset), np.trace(x, offset, 1, 2))
    close(tg.diag(A[0], offset), np.diag(A[0], offset))
    close(tg.diag(A[0, 0], offset), np.diag(A[0, 0], offset))


# ---------------------------------------------------------------------------------- norms


@pytest.mark.parametrize("p", [2, 1, 0, 3, 0.5, -1, math.inf, -math.inf])
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
def test_vector_norm(p, axis):
    want = np.linalg.vector_norm(A, axis=axis, ord=p)
    close(tg.linalg.vector_norm(A, axis, ord=p), want)
    kept = np.linalg.vector_norm(A, axis=axis, ord=p, keepdims=True)
    close(tg.linalg.vector_norm(A, axis, keepdims=True, ord=p), kept)


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_matrix_norm(order):
    close(tg.linalg.matrix_norm(A, ord=order), np.linalg.matrix_norm(A, ord=order))
    kept = np.linalg.matrix_norm(A, ord=order, keepdims=True)
    close(tg.linalg.matrix_norm(A, keepdims=True, ord=order), kept)
    close(tg.linalg.norm(A, order, (0, 1)), np.linalg.norm(A, order, (0, 1)))
    kept = np.linalg.norm(A, order, (0, 2), keepdims=True)
    close(tg.linalg.norm(A, order, (0, 2), keepdims=True), kept)


def test_norm():
    close(tg.linalg.norm(A), np.linalg.norm(A))
    close(tg.linalg.norm(A, axis=1), np.linalg.norm(A, axis=1))
    close(tg.linalg.norm(A[0, 0], 1), np.linalg.norm(A[0, 0], 1))
    close(tg.tensor(A).norm(p=2, dim=-1), np.linalg.norm(A, axis=-1))


def test_the_gradient_of_a_norm_at_zero_is_zero():
    for order in (1, 2, 3):
        x = tg.zeros(3, requires_grad=True)
        tg.linalg.vector_norm(x, ord=order).backward()
        assert x.grad.tolist() == [0, 0, 0]


# --------------------------------------------------------------- equations, decompositions


def test_equations():
    b = RNG.standard_normal((2, 3, 2))
    close(tg.linalg.solve(S, b), np.linalg.solve(S, b))
    close(tg.linalg.solve(S, b[0, :, 0]), np.linalg.solve(S, b[0, :, 0]))
    close(tg.linalg.inv(S), np.linalg.inv(S))
    close(tg.linalg.det(S), np.linalg.det(S))
    for got, want in zip(tg.linalg.slogdet(S), np.linalg.slogdet(S), strict=True):
        close(got, want)
    close(tg.linalg.solve_triangular(S, b), np.linalg.solve(np.tril(S), b))
    upper = np.triu(S, 1) + np.eye(3)
    close(tg.linalg.solve_triangular(S, b, upper=True, unit_diagonal=True),
          np.linalg.solve(upper, b))  # fmt: skip
    close(tg.linalg.pinv(A), np.linalg.pinv(A))
    low = A[:, :, :1] * A[:, :1]
    close(tg.linalg.pinv(low, rtol=1e-9), np.linalg.pinv(low, rtol=1e-9))
    close(tg.linalg.matrix_rank(low), np.linalg.matrix_rank(low))
    for n in (0, 1, 5, -2):
        close(tg.linalg.matrix_power(S, n), np.linalg.matrix_power(S, n), rtol=1e-7)


def test_decompositions():
    close(tg.linalg.cholesky(P), np.linalg.cholesky(P))
    close(tg.linalg.cholesky(P, upper=True), np.linalg.cholesky(P).mT)
    values, vectors = tg.linalg.eigh(P)
    close(values, np.linalg.eigvalsh(P))
    close(tg.linalg.eigvalsh(P), np.linalg.eigvalsh(P))
    close((vectors * values[:, None]) @ vectors.mT, P)
    close(tg.linalg.svdvals(A), np.linalg.svdvals(A))


@pytest.mark.parametrize("x", [A, A.mT, S, A[:, :1]], ids=["wide", "tall", "square", "row"])
def test_complete_decompositions(x):
    rows, columns = x.shape[-2:]
    u, values, vh = tg.linalg.svd(x)
    assert u.shape[-2:] == (rows, rows)
    assert vh.shape[-2:] == (columns, columns)
    count = values.shape[-1]
    close((u[..., :count] * values[:, None]) @ vh[..., :count, :], x)
    close(u.mT @ u, np.broadcast_to(np.eye(rows), u.shape))
    close(vh @ vh.mT, np.broadcast_to(np.eye(columns), vh.shape))
    assert tg.linalg.svd(x, full_matrices=False).U.shape == (2, rows, count)
    for mode, size in (("reduced", count), ("complete", rows)):
        q, r = tg.linalg.qr(x, mode=mode)
        assert (q.shape[-2:], r.shape[-2:]) == ((rows, size), (size, columns))
        close(q @ r, x)
        close(q.mT @ q, np.broadcast_to(np.eye(size), (2, size, size)))


def test_integers_are_cast():
    assert tg.linalg.inv(np.array([[2, 0], [0, 4]])).dtype == tg.float32
    assert tg.linalg.norm(tg.tensor([3, 4])).item() == 5


def test_gradients():
    x = tg.tensor(S[0])
    for f in (
        lambda t: tg.diag(tg.diagonal(t, 1), -1),
        tg.linalg.pinv,
        tg.linalg.norm,
        lambda t: tg.linalg.matrix_norm(t, ord="nuc"),
        lambda t: tg.cross(t, t.T),
        lambda t: tg.linalg.vector_norm(t, 0, ord=3),
        tg.linalg.det,
        lambda t: tg.linalg.matrix_power(t, -2),
        lambda t: tg.linalg.solve(t, t[0]),
    ):
        tg.testing.check_grads(f, (x,))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x @ x, ShapeError, "matmul: shapes (2, 3) and (2, 3): the sizes 3 and 2"),
        (lambda x: tg.matmul(x > 0, x.T > 0), DTypeError, "is not defined on bool"),
        (lambda x: tg.dot(x, x), ShapeError, "dot_general: dimension 1 of (2, 3) and dimension 0"),
        (lambda x: tg.vecdot(x, x[:, :2]), ShapeError, "the sizes along axis -1 differ: 3 and 2"),
        (lambda x: tg.tensordot(x, x, 3), ShapeError, "3 dimensions cannot be taken from shapes"),
        (lambda x: tg.einsum(x, "ij"), DTypeError, "einsum: needs the expression first, got Tens"),
        (lambda x: tg.einsum("ij,jk", x), ShapeError, "describes 2 operands, 1 were given"),
        (lambda x: tg.cross(x, x[:, :2]), ShapeError, "cross: needs 3 elements along axis -1"),
        (lambda x: tg.diagonal(x[0]), ShapeError, "diagonal: needs at least 2 dimensions"),
        (lambda x: tg.diag(x[None]), ShapeError, "diag: needs a vector or a matrix"),
        (lambda x: tg.linalg.inv(x), ShapeError, "inv: "),
        (lambda x: tg.linalg.matrix_power(x, 2), ShapeError, "matrix_power: "),
        (lambda x: tg.linalg.norm(x[None], 2), ShapeError, "needs one or two dimensions, got 3"),
        (lambda x: tg.linalg.matrix_norm(x, ord=3), GraphError, "ord is 'fro', 'nuc', 1, -1"),
        (lambda x: tg.linalg.qr(x, "full"), GraphError, "mode is 'reduced' or 'complete'"),
    ],
)
def test_errors_say_where(call, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        call(tg.zeros(2, 3))
    assert "test_linear.py" in str(caught.value)


def test_a_singular_matrix_fails_when_it_runs():
    with pytest.raises(np.linalg.LinAlgError):
        tg.linalg.inv(tg.zeros(2, 2)).numpy()


@pytest.mark.parametrize("p", [0.5, -1, -math.inf, 1, 1.5, 3])
def test_the_slope_of_a_norm_at_zero_is_zero(p):
    x = tg.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, -4.0]], requires_grad=True)
    tg.sum(tg.linalg.vector_norm(x, axis=1, ord=p)[:2]).backward()
    assert np.isfinite(x.grad.numpy()).all()
    assert not x.grad.numpy()[0].any()


def test_norms_of_16_bit_floats_are_made_in_32_bits():
    x = tg.full((100, 4), 300.0, dtype="float16")
    assert tg.linalg.vector_norm(x).item() == 6000.0
    assert tg.linalg.matrix_norm(x).dtype == tg.float16
    assert tg.linalg.matrix_norm(10 * x[:, :1] - 2400, ord=1).item() == 60_000.0
