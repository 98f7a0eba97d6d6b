"""From a group to a kernel of loops: steps, operands, and the dimensions to run over."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tinygraph.compiler.group import Group, Place
from tinygraph.compiler.homes import Home, target
from tinygraph.compiler.kernel import Kernel, Operand, Step, View
from tinygraph.compiler.sources import normal
from tinygraph.compiler.spaces import is_reduction
from tinygraph.dtypes import DType, int64, uint64
from tinygraph.graph.node import Node
from tinygraph.ops.movement import iota
from tinygraph.ops.random import philox, random_bits
from tinygraph.ops.registry import CONST, Op, cast

ACROSS = ("over", "o")  # the parameter of a reduction of what rows yielded, over all rows
TEXT = (0, 1, -1)  # constants that are part of a kernel's text; others are operands
Ref = tuple[bool, int]  # whether it is a step, and its number among these or among the inputs


class Access(NamedTuple):
    """An input or output of a kernel: which base (None: the numbers themselves), seen how."""

    base: Node | None
    view: View


class Loops(NamedTuple):
    """A kernel, and what its inputs and outputs are."""

    kernel: Kernel
    inputs: list[Access]
    outputs: list[Access]


@dataclass(slots=True)
class _Writer:
    """A kernel in the making."""

    group: Group
    steps: list[tuple[Op, tuple[tuple[str, Any], ...], tuple[Ref, ...]]]
    inputs: list[Access] = field(default_factory=list)
    known: dict[Any, Ref] = field(default_factory=dict)

    def read(self, base: Node | None, view: View) -> Ref:
        """An operand; a member that is computed under this view is none, nor is a constant
        that belongs to the text."""
        key = (id(base), view)
        if key not in self.known:
            if base is not None and base.op is CONST and _is_text(base.params["value"]):
                return self.step(CONST, tuple(base.params.items()), ())
            self.known[key] = (False, len(self.inputs))
            self.inputs.append(Access(base, view))
        return self.known[key]

    def step(self, op: Op, params: tuple[tuple[str, Any], ...], args: tuple[Ref, ...]) -> Ref:
        key = (op.name, repr(params), args)
        if key not in self.known:
            self.known[key] = (True, len(self.steps))
            self.steps.append((op, params, args))
        return self.known[key]

    def member(self, node: Node, view: View, place: Place) -> Ref:
        """The steps of one node under one view."""
        args = tuple([self.read(read.base, read.view) for read in place.reads])
        if node.op is iota:
            return self.as_type(self.read(None, view), int64, node.params["dtype"])
        if node.op is random_bits:
            index = self.as_type(self.read(None, view), int64, uint64)
            return self.step(philox, (), (*args, index))
        if node.op.kind == "view":
            return args[0]
        if not is_reduction(node):
            return self.step(node.op, tuple(node.params.items()), args)
        return self.step(node.op, (ACROSS,) if self.across(view) else (), args)

    def across(self, view: View) -> bool:
        """Whether a reduction whose result lies like `view` takes in all rows."""
        reduced = self.group.reduced
        rows = [d for d, n in enumerate(view.shape) if n != 1 and d not in (reduced or ())]
        return self.group.across and not any(view.strides[d] for d in rows)

    def as_type(self, ref: Ref, old: DType, new: DType) -> Ref:
        return ref if old == new else self.step(cast, (("dtype", new),), (ref,))


def _is_text(value: Any) -> bool:
    if value == 0:  # not -0.0: it equals 0.0, and kernels that are equal are compiled once
        return math.copysign(1, value) > 0
    return isinstance(value, bool) or value in TEXT or value != value or abs(value) == math.inf


def loops(group: Group, homes: Mapping[int, Home]) -> Loops:
    """The kernel of a group of loops. Its outputs are those of the group, in order; those that
    have a home are written there."""
    writer = _Writer(group, [])
    made: dict[int, tuple[Ref, View]] = {}
    for node in reversed(group.nodes):
        for view, place in group.places[id(node)].items():
            ref = writer.member(node, view, place)
            writer.known[id(node), view] = ref
            made[id(node)] = (ref, view)
    results = [made[id(node)][0] for node in group.outputs]
    outputs = [_output(group, node, made[id(node)][1], homes) for node in group.outputs]
    return _finished(group, writer, results, outputs)


def _output(group: Group, node: Node, view: View, homes: Mapping[int, Home]) -> Access:
    home = homes.get(id(node))
    if home is None:
        return Access(node, view)
    there = target(group, node, view, home)
    assert there is not None
    return Access(home.owner, there)


def copying(source: Node, view: View, target: View, node: Node) -> Loops:
    """The kernel that copies what `view` shows of `source` to where `target` lies in `node`."""
    group = Group(node, view.shape, 0)
    writer = _Writer(group, [])
    ref = writer.read(source, normal(view))
    return _finished(group, writer, [ref], [Access(node, normal(target))])


def _finished(
    group: Group, writer: _Writer, results: Sequence[Ref], outputs: list[Access]
) -> Loops:
    count = len(writer.inputs)
    number = {False: 0, True: count}
    steps = tuple([
        Step(op, params, tuple([number[made] + index for made, index in args]))
        for op, params, args in writer.steps
    ])  # fmt: skip
    views = [access.view for access in (*outputs, *writer.inputs)]
    roles, views = collapsed(group, views)
    outputs = [Access(o.base, v) for o, v in zip(outputs, views, strict=False)]
    inputs = [Access(i.base, v) for i, v in zip(writer.inputs, views[len(outputs) :], strict=True)]
    kernel = Kernel(
        "loops",
        steps,
        tuple([_operand(access) for access in inputs]),
        tuple([_operand(access) for access in outputs]),
        tuple([number[made] + index for made, index in results]),
        roles,
    )
    return Loops(kernel, inputs, outputs)


def _operand(access: Access) -> Operand:
    view = access.view
    last = len(view.shape) - 1
    layout = "".join([
        "0" if not stride else "1" if stride == 1 and dim == last else "s"
        for dim, stride in enumerate(view.strides)
    ])  # fmt: skip
    dtype = int64 if access.base is None else access.base.dtype
    return Operand(dtype, len(view.shape), layout, access.base is None)


# -------------------------------------------------------------------------------- dimensions


def collapsed(group: Group, views: Sequence[View]) -> tuple[str, list[View]]:
    """The roles of the dimensions, and the views over them: outer ones first, those of size 1
    left out, and neighbours that every view runs through as one made one."""
    roles = _roles(group)
    order = [d for role in "ori" for d, r in enumerate(roles) if r == role]
    space = group.space
    kept = [d for d in order if space[d] != 1]
    columns = [(space[d], tuple([v.strides[d] for v in views])) for d in kept]
    merged: list[tuple[int, tuple[int, ...]]] = []
    names: list[str] = []
    for d, (extent, strides) in zip(kept, columns, strict=True):
        if merged and names[-1] == roles[d]:
            before, wider = merged[-1]
            if all(w == s * extent for w, s in zip(wider, strides, strict=True)):
                merged[-1] = (before * extent, strides)
                continue
        merged.append((extent, strides))
        names.append(roles[d])
    if group.reduced is None:  # the innermost one is the loop within a row
        names = ["o"] * (len(merged) - 1) + ["i"] * bool(merged)
    shape = tuple([extent for extent, _ in merged])
    return "".join(names), [
        View(view.offset, shape, tuple([strides[number] for _, strides in merged]))
        for number, view in enumerate(views)
    ]


def _roles(group: Group) -> list[str]:
    dims = range(len(group.space))
    reduced = group.reduced
    if reduced is None:
        return ["i" for _ in dims]
    if not group.columns:
        return ["i" if d in reduced else "o" for d in dims]
    last = max(reduced)
    return ["r" if d in reduced else "i" if d > last else "o" for d in dims]
