"""A sum over everything is taken row by row, where rows are run through anyway.

What a loss adds up has often been normalised row by row before. The sum of a row then falls off
while the row is at hand, and only the sums of the rows are left to add. What was normalised may
have been reshaped since, as by group norm: for a sum over everything that makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinygraph.graph.dim import Size
from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node, Shape, building_at
from tinygraph.ops.movement import broadcast_to, reshape
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
    if not x.ndim or len(node.params["axis"]) < x.ndim or x.dtype != node.dtype:
        return node
    reduced = _reduction_of_rows(x)
    if reduced is None:
        return node
    with building_at(node.origin):
        same = _Finer(x, reduced.inputs[0].shape).made(x)
        each = node.op(same, axis=reduced.params["axis"], keepdims=False)
        total = node.op(each, axis=tuple(range(each.ndim)), keepdims=False)
        return total if total.shape == node.shape else reshape(total, shape=node.shape)


def _reduction_of_rows(x: Node) -> Node | None:
    """A reduction along the last dimensions of an array of the shape of x, or of one in which
    dimensions of x are split, if the elements of x depend on it by elementwise ops and views."""
    if x.op.kind != "elementwise" and x.op is not reshape:
        return None
    for node in _behind(x):
        if node.op.kind != "reduce":
            continue
        axes, shape = node.params["axis"], node.inputs[0].shape
        last = tuple(range(len(shape) - len(axes), len(shape)))
        if 0 < len(axes) < len(shape) and axes == last and _splits(x.shape, shape):
            return node
    return None


def _behind(x: Node) -> Iterator[Node]:
    """x, and what it is computed from by elementwise ops and views."""
    waiting, seen = [x], {id(x)}
    while waiting and len(seen) < FAR:
        node = waiting.pop()
        yield node
        if node.op.kind not in ("elementwise", "view"):
            continue
        for child in node.inputs:
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)


def _splits(shape: Shape, finer: Shape) -> bool:
    """Whether each size of `shape` is a product of sizes that follow each other in `finer`. An
    array of that shape can then be seen in the finer one, however it lies in memory."""
    left = list(reversed(finer))
    for size in shape:
        count: Size = 1
        while left and count != size:
            count = count * left.pop()
        if count != size:
            return False
    return all(size == 1 for size in left)


class _Finer:
    """What x is made of, elementwise, in a shape in which its dimensions are split."""

    def __init__(self, x: Node, shape: Shape) -> None:
        self.before, self.shape = x.shape, shape
        self.near = {id(node) for node in _behind(x)}
        self.known: dict[int, Node] = {}

    def made(self, node: Node) -> Node:
        """`node` in the finer shape. No deeper than there are nodes near x."""
        if id(node) not in self.known:
            self.known[id(node)] = self._new(node)
        return self.known[id(node)]

    def _new(self, node: Node) -> Node:
        if node.shape == self.shape or not node.ndim:
            return node
        if node.op is reshape and node.inputs[0].shape == self.shape:
            return node.inputs[0]
        if node.shape != self.before:
            node = broadcast_to(node, shape=self.before)
        elif node.op.kind == "elementwise" and id(node) in self.near:
            return node.op(*map(self.made, node.inputs), **node.params)
        return reshape(node, shape=self.shape)
