"""Kernel: what a backend compiles. Independent of the backend and, as far as can be, of sizes.

A kernel is a short program: steps, each an op on the kernel's inputs or on earlier steps. The
form of a kernel (its ops, dtypes, ranks and structural parameters) is what is compiled; extents
and strides come with each instruction, so one compiled kernel serves every batch size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinygraph.dtypes import DType
from tinygraph.graph.node import Node
from tinygraph.graph.origin import Origin
from tinygraph.ops.registry import Op

Ref = int  # an input where it is below the number of inputs, else a step


@dataclass(frozen=True, slots=True)
class Operand:
    """What is fixed of an input or output: its dtype and its number of dimensions."""

    dtype: DType
    ndim: int

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join('·' * self.ndim)}]"


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
    """

    kind: str
    steps: tuple[Step, ...]
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    results: tuple[Ref, ...]

    @property
    def name(self) -> str:
        return "_".join(step.op.name for step in self.steps)

    def __str__(self) -> str:
        lines = [f"kernel {self.name} ({self.kind})"]
        lines += [f"  %{i} = input {operand}" for i, operand in enumerate(self.inputs)]
        for i, step in enumerate(self.steps, len(self.inputs)):
            args = ", ".join(f"%{ref}" for ref in step.args)
            params = "".join(f", {key}={value}" for key, value in step.params)
            lines.append(f"  %{i} = {step.op.name}({args}{params})")
        lines.append("  return " + ", ".join(f"%{ref}" for ref in self.results))
        return "\n".join(lines)


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
    """A run of bytes. `place` is "arena", "input", "output" or "const"; `index` says which
    input, output or constant; `offset` is the place in the arena, in bytes."""

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
    """One kernel at work: on which slots, with which sizes, for whose line."""

    kernel: Kernel
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    params: Mapping[str, Any]
    origin: Origin


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
