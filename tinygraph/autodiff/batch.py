"""vmap on nodes: a graph for one example becomes a graph for a batch of them.

The nodes that depend on a mapped input are built again with a further dimension in front, by the
rules in `batch_rules`. An op that has none runs in a loop over the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tinygraph.autodiff.batch_rules import rule_of, spread
from tinygraph.graph.dim import Size
from tinygraph.graph.graph import Graph, topological
from tinygraph.graph.node import STATE, Node
from tinygraph.ops.movement import permute
from tinygraph.ops.registry import ITEM, items

Nodes = Sequence[Node]
Value = tuple[Node, bool]  # a node, and whether its first dimension is the mapped one


def batch(outputs: Nodes, inputs: Nodes, values: Nodes, size: Size) -> list[Node]:
    """`outputs` for each of `size` examples, stacked along a new first dimension.

    inputs: the nodes that stand for one example in the graph of `outputs`. values: for each of
    them the batch, its dimension in front. An output that depends on none is repeated.
    """
    given = set(map(id, inputs))
    order = topological(outputs, lambda node: id(node) in given)
    reached = reach(order, given)
    fixed = [node for node in order if id(node) not in reached and node.outs is None]
    graph = Graph([*inputs, *fixed], outputs)
    known = [*[(value, True) for value in values], *[(node, False) for node in fixed]]
    return [spread(node, 0 if mapped else None, size) for node, mapped in emit(graph, known)]


def reach(order: Nodes, sources: set[int]) -> set[int]:
    """The ids of those nodes of `order` (inputs first) that depend on `sources`."""
    found = set(sources)
    for node in order:
        if any(id(child) in found for child in node.inputs):
            found.add(id(node))
    return found


def emit(graph: Graph, values: Sequence[Value]) -> list[Value]:
    """The outputs of `graph` with `values` in the place of its inputs, as new nodes."""
    known: dict[int, list[Value]] = {
        id(node): [value] for node, value in zip(graph.inputs, values, strict=True)
    }
    for node in graph.nodes:
        if id(node) in known:
            continue
        if node.op is ITEM:
            known[id(node)] = [known[id(node.inputs[0])][node.params["index"]]]
        else:
            with _built_as(node):
                known[id(node)] = _apply(node, [known[id(child)][0] for child in node.inputs])
    return [known[id(node)][0] for node in graph.outputs]


@contextmanager
def _built_as(node: Node) -> Iterator[None]:
    """What is built inside bears the line of `node`, and is kept out of gradients if it was."""
    before = STATE.origin, STATE.grad
    STATE.origin = node.origin
    if not node.grad and any(child.grad for child in node.inputs):
        STATE.grad = False
    try:
        yield
    finally:
        STATE.origin, STATE.grad = before


def _apply(node: Node, arrived: Sequence[Value]) -> list[Value]:
    """The results of `node` on other inputs."""
    inputs = [value for value, _ in arrived]
    if not any(mapped for _, mapped in arrived):
        copy = node.op(*inputs, **node.params)
        return [(result, False) for result in (items(copy) if copy.outs else (copy,))]
    places = [0 if mapped else None for _, mapped in arrived]
    results, where = rule_of(node.op)(node.op, inputs, places, **node.params)
    if isinstance(results, Node):
        return [_in_front(results, where)]
    return [_in_front(result, place) for result, place in zip(results, where, strict=True)]


def _in_front(node: Node, axis: int | None) -> Value:
    """`node` with its mapped dimension moved to the front."""
    if axis is None or axis == 0:
        return node, axis == 0
    others = tuple(i for i in range(node.ndim) if i != axis)
    return permute(node, axes=(axis, *others)), True
