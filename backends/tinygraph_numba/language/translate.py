"""Statements and functions of the kernel language, and the LLVM module of a whole source.

Every function that is called is written out where it is called, so that a module has a single
function and LLVM sees all of it at once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from tinygraph_numba.language import arithmetic
from tinygraph_numba.language.code import ir
from tinygraph_numba.language.expressions import Expressions, Frame, Loop, Variable
from tinygraph_numba.language.library import Library, Scope
from tinygraph_numba.language.scalars import (
    BOOL,
    I64,
    Constant,
    LanguageError,
    Operand,
    Pointer,
    Scalar,
    Value,
)

DEEPEST = 64  # functions within functions; more is a recursion


def translate(scope: Scope, entry: str, symbol: str, attributes: str = "") -> str:
    """LLVM's text for function `entry`, which gets the name `symbol`."""
    function = scope.home.functions.get(entry)
    if function is None:
        raise LanguageError(1, f"there is no function {entry}")
    return Statements(scope).module(function, symbol, attributes)


class Statements(Expressions):
    """Writes statements into `code`."""

    def module(self, function: ast.FunctionDef, symbol: str, attributes: str) -> str:
        """The module with one function."""
        frame = self._enter(function, self.scope.home)
        head = []
        for number, arg in enumerate(function.args.args):
            kind = self.annotated(arg.annotation, arg.lineno)
            head.append(f"{ir(kind)} %p{number}")
            self._bind(arg.arg, Value(kind, f"%p{number}"), arg.lineno)
        self._body(function, frame)
        (result,) = (self.code.read(each.name, each.type) for each in frame.results)
        self.code.do(f"ret {ir(result.type)} {result.ir}")
        return self.code.function(symbol, ir(result.type), ", ".join(head), attributes)

    def inline(
        self, function: ast.FunctionDef, home: Library, args: Sequence[Operand], line: int
    ) -> Sequence[Operand]:
        """Write the body of a function here; the results."""
        parameters = function.args.args
        if len(args) != len(parameters):
            text = f"{function.name} takes {len(parameters)} operands, not {len(args)}"
            raise LanguageError(line, text)
        if len(self.frames) >= DEEPEST:
            raise LanguageError(line, f"{function.name} calls itself")
        caller = self.frame.home
        frame = self._enter(function, home)
        for arg, operand in zip(parameters, args):
            kind = self.annotated(arg.annotation, arg.lineno)
            value = arithmetic.typed(operand, line, kind if isinstance(kind, Scalar) else None)
            if str(value.type) != str(kind):
                text = f"{function.name}: {arg.arg} is {kind}, not {value.type}"
                raise LanguageError(line, text)
            self._bind(arg.arg, value, line)
        try:
            self._body(function, frame)
        except LanguageError as error:
            if home is caller:
                raise
            text = f"in {function.name}, line {error.line} of {home.name}: {error.what}"
            raise LanguageError(line, text) from error
        return [self.code.read(each.name, each.type) for each in frame.results]

    def _enter(self, function: ast.FunctionDef, home: Library) -> Frame:
        """A new frame, with room for the results."""
        kinds = self._returned(function)
        results = [Variable(self.code.local(kind), kind) for kind in kinds]
        frame = Frame(function.name, home, self.code.fresh("leave"), results)
        self.frames.append(frame)
        return frame

    def _returned(self, function: ast.FunctionDef) -> list[Scalar | Pointer]:
        match function.returns:
            case None | ast.Constant(value=None):
                return []
            case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=elements)):
                return [self.annotated(each, function.lineno) for each in elements]
        return [self.annotated(function.returns, function.lineno)]

    def _body(self, function: ast.FunctionDef, frame: Frame) -> None:
        """The statements of a function; afterwards, its caller's code goes on."""
        self.block(function.body)
        if self.code.open:
            if frame.results:
                raise LanguageError(function.lineno, f"{function.name} must end with a return")
            self.code.jump(frame.leave)
        self.code.label(frame.leave)
        self.frames.pop()

    def block(self, body: Sequence[ast.stmt]) -> None:
        """Statements one after another; those that can not be reached are left out."""
        for node in body:
            if not self.code.open:
                return
            translate = STATEMENTS.get(type(node))
            if translate is None:
                kind = type(node).__name__
                raise LanguageError(node.lineno, f"{kind} is not in the language")
            translate(self, node)

    def _bind(self, name: str, value: Value, line: int) -> None:
        """Give a local a value; its first value decides its type."""
        frame = self.frame
        if name in frame.numbers:
            raise LanguageError(line, f"{name} counts an unrolled loop")
        if name not in frame.variables:
            frame.variables[name] = Variable(self.code.local(value.type), value.type)
        variable = frame.variables[name]
        if variable.type != value.type:
            raise LanguageError(line, f"{name} is {variable.type}, not {value.type}")
        self.code.write(variable.name, value)

    def _store(self, target: ast.expr, operand: Operand) -> None:
        """Assign to a name or to memory."""
        line = target.lineno
        if isinstance(target, ast.Name):
            known = self.frame.variables.get(target.id)
            kind = known.type if known and isinstance(known.type, Scalar) else None
            self._bind(target.id, arithmetic.typed(operand, line, kind), line)
        elif isinstance(target, ast.Subscript):
            p, index = self.element(target)
            assert isinstance(p.type, Pointer)
            value = arithmetic.typed(operand, line, p.type.element)
            if value.type != p.type.element:
                raise LanguageError(line, f"memory of {p.type.element}, a value of {value.type}")
            self.code.store(p, index, value)
        else:
            raise LanguageError(line, "a name or p[i] is expected on the left")

    def _assign(self, node: ast.Assign) -> None:
        (target,) = node.targets[:1]
        if len(node.targets) > 1:
            raise LanguageError(node.lineno, "one assignment at a time")
        values = self.values(node.value)
        targets = target.elts if isinstance(target, ast.Tuple) else [target]
        if len(values) != len(targets):
            text = f"{len(targets)} values are expected, not {len(values)}"
            raise LanguageError(node.lineno, text)
        for each, value in zip(targets, values):
            self._store(each, value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            raise LanguageError(node.lineno, "a value is expected")
        kind = self.annotated(node.annotation, node.lineno)
        self._store(node.target, self.value(node.value, kind, "the annotation"))

    def _augmented(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            load = ast.Name(node.target.id, ast.Load(), lineno=node.lineno)
            old, value = self.expression(load), self.expression(node.value)
            self._store(node.target, self._applied(node, old, value))
        elif isinstance(node.target, ast.Subscript):
            p, index = self.element(node.target)
            value = self.expression(node.value)
            result = self._applied(node, self.code.load(p, index), value)
            assert isinstance(result, Value)
            self.code.store(p, index, result)

    def _applied(self, node: ast.AugAssign, old: Operand, value: Operand) -> Operand:
        return arithmetic.binary(self.code, node.op, old, value, node.lineno)

    def _expression_statement(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.values(node.value)
        elif not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):
            raise LanguageError(node.lineno, "this value is not used")

    def _return(self, node: ast.Return) -> None:
        results = self.frame.results
        values = [] if node.value is None else self.values(node.value)
        if len(values) != len(results):
            text = f"{self.frame.name} returns {len(results)} values, not {len(values)}"
            raise LanguageError(node.lineno, text)
        for result, operand in zip(results, values):
            kind = result.type if isinstance(result.type, Scalar) else None
            value = arithmetic.typed(operand, node.lineno, kind)
            if value.type != result.type:
                text = f"{self.frame.name} returns {result.type}, not {value.type}"
                raise LanguageError(node.lineno, text)
            self.code.write(result.name, value)
        self.code.jump(self.frame.leave)

    def _if(self, node: ast.If) -> None:
        test = self.condition(node.test)
        yes, no, after = (self.code.fresh(name) for name in ("then", "else", "after"))
        self.code.branch(test, yes, no)
        ends = []
        for label, body in ((yes, node.body), (no, node.orelse)):
            self.code.label(label)
            self.block(body)
            ends.append(self.code.open)
            if self.code.open:
                self.code.jump(after)
        if any(ends):
            self.code.label(after)

    def _while(self, node: ast.While) -> None:
        _no_else(node)
        head, body, after = (self.code.fresh(name) for name in ("while", "body", "after"))
        self.code.jump(head)
        self.code.label(head)
        forever = isinstance(node.test, ast.Constant) and node.test.value is True
        if forever:
            self.code.jump(body)
        else:
            self.code.branch(self.condition(node.test), body, after)
        loop = Loop(after, head)
        self._loop_body(body, node.body, loop)
        if self.code.open:
            self.code.jump(head)
        if loop.left or not forever:
            self.code.label(after)

    def _loop_body(self, label: str, body: Sequence[ast.stmt], loop: Loop) -> None:
        self.code.label(label)
        self.frame.loops.append(loop)
        self.block(body)
        self.frame.loops.pop()

    def _for(self, node: ast.For) -> None:
        _no_else(node)
        match node.target, node.iter:
            case ast.Name(id=name), ast.Call(func=ast.Name(id=how), args=args) if how in LOOPS:
                bounds = [self.expression(arg) for arg in args]
                if len(bounds) == 1:
                    bounds.insert(0, Constant(0))
                most = 2 if how == "unroll" else 3
                if 2 <= len(bounds) <= most:
                    LOOPS[how](self, name, bounds, node)
                    return
        raise LanguageError(
            node.lineno, "for name in range(a, b[, step]), lanes(a, b[, together]) or unroll(a, b)"
        )

    def _range(self, name: str, bounds: Sequence[Operand], node: ast.For) -> None:
        if len(bounds) == 2:
            start, stop, _ = arithmetic.paired(bounds[0], bounds[1], node.lineno, "range")
            self._count(name, start, stop, node, after=self._written_out(node))
            return
        start, stop, step = (arithmetic.typed(each, node.lineno, I64) for each in bounds)
        if not start.type == stop.type == step.type == I64:
            raise LanguageError(node.lineno, "range with a step takes i64")
        times = self._times(start, stop, step)

        def at(count: Value) -> Value:
            offset = self.code.op(I64, f"mul i64 {count.ir}, {step.ir}")
            return self.code.op(I64, f"add i64 {start.ir}, {offset.ir}")

        self._count(name, Value(I64, "0"), times, node, at, self._written_out(node))

    def _written_out(self, node: ast.For) -> str:
        """Metadata of a loop whose body is written out by hand: once is enough."""
        if "unroll" not in map(_loop_kind, node.body):
            return ""
        disable = self.code.meta('!{!"llvm.loop.unroll.disable"}')
        return f", !llvm.loop !{self.code.distinct(f'self, !{disable}')}"

    def _times(self, start: Value, stop: Value, step: Value) -> Value:
        """How many numbers range(start, stop, step) has; none if step is 0."""
        code, zero = self.code, Value(I64, "0")
        up = arithmetic.compare(code, "gt", step, zero)
        upward = code.op(I64, f"sub i64 {stop.ir}, {start.ir}")
        downward = code.op(I64, f"sub i64 {start.ir}, {stop.ir}")
        span = arithmetic.select(code, up, upward, downward)
        size = code.intrinsic("llvm.abs.i64", I64, [f"i64 {step.ir}", "i1 false"])
        still = arithmetic.compare(code, "eq", step, zero)
        size = arithmetic.select(code, still, Value(I64, "1"), size)
        last = code.op(I64, f"sub i64 {span.ir}, 1")
        whole = code.op(I64, f"udiv i64 {last.ir}, {size.ir}")
        times = code.op(I64, f"add i64 {whole.ir}, 1")
        some = arithmetic.compare(code, "gt", span, zero)
        moving = code.op(BOOL, f"xor i1 {still.ir}, true")
        runs = code.op(BOOL, f"and i1 {some.ir}, {moving.ir}")
        return arithmetic.select(code, runs, times, zero)

    def _lanes(self, name: str, bounds: Sequence[Operand], node: ast.For) -> None:
        """The loop and each access in it say that its iterations are independent."""
        start, stop, _ = arithmetic.paired(bounds[0], bounds[1], node.lineno, "lanes")
        group = self.code.distinct()
        parallel = self.code.meta(f'!{{!"llvm.loop.parallel_accesses", !{group}}}')
        nodes = [parallel]
        for each in bounds[2:]:
            if not isinstance(each, Constant):
                raise LanguageError(node.lineno, "how many vectors run together is a literal")
            count = f"i32 {int(each.number)}"
            nodes.append(self.code.meta(f'!{{!"llvm.loop.interleave.count", {count}}}'))
        loop = self.code.distinct(", ".join(["self", *[f"!{number}" for number in nodes]]))
        self.code.groups.append(group)
        self._count(name, start, stop, node, after=f", !llvm.loop !{loop}")
        self.code.groups.pop()

    def _count(
        self,
        name: str,
        start: Value,
        stop: Value,
        node: ast.For,
        at: Callable[[Value], Value] | None = None,
        after: str = "",
    ) -> None:
        """Run the body for start, start + 1, ... below stop. The test stands at the end, where
        LLVM wants it; the counter is not the variable, which the body may change."""
        code, kind = self.code, start.type
        if not isinstance(kind, Scalar) or not kind.integer:
            raise LanguageError(node.lineno, f"a loop counts integers, not {kind}")
        body, again, leave = (code.fresh(label) for label in ("body", "again", "after"))
        counter = code.local(kind)
        code.write(counter, start)
        code.branch(arithmetic.compare(code, "lt", start, stop), body, leave)
        code.label(body)
        count = code.read(counter, kind)
        self._bind(name, at(count) if at else count, node.lineno)
        loop = Loop(leave, again)
        self.frame.loops.append(loop)
        self.block(node.body)
        self.frame.loops.pop()
        if code.open:
            code.jump(again)
        code.label(again)
        wrap = "nsw" if kind.kind == "signed" else "nuw"  # it stays below stop
        following = code.op(kind, f"add {wrap} {kind.ir} {code.read(counter, kind).ir}, 1")
        code.write(counter, following)
        code.branch(arithmetic.compare(code, "lt", following, stop), body, leave, after)
        code.label(leave)

    def _unroll(self, name: str, bounds: Sequence[Operand], node: ast.For) -> None:
        """Write the body once for each number."""
        first, last = bounds
        if not isinstance(first, Constant) or not isinstance(last, Constant):
            raise LanguageError(node.lineno, "unroll takes literals")
        frame, leave = self.frame, self.code.fresh("after")
        for number in range(int(first.number), int(last.number)):
            if not self.code.open:
                break
            again = self.code.fresh("again")
            frame.numbers[name] = Constant(number)
            frame.loops.append(Loop(leave, again))
            self.block(node.body)
            frame.loops.pop()
            if self.code.open:
                self.code.jump(again)
            self.code.label(again)
        frame.numbers.pop(name, None)
        if self.code.open:
            self.code.jump(leave)
        self.code.label(leave)

    def _break(self, node: ast.Break) -> None:
        self._loop(node).left = True
        self.code.jump(self._loop(node).leave)

    def _continue(self, node: ast.Continue) -> None:
        self.code.jump(self._loop(node).again)

    def _loop(self, node: ast.stmt) -> Loop:
        if not self.frame.loops:
            raise LanguageError(node.lineno, "break and continue belong in a loop")
        return self.frame.loops[-1]

    def _pass(self, node: ast.Pass) -> None:
        """Nothing."""


def _loop_kind(node: ast.stmt) -> str:
    """What a loop runs over: range, lanes or unroll; nothing for another statement."""
    match node:
        case ast.For(iter=ast.Call(func=ast.Name(id=name))):
            return name
    return ""


def _no_else(node: ast.While | ast.For) -> None:
    if node.orelse:
        raise LanguageError(node.lineno, "a loop has no else")


STATEMENTS: dict[type[ast.stmt], Callable[..., None]] = {
    ast.Assign: Statements._assign,
    ast.AnnAssign: Statements._annotated,
    ast.AugAssign: Statements._augmented,
    ast.Expr: Statements._expression_statement,
    ast.Return: Statements._return,
    ast.If: Statements._if,
    ast.While: Statements._while,
    ast.For: Statements._for,
    ast.Break: Statements._break,
    ast.Continue: Statements._continue,
    ast.Pass: Statements._pass,
}
LOOPS: dict[str, Callable[[Statements, str, Sequence[Operand], ast.For], None]] = {
    "range": Statements._range,
    "lanes": Statements._lanes,
    "unroll": Statements._unroll,
}
