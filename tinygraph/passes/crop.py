"""What is cut off again is not computed.

The gradient of a padded array is a slice of a product with the border. Where nothing else reads
what is sliced, the operands are sliced instead. So the product has no elements too many, and a
slice that would have been a copy is read in place.
"""

from __future__ import annotations

from collections.abc import Iterable

from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node, building_at
from tinygraph.ops.movement import Slices, slice_


def crop(graph: Graph) -> Graph:
    """Slice the operands of elementwise operations, instead of results that are only sliced."""
    if not any(node.op is slice_ for node in graph.nodes):
        return graph
    readers = graph.consumers()
    outputs = set(map(id, graph.outputs))
    inner: dict[int, Node] = {}  # new nodes that only one node reads

    def step(node: Node, inputs: tuple[Node, ...]) -> Node:
        new = rebuild(node, inputs)
        if new.op is slice_ and id(new.inputs[0]) in inner:
            new = _cut(new.inputs[0], new.params["slices"], inner)
        alone = len(set(map(id, readers[id(node)]))) == 1 and id(node) not in outputs
        if alone and new.op.kind == "elementwise":
            inner[id(new)] = new
        return new

    return graph.rewrite(step)


def _cut(x: Node, slices: Slices, inner: Iterable[int]) -> Node:
    """The slice of x, an elementwise result, made of slices of its operands."""
    region, waiting = {id(x): x}, [x]
    while waiting:
        for child in waiting.pop().inputs:
            if id(child) in inner and child.shape == x.shape and id(child) not in region:
                region[id(child)] = child
                waiting.append(child)
    made: dict[int, Node] = {}
    for node in sorted(region.values(), key=lambda each: each.serial):
        for child in node.inputs:
            if id(child) not in made:
                made[id(child)] = _part(child, x, slices)
        with building_at(node.origin):
            made[id(node)] = node.op(*[made[id(child)] for child in node.inputs], **node.params)
    return made[id(x)]


def _part(child: Node, x: Node, slices: Slices) -> Node:
    """The slice of an operand, which may lack dimensions of x, or stretch along some."""
    if not child.ndim:
        return child
    lacking = x.ndim - child.ndim
    pairs = zip(child.shape, x.shape[lacking:], slices[lacking:], strict=True)
    return slice_(child, slices=tuple([(0, 1, 1) if n != m else each for n, m, each in pairs]))
