"""How the reductions of a loops kernel are accumulated, in the words of the kernel language.

A sum of floats is formed in blocks: the elements of a block in `part`, in any order and thus in
vectors, and the parts in `total`, in 64 bits and in order. So the error does not grow with the
number of elements. A maximum, a count, ... is exact in any order and needs no blocks, nor does a
sum of the few elements of a tiny row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygraph.compiler.kernel import Ref
from tinygraph.dtypes import DType, is_bool, is_float
from tinygraph_numba.kernels.generic import type_name, work_name
from tinygraph_numba.loops.nest import Nest


@dataclass(frozen=True, slots=True)
class Accumulator:
    """The reduction that is step `ref`: which one, of what, to what.

    blocks: whether it is formed in blocks.
    """

    ref: Ref
    op: str
    source: DType
    result: DType
    blocks: bool

    @property
    def rough(self) -> bool:
        """Whether it has to be rounded to what it would be in memory."""
        return self.op in ("sum", "prod") and is_float(self.result)

    @property
    def variable(self) -> str:
        """What holds the total of a row."""
        return f"total{self.ref}" if self.blocks else f"v{self.ref}"

    @property
    def kind(self) -> str:
        """The type of a part and of the result."""
        return held(self.result)

    @property
    def total_kind(self) -> str:
        return "f64" if self.blocks else self.kind

    @property
    def shared_kind(self) -> str:
        """A type of 64 bits that holds a total."""
        if is_float(self.result):
            return "f64"
        return "u64" if self.result.kind == "u" else "i64"

    def neutral(self, kind: str) -> str:
        """The result over no elements, as a `kind`."""
        if self.op in ("sum", "prod"):
            return literal(int(self.op == "prod"), kind)
        if self.op in ("any", "all") or is_bool(self.result):
            return str(self.op in ("all", "min"))
        if is_float(self.result):
            return f"{kind}(-inf)" if self.op == "max" else f"{kind}(inf)"
        limits = np.iinfo(self.result)
        return literal(limits.min if self.op == "max" else limits.max, kind)

    def element(self, text: str) -> str:
        """What a value adds."""
        return converted(text, held(self.source), self.kind)

    def step(self, so_far: str, text: str) -> str:
        """With one element more; in any order where it is formed in blocks."""
        if self.blocks:
            return f"{'fast_add' if self.op == 'sum' else 'fast_mul'}({so_far}, {text})"
        return self.join(so_far, text)

    def join(self, so_far: str, text: str) -> str:
        """With what another part of the elements has come to."""
        if self.op in ("max", "min"):
            return f"{self.op}imum({so_far}, {text})"
        word = {"sum": "+", "prod": "*", "any": "or", "all": "and"}[self.op]
        return f"{so_far} {word} {text}"

    def finished(self, total: str) -> str:
        """The result, when the total is complete."""
        return rounded(converted(total, self.total_kind, self.kind), self.result)


def accumulators(nest: Nest) -> dict[Ref, Accumulator]:
    """How each reduction of a nest is accumulated."""
    found = {}
    for value in nest.values:
        if value.step is None or value.step.op.kind != "reduce":
            continue
        name, source = value.step.op.name, nest.values[value.step.args[0]].dtype
        long = bool(nest.rows if value.across else nest.sweep) and not nest.tiny
        blocks = name in ("sum", "prod") and is_float(value.dtype) and long
        found[value.ref] = Accumulator(value.ref, name, source, value.dtype, blocks)
    return found


def converted(text: str, old: str, new: str) -> str:
    """A value of one type as another."""
    return text if old == new else f"{new}({text})"


def held(dtype: DType) -> str:
    """The type of a variable with such values: floats of 16 bits are held in 32."""
    return "bool" if is_bool(dtype) else work_name(dtype)


def rounded(text: str, dtype: DType) -> str:
    """A value of 16 bits is computed in 32 and rounded to what it would be in memory."""
    if is_float(dtype) and dtype.itemsize < 4:
        return f"f32({type_name(dtype)}({text}))"
    return text


def literal(value: Any, kind: str) -> str:
    """A number of the type `kind`."""
    if kind == "bool":
        return str(bool(value))
    if kind not in ("f32", "f64"):
        return f"{kind}({int(value)})"
    short = str(np.float32(value))  # as few digits as name one number of 32 bits
    same = kind == "f32" and np.float32(float(short)) == np.float32(value)
    return f"{kind}({short if same else repr(float(value))})"
