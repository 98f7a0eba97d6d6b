"""The words of the kernel language, for the modules that are written in it.

Functions of the kernel language are ordinary Python functions that Python never runs:
the compiler reads their source. They import the names they use from here, so that editors,
linters and mypy know them. To a type checker an `f32` is a float, an `i64` an int, and a
pointer a list; the compiler is stricter.
"""

from __future__ import annotations

import math
from typing import NoReturn, TypeVar

T = TypeVar("T")
N = TypeVar("N", int, float, bool)

i8 = int
i16 = int
i32 = int
i64 = int
u8 = int
u16 = int
u32 = int
u64 = int
f16 = float
bf16 = float
f32 = float
f64 = float
ptr_bool = list[bool]
ptr_i8 = list[int]
ptr_i16 = list[int]
ptr_i32 = list[int]
ptr_i64 = list[int]
ptr_u8 = list[int]
ptr_u16 = list[int]
ptr_u32 = list[int]
ptr_u64 = list[int]
ptr_f16 = list[float]
ptr_bf16 = list[float]
ptr_f32 = list[float]
ptr_f64 = list[float]
inf, nan = math.inf, math.nan


def _refuse() -> NoReturn:
    raise TypeError("a word of the kernel language: it has no meaning in Python itself")


def pointer(kind: type[T], address: int) -> list[T]:
    """The memory at `address`, as elements of one type."""
    _refuse()


def stack(kind: type[T], size: int) -> list[T]:
    """A local array of `size` (a literal) elements, whose values are not set."""
    _refuse()


def address(p: list[T], i: int) -> int:
    """The address of `p[i]`."""
    _refuse()


def bits(kind: type[T], x: float) -> T:
    """The bits of x read as another type of the same size."""
    _refuse()


def lanes(start: int, stop: int, together: int = 1) -> range:
    """`range(start, stop)` whose iterations may run side by side.

    together: a literal, how many vectors to compute at a time. The operations of one may then run
    while those of another wait for results, as in mathematical functions they do most of the time.
    """
    _refuse()


def unroll(start: int, stop: int) -> range:
    """`range(start, stop)` of literals, whose body is written out once for each number."""
    _refuse()


def fma(a: float, b: float, c: float) -> float:
    """a*b + c, rounded once."""
    _refuse()


def sqrt(x: float) -> float:
    """The square root."""
    _refuse()


def floor(x: float) -> float:
    """The largest whole number that is not above x."""
    _refuse()


def ceil(x: float) -> float:
    """The smallest whole number that is not below x."""
    _refuse()


def rint(x: float) -> float:
    """The nearest whole number, to even at halves."""
    _refuse()


def trunc(x: float) -> float:
    """The whole number towards zero."""
    _refuse()


def copysign(x: float, y: float) -> float:
    """|x| with the sign of y."""
    _refuse()


def minimum(a: N, b: N) -> N:
    """The smaller; NaN if either is."""
    _refuse()


def maximum(a: N, b: N) -> N:
    """The larger; NaN if either is."""
    _refuse()


def fast_add(a: N, b: N) -> N:
    """a + b, in any order with other `fast_add`: for accumulators."""
    _refuse()


def fast_mul(a: N, b: N) -> N:
    """a * b, in any order with other `fast_mul`: for accumulators."""
    _refuse()


def high(a: int, b: int) -> int:
    """The upper half of the product of two u32 or two u64."""
    _refuse()


def atomic_add(p: list[int], i: int, v: int) -> int:
    """Add to `p[i]`; the value before."""
    _refuse()


def atomic_load(p: list[int], i: int) -> int:
    """`p[i]`, in order with all other atomic operations."""
    _refuse()


def atomic_store(p: list[int], i: int, v: int) -> None:
    """`p[i] = v`, in order with all other atomic operations."""
    _refuse()


def pause() -> None:
    """Tell the processor that this is a loop that waits."""
    _refuse()


def call(function: int, *args: int) -> int:
    """Call the C function at an address; its arguments and result are i64."""
    _refuse()


def load(p: list[T], i: int, n: int) -> T:
    """The vector of the n (a literal) elements from `p[i]` on."""
    _refuse()


def store(p: list[T], i: int, v: T) -> None:
    """Write the elements of a vector to `p[i]` and on."""
    _refuse()


def spread(x: T, n: int) -> T:
    """The vector of n (a literal) times x."""
    _refuse()


def zip_low(a: T, b: T) -> T:
    """a[0], b[0], a[1], b[1], ... up to the middle of two vectors."""
    _refuse()


def zip_high(a: T, b: T) -> T:
    """The same for the upper halves of two vectors."""
    _refuse()


def even(a: T, b: T) -> T:
    """a[0], a[2], ..., b[0], b[2], ... of two vectors."""
    _refuse()


def odd(a: T, b: T) -> T:
    """a[1], a[3], ..., b[1], b[3], ... of two vectors."""
    _refuse()
