"""Linear algebra against its defining equations, and the gradients that need care."""

import numpy as np
import pytest

from tinygraph.autodiff.reverse import gradients
from tinygraph.dtypes import canonical
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.decompose import cholesky, eigh, qr, svd
from tinygraph.ops.linalg import cofactor, det, inv, slogdet, solve, triangular_solve
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import PLACEHOLDER, items
from tinygraph.ops.rules import ones_like
from tinygraph.runtime.interpret import interpret

RNG = np.random.default_rng(0)


def leaf(array):
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(array.shape, array.dtype), grad=True)


def run(outputs, nodes, arrays):
    return interpret(Graph(nodes, outputs), dict(zip(nodes, arrays, strict=True)), np)


def evaluate(op, *arrays, **params):
    nodes = [leaf(a) for a in arrays]
    out = op(*nodes, **params)
    return run(items(out) if out.outs is not None else [out], nodes, arrays)


def gradient(build, array):
    """The gradient of the sum of `build(node)`."""
    node = leaf(array)
    out = build(node)
    (found,) = gradients([out], [ones_like(out)], [node])
    return run([found], [node], [array])[0]


def transposed(a):
    return np.swapaxes(a, -1, -2)


def definite(*shape):
    half = RNG.standard_normal(shape)
    return half @ transposed(half) + np.eye(shape[-1])


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_is_a_triangular_root(upper):
    a = definite(2, 3, 5, 5)
    (factor,) = evaluate(cholesky, a, upper=upper)
    np.testing.assert_array_equal(factor, np.triu(factor) if upper else np.tril(factor))
    product = transposed(factor) @ factor if upper else factor @ transposed(factor)
    np.testing.assert_allclose(product, a)


@pytest.mark.parametrize("shape", [(5, 3), (3, 3), (3, 5), (2, 4, 3), (3, 0)])
def test_qr_is_orthonormal_times_triangular(shape):
    a = RNG.standard_normal(shape)
    q, r = evaluate(qr, a)
    np.testing.assert_allclose(q @ r, a, atol=1e-12)
    eye = np.broadcast_to(np.eye(q.shape[-1]), (*shape[:-2], q.shape[-1], q.shape[-1]))
    np.testing.assert_allclose(transposed(q) @ q, eye, atol=1e-12)
    np.testing.assert_array_equal(r, np.triu(r))


@pytest.mark.parametrize("shape", [(5, 3), (3, 3), (3, 5), (2, 4, 3), (0, 3)])
def test_svd_is_orthonormal_scaled_orthonormal(shape):
    a = RNG.standard_normal(shape)
    u, s, vh = evaluate(svd, a)
    np.testing.assert_allclose(u * s[..., None, :] @ vh, a, atol=1e-12)
    assert (s >= 0).all()
    assert (np.diff(s) <= 0).all()
    eye = np.broadcast_to(np.eye(s.shape[-1]), (*shape[:-2], s.shape[-1], s.shape[-1]))
    np.testing.assert_allclose(transposed(u) @ u, eye, atol=1e-12)
    np.testing.assert_allclose(vh @ transposed(vh), eye, atol=1e-12)


def test_eigh_takes_the_symmetric_part():
    a = RNG.standard_normal((2, 4, 4))
    w, v = evaluate(eigh, a)
    np.testing.assert_allclose(
        v * w[:, None, :] @ transposed(v), (a + transposed(a)) / 2, atol=1e-12
    )
    assert (np.diff(w) >= 0).all()


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("unit_diagonal", [True, False])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_triangular_solve_reads_one_triangle(lower, transpose, unit_diagonal, batch):
    a = RNG.standard_normal((*batch, 4, 4)) + 4 * np.eye(4)
    b = RNG.standard_normal((*batch, 4, 2))
    triangle = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        triangle = triangle * (1 - np.eye(4)) + np.eye(4)
    other = np.tril(np.ones((4, 4)), -1) if not lower else np.triu(np.ones((4, 4)), 1)
    (x,) = evaluate(
        triangular_solve, np.where(other > 0, np.nan, a), b,
        lower=lower, transpose=transpose, unit_diagonal=unit_diagonal,
    )  # fmt: skip
    np.testing.assert_allclose((transposed(triangle) if transpose else triangle) @ x, b, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_narrow_floats_are_computed_in_32_bits_and_returned_narrow(dtype):
    dtype = canonical(dtype)
    a = definite(3, 3).astype(dtype)
    b = RNG.standard_normal((3, 1)).astype(dtype)
    plain = {"lower": True, "transpose": False}
    for op, arrays, params in [
        (cholesky, [a], {}), (inv, [a], {}), (det, [a], {}), (slogdet, [a], {}),
        (cofactor, [a], {}), (qr, [a], {}), (svd, [a], {}), (eigh, [a], {}),
        (solve, [a, b], {}), (triangular_solve, [a, b], plain),
    ]:  # fmt: skip
        results = evaluate(op, *arrays, **params)
        for result, wide in zip(
            results, evaluate(op, *(x.astype("float64") for x in arrays), **params), strict=True
        ):
            assert result.dtype == dtype
            np.testing.assert_allclose(
                np.abs(result.astype("float64")), np.abs(wide), rtol=0.05, atol=0.05
            )


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_the_gradient_of_a_determinant_holds_for_singular_matrices(rank):
    a = RNG.standard_normal((4, rank)) @ RNG.standard_normal((rank, 4))
    minors = [
        [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(4)]
        for i in range(4)
    ]
    np.testing.assert_allclose(gradient(det, a), minors, atol=1e-9)


def test_the_slope_of_the_log_determinant_is_the_inverse():
    a = definite(3, 3)
    slope = gradient(lambda x: items(slogdet(x))[1], a)
    np.testing.assert_allclose(slope, np.linalg.inv(a).T)


def test_singular_values_alone_have_a_gradient_where_they_are_equal():
    slope = gradient(lambda x: items(svd(x))[1], np.eye(3) * 2)
    np.testing.assert_allclose(slope, np.eye(3), atol=1e-12)


def test_the_gradient_of_the_sum_of_eigenvalues_is_the_identity():
    slope = gradient(lambda x: items(eigh(x))[0], RNG.standard_normal((3, 3)))
    np.testing.assert_allclose(slope, np.eye(3), atol=1e-12)


def test_a_failure_names_the_line_that_asked_for_it():
    node = leaf(np.ones((2, 2)))
    out = reduce_sum(inv(node), axis=(0, 1), keepdims=False)
    with pytest.raises(np.linalg.LinAlgError, match="inv: a matrix is singular") as caught:
        run([out], [node], [np.ones((2, 2))])
    assert "test_linalg_reference.py" in "".join(caught.value.__notes__)
