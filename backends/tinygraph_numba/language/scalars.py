"""The types of the kernel language, and the values that its expressions have."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Literal


class LanguageError(Exception):
    """Source that is not in the kernel language: where, and what was expected."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line
        self.what = what


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type of numbers. `ir` is LLVM's name for it in a register, `memory` in memory. Of several
    lanes, it is the type of so many numbers in one register, see `vectors.py`."""

    name: str
    kind: Literal["bool", "signed", "unsigned", "float", "storage"]
    bits: int
    ir: str
    memory: str
    lanes: int = 1

    @property
    def integer(self) -> bool:
        return self.kind in ("signed", "unsigned")

    @property
    def nbytes(self) -> int:
        return self.bits // 8

    @property
    def suffix(self) -> str:
        """What LLVM's functions on this type end in."""
        lanes = f"v{self.lanes}" if self.lanes > 1 else ""
        return f"{lanes}f{self.bits}" if self.kind == "float" else self.ir

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Pointer:
    """The type of `pointer(T, address)`. Memory is private if it is a function's own array."""

    element: Scalar
    private: bool = False

    def __str__(self) -> str:
        return f"ptr_{self.element}"


Type = Scalar | Pointer
Number = int | float

BOOL = Scalar("bool", "bool", 8, "i1", "i8")
I8, I16, I32, I64 = (Scalar(f"i{n}", "signed", n, f"i{n}", f"i{n}") for n in (8, 16, 32, 64))
U8, U16, U32, U64 = (Scalar(f"u{n}", "unsigned", n, f"i{n}", f"i{n}") for n in (8, 16, 32, 64))
F16 = Scalar("f16", "storage", 16, "i16", "i16")
BF16 = Scalar("bf16", "storage", 16, "i16", "i16")
F32 = Scalar("f32", "float", 32, "float", "float")
F64 = Scalar("f64", "float", 64, "double", "double")

SCALARS = {t.name: t for t in (BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64)}
POINTERS = {f"ptr_{name}": Pointer(scalar) for name, scalar in SCALARS.items()}


@dataclass(frozen=True, slots=True)
class Value:
    """What an expression gives: LLVM's name of it, and its type."""

    type: Type
    ir: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A number written in the source, which takes the type of what it meets."""

    number: Number

    @property
    def type(self) -> Scalar:
        """The type it has when it meets nothing."""
        return F64 if isinstance(self.number, float) else I64


Operand = Value | Constant


def constant(number: Number, scalar: Scalar, line: int) -> Value:
    """`number` as a value of type `scalar`; LanguageError if it does not fit."""
    if scalar.lanes > 1:
        raise LanguageError(line, f"{number!r} is no {scalar}; use spread")
    if scalar.kind == "float":
        return Value(scalar, _float_text(number, scalar))
    if not scalar.integer or isinstance(number, float):
        raise LanguageError(line, f"{number!r} is no {scalar}")
    lowest, over = integers(scalar)
    if not lowest <= number < over:
        raise LanguageError(line, f"{number} does not fit {scalar}")
    return Value(scalar, str(number))


def integers(scalar: Scalar) -> tuple[int, int]:
    """The smallest integer of a type, and the first one above the largest."""
    lowest = -(1 << scalar.bits - 1) if scalar.kind == "signed" else 0
    return lowest, lowest + (1 << scalar.bits)


def _float_text(number: Number, scalar: Scalar) -> str:
    """LLVM writes floats as the bits of a double, also those of 32 bits."""
    try:
        number = float(number)
        if scalar is F32:
            (number,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:  # rounds to more than the largest
        number = -math.inf if number < 0 else math.inf
    if math.isnan(number):
        return "0x7FF8000000000000"
    (pattern,) = struct.unpack("<Q", struct.pack("<d", number))
    return f"0x{pattern:016X}"
