"""Weights that stay orthogonal while they are learned."""

from __future__ import annotations

import math

import numpy as np

from tinygraph.array.creation import arange, eye, tril, triu, zeros
from tinygraph.array.elementwise import abs, ceil, exp2, log2, maximum, trunc
from tinygraph.array.join import concat
from tinygraph.array.linear import diagonal, matmul
from tinygraph.array.reduce import max, sum
from tinygraph.array.shape import expand_dims, matrix_transpose
from tinygraph.control import cond, scan
from tinygraph.errors import ShapeError
from tinygraph.linalg import solve, solve_triangular
from tinygraph.nn.module import Module
from tinygraph.nn.utils.parametrize import register_parametrization
from tinygraph.ops.rules import show_shape
from tinygraph.random import randn
from tinygraph.tensor import Tensor, tensor

__all__ = ["orthogonal"]

MAPS = ("matrix_exp", "cayley", "householder")
HALVINGS = 24  # a matrix of more than 2^24 is past what floats can tell of angles


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Qᵀ Q = 1: weights, (..., m, n), with orthonormal columns, or rows where m < n.

    module: what has a parameter called `name`; it is changed, and returned. orthogonal_map: how Q
    is made of the parameter X, whose part below the diagonal counts: "matrix_exp", exp(A) with
    A = X - Xᵀ; "cayley", (1 - A / 2)⁻¹ (1 + A / 2); "householder", the product of the reflections
    at the columns. The first is the default of square matrices, the last of others.
    use_trivialization: whether a fixed orthogonal matrix, the buffer `base`, stands before it; so
    the first weight is the given one, made orthogonal if it is not.

    The new parameter is `parametrizations.weight.original`, of the shape of the weight.

    Source: Lezcano-Casado, "Trivializations for Gradient-Based Optimization on Manifolds" (2019).

    >>> import tinygraph as tg
    >>> layer = tg.nn.utils.parametrizations.orthogonal(tg.nn.Linear(3, 3))
    >>> tg.allclose(layer.weight.T @ layer.weight, tg.eye(3), atol=1e-5)
    True
    """
    weight = getattr(module, name)
    if weight.ndim < 2:
        raise ShapeError(f"orthogonal: expected (..., m, n), got {show_shape(weight.shape)}")
    square = weight.shape[-2] == weight.shape[-1]
    kind = orthogonal_map or ("matrix_exp" if square else "householder")
    if kind not in MAPS:
        raise ValueError(
            f"orthogonal: expected orthogonal_map out of {', '.join(MAPS)}, got {kind!r}"
        )
    return register_parametrization(
        module, name, _Orthogonal(kind, use_trivialization), unsafe=True
    )


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(self, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.orthogonal_map, self.use_trivialization = orthogonal_map, use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        tall = matrix_transpose(x) if wide else x
        if self.orthogonal_map == "householder":
            signs = trunc(diagonal(tall)).detach()
            q = reflections(tril(tall, -1)) * expand_dims(signs, -2)
        else:
            skew = _skew(tril(tall))
            q = matrix_exp(skew) if self.orthogonal_map == "matrix_exp" else cayley(skew)
            q = q[..., : tall.shape[-1]]
        if self.use_trivialization and self.base is not None:
            q = matmul(self.base, q)
        return matrix_transpose(q) if wide else q

    def right_inverse(self, weight: Tensor) -> Tensor:
        value = weight.numpy()
        wide = value.shape[-2] < value.shape[-1]
        tall = value.swapaxes(-1, -2) if wide else value
        if not self.use_trivialization:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    f"orthogonal: what {self.orthogonal_map} makes cannot be assigned to without "
                    "use_trivialization"
                )
            x = _reflectors(tall)
            return tensor(x.swapaxes(-1, -2) if wide else x)
        self.register_buffer("base", _basis(tall))
        # of this, each map makes the unit matrix
        return tensor(np.broadcast_to(-np.eye(*value.shape[-2:], dtype=value.dtype), value.shape))


def _skew(lower: Tensor) -> Tensor:
    """X - Xᵀ, with columns of zeros behind the n columns of X to make it square."""
    *batch, rows, columns = lower.shape
    if rows != columns:
        more = zeros((*batch, rows, rows - columns), dtype=lower.dtype)
        lower = concat([lower, more], axis=-1)
    return lower - matrix_transpose(lower)


def cayley(a: Tensor) -> Tensor:
    """(1 - A / 2)⁻¹ (1 + A / 2), orthogonal where A is skew-symmetric."""
    unit = eye(a.shape[-1], dtype=a.dtype)
    return solve(unit - 0.5 * a, unit + 0.5 * a)


def matrix_exp(a: Tensor) -> Tensor:
    """1 + A + A² / 2! + ... of square matrices A, orthogonal where they are skew-symmetric.

    The series up to A¹⁵ is taken of A / 2^s, whose norm is at most 1/2, and squared s times.

    Source: Higham, "Functions of Matrices" (2008), chapter 10; Paterson and Stockmeyer, "On the
    Number of Nonscalar Multiplications Necessary to Evaluate Polynomials" (1973).
    """
    norm = max(sum(abs(a), -2))
    halvings = maximum(ceil(log2(2.0 * norm)), 0.0).detach()
    small = a * exp2(-halvings)
    square = matmul(small, small)
    powers = [eye(a.shape[-1], dtype=a.dtype), small, square, matmul(square, small)]
    fourth = matmul(square, square)
    total = _terms(powers, 12)
    for first in (8, 4, 0):
        total = matmul(total, fourth) + _terms(powers, first)

    def squared(total: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        return cond(step < halvings, lambda x: matmul(x, x), lambda x: x, total), step

    result: Tensor = scan(squared, total, arange(HALVINGS, dtype=a.dtype))[0]
    return result


def _terms(powers: list[Tensor], first: int) -> Tensor:
    """The sum of A^i / (first + i)! for the four lowest powers."""
    parts = [power / math.factorial(first + i) for i, power in enumerate(powers)]
    return parts[0] + parts[1] + parts[2] + parts[3]


def reflections(lower: Tensor) -> Tensor:
    """The first n columns of H_1 H_2 ... H_n, where H_i reflects at column i.

    lower: (..., m, n), the columns below the diagonal, on which they have ones. All together they
    are 1 - V T Vᵀ, with T⁻¹ the upper triangle of Vᵀ V, its diagonal halved.

    Source: Schreiber and Van Loan, "A Storage-Efficient WY Representation for Products of
    Householder Transformations" (1989).
    """
    *_, rows, columns = lower.shape
    unit = eye(rows, columns, dtype=lower.dtype)
    v = lower + unit
    inner = matmul(matrix_transpose(v), v)
    halved = triu(inner, 1) + 0.5 * inner * eye(columns, dtype=lower.dtype)
    top = matrix_transpose(v[..., :columns, :])
    return unit - matmul(v, solve_triangular(halved, top, upper=True))


def _reflectors(q: np.ndarray) -> np.ndarray:
    """What the map "householder" makes `q` of, made orthonormal: the columns of its reflections
    below the diagonal, and on it the signs of what these leave of each column."""
    raw, factors = np.linalg.qr(q, mode="raw")
    x = np.tril(raw.swapaxes(-1, -2))
    along = np.arange(q.shape[-1])
    # a column that needs no reflection is reflected by the map all the same
    x[..., along, along] = np.where(factors == 0, -1, 1) * np.sign(x[..., along, along])
    return x


def _basis(tall: np.ndarray) -> np.ndarray:
    """A square orthogonal matrix that begins with the columns of `tall`, made orthonormal."""
    *batch, rows, columns = tall.shape
    if rows != columns:
        more = randn(*batch, rows, rows - columns, dtype=tall.dtype).numpy()
        tall = np.concatenate([tall, more], axis=-1)
    else:
        rounding = 10 * rows * np.finfo(tall.dtype).eps
        if np.allclose(tall.swapaxes(-1, -2) @ tall, np.eye(rows), atol=rounding):
            return tall
    q, r = np.linalg.qr(tall)
    basis: np.ndarray = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    return basis
