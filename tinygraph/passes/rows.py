"""A sum over everything is taken row by row, where rows are run through anyway.

What a loss adds up has often been normalised row by row before. The sum of a row then falls off
while the row is at hand, and only the sums of the rows are left to add.
"""

from __future__ import annotations

from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node, building_at
from tinygraph.ops.reduce import max as reduce_max
from tinygraph.ops.reduce import min as reduce_min
from tinygraph.ops.reduce import sum as reduce_sum

FAR = 64  # nodes that are looked at behind an operand


def rows(graph: Graph) -> Graph:
    """Split reductions over all dimensions whose operand depends on reductions of its rows."""
    return graph.rewrite(_step)


def _step(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = rebuild(node, inputs)
    if node.op not in (reduce_sum, reduce_max, reduce_min):
        return node
    x = node.inputs[0]
    last = x.ndim - 1
    if last < 1 or len(node.params["axis"]) <= last or x.dtype != node.dtype:
        return node
    if x.op.kind != "elementwise" or not _has_rows(x):
        return node
    with building_at(node.origin):
        each = node.op(x, axis=(last,), keepdims=node.params["keepdims"])
        return node.op(each, axis=tuple(range(each.ndim)), keepdims=node.params["keepdims"])


def _has_rows(x: Node) -> bool:
    """Whether the elements of x depend, by elementwise ops alone, on a reduction of arrays of its
    shape along the last dimension."""
    waiting, seen = [x], {id(x)}
    while waiting and len(seen) < FAR:
        node = waiting.pop()
        if node.op.kind == "reduce":
            (child,) = node.inputs
            if child.shape == x.shape and node.params["axis"] == (x.ndim - 1,):
                return True
            continue
        if node.op.kind not in ("elementwise", "view"):
            continue
        for child in node.inputs:
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)
    return False
