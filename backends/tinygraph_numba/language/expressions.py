"""Expressions of the kernel language: Python's syntax trees to LLVM instructions."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tinygraph_numba.language import arithmetic, emit, storage
from tinygraph_numba.language.code import Code
from tinygraph_numba.language.intrinsics import WORDS as SCALAR_WORDS
from tinygraph_numba.language.intrinsics import place
from tinygraph_numba.language.library import Library, Scope, parsed
from tinygraph_numba.language.scalars import (
    BOOL,
    F16,
    F32,
    F64,
    I64,
    POINTERS,
    SCALARS,
    U16,
    Constant,
    LanguageError,
    Operand,
    Pointer,
    Scalar,
    Type,
    Value,
)
from tinygraph_numba.language.vectors import VECTOR_WORDS

WORDS = {**SCALAR_WORDS, **VECTOR_WORDS}


@dataclass(slots=True)
class Variable:
    """A local: where LLVM keeps it, and its type."""

    name: str
    type: Type


@dataclass(slots=True)
class Loop:
    """Where `break` and `continue` go."""

    leave: str
    again: str
    left: bool = False


@dataclass(slots=True)
class Frame:
    """A function while its body is written into its caller's."""

    name: str
    home: Library
    leave: str
    results: list[Variable]
    variables: dict[str, Variable] = field(default_factory=dict)
    numbers: dict[str, Constant] = field(default_factory=dict)
    loops: list[Loop] = field(default_factory=list)


class Expressions(ABC):
    """Writes expressions into `code`. `frames` are the functions that are being written, the
    innermost last."""

    def __init__(self, scope: Scope) -> None:
        self.code = Code()
        self.scope = scope
        self.frames: list[Frame] = []

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    def expression(self, node: ast.expr) -> Operand:
        """One value."""
        values = self.values(node)
        if len(values) != 1:
            raise LanguageError(node.lineno, f"one value is expected here, not {len(values)}")
        return values[0]

    def values(self, node: ast.expr) -> Sequence[Operand]:
        """The values of an expression: a call may have none or several."""
        if isinstance(node, ast.Tuple):
            return [self.expression(element) for element in node.elts]
        if isinstance(node, ast.Call):
            return self._call(node)
        translate = EXPRESSIONS.get(type(node))
        if translate is None:
            raise LanguageError(node.lineno, f"{_kind(node)} is not in the language")
        return [translate(self, node)]

    def value(self, node: ast.expr, kind: Type | None, what: str) -> Value:
        """A value of type `kind`, or of its own type if that is None."""
        operand = self.expression(node)
        wanted = kind if isinstance(kind, Scalar) else None
        value = arithmetic.typed(operand, node.lineno, wanted)
        if kind is not None and value.type != kind:
            raise LanguageError(node.lineno, f"{what}: {kind} is expected, not {value.type}")
        return value

    @abstractmethod
    def inline(
        self, function: ast.FunctionDef, home: Library, args: Sequence[Operand], line: int
    ) -> Sequence[Operand]:
        """Write the body of a function here; the results."""

    def _name(self, node: ast.Name) -> Operand:
        frame = self.frame
        if node.id in frame.numbers:
            return frame.numbers[node.id]
        if node.id in frame.variables:
            variable = frame.variables[node.id]
            return self.code.read(variable.name, variable.type)
        found = frame.home.constant(node.id)
        if found is None:
            raise LanguageError(node.lineno, f"{node.id} has no value before this line")
        return found

    def _constant(self, node: ast.Constant) -> Operand:
        if isinstance(node.value, bool):
            return Value(BOOL, "true" if node.value else "false")
        if not isinstance(node.value, int | float):
            raise LanguageError(node.lineno, f"a number is expected, not {node.value!r}")
        return Constant(node.value)

    def _binary(self, node: ast.BinOp) -> Operand:
        a, b = self.expression(node.left), self.expression(node.right)
        return arithmetic.binary(self.code, node.op, a, b, node.lineno)

    def _unary(self, node: ast.UnaryOp) -> Operand:
        if isinstance(node.op, ast.Not):
            value = self.condition(node.operand)
            return self.code.op(BOOL, f"xor i1 {value.ir}, true")
        operand = self.expression(node.operand)
        if isinstance(node.op, ast.USub):
            return arithmetic.negative(self.code, operand, node.lineno)
        if isinstance(node.op, ast.Invert):
            return arithmetic.inverted(self.code, operand, node.lineno)
        return operand

    def _compare(self, node: ast.Compare) -> Operand:
        operands = [self.expression(each) for each in (node.left, *node.comparators)]
        pairs = zip(node.ops, operands, operands[1:])
        tests = [arithmetic.comparison(self.code, op, a, b, node.lineno) for op, a, b in pairs]
        return self._joined("and", tests)

    def _boolean(self, node: ast.BoolOp) -> Operand:
        name = "and" if isinstance(node.op, ast.And) else "or"
        return self._joined(name, [self.condition(each) for each in node.values])

    def _joined(self, name: str, values: Sequence[Value]) -> Value:
        result = values[0]
        for value in values[1:]:
            result = self.code.op(BOOL, f"{name} i1 {result.ir}, {value.ir}")
        return result

    def condition(self, node: ast.expr) -> Value:
        """A bool."""
        return self.value(node, BOOL, "a condition")

    def _select(self, node: ast.IfExp) -> Operand:
        test = self.condition(node.test)
        yes, no = self.expression(node.body), self.expression(node.orelse)
        if isinstance(yes.type, Pointer) and yes.type == no.type:
            assert isinstance(yes, Value)
            assert isinstance(no, Value)
            return arithmetic.select(self.code, test, yes, no)
        x, y, _ = arithmetic.paired(yes, no, node.lineno, "a choice")
        return arithmetic.select(self.code, test, x, y)

    def _subscript(self, node: ast.Subscript) -> Operand:
        return self.code.load(*self.element(node))

    def element(self, node: ast.Subscript) -> tuple[Value, Value]:
        """The pointer and the index of `p[i]`."""
        operands = [self.expression(node.value), self.expression(node.slice)]
        return place(operands, node.lineno, "p[i]")

    def _call(self, node: ast.Call) -> Sequence[Operand]:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise LanguageError(node.lineno, "a call is name(operands), without keywords")
        name = node.func.id
        if name in MAKERS:
            return [MAKERS[name](self, node)]
        args = [self.expression(arg) for arg in node.args]
        if name in SCALARS:
            if len(args) != 1:
                raise LanguageError(node.lineno, f"{name} converts one value")
            return [self.converted(args[0], SCALARS[name], node.lineno)]
        if name in WORDS:
            result = WORDS[name](self.code, args, node.lineno)
            return [] if result is None else [result]
        suffix = str(args[0].type) if args else ""
        found = self.scope.function(name, suffix, self.frame.home)
        if found is None:
            raise LanguageError(node.lineno, f"there is no function {name} or {name}_{suffix}")
        return self.inline(*found, args, node.lineno)

    def converted(self, operand: Operand, to: Scalar, line: int) -> Value:
        """`to(operand)`; to and from the 16-bit floats by way of f32."""
        kind = arithmetic.scalar(operand, line)
        if kind is to or "storage" not in (kind.kind, to.kind):
            return arithmetic.convert(self.code, operand, to, line)
        if kind.kind == "storage":
            return self.converted(self._wide(arithmetic.typed(operand, line), line), to, line)
        if kind.kind != "float":
            raise LanguageError(line, f"{to} is made from f32 or f64, not from {kind}")
        value = arithmetic.typed(operand, line)
        if kind is F64:
            value = self._stored("odd_f32", value, line)
        if to is F16 and emit.has_f16():
            half = self.code.op(to, f"fptrunc float {value.ir} to half")
            return self.code.op(to, f"bitcast half {half.ir} to i16")
        return Value(to, self._stored(f"narrow_{to}", value, line).ir)

    def _wide(self, value: Value, line: int) -> Value:
        """A 16-bit float as f32."""
        if value.type is F16 and emit.has_f16():
            half = self.code.op(F16, f"bitcast i16 {value.ir} to half")
            return self.code.op(F32, f"fpext half {half.ir} to float")
        return self._stored(f"wide_{value.type}", Value(U16, value.ir), line)

    def _stored(self, name: str, value: Value, line: int) -> Value:
        """The result of a function of `storage`."""
        library = parsed(storage)
        (result,) = self.inline(library.functions[name], library, [value], line)
        assert isinstance(result, Value)
        return result

    def _typed_maker(self, node: ast.Call) -> tuple[Scalar, Operand]:
        """The type and the operand of `pointer`, `bits` and `stack`."""
        match node.args:
            case [ast.Name(id=name), operand] if name in SCALARS:
                return SCALARS[name], self.expression(operand)
        raise LanguageError(node.lineno, "a type and one operand are expected")

    def _pointer(self, node: ast.Call) -> Operand:
        kind, operand = self._typed_maker(node)
        address = arithmetic.typed(operand, node.lineno)
        if address.type != I64:
            raise LanguageError(node.lineno, f"an address is an i64, not {address.type}")
        return self.code.op(Pointer(kind), f"inttoptr i64 {address.ir} to ptr")

    def _bits(self, node: ast.Call) -> Operand:
        kind, operand = self._typed_maker(node)
        return arithmetic.reinterpret(self.code, operand, kind, node.lineno)

    def _stack(self, node: ast.Call) -> Operand:
        kind, operand = self._typed_maker(node)
        if not isinstance(operand, Constant) or not isinstance(operand.number, int):
            raise LanguageError(node.lineno, "stack takes a literal size")
        return self.code.array(kind, max(operand.number, 1))

    def annotated(self, node: ast.expr | None, line: int) -> Type:
        """The type that an annotation names."""
        if isinstance(node, ast.Name):
            if node.id in SCALARS:
                return SCALARS[node.id]
            if node.id in POINTERS:
                return POINTERS[node.id]
        raise LanguageError(line, "an annotation such as f32 or ptr_i64 is expected")


def _kind(node: ast.AST) -> str:
    return type(node).__name__


EXPRESSIONS: dict[type[ast.expr], Callable[..., Operand]] = {
    ast.Name: Expressions._name,
    ast.Constant: Expressions._constant,
    ast.BinOp: Expressions._binary,
    ast.UnaryOp: Expressions._unary,
    ast.Compare: Expressions._compare,
    ast.BoolOp: Expressions._boolean,
    ast.IfExp: Expressions._select,
    ast.Subscript: Expressions._subscript,
}
MAKERS: dict[str, Callable[[Expressions, ast.Call], Operand]] = {
    "pointer": Expressions._pointer,
    "bits": Expressions._bits,
    "stack": Expressions._stack,
}
