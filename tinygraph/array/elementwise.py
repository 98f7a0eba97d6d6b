"""Elementwise functions of Tensors. Each takes Tensors, numbers and NumPy arrays, which broadcast.

Functions that are defined on floats alone cast integers to float32 first.
"""

from __future__ import annotations

from typing import Any

from tinygraph.array.convert import TensorLike, as_node, as_operand, lift, to_tensor
from tinygraph.dtypes import canonical, is_float
from tinygraph.graph.node import Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.registry import cast
from tinygraph.tensor import Tensor

add = lift(e.add)
subtract = lift(e.subtract)
multiply = lift(e.multiply)
divide = lift(e.divide, floats=True)
floor_divide = lift(e.floor_divide)
remainder = lift(e.remainder)
pow = lift(e.pow)
negative = lift(e.negative)
abs = lift(e.abs)
sign = lift(e.sign)
square = lift(e.square)
maximum = lift(e.maximum)
minimum = lift(e.minimum)

exp = lift(e.exp, floats=True)
exp2 = lift(e.exp2, floats=True)
expm1 = lift(e.expm1, floats=True)
log = lift(e.log, floats=True)
log1p = lift(e.log1p, floats=True)
log2 = lift(e.log2, floats=True)
log10 = lift(e.log10, floats=True)
logaddexp = lift(e.logaddexp, floats=True)
sqrt = lift(e.sqrt, floats=True)
rsqrt = lift(e.rsqrt, floats=True)

sin = lift(e.sin, floats=True)
cos = lift(e.cos, floats=True)
tan = lift(e.tan, floats=True)
asin = lift(e.asin, floats=True)
acos = lift(e.acos, floats=True)
atan = lift(e.atan, floats=True)
atan2 = lift(e.atan2, floats=True)
hypot = lift(e.hypot, floats=True)
sinh = lift(e.sinh, floats=True)
cosh = lift(e.cosh, floats=True)
tanh = lift(e.tanh, floats=True)
asinh = lift(e.asinh, floats=True)
acosh = lift(e.acosh, floats=True)
atanh = lift(e.atanh, floats=True)

sigmoid = lift(e.sigmoid, floats=True)
relu = lift(e.relu)
erf = lift(e.erf, floats=True)
erfc = lift(e.erfc, floats=True)
erfinv = lift(e.erfinv, floats=True)
lgamma = lift(e.lgamma, floats=True)
digamma = lift(e.digamma, floats=True)

floor = lift(e.floor)
ceil = lift(e.ceil)
round = lift(e.round)
trunc = lift(e.trunc)
copysign = lift(e.copysign, floats=True)
nextafter = lift(e.nextafter, floats=True)

equal = lift(e.equal)
not_equal = lift(e.not_equal)
less = lift(e.less)
less_equal = lift(e.less_equal)
greater = lift(e.greater)
greater_equal = lift(e.greater_equal)

logical_and = lift(e.logical_and)
logical_or = lift(e.logical_or)
logical_xor = lift(e.logical_xor)
logical_not = lift(e.logical_not)
bitwise_and = lift(e.bitwise_and)
bitwise_or = lift(e.bitwise_or)
bitwise_xor = lift(e.bitwise_xor)
bitwise_left_shift = lift(e.bitwise_left_shift)
bitwise_right_shift = lift(e.bitwise_right_shift)
bitwise_invert = lift(e.bitwise_invert)

isnan = lift(e.isnan, floats=True)
isinf = lift(e.isinf, floats=True)
isfinite = lift(e.isfinite, floats=True)


def reciprocal(x: TensorLike) -> Tensor:
    """1 / x."""
    return divide(1.0, x)


def positive(x: TensorLike) -> Tensor:
    """x itself."""
    return to_tensor(x)


def signbit(x: TensorLike) -> Tensor:
    """Whether x has a minus sign (bool): so have -0.0 and some NaN.

    >>> import tinygraph as tg
    >>> tg.signbit(tg.tensor([-0.0, 0.0]))
    tensor([ True, False])
    """
    return less(copysign(1.0, x), 0.0)


def softplus(x: TensorLike) -> Tensor:
    """log(1 + exp(x)), without overflow."""
    return logaddexp(x, 0.0)


def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Tensor:
    """x where `condition` (bool) holds, else y; the three broadcast.

    >>> import tinygraph as tg
    >>> tg.where(tg.tensor([True, False]), 1.0, tg.tensor([5.0, 6.0]))
    tensor([1., 6.])
    """
    return Tensor(e.where(as_node(condition), as_operand(x), as_operand(y)))


def clip(x: TensorLike, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
    """x kept between `min` and `max`; None leaves a side open. The slope is 1 within, else 0.

    >>> import tinygraph as tg
    >>> tg.clip(tg.tensor([-2.0, 0.5, 3.0]), -1.0, 1.0)
    tensor([-1. ,  0.5,  1. ])
    """
    node = as_node(x)
    low = _bound(node, -1) if min is None else as_operand(min)
    high = _bound(node, 1) if max is None else as_operand(max)
    return Tensor(e.clip(node, low, high))


def _bound(x: Node, side: int) -> float | int:
    if is_float(x.dtype):
        return side * float("inf")
    from numpy import iinfo

    return int(iinfo(x.dtype).max if side > 0 else iinfo(x.dtype).min)


def astype(x: TensorLike, dtype: Any) -> Tensor:
    """x in another dtype. Float to integer truncates towards zero.

    >>> import tinygraph as tg
    >>> tg.astype(tg.tensor([1.7, -1.7]), "int32")
    tensor([ 1, -1], dtype=int32)
    """
    node = as_node(x)
    wanted = canonical(dtype)
    return Tensor(node if node.dtype == wanted else cast(node, dtype=wanted))


def lerp(start: TensorLike, end: TensorLike, weight: TensorLike) -> Tensor:
    """start + weight * (end - start)."""
    return add(start, multiply(weight, subtract(end, start)))
