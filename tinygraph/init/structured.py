"""Weights of a certain structure: identities, orthogonal matrices, few connections."""

from __future__ import annotations

import math

import numpy as np

from tinygraph import random
from tinygraph.errors import ShapeError
from tinygraph.init.fill import Generator, T, check_floats, check_tensor
from tinygraph.ops.rules import show_shape

__all__ = ["delta_orthogonal", "dirac", "eye", "identity", "orthogonal", "sparse"]


def eye(tensor: T) -> T:
    """Fill a matrix with the identity: 1 on the diagonal, else 0; returns it.

    A linear layer then passes as many of its inputs on as there are outputs.

    >>> import tinygraph as tg
    >>> tg.init.eye(tg.nn.Parameter(tg.ones((2, 3)))).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    _check_dims("eye", tensor, 2, 2)
    rows, columns = map(int, tensor.shape)
    tensor.set(np.eye(rows, columns, dtype=tensor.dtype))
    return tensor


identity = eye


def dirac(tensor: T, groups: int = 1) -> T:
    """Fill a convolution's weight (out, in, ...) so that channels pass as they are; returns it.

    In the middle of the kernel stands the identity, elsewhere 0. groups: those of the convolution,
    each with an identity of its own.

    >>> import tinygraph as tg
    >>> tg.init.dirac(tg.nn.Parameter(tg.ones((1, 2, 3)))).tolist()
    [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]
    """
    _check_dims("dirac", tensor, 3, 5)
    out, channels = tensor.shape[:2]
    if groups < 1 or out % groups:
        raise ValueError(f"dirac: expected groups that divide the {out} outputs, got {groups}")
    values = np.zeros(tensor.shape, tensor.dtype)
    middle = tuple(size // 2 for size in tensor.shape[2:])
    each = out // groups
    for channel in range(min(each, channels)):
        values[(slice(channel, out, each), channel, *middle)] = 1
    tensor.set(values)
    return tensor


def orthogonal(tensor: T, gain: float = 1.0, generator: Generator = None) -> T:
    """Fill a weight (out, in, ...) with gain * an orthogonal matrix (out, in * ...); returns it.

    Its rows, or if these are more its columns, have length `gain` and right angles: no signal is
    stretched or shrunk. All such matrices are equally likely.

    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks" (2014).

    >>> import tinygraph as tg
    >>> w = tg.init.orthogonal(tg.nn.Parameter(tg.zeros((2, 3)))).numpy()
    >>> (w @ w.T).round(5).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    True
    """
    check_floats("orthogonal", tensor)
    _check_dims("orthogonal", tensor, 2, math.inf)
    if tensor.size:
        rows = int(tensor.shape[0])
        matrix = _random_orthogonal(rows, int(tensor.size) // rows, generator)
        tensor.set((gain * matrix).reshape(tensor.shape).astype(tensor.dtype))
    return tensor


def delta_orthogonal(tensor: T, gain: float = 1.0, generator: Generator = None) -> T:
    """Fill a convolution's weight with an orthogonal matrix in the middle, else 0; returns it.

    tensor: (out, in, ...) with at least as many outputs as inputs. Signals keep their norm even
    through thousands of layers.

    Source: Xiao et al., "Dynamical Isometry and a Mean Field Theory of CNNs" (2018).

    >>> import tinygraph as tg
    >>> w = tg.init.delta_orthogonal(tg.nn.Parameter(tg.zeros((2, 2, 3)))).numpy()
    >>> abs(w[:, :, 1].T @ w[:, :, 1]).round(5).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    check_floats("delta_orthogonal", tensor)
    _check_dims("delta_orthogonal", tensor, 3, 5)
    out, channels = map(int, tensor.shape[:2])
    if out < channels:
        raise ShapeError(
            "delta_orthogonal: expected at least as many outputs as inputs, got shape "
            f"{show_shape(tensor.shape)}"
        )
    values = np.zeros(tensor.shape, tensor.dtype)
    middle = tuple(size // 2 for size in tensor.shape[2:])
    values[(slice(None), slice(None), *middle)] = gain * _random_orthogonal(
        out, channels, generator
    )
    tensor.set(values)
    return tensor


def _random_orthogonal(rows: int, columns: int, generator: Generator) -> np.ndarray:
    """Orthonormal rows, or if these are more columns, in float64."""
    tall = max(rows, columns), min(rows, columns)
    drawn = random.randn(tall, dtype="float64", generator=generator).numpy()
    q, r = np.linalg.qr(drawn)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)  # or some matrices would be likelier
    return q if rows >= columns else q.T


def sparse(tensor: T, sparsity: float, std: float = 0.01, generator: Generator = None) -> T:
    """Fill a matrix from N(0, std²), but the share `sparsity` of each column with 0; returns it.

    Source: Martens, "Deep learning via Hessian-free optimization" (2010).

    >>> import tinygraph as tg
    >>> w = tg.init.sparse(tg.nn.Parameter(tg.zeros((4, 3))), sparsity=0.5)
    >>> (w.numpy() == 0).sum(axis=0).tolist()
    [2, 2, 2]
    """
    check_floats("sparse", tensor)
    _check_dims("sparse", tensor, 2, 2)
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse: expected sparsity from 0 to 1, got {sparsity}")
    values = std * random.randn(tensor.shape, dtype=tensor.dtype, generator=generator).numpy()
    keys = random.rand(tensor.shape, generator=generator).numpy()
    order = np.argsort(keys, axis=0)[: math.ceil(sparsity * int(tensor.shape[0]))]
    np.put_along_axis(values, order, 0, axis=0)
    tensor.set(values.astype(tensor.dtype))
    return tensor


def _check_dims(name: str, tensor: T, low: int, high: float) -> None:
    check_tensor(name, tensor)
    if not low <= tensor.ndim <= high:
        many = str(low) if low == high else f"{low} to {high}".replace("to inf", "or more")
        raise ShapeError(
            f"{name}: expected a weight with {many} dimensions, got shape "
            f"{show_shape(tensor.shape)}"
        )
