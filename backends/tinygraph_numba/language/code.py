"""The text of one LLVM function while it is being written."""

from __future__ import annotations

from collections.abc import Sequence

from tinygraph_numba.language.scalars import BOOL, Pointer, Scalar, Type, Value


class Code:
    """Instructions in order, with what LLVM wants beside them: declarations and metadata.

    `groups` are the access groups of the `lanes` loops that are being written: each access to
    memory in them says that it belongs to these.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.locals: list[str] = []
        self.declared: dict[str, str] = {}
        self.metadata: list[str] = []
        self.groups: list[int] = []
        self.open = True  # whether the next instruction can be reached
        self._count = 0

    def fresh(self, prefix: str) -> str:
        """A name that nothing else has."""
        self._count += 1
        return f"{prefix}{self._count}"

    def do(self, text: str) -> None:
        """An instruction without result."""
        self.lines.append(text)

    def op(self, kind: Type, text: str) -> Value:
        """An instruction with a result of type `kind`."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"{name} = {text}")
        return Value(kind, name)

    def intrinsic(self, name: str, kind: Type, args: Sequence[str]) -> Value:
        """A call of LLVM's function `name`; `args` with their types, as in `float %x`."""
        self.declare(name, ir(kind), args)
        return self.op(kind, f"call {ir(kind)} @{name}({', '.join(args)})")

    def declare(self, name: str, result: str, args: Sequence[str]) -> None:
        """Say which types a function of LLVM has."""
        if name not in self.declared:
            types = ", ".join(arg.rsplit(" ", 1)[0] for arg in args)
            self.declared[name] = f"declare {result} @{name}({types})"

    def label(self, name: str) -> None:
        """Start a block."""
        self.lines.append(f"{name}:")
        self.open = True

    def jump(self, target: str) -> None:
        """Go on at `target`."""
        self.lines.append(f"br label %{target}")
        self.open = False

    def branch(self, condition: Value, yes: str, no: str, after: str = "") -> None:
        """Go on at one of two blocks; `after` is metadata of a loop's last branch."""
        self.lines.append(f"br i1 {condition.ir}, label %{yes}, label %{no}{after}")
        self.open = False

    def local(self, kind: Type) -> str:
        """Room for a variable, zero at the start. LLVM turns such variables into registers."""
        name = self.fresh("%x")
        zero = "null" if isinstance(kind, Pointer) else "zeroinitializer"
        self.locals.append(f"{name} = alloca {ir(kind)}")
        self.locals.append(f"store {ir(kind)} {zero}, ptr {name}")
        return name

    def array(self, kind: Scalar, size: int) -> Value:
        """Room for a local array, aligned for vectors."""
        name = self.fresh("%a")
        self.locals.append(f"{name} = alloca [{size} x {kind.memory}], align 64")
        return Value(Pointer(kind, private=True), name)

    def read(self, variable: str, kind: Type) -> Value:
        """The value of a variable."""
        return self.op(kind, f"load {ir(kind)}, ptr {variable}")

    def write(self, variable: str, value: Value) -> None:
        """Give a variable a value."""
        self.do(f"store {ir(value.type)} {value.ir}, ptr {variable}")

    def element(self, p: Value, index: Value) -> str:
        """The address of `p[index]`."""
        assert isinstance(p.type, Pointer)
        memory = p.type.element.memory
        return self.op(p.type, f"getelementptr inbounds {memory}, ptr {p.ir}, i64 {index.ir}").ir

    def load(self, p: Value, index: Value) -> Value:
        """`p[index]`."""
        assert isinstance(p.type, Pointer)
        kind = p.type.element
        place = f"ptr {self.element(p, index)}, align {kind.nbytes}{self._group(p.type)}"
        if kind is not BOOL:
            return self.op(kind, f"load {kind.memory}, {place}")
        byte = self.op(kind, f"load i8, {place}")
        return self.op(BOOL, f"icmp ne i8 {byte.ir}, 0")

    def store(self, p: Value, index: Value, value: Value) -> None:
        """`p[index] = value`."""
        assert isinstance(p.type, Pointer)
        kind = p.type.element
        if kind is BOOL:
            value = self.op(BOOL, f"zext i1 {value.ir} to i8")
        place = f"ptr {self.element(p, index)}, align {kind.nbytes}{self._group(p.type)}"
        self.do(f"store {kind.memory} {value.ir}, {place}")

    def _group(self, p: Pointer) -> str:
        """The access groups of an access. A local array is one for all iterations of a loop,
        so that accesses to it are not independent."""
        if not self.groups or p.private:
            return ""
        if len(self.groups) == 1:
            return f", !llvm.access.group !{self.groups[0]}"
        return f", !llvm.access.group !{self.meta(_refs(self.groups))}"

    def meta(self, text: str) -> int:
        """The number of a metadata node, added if it is not there."""
        if text not in self.metadata:
            self.metadata.append(text)
        return self.metadata.index(text)

    def distinct(self, text: str = "") -> int:
        """The number of a metadata node that is like no other; `self` in it is the node."""
        number = len(self.metadata)
        self.metadata.append(f"distinct !{{{text.replace('self', f'!{number}')}}}")
        return number

    def function(self, symbol: str, result: str, head: str, attributes: str) -> str:
        """The whole module."""
        body = ["entry:", *self.locals, *self.lines]
        nodes = [f"!{number} = {text}" for number, text in enumerate(self.metadata)]
        return "\n".join(
            [f"define {result} @{symbol}({head}) {attributes} {{", *body, "}",
             *self.declared.values(), *nodes, ""]
        )  # fmt: skip


def ir(kind: Type) -> str:
    """LLVM's name of a type in a register."""
    return "ptr" if isinstance(kind, Pointer) else kind.ir


def _refs(numbers: Sequence[int]) -> str:
    return "!{" + ", ".join(f"!{number}" for number in numbers) + "}"
