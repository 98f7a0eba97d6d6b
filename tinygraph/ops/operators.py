"""Arithmetic on nodes, so that gradient rules read as formulas."""

from __future__ import annotations

from typing import Any

from tinygraph.graph.node import Node
from tinygraph.ops import elementwise as e
from tinygraph.ops import logic

Operand = Any


def _reflected(op: Any) -> Any:
    def method(self: Node, other: Operand) -> Node:
        node: Node = op(other, self)
        return node

    return method


def _method(op: Any) -> Any:
    def method(self: Node, *others: Operand) -> Node:
        node: Node = op(self, *others)
        return node

    return method


_BINARY = {
    "add": e.add, "sub": e.subtract, "mul": e.multiply, "truediv": e.divide, "pow": e.pow,
}  # fmt: skip
_PLAIN = {
    "neg": e.negative, "abs": e.abs, "gt": logic.greater,
    "ge": logic.greater_equal, "lt": logic.less, "le": logic.less_equal,
    "and": logic.logical_and, "or": logic.logical_or, "invert": logic.logical_not,
}  # fmt: skip


def install() -> None:
    """Give Node its operators. `==` stays identity: nodes are keys of dictionaries."""
    for name, op in _BINARY.items():
        setattr(Node, f"__{name}__", _method(op))
        setattr(Node, f"__r{name}__", _reflected(op))
    for name, op in _PLAIN.items():
        setattr(Node, f"__{name}__", _method(op))
