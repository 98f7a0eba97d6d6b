"""What there is to know of dtypes, and of this namespace, in the Array API's words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from tinygraph.array.creation import check_device
from tinygraph.dtypes import (
    BY_NAME,
    DEFAULT_FLOAT,
    DEFAULT_INT,
    FLOATS,
    SIGNED,
    UNSIGNED,
    DType,
    bool_,
    canonical,
    int64,
    is_float,
    is_integer,
    promote,
    weak,
)
from tinygraph.errors import DTypeError
from tinygraph.runtime.backend import current
from tinygraph.tensor import Tensor

pi = math.pi
e = math.e
inf = math.inf
nan = math.nan
newaxis = None

_KINDS: dict[str, tuple[DType, ...]] = {
    "bool": (bool_,),
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": (*SIGNED, *UNSIGNED),
    "real floating": FLOATS,
    "complex floating": (),
    "numeric": (*SIGNED, *UNSIGNED, *FLOATS),
}


def _dtype_of(value: Any) -> DType:
    return value.dtype if isinstance(value, (Tensor, np.ndarray)) else canonical(value)


@dataclass(frozen=True, slots=True)
class FloatInfo:
    """The limits of a float dtype.

    bits: its size. eps: the distance from 1 to the next number. max, min: the largest and
    smallest number. smallest_normal: the smallest positive one in full precision.
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True, slots=True)
class IntegerInfo:
    """The limits of an integer dtype. bits: its size. max, min: the largest and smallest number."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: Any) -> FloatInfo:
    """The limits of a float dtype, or of a Tensor's; see `FloatInfo`.

    >>> import tinygraph as tg
    >>> tg.finfo("float32").bits
    32
    """
    dtype = _dtype_of(type)
    if not is_float(dtype):
        raise DTypeError(f"finfo: {dtype.name} is not a float type; see iinfo")
    found: Any = ml_dtypes.finfo
    limits = found(dtype)
    return FloatInfo(
        bits=dtype.itemsize * 8,
        eps=float(limits.eps),
        max=float(limits.max),
        min=float(limits.min),
        smallest_normal=float(limits.smallest_normal),
        dtype=dtype,
    )


def iinfo(type: Any) -> IntegerInfo:
    """The limits of an integer dtype, or of a Tensor's; see `IntegerInfo`.

    >>> import tinygraph as tg
    >>> tg.iinfo("int8").max
    127
    """
    dtype = _dtype_of(type)
    if not is_integer(dtype):
        raise DTypeError(f"iinfo: {dtype.name} is not an integer type; see finfo")
    limits = np.iinfo(dtype)
    return IntegerInfo(dtype.itemsize * 8, int(limits.max), int(limits.min), dtype)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is of a kind: a dtype, "bool", "signed integer", "unsigned integer",
    "integral", "real floating", "complex floating", "numeric", or a tuple of these.

    >>> import tinygraph as tg
    >>> tg.isdtype(tg.int8, ("bool", "integral"))
    True
    """
    if isinstance(kind, tuple):
        return any(isdtype(dtype, part) for part in kind)
    if isinstance(kind, str) and kind in _KINDS:
        return canonical(dtype) in _KINDS[kind]
    if isinstance(kind, str) and kind not in BY_NAME:
        raise DTypeError(f"isdtype: {kind!r} is no kind of dtype; choose from {', '.join(_KINDS)}")
    return canonical(dtype) == canonical(kind)


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype that an operation between these has. Python numbers give way to arrays.

    >>> import tinygraph as tg
    >>> tg.result_type(tg.int8, tg.zeros(2, dtype="float16"), 1.5)
    dtype('float16')
    """
    numbers = [x for x in arrays_and_dtypes if isinstance(x, (bool, int, float))]
    strong = [_dtype_of(x) for x in arrays_and_dtypes if not isinstance(x, (bool, int, float))]
    if not (strong or numbers):
        raise DTypeError("result_type: needs at least one array, dtype or number")
    result = strong[0] if strong else bool_
    for dtype in strong[1:]:
        result = promote(result, dtype)
    for number in numbers:
        result = weak(number, result)
    return result


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a dtype, or a Tensor's, promotes to `to` under the rules of `result_type`.

    >>> import tinygraph as tg
    >>> tg.can_cast("int8", "int32"), tg.can_cast("float32", "int32")
    (True, False)
    """
    wanted = canonical(to)
    try:
        return promote(_dtype_of(from_), wanted) == wanted
    except DTypeError:
        return False


class NamespaceInfo:
    """What `__array_namespace_info__()` returns."""

    def capabilities(self) -> dict[str, Any]:
        """Whether masks can index and whether shapes may depend on data (both: where the values
        are known), and how many dimensions there may be."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The name of the backend in force."""
        return current().name

    def devices(self) -> list[str]:
        """The names of the devices that a Tensor can be made on: the backend in force."""
        return [current().name]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, Any]:
        """The dtypes that are used unless one is given."""
        check_device(device)
        return {"real floating": DEFAULT_FLOAT, "complex floating": None,
                "integral": DEFAULT_INT, "indexing": int64}  # fmt: skip

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, DType]:
        """The dtypes by name, of one kind if that is given; for kinds see `isdtype`."""
        check_device(device)
        return {
            name: dtype for name, dtype in BY_NAME.items() if kind is None or isdtype(dtype, kind)
        }


def __array_namespace_info__() -> NamespaceInfo:
    """What this namespace can do, as the Array API asks for it.

    >>> import tinygraph as tg
    >>> tg.__array_namespace_info__().default_dtypes()["integral"]
    dtype('int64')
    """
    return NamespaceInfo()
