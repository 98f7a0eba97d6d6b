"""Before the passes: inputs become opaque."""

from __future__ import annotations

from tinygraph.graph.graph import Graph, inline
from tinygraph.graph.node import Node
from tinygraph.ops.registry import PLACEHOLDER


def sealed(graph: Graph) -> Graph:
    """`graph` with a placeholder in the place of each input that is something else.

    Any node can be an input: a parameter, or a result that has been computed already. A rewrite
    must neither look at its present value nor at how it came about, for both change from call
    to call.
    """
    inputs = [stand_in(node) for node in graph.inputs]
    if all(new is old for new, old in zip(inputs, graph.inputs, strict=True)):
        return graph
    return Graph(inputs, inline(graph, inputs))


def stand_in(node: Node) -> Node:
    """A placeholder for `node`, that bears its name but does not keep its value."""
    if node.op is PLACEHOLDER:
        return node
    owner = node.cell() if node.cell is not None else None
    name = getattr(owner, "name", None) or ""
    leaf = Node(PLACEHOLDER, (), {"name": name}, node.aval, node.origin, node.grad)
    leaf.cell = node.cell
    return leaf
