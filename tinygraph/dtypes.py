"""Data types, their names, and how they promote.

A dtype is a `numpy.dtype`; `bfloat16` comes from `ml_dtypes`. Promotion follows the Python
Array API standard; where the standard leaves a mix open (integer with float), the float type
wins, as in PyTorch and JAX. A Python scalar is weak: it takes the dtype of the array beside it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np

from tinygraph.errors import DTypeError

DType = np.dtype[Any]
Scalar = bool | int | float

bool_ = np.dtype("bool")
int8, int16, int32, int64 = (np.dtype(f"int{n}") for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (np.dtype(f"uint{n}") for n in (8, 16, 32, 64))
float16, float32, float64 = (np.dtype(f"float{n}") for n in (16, 32, 64))
bfloat16 = np.dtype(ml_dtypes.bfloat16)

SIGNED = (int8, int16, int32, int64)
UNSIGNED = (uint8, uint16, uint32, uint64)
INTEGERS = SIGNED + UNSIGNED
FLOATS = (float16, bfloat16, float32, float64)
ALL: tuple[DType, ...] = (bool_, *INTEGERS, *FLOATS)
BY_NAME: dict[str, DType] = {d.name: d for d in ALL}
_KINDS: dict[DType, int] = {
    **dict.fromkeys(INTEGERS, 1), **dict.fromkeys(FLOATS, 2), bool_: 0,
}  # fmt: skip

DEFAULT_FLOAT = float32
DEFAULT_INT = int64


def canonical(dtype: Any) -> DType:
    """The dtype that `dtype` names: a dtype, a name such as "float32", a NumPy or Python type.

    Raises DTypeError if tinygraph has no such type.
    """
    if dtype is float:
        return DEFAULT_FLOAT
    if isinstance(dtype, str) and dtype in BY_NAME:
        return BY_NAME[dtype]
    try:
        found = np.dtype(dtype).newbyteorder("=")
    except TypeError:
        found = None
    if found is None or found not in _KINDS:
        raise DTypeError(f"{dtype!r} is not a dtype of tinygraph; choose from {', '.join(BY_NAME)}")
    return BY_NAME[found.name]


def is_float(dtype: DType) -> bool:
    """Whether `dtype` is a floating-point type."""
    return _KINDS[dtype] == 2


def is_integer(dtype: DType) -> bool:
    """Whether `dtype` is an integer type (bool is none)."""
    return _KINDS[dtype] == 1


def is_bool(dtype: DType) -> bool:
    """Whether `dtype` is bool."""
    return dtype == bool_


@cache
def promote(a: DType, b: DType) -> DType:
    """The dtype that `a` and `b` promote to.

    Raises DTypeError for uint64 with a signed integer, which has no common type.
    """
    if a == b:
        return a
    low, high = sorted((a, b), key=lambda d: _KINDS[d])
    if _KINDS[low] != _KINDS[high]:
        return high
    if _KINDS[low] == 2:
        if {a, b} == {float16, bfloat16}:
            return float32
        return a if a.itemsize > b.itemsize else b
    try:
        return BY_NAME[np.promote_types(a, b).name] if uint64 not in (a, b) else _with_uint64(a, b)
    except KeyError:
        raise DTypeError(f"{a} and {b} have no common type; cast one") from None


def _with_uint64(a: DType, b: DType) -> DType:
    if a in UNSIGNED and b in UNSIGNED:
        return uint64
    raise DTypeError(f"{a} and {b} have no common type; cast one with astype")


def of_scalar(value: Scalar) -> DType:
    """The dtype that a Python scalar takes on its own."""
    if isinstance(value, bool):
        return bool_
    return DEFAULT_INT if isinstance(value, int) else DEFAULT_FLOAT


def weak(value: Scalar, dtype: DType) -> DType:
    """The dtype of an operation between the Python scalar `value` and an array of `dtype`."""
    kind = 0 if isinstance(value, bool) else 1 if isinstance(value, int) else 2
    return dtype if kind <= _KINDS[dtype] else of_scalar(value)
