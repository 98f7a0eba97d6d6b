"""The meaning of a graph: each op's `eval` in turn. Slow, obvious, and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygraph.errors import TinygraphError, UnfedError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Node


def evaluate(node: Node, arrays: list[Any], xp: Any) -> Any:
    """The result of one node; an error bears the user's line."""
    try:
        return node.op.eval(xp, *arrays, **node.params)
    except TinygraphError:
        raise
    except Exception as error:
        error.add_note(f"in {node.op.name}\n  at {node.origin.where()}")
        raise


def interpret(graph: Graph, values: Mapping[Node, Any], xp: Any) -> list[Any]:
    """The outputs of `graph`, where `values` gives an array for each of its inputs."""
    known: dict[int, Any] = {id(node): values[node] for node in graph.inputs}
    with xp.errstate(all="ignore"):
        for node in graph.nodes:
            if id(node) in known:
                continue
            if node.op.leaf:
                if node.buffer is None:
                    raise UnfedError(f"{node.op.name} has no value\n  at {node.origin.where()}")
                known[id(node)] = node.buffer
            else:
                known[id(node)] = evaluate(node, [known[id(c)] for c in node.inputs], xp)
    return [known[id(node)] for node in graph.outputs]
