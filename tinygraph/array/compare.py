"""Comparisons that allow for rounding, and of whole arrays."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.reduce import as_float_node
from tinygraph.dtypes import is_float
from tinygraph.graph.node import Node
from tinygraph.ops import elementwise as e
from tinygraph.ops import reduce as r
from tinygraph.tensor import Tensor


def _all(x: Node) -> bool:
    return bool(Tensor(r.all(x, axis=tuple(range(x.ndim)), keepdims=False)))


@api
def isclose(
    x: TensorLike, y: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where |x - y| <= atol + rtol |y|, element by element (bool). An infinity is close to itself.

    equal_nan: whether NaN is close to NaN.

    >>> import tinygraph as tg
    >>> tg.isclose(tg.tensor([1.0, 2.0]), tg.tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    a, b = as_float_node(x), as_float_node(y)
    near = e.less_equal(e.abs(a - b), e.abs(b) * rtol + atol)
    # a distance from infinity is infinite or NaN, and no measure
    close = e.where(e.logical_and(e.isfinite(a), e.isfinite(b)), near, e.equal(a, b))
    if equal_nan:
        close = e.logical_or(close, e.logical_and(e.isnan(a), e.isnan(b)))
    return Tensor(close)


@api
def allclose(
    x: TensorLike, y: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether `isclose` holds everywhere. Computes the value.

    >>> import tinygraph as tg
    >>> tg.allclose(tg.tensor([1.0, 2.0]), 1.0)
    False
    """
    close: Tensor = isclose(x, y, rtol, atol, equal_nan)
    return _all(close.node)


@api
def array_equal(x: TensorLike, y: TensorLike, equal_nan: bool = False) -> bool:
    """Whether two arrays have one shape and equal elements. Computes the value.

    equal_nan: whether NaN equals NaN.

    >>> import tinygraph as tg
    >>> tg.array_equal(tg.tensor([1, 2]), tg.tensor([1, 2]))
    True
    """
    a, b = as_node(x), as_node(y)
    if a.shape != b.shape:
        return False
    same = e.equal(a, b)
    if equal_nan and is_float(a.dtype) and is_float(b.dtype):
        same = e.logical_or(same, e.logical_and(e.isnan(a), e.isnan(b)))
    return _all(same)
