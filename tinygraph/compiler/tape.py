"""Tape: a compiled graph. A flat list of instructions on slots of one arena.

`print(tape)` shows every instruction with its sizes and the user's line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygraph.compiler.group import Refusal
from tinygraph.compiler.kernel import Instruction, Kernel, Slot
from tinygraph.compiler.memory import MemoryPlan


@dataclass(frozen=True, slots=True)
class Tape:
    """What a backend links and runs.

    inputs: slots that each call fills. constants: arrays that never change, with their slots.
    outputs: slots that each call hands out. donated: output number -> number of the input whose
    memory it may be written to. names: what each input is, for printing. refusals: why nodes
    were not computed together.
    """

    instructions: tuple[Instruction, ...]
    inputs: tuple[Slot, ...]
    constants: tuple[np.ndarray, ...]
    constant_slots: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    slots: tuple[Slot, ...]
    memory: MemoryPlan
    donated: Mapping[int, int]
    names: tuple[str, ...]
    refusals: tuple[Refusal, ...] = ()

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """The distinct kernels, in order of first use."""
        return tuple(dict.fromkeys(instruction.kernel for instruction in self.instructions))

    def __len__(self) -> int:
        return len(self.instructions)

    def __str__(self) -> str:
        return "\n".join([self._title(), *self._inputs(), *self._body(), *self._outputs()])

    def _title(self) -> str:
        memory = self.memory
        return (
            f"tape: {len(self.instructions)} instructions, {len(self.kernels)} kernels, arena "
            f"{size_text(memory.peak)} (at least {size_text(memory.lower_bound)} are alive at "
            f"one time; {memory.in_place} in place)"
        )

    def _inputs(self) -> list[str]:
        rows = [
            f"  in   {slot!s:>5} {_form(slot)}  {name}"
            for slot, name in zip(self.inputs, self.names, strict=True)
        ]
        for slot, value in zip(self.constant_slots, self.constants, strict=True):
            text = f"= {value}" if value.ndim == 0 else ""
            rows.append(f"  const{slot!s:>5} {_form(slot)}  {text}")
        return rows

    def _body(self) -> list[str]:
        whole: dict[int, Slot] = {}  # by the id of a storage: the slot that is all of it
        for slot in self.slots:
            whole.setdefault(id(slot.storage), slot)
        rows = []
        for index, ins in enumerate(self.instructions):
            results = list({id(s.storage): whole[id(s.storage)] for s in ins.outputs}.values())
            names = ", ".join(map(str, results))
            forms = ", ".join(map(_form, results))
            rows.append((f"  {index:4d} {names:>5}", f"{forms} = {_call(ins, whole)}", ins.origin))
        width = min(max((len(middle) for _, middle, _ in rows), default=0), 88)
        return [f"{left} {middle:<{width}}  {right!s}" for left, middle, right in rows]

    def _outputs(self) -> list[str]:
        rows = []
        for index, slot in enumerate(self.outputs):
            over = ""
            if index in self.donated:
                over = f"  written onto input {self.names[self.donated[index]]}"
            rows.append(f"  out  {slot!s:>5} {_form(slot)}{over}")
        return rows


def size_text(nbytes: int) -> str:
    """`nbytes` in a unit that a person reads."""
    size = float(nbytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.2f} GiB"


def _form(slot: Slot) -> str:
    return f"{slot.dtype.name}[{','.join(map(str, slot.view.shape))}]"


def _source(slot: Slot, loops: bool, whole: Mapping[int, Slot]) -> str:
    """A slot as an operand: with its shape where it is a view of something else. Loops see
    everything over their own space."""
    if slot.storage.place == "index":
        return "index"
    source = whole[id(slot.storage)]
    if loops or slot.view == source.view:
        return str(source)
    return f"{source}{list(slot.view.shape)}"


def _call(instruction: Instruction, whole: Mapping[int, Slot]) -> str:
    params = "".join(f", {key}={_brief(value)}" for key, value in instruction.params.items())
    loops = instruction.kernel.kind == "loops"
    args = ", ".join([_source(slot, loops, whole) for slot in instruction.inputs])
    times = f" x {instruction.parts}" if instruction.parts > 1 else ""
    return f"{instruction.kernel.name}({args}{params}){times}"


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
