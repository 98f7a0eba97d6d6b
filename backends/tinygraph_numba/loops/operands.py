"""How the source of a loops kernel names its operands, and reaches their elements.

`x0[x0_row + i]` is an element of the first input: `x0_row` is where row number `row` of it
begins, `x0_s0` its stride, in elements, along dimension 0 of the iteration space, `n0` the
extent of that. Values are named by their number in the kernel: `a0` is what input 0 holds, `v2`
what a step makes, `kept2` a buffer of such values; `at` stands for the place in the buffers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygraph.compiler.kernel import Operand, Ref
from tinygraph.ops.bounds import within
from tinygraph_numba.kernels.generic import type_name
from tinygraph_numba.loops.accumulate import Accumulator, held, literal, rounded
from tinygraph_numba.loops.nest import Nest, Sweep
from tinygraph_numba.loops.notation import Statement, bare
from tinygraph_numba.maths.formulas import expression

# What these ops make of floats of 16 bits has 16 bits, too.
EXACT = frozenset((
    "maximum", "minimum", "clip", "where", "negative", "abs", "sign", "relu", "floor", "ceil",
    "round", "trunc", "copysign", "cast",
))  # fmt: skip


class NotRendered(Exception):
    """A kernel that this backend has no source for."""


class Operands:
    """The names of one kernel. layouts: of the arrays, and of the buffers as "at"."""

    def __init__(self, nest: Nest, accumulators: dict[Ref, Accumulator]) -> None:
        self.nest = nest
        self.accumulators = accumulators
        self.arrays: dict[str, Operand] = {
            **{f"out{k}": operand for k, operand in enumerate(nest.kernel.outputs)},
            **{f"x{k}": operand for k, operand in enumerate(nest.kernel.inputs)},
        }
        self.layouts = {name: operand.layout for name, operand in self.arrays.items()}
        ways = {dim: "1" if dim == nest.inner[-1] else "s" for dim in nest.inner}
        self.known = dict(zip(nest.sweep, map(str, nest.tiny), strict=False))
        self.layouts["at"] = "".join(ways.get(d, "0") for d in range(len(nest.kernel.roles)))
        self.loops = _loop_names(nest)

    # ------------------------------------------------------------------------- declarations

    def declarations(self) -> list[Statement]:
        """All that a function may take from its arguments, in their order.

        Of a loop whose stride is one number LLVM makes two: of vectors where that is 1, which it
        never is, and of single elements otherwise. Where what is computed is worth gathering
        elements to a vector, the stride is a sum therefore; what is added is 0.
        """
        rank = len(self.nest.kernel.roles)
        lines = [
            (name, f"args[{k}]" if each.index else f"pointer({type_name(each.dtype)}, args[{k}])")
            for k, (name, each) in enumerate(self.arrays.items())
        ]
        first = len(lines)
        extents = {dim: f"args[{first + dim}]" for dim in range(rank)} | self.known
        lines += [(f"n{dim}", text) for dim, text in extents.items()]
        hidden = f" + args[{first + rank * (1 + len(self.arrays)) + 3}]" if self.nest.heavy else ""
        for name in self.arrays:
            first += rank
            for dim in range(rank):
                text = f"args[{first + dim}]" + (hidden if self.loops[dim] == "i" else "")
                lines.append((f"{name}_s{dim}", text))
        first += rank
        for kind in ("f32", "f64"):
            lines.append((f"infinity_{kind}", f"{kind}(bits(f64, args[{first}]))"))
        lines += [("grain", f"args[{first + 1}]"), ("room", f"args[{first + 2}]")]
        lines.append(("errors", f"pointer(i64, address(args, {first + 4}))"))
        first += 4 + len(self.nest.checks)
        kinds = dict.fromkeys(self.accumulators[ref].shared_kind for ref in self.nest.partial)
        lines += [(f"shared_{kind}", f"pointer({kind}, args[{first}])") for kind in kinds]
        return lines + self._buffers()

    def _buffers(self) -> list[Statement]:
        lines = []
        inner = self.nest.inner
        lines.append(("columns", " * ".join(f"n{each}" for each in inner) or "1"))
        for place, dim in enumerate(inner[:-1]):
            lines.append((f"at_s{dim}", " * ".join(f"n{each}" for each in inner[place + 1 :])))
        for place, (name, kind) in enumerate(buffers(self.nest, self.accumulators).items()):
            if self.nest.tiny:
                lines.append((name, f"stack({kind}, {math.prod(self.nest.tiny)})"))
                continue
            where = ("scratch", "scratch + room", f"scratch + {place} * room")[min(place, 2)]
            lines.append((name, f"pointer({kind}, {where})"))
        return lines

    # ------------------------------------------------------------------------------- values

    def value(self, ref: Ref) -> str:
        """A value by its name, or a constant."""
        value = self.nest.values[ref]
        if value.step is None:
            return f"a{ref}"
        if value.step.op.kind == "const":
            number = np.asarray(dict(value.step.params)["value"]).astype(value.dtype)
            return self._constant(number.item(), held(value.dtype))
        return f"v{ref}"

    def _constant(self, number: Any, kind: str) -> str:
        """A number. LLVM must not know an infinity: it would leave out a maximum with it here
        and there, which makes a branch of a choice, and the loop is no longer one of vectors."""
        if isinstance(number, float) and math.isinf(number):
            return f"{'-' if number < 0 else ''}infinity_{kind}"
        return literal(number, kind)

    def compute(self, ref: Ref) -> str:
        """The expression of a step."""
        value = self.nest.values[ref]
        assert value.step is not None
        step, dtypes = value.step, [self.nest.values[arg].dtype for arg in value.step.args]
        args = [self.value(arg) for arg in step.args]
        if step.op is within:
            return args[0]
        text = expression(step.op.name, dict(step.params), args, dtypes, value.dtype)
        if text is None:
            raise NotRendered(f"{step.op.name} has no expression in the kernel language")
        return bare(text if step.op.name in EXACT else rounded(text, value.dtype))

    def check(self, ref: Ref) -> Statement:
        """Remember the first operand of a check that is not within its bounds. 0 is none, as
        that always is within."""
        (arg,), name = self.nest.args(ref), f"wrong{ref}"
        text = f"i64({self.value(arg)}) if {name} == 0 and {self._is_wrong(ref)} else {name}"
        return name, text

    def note(self, ref: Ref) -> Statement:
        """Note whether an operand of a check is not within its bounds."""
        return f"met{ref}", f"met{ref} or {self._is_wrong(ref)}"

    def _is_wrong(self, ref: Ref) -> str:
        """Whether the operand of a check is not within its bounds. As an unsigned number, one
        below 0 is above them."""
        step = self.nest.values[ref].step
        assert step is not None
        size = int(dict(step.params)["size"])
        if not size:
            raise NotRendered("nothing is within bounds that hold nothing")
        return f"u64({self.value(step.args[0])}) >= {size}"

    # ----------------------------------------------------------------------------- elements

    def index(self, name: str, sweep: Sweep | None = None, depth: int = 0) -> str:
        """Where an array's element is, within `depth` loops of a sweep."""
        layout, terms = self.layouts[name], []
        if any(layout[dim] != "0" for dim in self.nest.rows):
            terms = [f"{name}_row"]
        if self.nest.lane is not None and layout[self.nest.lane] != "0":
            terms.append(self.offset(name, self.nest.lane))
        for dim in sweep.dims[:depth] if sweep else ():
            if layout[dim] == "0":
                continue
            if self.loops[dim] == "i":
                terms.append(self.offset(name, dim))
            else:
                terms = [f"{name}_{self.loops[dim]}"]
        return " + ".join(terms) or "0"

    def offset(self, name: str, dim: int) -> str:
        """How far an array's element is from the first one along a dimension."""
        variable, way = self.loops[dim], self.layouts[name][dim]
        if way == "1":
            return variable
        return f"{variable} * {f'{name}_s{dim}' if way == 's' else way}"

    def load(self, ref: Ref, index: str) -> str:
        """An element of an input."""
        operand = self.nest.kernel.inputs[ref]
        if operand.index:
            return f"x{ref}" if index == "0" else f"x{ref} + {index}"
        element = f"x{ref}[{index}]"
        return element if _is_held(operand) else f"f32({element})"

    def store(self, number: int, index: str) -> Statement:
        """The assignment to an element of an output."""
        operand = self.nest.kernel.outputs[number]
        text = self.value(self.nest.kernel.results[number])
        stored = text if _is_held(operand) else f"{type_name(operand.dtype)}({text})"
        return f"out{number}[{index}]", stored

    def kept(self, ref: Ref, index: str) -> str:
        """A value that an earlier sweep has left in a buffer."""
        if ref in self.accumulators:
            return self.accumulators[ref].finished(f"total{ref}[{index}]")
        return f"kept{ref}[{index}]"


def _is_held(operand: Operand) -> bool:
    """Whether a variable has the type that the memory has."""
    return held(operand.dtype) == type_name(operand.dtype)


def _loop_names(nest: Nest) -> dict[int, str]:
    """The variable of each loop: `i` in the innermost, `row` where there is one outer."""
    names = {dim: f"o{dim}" for dim in nest.rows} | {dim: f"i{dim}" for dim in nest.sweep}
    if len(nest.rows) == 1:
        names[nest.rows[0]] = "row"
    if nest.columns:
        reduced = nest.sweep[: -len(nest.columns)]
        names |= {dim: f"r{dim}" if len(reduced) > 1 else "r" for dim in reduced}
    if nest.lane is not None:
        names[nest.lane] = "i"
    elif nest.sweep:
        names[nest.sweep[-1]] = "i"
    return names


def buffers(nest: Nest, accumulators: dict[Ref, Accumulator]) -> dict[str, str]:
    """The buffers of a nest, by name, and their types."""
    found = {f"kept{ref}": held(nest.values[ref].dtype) for ref in nest.buffers}
    for sweep in (*nest.passes, *nest.between):
        found |= {f"words{ref}": "u32" for ref in nest.draws(sweep)}
    for ref in nest.reductions if nest.columns else ():
        each = accumulators[ref]
        found[f"total{each.ref}"] = each.total_kind
        if each.blocks:
            found[f"part{each.ref}"] = each.kind
    return found
