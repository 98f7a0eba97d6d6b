"""Vectors in the kernel language: some numbers of one type in one register.

LLVM finds vectors in `lanes` loops by itself. Where a kernel must say which value stays in which
register, as the tiles of a matrix product must, it uses these words:

    v = load(p, i, n)     p[i], ..., p[i + n - 1], at any alignment; n is a literal
    store(p, i, v)        the same places, written
    spread(x, n)          n times x
    zip_low(a, b)         a[0], b[0], a[1], b[1], ...: the lower halves; zip_high: the upper ones
    even(a, b)            a[0], a[2], ..., b[0], b[2], ...; odd: those between

Vectors are of f32 or f64. `+ - * /`, `fma`, `minimum` and the like take vectors of one type,
element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tinygraph_numba.language import arithmetic
from tinygraph_numba.language.code import Code
from tinygraph_numba.language.intrinsics import place
from tinygraph_numba.language.scalars import (
    Constant,
    LanguageError,
    Operand,
    Pointer,
    Scalar,
    Value,
)

VectorWord = Callable[[Code, Sequence[Operand], int], Operand | None]


def vector(element: Scalar, lanes: int, line: int) -> Scalar:
    """The type of `lanes` numbers of type `element`."""
    if element.kind != "float" or element.lanes > 1:
        raise LanguageError(line, f"vectors are of f32 or f64, not {element}")
    text = f"<{lanes} x {element.ir}>"
    return Scalar(f"{element.name}x{lanes}", "float", element.bits, text, text, lanes)


def _size(args: Sequence[Operand], count: int, line: int, what: str) -> int:
    """The literal that ends the `count` operands: a number of lanes."""
    last = args[-1] if len(args) == count else None
    if not isinstance(last, Constant) or not isinstance(last.number, int) or last.number < 2:
        raise LanguageError(line, f"{what} takes {count} operands, the last a literal size")
    return last.number


def _load(code: Code, args: Sequence[Operand], line: int) -> Value:
    lanes = _size(args, 3, line, "load")
    p, index = place(args, line, "load")
    assert isinstance(p.type, Pointer)
    element = p.type.element
    kind = vector(element, lanes, line)
    return code.op(kind, f"load {kind.ir}, ptr {code.element(p, index)}, align {element.nbytes}")


def _store(code: Code, args: Sequence[Operand], line: int) -> None:
    p, index = place(args, line, "store")
    assert isinstance(p.type, Pointer)
    element = p.type.element
    if len(args) != 3:
        raise LanguageError(line, f"store takes 3 operands, not {len(args)}")
    value, kind = arithmetic.typed(args[2], line), arithmetic.scalar(args[2], line)
    if kind.lanes == 1 or kind != vector(element, kind.lanes, line):
        raise LanguageError(line, f"memory of {element} takes a vector of these, not {kind}")
    where = f"ptr {code.element(p, index)}, align {element.nbytes}"
    code.do(f"store {kind.ir} {value.ir}, {where}")


def _spread(code: Code, args: Sequence[Operand], line: int) -> Value:
    lanes = _size(args, 2, line, "spread")
    value = arithmetic.typed(args[0], line)
    element = arithmetic.scalar(value, line)
    kind = vector(element, lanes, line)
    first = code.op(kind, f"insertelement {kind.ir} poison, {element.ir} {value.ir}, i32 0")
    zeros = f"<{lanes} x i32> zeroinitializer"
    return code.op(kind, f"shufflevector {kind.ir} {first.ir}, {kind.ir} poison, {zeros}")


def _shuffle(name: str, places: Callable[[int], list[int]]) -> VectorWord:
    """A word that picks elements of two vectors; places: of so many lanes, which ones, where
    those of the second vector follow those of the first."""

    def word(code: Code, args: Sequence[Operand], line: int) -> Value:
        if len(args) != 2:
            raise LanguageError(line, f"{name} takes two vectors")
        x, y, kind = arithmetic.paired(args[0], args[1], line, name)
        if kind.lanes % 2:
            raise LanguageError(line, f"{name} takes two vectors of an even number of lanes")
        picked = ", ".join(f"i32 {place}" for place in places(kind.lanes))
        mask = f"<{kind.lanes} x i32> <{picked}>"
        return code.op(kind, f"shufflevector {kind.ir} {x.ir}, {kind.ir} {y.ir}, {mask}")

    return word


def _zipped(start: int, lanes: int) -> list[int]:
    """Half of the lanes of two vectors in turn, from number `start` on."""
    return [i + side for i in range(start, start + lanes // 2) for side in (0, lanes)]


VECTOR_WORDS: dict[str, VectorWord] = {
    "load": _load,
    "store": _store,
    "spread": _spread,
    "zip_low": _shuffle("zip_low", lambda lanes: _zipped(0, lanes)),
    "zip_high": _shuffle("zip_high", lambda lanes: _zipped(lanes // 2, lanes)),
    "even": _shuffle("even", lambda lanes: list(range(0, 2 * lanes, 2))),
    "odd": _shuffle("odd", lambda lanes: list(range(1, 2 * lanes, 2))),
}
