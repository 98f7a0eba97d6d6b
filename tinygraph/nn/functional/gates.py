"""Activation functions that take several features together: one half of them gates the other, or
the largest of a group counts."""

from __future__ import annotations

from collections.abc import Callable

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import relu, sigmoid
from tinygraph.array.join import split
from tinygraph.array.reduce import max
from tinygraph.array.shape import unflatten
from tinygraph.array.sizes import as_size
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.functional.activation import floats, gelu, silu
from tinygraph.ops.rules import normalize_axis, show_shape
from tinygraph.tensor import Tensor

__all__ = ["geglu", "glu", "maxout", "reglu", "swiglu"]


@api
def glu(input: TensorLike, dim: int = -1) -> Tensor:
    """a * sigmoid(b), the gated linear unit; a and b are the halves of x along `dim`.

    Raises ShapeError where that dimension has an odd size.

    Source: Dauphin et al., "Language Modeling with Gated Convolutional Networks" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.functional.glu(tg.tensor([4.0, 6.0, 0.0, 100.0]))
    tensor([2., 6.])
    """
    return _gated(input, dim, sigmoid)


@api
def swiglu(input: TensorLike, dim: int = -1) -> Tensor:
    """a * silu(b); a and b are the halves of x along `dim`: `glu` with another gate.

    As in `glu`, the second half is the gate. Where weights hold the gate first, exchange the
    halves: silu(a) * b is the same function of them exchanged.

    Source: Shazeer, "GLU Variants Improve Transformer" (2020).

    >>> import tinygraph as tg
    >>> tg.nn.functional.swiglu(tg.tensor([4.0, 0.5, 0.0, 100.0]))
    tensor([ 0., 50.])
    """
    return _gated(input, dim, silu)


@api
def geglu(input: TensorLike, dim: int = -1) -> Tensor:
    """a * gelu(b); a and b are the halves of x along `dim`: `glu` with another gate.

    Source: Shazeer, "GLU Variants Improve Transformer" (2020).

    >>> import tinygraph as tg
    >>> tg.nn.functional.geglu(tg.tensor([4.0, 0.5, 0.0, 100.0]))
    tensor([ 0., 50.])
    """
    return _gated(input, dim, gelu)


@api
def reglu(input: TensorLike, dim: int = -1) -> Tensor:
    """a * relu(b); a and b are the halves of x along `dim`: `glu` with another gate.

    Source: Shazeer, "GLU Variants Improve Transformer" (2020).

    >>> import tinygraph as tg
    >>> tg.nn.functional.reglu(tg.tensor([4.0, 0.5, -3.0, 100.0]))
    tensor([ 0., 50.])
    """
    return _gated(input, dim, relu)


def _gated(input: TensorLike, dim: int, gate: Callable[[Tensor], Tensor]) -> Tensor:
    """The first half along `dim` times the gate of the second."""
    x = floats(input)
    if x.ndim == 0:
        raise ShapeError("expected a dimension to halve, got shape ()")
    size = x.shape[normalize_axis(dim, x.ndim)]
    if is_known(size) and size % 2:
        raise ShapeError(
            f"expected an even size to halve, got {size} in dimension {dim} of shape "
            f"{show_shape(x.shape)}"
        )
    a, b = split(x, (size // 2, size - size // 2), axis=dim)
    return a * gate(b)


@api
def maxout(input: TensorLike, groups: int, dim: int = -1) -> Tensor:
    """out[i] = max(x[g i], ..., x[g i + g - 1]), g = groups: the largest of neighbours along `dim`.

    With a linear layer before it, h_i = max_j (w_ij x + b_ij), this is a layer of maxout units.
    Equal largest elements share the gradient. Raises ShapeError where the size does not divide.

    Source: Goodfellow et al., "Maxout Networks" (2013).

    >>> import tinygraph as tg
    >>> tg.nn.functional.maxout(tg.tensor([1.0, 5.0, 7.0, 2.0]), 2)
    tensor([5., 7.])
    """
    x, count = to_tensor(input), as_size(groups)
    axis = normalize_axis(dim, x.ndim)
    size = x.shape[axis]
    if is_known(size, count) and (count < 1 or size % count):
        raise ShapeError(
            f"expected groups to divide the {size} of dimension {dim} of shape "
            f"{show_shape(x.shape)}, got {count}"
        )
    return max(unflatten(x, axis, (size // count, count)), axis=axis + 1)
