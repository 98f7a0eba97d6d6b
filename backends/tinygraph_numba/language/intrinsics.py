"""The words of the kernel language that LLVM has an instruction or a function for."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from tinygraph_numba.language import arithmetic
from tinygraph_numba.language.code import Code
from tinygraph_numba.language.scalars import (
    BOOL,
    I64,
    U32,
    U64,
    LanguageError,
    Operand,
    Pointer,
    Scalar,
    Value,
)

Word = Callable[[Code, Sequence[Operand], int], Operand | None]
FLOAT_WORDS = ("sqrt", "floor", "ceil", "rint", "trunc")
PAUSES: dict[str, tuple[str, list[str]]] = {  # by the name of the processor
    **dict.fromkeys(("x86_64", "AMD64"), ("llvm.x86.sse2.pause", [])),
    **dict.fromkeys(("aarch64", "arm64"), ("llvm.aarch64.hint", ["i32 1"])),
}


def _same(args: Sequence[Operand], count: int, line: int, what: str) -> tuple[list[Value], Scalar]:
    """`count` operands of one type, and that type."""
    if len(args) != count:
        raise LanguageError(line, f"{what} takes {count} operands, not {len(args)}")
    first = next((arg for arg in args if isinstance(arg, Value)), args[0])
    kind = arithmetic.scalar(first, line)
    values = [arithmetic.typed(arg, line, kind) for arg in args]
    for value in values:
        if value.type != kind:
            raise LanguageError(line, f"{what}: all must be {kind}, one is {value.type}")
    if kind.kind == "storage":
        raise LanguageError(line, f"{kind} is for storage only; convert it to f32")
    return values, kind


def _called(code: Code, name: str, values: Sequence[Value], kind: Scalar, tail: str = "") -> Value:
    """LLVM's function `name` on values of type `kind`."""
    args = [f"{kind.ir} {value.ir}" for value in values] + ([tail] if tail else [])
    return code.intrinsic(f"llvm.{name}.{kind.suffix}", kind, args)


def _float_word(name: str, count: int) -> Word:
    """A function of floats that LLVM knows."""

    def word(code: Code, args: Sequence[Operand], line: int) -> Value:
        values, kind = _same(args, count, line, name)
        if kind.kind != "float":
            raise LanguageError(line, f"{name} is for f32 and f64, not {kind}")
        return _called(code, name, values, kind)

    return word


def _absolute(code: Code, args: Sequence[Operand], line: int) -> Value:
    (value,), kind = _same(args, 1, line, "abs")
    if kind.kind == "float":
        return _called(code, "fabs", [value], kind)
    return _called(code, "abs", [value], kind, "i1 false") if kind.kind == "signed" else value


def _extreme(which: str) -> Word:
    """minimum or maximum."""

    def word(code: Code, args: Sequence[Operand], line: int) -> Value:
        values, kind = _same(args, 2, line, f"{which}imum")
        if kind.kind == "float":
            return _called(code, f"{which}imum", values, kind)
        if kind is BOOL:
            name = "and" if which == "min" else "or"
            return code.op(BOOL, f"{name} i1 {values[0].ir}, {values[1].ir}")
        return _called(code, ("s" if kind.kind == "signed" else "u") + which, values, kind)

    return word


def _fast(name: str) -> Word:
    """An operation whose order with others of its kind is free."""

    def word(code: Code, args: Sequence[Operand], line: int) -> Value:
        (a, b), kind = _same(args, 2, line, f"fast_{name}")
        if kind is BOOL:
            raise LanguageError(line, f"fast_{name} is for numbers, not bool")
        flags = f"f{name} reassoc nsz contract" if kind.kind == "float" else name
        return code.op(kind, f"{flags} {kind.ir} {a.ir}, {b.ir}")

    return word


def _high(code: Code, args: Sequence[Operand], line: int) -> Value:
    values, kind = _same(args, 2, line, "high")
    if kind not in (U32, U64):
        raise LanguageError(line, f"high is for u32 and u64, not {kind}")
    wide = f"i{2 * kind.bits}"
    a, b = (code.op(kind, f"zext {kind.ir} {value.ir} to {wide}") for value in values)
    product = code.op(kind, f"mul {wide} {a.ir}, {b.ir}")
    upper = code.op(kind, f"lshr {wide} {product.ir}, {kind.bits}")
    return code.op(kind, f"trunc {wide} {upper.ir} to {kind.ir}")


def place(args: Sequence[Operand], line: int, what: str) -> tuple[Value, Value]:
    """The pointer and the index that a word begins with."""
    if len(args) < 2 or not isinstance(args[0].type, Pointer):
        raise LanguageError(line, f"{what} begins with a pointer and an index")
    assert isinstance(args[0], Value)
    index = arithmetic.typed(args[1], line, I64)
    if index.type != I64:
        raise LanguageError(line, f"an index is an i64, not {index.type}")
    return args[0], index


def _address(code: Code, args: Sequence[Operand], line: int) -> Value:
    p, index = place(args, line, "address")
    assert isinstance(p.type, Pointer)
    memory = p.type.element.memory
    # Unlike the place of an access, an address may lie outside of its array.
    at = code.op(p.type, f"getelementptr {memory}, ptr {p.ir}, i64 {index.ir}")
    return code.op(I64, f"ptrtoint ptr {at.ir} to i64")


def _atomic(code: Code, args: Sequence[Operand], line: int, what: str, count: int) -> list[str]:
    """The place of an atomic access, and the value that goes there."""
    p, index = place(args, line, what)
    assert isinstance(p.type, Pointer)
    if p.type.element is not I64 or len(args) != count:
        raise LanguageError(line, f"{what} takes a ptr_i64 and {count - 1} i64")
    values = [arithmetic.typed(arg, line) for arg in args[2:]]
    if any(value.type != I64 for value in values):
        raise LanguageError(line, f"{what}: the value must be i64")
    return [code.element(p, index), *(value.ir for value in values)]


def _atomic_add(code: Code, args: Sequence[Operand], line: int) -> Value:
    where, value = _atomic(code, args, line, "atomic_add", 3)
    return code.op(I64, f"atomicrmw add ptr {where}, i64 {value} seq_cst")


def _atomic_load(code: Code, args: Sequence[Operand], line: int) -> Value:
    (where,) = _atomic(code, args, line, "atomic_load", 2)
    return code.op(I64, f"load atomic i64, ptr {where} seq_cst, align 8")


def _atomic_store(code: Code, args: Sequence[Operand], line: int) -> None:
    where, value = _atomic(code, args, line, "atomic_store", 3)
    code.do(f"store atomic i64 {value}, ptr {where} seq_cst, align 8")


def _pause(code: Code, args: Sequence[Operand], line: int) -> None:
    if args:
        raise LanguageError(line, "pause takes no operands")
    if platform.machine() in PAUSES:
        name, operands = PAUSES[platform.machine()]
        code.declare(name, "void", operands)
        code.do(f"call void @{name}({', '.join(operands)})")


def _call(code: Code, args: Sequence[Operand], line: int) -> Value:
    values = [arithmetic.typed(arg, line) for arg in args]
    if not values or any(value.type != I64 for value in values):
        raise LanguageError(line, "call takes the address of a function and i64 operands")
    function = code.op(I64, f"inttoptr i64 {values[0].ir} to ptr")
    operands = ", ".join(f"i64 {value.ir}" for value in values[1:])
    return code.op(I64, f"call i64 {function.ir}({operands})")


WORDS: dict[str, Word] = {
    **{name: _float_word(name, 1) for name in FLOAT_WORDS},
    "fma": _float_word("fma", 3),
    "copysign": _float_word("copysign", 2),
    "abs": _absolute,
    "minimum": _extreme("min"),
    "maximum": _extreme("max"),
    "fast_add": _fast("add"),
    "fast_mul": _fast("mul"),
    "high": _high,
    "address": _address,
    "atomic_add": _atomic_add,
    "atomic_load": _atomic_load,
    "atomic_store": _atomic_store,
    "pause": _pause,
    "call": _call,
}
