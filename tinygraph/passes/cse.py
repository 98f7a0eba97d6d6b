"""Merging of equal nodes (common subexpressions)."""

from __future__ import annotations

from typing import Any

from tinygraph.graph.graph import Graph, node_key, rebuild
from tinygraph.graph.node import Node


def cse(graph: Graph) -> Graph:
    """Keep the first of nodes with the same op, parameters and inputs."""
    first: dict[Any, Node] = {}

    def step(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op.leaf:
            return node
        key = node_key(node, [id(child) for child in inputs])
        found = first.get(key)
        if found is None:
            found = first[key] = rebuild(node, inputs)
        return found

    return graph.rewrite(step)
