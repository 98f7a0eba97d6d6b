"""The bodies of scans, conditions and loops are graphs too: they take the same passes."""

from __future__ import annotations

from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node


def bodies(graph: Graph) -> Graph:
    """Optimise every graph among the parameters of a node."""
    from tinygraph.passes import optimise

    done: dict[Graph, Graph] = {}

    def step(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = rebuild(node, inputs)
        params = dict(node.params)
        for key, value in params.items():
            if isinstance(value, Graph):
                if value not in done:
                    done[value] = optimise(value)
                params[key] = done[value]
        return node if params == node.params else node.replace(params=params)

    return graph.rewrite(step)
