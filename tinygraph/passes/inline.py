"""Calls are gone once gradients are taken: the body stands in the place of the node."""

from __future__ import annotations

from tinygraph.graph.graph import Graph, inline, rebuild
from tinygraph.graph.node import Node
from tinygraph.ops.call import call
from tinygraph.ops.registry import ITEM


def inline_calls(graph: Graph) -> Graph:
    """Replace each `call` by the nodes of its body, and those of calls within it."""
    while any(node.op is call for node in graph.nodes):
        graph = _inline_outermost(graph)
    return graph


def _inline_outermost(graph: Graph) -> Graph:
    results: dict[int, tuple[Node, ...]] = {}

    def step(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op is call:
            results[id(node)] = inline(node.params["body"], inputs)
        elif node.op is ITEM and id(node.inputs[0]) in results:
            return results[id(node.inputs[0])][node.params["index"]]
        return rebuild(node, inputs)

    return graph.rewrite(step)
