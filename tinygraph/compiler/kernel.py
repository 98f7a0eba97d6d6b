"""Kernel: what a backend compiles. Independent of the backend and, as far as can be, of sizes.

A kernel is a short program: steps, each an op on the kernel's inputs or on earlier steps. The
form of a kernel (its ops, dtypes, ranks and structural parameters) is what is compiled; extents
and strides come with each instruction, so one compiled kernel serves every batch size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tinygraph.dtypes import DType
from tinygraph.graph.node import Node
from tinygraph.graph.origin import Origin
from tinygraph.ops.registry import Op

Ref = int  # an input where it is below the number of inputs, else a step


@dataclass(frozen=True, slots=True)
class Operand:
    """What is fixed of an input or output.

    layout: in a `loops` kernel, how it is stepped over along each dimension of the iteration
    space: "0" not at all (it is the same for every index), "1" element by element, "s" by a
    stride that is known at run time. index: there is no memory; element k is the number k.
    """

    dtype: DType
    ndim: int
    layout: str = ""
    index: bool = False

    def __str__(self) -> str:
        dims = self.layout or "·" * self.ndim
        return f"{'index ' if self.index else ''}{self.dtype.name}[{','.join(dims)}]"


@dataclass(frozen=True, slots=True)
class Step:
    """One op within a kernel; `params` are those that are not sizes."""

    op: Op
    params: tuple[tuple[str, Any], ...]
    args: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A compiled unit's form. Two equal kernels are compiled once.

    results: for each output the step it is the result of.

    Of kind "loops" is a nest of loops over one iteration space, which runs all its steps on one
    element after another. `roles` says what each dimension of the space is, from the outermost:

        o  outer: what happens at one index is independent of all others
        r  reduced: run through in order, for every o; column sums are over these
        i  inner: the loop within a row, the innermost dimension among them

    A step is elementwise (as is a check, `within`), a constant, or a reduction (sum, prod, max,
    min, any, all, with no parameters) over all `i` dimensions; where there are `r` dimensions,
    over all of these. The result of a reduction over `i` may be used by further steps, at every
    index of the row. One with the parameter over = "o" is over all rows, of a value that each
    row has one of; only steps on values that do not vary at all come after it.
    Inputs and outputs are laid out over the whole space, with stride 0 where they do not vary.
    """

    kind: str
    steps: tuple[Step, ...]
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    results: tuple[Ref, ...]
    roles: str = ""

    @property
    def name(self) -> str:
        """What it does: of many steps, some that tell most."""
        names = [step.op.name for step in self.steps if step.op.kind != "const"]
        if len(names) <= 3:
            return "_".join(names) or ("const" if self.steps else "copy")
        telling = [n for n in dict.fromkeys(names) if n not in _ORDINARY] or names
        return "_".join(telling[:4]) + f"_{len(names)}"

    def __str__(self) -> str:
        lines = [f"kernel {self.name} ({self.kind})"]
        lines += [f"  %{i} = input {operand}" for i, operand in enumerate(self.inputs)]
        for i, step in enumerate(self.steps, len(self.inputs)):
            args = [f"%{ref}" for ref in step.args]
            for key, value in step.params:
                first, *_ = f"{key}={value}".splitlines()
                args.append(first)
            lines.append(f"  %{i} = {step.op.name}({', '.join(args)})")
        lines.append("  return " + ", ".join(f"%{ref}" for ref in self.results))
        return "\n".join(lines)


_ORDINARY = frozenset(("add", "subtract", "multiply", "cast", "where", "negative", "identity"))


def passes(kernel: Kernel) -> list[int]:
    """For each input and step of a `loops` kernel: in which run through a row, counted from 0, it
    can be computed first. What a reduction over the row yields is there in the next one."""
    found = [0] * len(kernel.inputs)
    for step in kernel.steps:
        first = max((found[ref] for ref in step.args), default=0)
        within_row = step.op.kind == "reduce" and "r" not in kernel.roles and not step.params
        found.append(first + 1 if within_row else first)
    return found


@dataclass(frozen=True, slots=True)
class View:
    """How an array lies in its storage: offset and strides in elements."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def contiguous(self) -> bool:
        """Row-major without gaps, from the start of its storage."""
        return self.offset == 0 and self.strides == row_major(self.shape)


@dataclass(slots=True)
class Storage:
    """A run of bytes. `place` is "arena", "input", "output", "const" or "index"; `index` says
    which input, output or constant; `offset` is the place in the arena, in bytes. A storage at
    "index" has no memory: its element k is the number k (int64)."""

    place: str
    index: int
    nbytes: int
    offset: int = 0
    first: int = -1  # the instruction that writes it, and the last one that reads it
    last: int = -1


@dataclass(frozen=True, slots=True)
class Slot:
    """An array that an instruction reads or writes."""

    number: int
    storage: Storage
    view: View
    dtype: DType

    def __str__(self) -> str:
        return f"%{self.number}"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One kernel at work: on which slots, with which sizes, for whose line.

    lines: where each operation in it comes from; `origin` is one that stands for them all.
    parts: how many times the kernel runs, on slots of its own each time, in any order: `inputs`
    and `outputs` are those of the parts, one part after another.
    links: of a "chain" the instructions in it, on whose slots it works. The second one may run on
    some rows as soon as the first has made these.
    """

    kernel: Kernel
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    params: Mapping[str, Any]
    origin: Origin
    parts: int = 1
    lines: tuple[Origin, ...] = ()
    links: tuple[Instruction, ...] = ()

    def split(self) -> list[Instruction]:
        """An instruction for each part."""
        if self.parts == 1:
            return [self]
        ins, outs = len(self.kernel.inputs), len(self.kernel.outputs)
        return [
            replace(
                self,
                inputs=self.inputs[part * ins : (part + 1) * ins],
                outputs=self.outputs[part * outs : (part + 1) * outs],
                parts=1,
            )
            for part in range(self.parts)
        ]


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of a contiguous array."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def single(node: Node) -> Kernel:
    """The kernel of one node alone."""
    extents = node.op.extents
    params = tuple((key, value) for key, value in node.params.items() if key not in extents)
    inputs = tuple(Operand(child.dtype, child.ndim) for child in node.inputs)
    outputs = tuple(Operand(aval.dtype, len(aval.shape)) for aval in node.avals)
    step = Step(node.op, params, tuple(range(len(inputs))))
    return Kernel(node.op.kind, (step,), inputs, outputs, (len(inputs),) * len(outputs))


def _checked(kernel: Kernel) -> set[Ref]:
    """What the checks of a `loops` kernel depend on. It stays as it is: which operand is wrong
    is looked for once more after a failure."""
    refs = {arg for step in kernel.steps if step.op.name == "within" for arg in step.args}
    for ref, step in reversed([*enumerate(kernel.steps, len(kernel.inputs))]):
        if ref in refs:
            refs.update(step.args)
    return refs


def may_overwrite(instruction: Instruction, source: Slot, target: Slot) -> bool:
    """Whether the output `target` may lie where the input `source` lies, element on element."""
    if instruction.links:  # onto what the last link reads and no other
        *others, last = instruction.links
        read = [slot for link in others for slot in link.inputs]
        if not any(slot is target for slot in last.outputs) or any(
            slot.storage is source.storage for slot in read
        ):
            return False
        return may_overwrite(last, source, target)
    kernel = instruction.kernel
    if source.view != target.view or source.dtype != target.dtype:
        return False
    if kernel.kind != "loops":
        return kernel.steps[-1].op.alias
    reads = [i for i, slot in enumerate(instruction.inputs) if slot.storage is source.storage]
    part, place = divmod(
        next(i for i, slot in enumerate(instruction.outputs) if slot is target),
        len(kernel.outputs),
    )
    for i in reads:
        if instruction.inputs[i].view != source.view or i // len(kernel.inputs) != part:
            return False
        if i % len(kernel.inputs) in _checked(kernel):
            return False
    first = passes(kernel)
    # an earlier run through the row must not destroy what a later one reads
    return first[kernel.results[place]] == max(first)
