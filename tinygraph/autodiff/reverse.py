"""Reverse-mode differentiation: a walk from the outputs back, that emits nodes.

Nothing is computed here. Because gradients are nodes like all others, gradients of gradients
need nothing more, and the compiler sees one graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError, GraphError, ShapeError
from tinygraph.graph.collector import collector_paused
from tinygraph.graph.graph import topological
from tinygraph.graph.node import STATE, Aval, Node
from tinygraph.graph.origin import Origin
from tinygraph.ops.elementwise import add
from tinygraph.ops.registry import ITEM, cast
from tinygraph.ops.rules import show_shape, unbroadcast

Gradient = Node | None


def gradients(
    outputs: Sequence[Node], cotangents: Sequence[Gradient], wrt: Sequence[Node]
) -> list[Gradient]:
    """For each node of `wrt` the sum over outputs of cotangent times d output / d node.

    None where no path leads from any output to it. Raises GraphError if an op on the way has
    no gradient rule.
    """
    with collector_paused():
        return _walk(outputs, cotangents, wrt)


def _walk(
    outputs: Sequence[Node], cotangents: Sequence[Gradient], wrt: Sequence[Node]
) -> list[Gradient]:
    order = topological(outputs, lambda node: not node.grad)
    path = _on_path(order, wrt)
    sums = _Sums(path)
    for output, cotangent in zip(outputs, cotangents, strict=True):
        if cotangent is not None:
            sums.add(output, cotangent)
    wanted = {id(node) for node in wrt}
    found: dict[int, Gradient] = {}
    for node in reversed(order):
        if id(node) not in path:
            continue
        g = sums.take(node)
        if id(node) in wanted:
            found[id(node)] = g if isinstance(g, Node) else None
        if g is not None and node.inputs:
            _propagate(node, g, sums)
    return [found.get(id(node)) for node in wrt]


def _on_path(order: Sequence[Node], wrt: Sequence[Node]) -> set[int]:
    """The ids of nodes that depend on some node of `wrt`, by way of floats: integers move by
    steps, of slope 0."""
    path = {id(node) for node in wrt}
    for node in order:
        if node.grad and id(node) not in path and (node.outs or is_float(node.dtype)):
            for child in node.inputs:
                if id(child) in path and node.op.differentiable:
                    path.add(id(node))
                    break
    return path


class _Sums:
    """The gradients that have arrived at each node so far."""

    def __init__(self, path: set[int]) -> None:
        self.path = path
        self._single: dict[int, Node] = {}
        self._several: dict[int, dict[int, Node]] = {}

    def add(self, node: Node, g: Node) -> None:
        if id(node) not in self.path:
            return
        if node.op is ITEM:
            slots = self._several.setdefault(id(node.inputs[0]), {})
            index = node.params["index"]
            slots[index] = add(slots[index], g) if index in slots else g
        present = self._single.get(id(node))
        self._single[id(node)] = g if present is None else add(present, g)

    def take(self, node: Node) -> Node | tuple[Gradient, ...] | None:
        if node.outs is None:
            return self._single.pop(id(node), None)
        slots = self._several.pop(id(node), None)
        return None if slots is None else tuple(slots.get(i) for i in range(len(node.outs)))


@contextmanager
def gradient_of(node: Node) -> Iterator[None]:
    """Nodes built inside bear the line of `node`, marked as its gradient."""
    before = STATE.origin
    STATE.origin = Origin(node.origin.code, node.origin.offset, True)
    try:
        yield
    finally:
        STATE.origin = before


def _propagate(node: Node, g: Node | tuple[Gradient, ...], sums: _Sums) -> None:
    if node.op is ITEM:
        return
    before = STATE.origin
    STATE.origin = Origin(node.origin.code, node.origin.offset, True)
    try:
        rules = node.op.vjp
        if rules is None:
            raise GraphError(f"{node.op.name} has no gradient rule\n  at {node.origin.where()}")
        if isinstance(rules, tuple):
            for child, rule in zip(node.inputs, rules, strict=True):
                if rule is not None and id(child) in sums.path:
                    _arrive(node, child, rule(g, node, *node.inputs, **node.params), sums)
        else:
            found = rules(g, node, *node.inputs, **node.params)
            for child, gradient in zip(node.inputs, found, strict=True):
                if id(child) in sums.path:
                    _arrive(node, child, gradient, sums)
    finally:
        STATE.origin = before


def _arrive(node: Node, child: Node, g: Gradient, sums: _Sums) -> None:
    """Bring a gradient to the form of the input it belongs to, and add it."""
    if g is None:
        return
    if g.shape != child.shape:
        g = unbroadcast(g, child.shape)
    if g.dtype != child.dtype:
        g = cast(g, dtype=child.dtype)
    if g.shape != child.shape:
        raise ShapeError(
            f"the gradient rule of {node.op.name} gives shape {show_shape(g.shape)} for an input "
            f"of shape {show_shape(child.shape)}\n  at {node.origin.where()}"
        )
    sums.add(child, g)


def check_differentiable(what: str, aval: Aval | Node) -> None:
    """TypeError (DTypeError) unless `aval` is a float."""
    if not is_float(aval.dtype):
        raise DTypeError(
            f"{what} has dtype {aval.dtype.name}; gradients exist for floats only: cast it with "
            "astype"
        )
