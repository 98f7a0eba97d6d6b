"""Forward-mode differentiation: tangents pushed along the graph, emitted as nodes.

An op's own `jvp` is used where it has one. For all others the rule follows from `vjp`, which
is linear in the gradient: its transpose with respect to that gradient is the forward rule.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinygraph.autodiff.reverse import gradient_of, gradients
from tinygraph.errors import GraphError
from tinygraph.graph.graph import topological
from tinygraph.graph.node import STATE, Node
from tinygraph.ops.movement import identity
from tinygraph.ops.registry import ITEM, item
from tinygraph.ops.rules import full, unbroadcast

Tangent = Node | None
Tangents = Tangent | tuple[Tangent, ...]


def pushforward(
    outputs: Sequence[Node], inputs: Sequence[Node], tangents: Sequence[Node]
) -> list[Tangent]:
    """The tangent of each output, where `inputs` move by `tangents`. None where it is zero."""
    known: dict[int, Tangents] = {
        id(node): tangent for node, tangent in zip(inputs, tangents, strict=True)
    }
    given = set(known)
    for node in topological(outputs, lambda node: id(node) in given):
        if id(node) in known or not node.inputs or not node.op.differentiable:
            continue
        arrived = [known.get(id(child)) for child in node.inputs]
        if any(t is not None for t in arrived):
            with gradient_of(node):
                known[id(node)] = _push(node, arrived)
    return [t if isinstance(t := known.get(id(node)), Node) else None for node in outputs]


def _push(node: Node, tangents: Sequence[Tangents]) -> Tangents:
    if node.op is ITEM:
        several = tangents[0]
        assert isinstance(several, tuple)
        return several[node.params["index"]]
    if node.op.jvp is not None:
        result: Tangents = node.op.jvp(tangents, node, *node.inputs, **node.params)
        return result
    if node.op.vjp is None:
        raise GraphError(f"{node.op.name} has no gradient rule\n  at {node.origin.where()}")
    return _transposed(node, tangents)


def _variable(aval: Node) -> Node:
    """A stand-in for a gradient; what is built from it is linear in it, so its value is free."""
    zero = full(aval.shape, 0, aval.dtype)
    before, STATE.grad = STATE.grad, True
    try:
        node = identity(zero)
    finally:
        STATE.grad = before
    node.grad = True
    return node


def _transposed(node: Node, tangents: Sequence[Tangents]) -> Tangents:
    """The tangent of `node`, by transposing its vjp."""
    before, STATE.grad = STATE.grad, True
    try:
        results = [item(node, i) for i in range(len(node.outs))] if node.outs else [node]
        stand_ins = [_variable(result) for result in results]
        pulled = _pull(node, tuple(stand_ins) if node.outs else stand_ins[0])
        pairs = [
            (unbroadcast(g, child.shape), t)
            for g, child, t in zip(pulled, node.inputs, tangents, strict=True)
            if g is not None and isinstance(t, Node)
        ]
        found = gradients([g for g, _ in pairs], [t for _, t in pairs], stand_ins)
    finally:
        STATE.grad = before
    return tuple(found) if node.outs else found[0]


def _pull(node: Node, g: Node | tuple[Node, ...]) -> Sequence[Tangent]:
    rules = node.op.vjp
    if isinstance(rules, tuple):
        return [
            None if rule is None else rule(g, node, *node.inputs, **node.params) for rule in rules
        ]
    assert rules is not None
    result: Sequence[Tangent] = rules(g, node, *node.inputs, **node.params)
    return result
