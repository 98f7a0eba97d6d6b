"""A reduction over dimensions of size 1 is none: each result is one element, in its dtype."""

from __future__ import annotations

from tinygraph.dtypes import is_float
from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node, building_at
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import reshape
from tinygraph.ops.registry import cast, const


def single(graph: Graph) -> Graph:
    """Rewrite such reductions, so that they can be steps of any loop."""
    return graph.rewrite(_step)


def _step(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = rebuild(node, inputs)
    if node.op.kind != "reduce" or any(node.inputs[0].shape[a] != 1 for a in node.params["axis"]):
        return node
    with building_at(node.origin):
        return _element(node)


def _element(node: Node) -> Node:
    x = node.inputs[0]
    if x.shape != node.shape:
        x = reshape(x, shape=node.shape)
    if x.dtype != node.dtype:
        x = cast(x, dtype=node.dtype)
    if node.op.name == "sum" and is_float(node.dtype):
        x = e.add(x, const(0.0, node.dtype))  # a sum starts from 0.0, so -0.0 becomes 0.0
    return x
