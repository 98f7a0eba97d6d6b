"""Operators and conversions of the kernel language, as LLVM instructions.

LLVM leaves shifts by too much, divisions by zero and conversions that overflow undefined; here
each of them has a value.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable

from tinygraph_numba.language.code import Code
from tinygraph_numba.language.scalars import (
    BOOL,
    Constant,
    LanguageError,
    Number,
    Operand,
    Pointer,
    Scalar,
    Value,
    constant,
    integers,
)

FLOAT = {ast.Add: "fadd contract", ast.Sub: "fsub contract", ast.Mult: "fmul contract",
         ast.Div: "fdiv"}  # fmt: skip
INTEGER = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.BitAnd: "and", ast.BitOr: "or",
           ast.BitXor: "xor"}  # fmt: skip
SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//",
         ast.Mod: "%", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<",
         ast.RShift: ">>", ast.Pow: "**"}  # fmt: skip
COMPARE = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt",
           ast.GtE: "ge"}  # fmt: skip
FOLD: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}  # fmt: skip
FOLD_INTEGER: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift,
}  # fmt: skip


def typed(operand: Operand, line: int, kind: Scalar | None = None) -> Value:
    """The operand as a value; a constant takes type `kind`."""
    if isinstance(operand, Constant):
        return constant(operand.number, kind or operand.type, line)
    return operand


def scalar(operand: Operand, line: int) -> Scalar:
    """The type of an operand that must be a number."""
    if isinstance(operand.type, Pointer):
        raise LanguageError(line, f"a number is expected, not a {operand.type}")
    return operand.type


def single(operand: Operand, line: int) -> Scalar:
    """The type of an operand that must be one number, not a vector."""
    kind = scalar(operand, line)
    if kind.lanes > 1:
        raise LanguageError(line, f"one number is expected, not a {kind}")
    return kind


def paired(a: Operand, b: Operand, line: int, what: str) -> tuple[Value, Value, Scalar]:
    """Both as values of one type, and that type."""
    kind = scalar(b if isinstance(a, Constant) else a, line)
    x, y = typed(a, line, kind), typed(b, line, kind)
    if x.type != y.type:
        raise LanguageError(line, f"{what} needs two operands of one type, not {x.type}, {y.type}")
    if kind.kind == "storage":
        raise LanguageError(line, f"{kind} is for storage only; convert it to f32")
    return x, y, kind


def binary(code: Code, op: ast.operator, a: Operand, b: Operand, line: int) -> Operand:
    """`a op b`."""
    if isinstance(a, Constant) and isinstance(b, Constant):
        return Constant(fold(op, a.number, b.number, line))
    sign = SIGNS.get(type(op), type(op).__name__)
    x, y, kind = paired(a, b, line, sign)
    if kind.kind == "float":
        name = FLOAT.get(type(op))
    elif kind.integer and isinstance(op, ast.LShift | ast.RShift):
        return _shift(code, isinstance(op, ast.LShift), x, y, kind)
    elif kind.integer and isinstance(op, ast.FloorDiv | ast.Mod):
        return _divide(code, isinstance(op, ast.FloorDiv), x, y, kind)
    else:
        name = INTEGER.get(type(op))
        if kind is BOOL and not isinstance(op, ast.BitAnd | ast.BitOr | ast.BitXor):
            name = None
    if name is None:
        raise LanguageError(line, f"{sign} is not for operands of type {kind}")
    return code.op(kind, f"{name} {kind.ir} {x.ir}, {y.ir}")


def fold(op: ast.operator, a: Number, b: Number, line: int) -> Number:
    """An operation on two numbers of the source."""
    try:
        if type(op) in FOLD:
            return FOLD[type(op)](a, b)
        if isinstance(a, int) and isinstance(b, int):
            return FOLD_INTEGER[type(op)](a, b)
    except (ArithmeticError, ValueError, KeyError) as error:
        raise LanguageError(line, f"this constant has no value: {error}") from error
    raise LanguageError(line, "two integers are expected")


def _shift(code: Code, left: bool, x: Value, y: Value, kind: Scalar) -> Value:
    """Bits that are shifted out are lost, however far; an amount below 0 counts as too far."""
    name = "shl" if left else "ashr" if kind.kind == "signed" else "lshr"
    if y.ir.isdecimal() and int(y.ir) < kind.bits:
        return code.op(kind, f"{name} {kind.ir} {x.ir}, {y.ir}")
    fits = code.op(BOOL, f"icmp ult {kind.ir} {y.ir}, {kind.bits}")
    if name == "ashr":
        far = code.op(kind, f"select i1 {fits.ir}, {kind.ir} {y.ir}, {kind.ir} {kind.bits - 1}")
        return code.op(kind, f"ashr {kind.ir} {x.ir}, {far.ir}")
    shifted = code.op(kind, f"{name} {kind.ir} {x.ir}, {y.ir}")
    return select(code, fits, shifted, Value(kind, "0"))


def _divide(code: Code, quotient: bool, x: Value, y: Value, kind: Scalar) -> Value:
    """`//` and `%` round down; by zero both give 0, and the smallest // -1 wraps to itself."""
    signed = kind.kind == "signed"
    one, zero = Value(kind, "1"), Value(kind, "0")
    none = compare(code, "eq", y, zero)
    unsafe = none
    if signed:
        lowest = compare(code, "eq", x, Value(kind, str(integers(kind)[0])))
        minus = compare(code, "eq", y, Value(kind, "-1"))
        overflow = code.op(BOOL, f"and i1 {lowest.ir}, {minus.ir}")
        unsafe = code.op(BOOL, f"or i1 {none.ir}, {overflow.ir}")
    y = select(code, unsafe, one, y)
    prefix = "s" if signed else "u"
    rest = code.op(kind, f"{prefix}rem {kind.ir} {x.ir}, {y.ir}")
    value = code.op(kind, f"{prefix}div {kind.ir} {x.ir}, {y.ir}") if quotient else rest
    if signed:
        value = _round_down(code, quotient, value, rest, y, kind)
    return select(code, none, zero, value)


def _round_down(
    code: Code, quotient: bool, value: Value, rest: Value, y: Value, kind: Scalar
) -> Value:
    """Correct a division that rounded towards zero, where rest and divisor differ in sign."""
    zero = Value(kind, "0")
    signs = code.op(kind, f"xor {kind.ir} {rest.ir}, {y.ir}")
    differ = compare(code, "lt", signs, zero)
    inexact = compare(code, "ne", rest, zero)
    needed = code.op(BOOL, f"and i1 {differ.ir}, {inexact.ir}")
    change = f"add {kind.ir} {value.ir}, " + ("-1" if quotient else y.ir)
    return select(code, needed, code.op(kind, change), value)


def select(code: Code, condition: Value, yes: Value, no: Value) -> Value:
    """`yes if condition else no`, both evaluated."""
    name = "ptr" if isinstance(yes.type, Pointer) else yes.type.ir
    return code.op(yes.type, f"select i1 {condition.ir}, {name} {yes.ir}, {name} {no.ir}")


def compare(code: Code, name: str, x: Value, y: Value) -> Value:
    """`x name y` of two values of one type; a comparison with NaN is false, but `!=` true."""
    kind = x.type
    if isinstance(kind, Pointer):
        return code.op(BOOL, f"icmp {name} ptr {x.ir}, {y.ir}")
    if kind.kind == "float":
        order = "u" if name == "ne" else "o"
        return code.op(BOOL, f"fcmp {order}{name} {kind.ir} {x.ir}, {y.ir}")
    if name not in ("eq", "ne"):
        name = ("s" if kind.kind == "signed" else "u") + name
    return code.op(BOOL, f"icmp {name} {kind.ir} {x.ir}, {y.ir}")


def comparison(code: Code, op: ast.cmpop, a: Operand, b: Operand, line: int) -> Value:
    """`a op b`."""
    if type(op) not in COMPARE:
        raise LanguageError(line, "one of == != < <= > >= is expected")
    if isinstance(a, Constant) and isinstance(b, Constant):
        a = typed(a, line, scalar(b, line) if isinstance(b.number, float) else None)
    x, y, _ = paired(a, b, line, "a comparison")
    single(x, line)
    return compare(code, COMPARE[type(op)], x, y)


def negative(code: Code, operand: Operand, line: int) -> Operand:
    """`-x`."""
    if isinstance(operand, Constant):
        return Constant(-operand.number)
    kind = scalar(operand, line)
    if kind.kind == "float":
        return code.op(kind, f"fneg {kind.ir} {operand.ir}")
    if not kind.integer:
        raise LanguageError(line, f"- is not for {kind}")
    return code.op(kind, f"sub {kind.ir} 0, {operand.ir}")


def inverted(code: Code, operand: Operand, line: int) -> Operand:
    """`~x`."""
    if isinstance(operand, Constant) and isinstance(operand.number, int):
        return Constant(~operand.number)
    kind = scalar(operand, line)
    value = typed(operand, line)
    if not (kind.integer or kind is BOOL):
        raise LanguageError(line, f"~ is not for {kind}")
    return code.op(kind, f"xor {kind.ir} {value.ir}, " + ("true" if kind is BOOL else "-1"))


def convert(code: Code, operand: Operand, to: Scalar, line: int) -> Value:
    """`to(operand)`, neither of them for storage only."""
    if isinstance(operand, Constant) and to is not BOOL and math.isfinite(operand.number):
        number = operand.number
        return constant(number if to.kind == "float" else int(number), to, line)
    value, kind = typed(operand, line), single(operand, line)
    if kind is to:
        return value
    if to is BOOL:
        return _truth(code, value, kind)
    if kind.kind == "float" and to.integer:
        return _saturate(code, value, kind, to)
    return code.op(to, f"{_cast(kind, to)} {kind.ir} {value.ir} to {to.ir}")


def _cast(kind: Scalar, to: Scalar) -> str:
    """LLVM's name of a conversion that can not go wrong."""
    if kind.kind == "float":
        return "fpext" if to.bits > kind.bits else "fptrunc"
    if to.kind == "float":
        return "sitofp" if kind.kind == "signed" else "uitofp"
    if kind is not BOOL and to.bits <= kind.bits:
        return "trunc" if to.bits < kind.bits else "bitcast"
    return "sext" if kind.kind == "signed" else "zext"


def _truth(code: Code, value: Value, kind: Scalar) -> Value:
    return compare(code, "ne", value, Value(kind, "0.0" if kind.kind == "float" else "0"))


def _saturate(code: Code, value: Value, kind: Scalar, to: Scalar) -> Value:
    """The nearest integer towards zero that `to` has; 0 for NaN. LLVM's own function for it is
    not vectorised."""
    lowest, over = integers(to)
    low, high = (constant(float(bound), kind, 0) for bound in (lowest, over))
    enough, small = compare(code, "ge", value, low), compare(code, "lt", value, high)
    inside = code.op(BOOL, f"and i1 {enough.ir}, {small.ir}")
    safe = select(code, inside, value, constant(0.0, kind, 0))
    name = "fptosi" if to.kind == "signed" else "fptoui"
    number = code.op(to, f"{name} {kind.ir} {safe.ir} to {to.ir}")
    above, below = compare(code, "ge", value, high), compare(code, "lt", value, low)
    number = select(code, above, Value(to, str(over - 1)), number)
    return select(code, below, Value(to, str(lowest)), number)


def reinterpret(code: Code, operand: Operand, to: Scalar, line: int) -> Value:
    """`bits(to, operand)`."""
    value, kind = typed(operand, line), single(operand, line)
    if kind.bits != to.bits or BOOL in (kind, to):
        raise LanguageError(line, f"bits: {kind} and {to} are not of one size")
    return code.op(to, f"bitcast {kind.ir} {value.ir} to {to.ir}")
