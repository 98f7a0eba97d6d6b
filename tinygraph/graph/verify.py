"""Verification: does every node say the truth about its result?"""

from __future__ import annotations

from tinygraph.errors import GraphError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node


def verify(graph: Graph) -> None:
    """Check order, wiring and every shape and dtype; GraphError names the first wrong node."""
    seen: set[int] = set(map(id, graph.inputs))
    for node in graph.nodes:
        if id(node) in seen and node in graph.inputs:
            continue
        for child in node.inputs:
            if id(child) not in seen:
                raise GraphError(f"{node!r} stands before its input {child!r}")
        if not node.op.leaf:
            _check(node)
        seen.add(id(node))
    for node in graph.outputs:
        if id(node) not in seen:
            raise GraphError(f"the output {node!r} is not in the graph")


def _check(node: Node) -> None:
    inferred = node.op.infer(*node.inputs, **node.params)
    expected = (inferred,) if isinstance(inferred, Aval) else tuple(inferred)
    if expected != node.avals:
        raise GraphError(
            f"{node!r} should yield {', '.join(map(str, expected))}\n  at {node.origin.where()}"
        )
