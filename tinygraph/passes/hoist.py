"""Sums over the steps of a scan are taken behind it, all steps at once.

The gradient of a matrix that every step uses is a carry to which each step adds a product. After
this pass the steps hand out the factors instead, and one large product sums over the steps too:
it runs at full speed, and the carry is not read and written at every step. The gradient of a bias
is a sum of such a factor over its rows; it goes along.
"""

from __future__ import annotations

from typing import NamedTuple

from tinygraph.graph.dim import is_known
from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node, building_at
from tinygraph.ops import elementwise as e
from tinygraph.ops.contract import dot_general
from tinygraph.ops.movement import reshape
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import ITEM, item
from tinygraph.ops.rules import product
from tinygraph.ops.scan import scan


class Sum(NamedTuple):
    """Carry number `carry` is a sum over the steps of `added`, a product or itself a sum."""

    carry: int
    added: Node


def hoist(graph: Graph) -> Graph:
    """Move such sums out of every scan."""
    if not any(node.op is scan for node in graph.nodes):
        return graph
    results: dict[int, list[Node]] = {}

    def step(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op is scan:
            sums = _sums(node)
            if sums:
                results[id(node)] = _without(node, inputs, sums)
                return results[id(node)][0]
        if node.op is ITEM and id(node.inputs[0]) in results:
            return results[id(node.inputs[0])][node.params["index"]]
        return rebuild(node, inputs)

    return graph.rewrite(step)


def _sums(node: Node) -> list[Sum]:
    """Those carries. A sum is taken later only if what it adds up is there later anyway."""
    body: Graph = node.params["body"]
    first = node.params["carries"]
    candidates = _candidates(node)
    products = [entry for entry in candidates if _is_large_product(entry.added)]
    kept = [*body.inputs[first : first + node.params["xs"]], *body.outputs[first:]]
    there = {id(each) for each in (*kept, *(x for entry in products for x in entry.added.inputs))}
    rest = [entry for entry in candidates if entry.added.op is reduce_sum]
    return products + [entry for entry in rest if id(entry.added.inputs[0]) in there]


def _candidates(node: Node) -> list[Sum]:
    """The carries that each step but adds to, and what it adds, if nothing else reads that."""
    body: Graph = node.params["body"]
    readers = body.consumers()
    outputs = [id(output) for output in body.outputs]
    found = []
    for number in range(node.params["carries"]):
        carry, total = body.inputs[number], body.outputs[number]
        if total.op is not e.add or len(readers.get(id(carry), ())) != 1:
            continue
        added = [child for child in total.inputs if child is not carry]
        alone = outputs.count(id(total)) == 1 and not readers[id(total)]
        if alone and [len(readers[id(x)]) for x in added] == [1] and id(added[0]) not in outputs:
            found.append(Sum(number, added[0]))
    return found


def _is_large_product(node: Node) -> bool:
    """Whether `node` is a product that is larger than its factors."""
    if node.op is not dot_general or node.params["batch"] != ((), ()):
        return False
    sizes = [product(x.shape) for x in (node, *node.inputs)]
    if not is_known(*sizes):
        return False
    whole, left, right = map(int, sizes)
    return left + right <= 2 * whole


def _without(node: Node, inputs: tuple[Node, ...], sums: list[Sum]) -> list[Node]:
    """The results of the scan `node`, where `sums` are no carries any more."""
    body: Graph = node.params["body"]
    carries = node.params["carries"]
    gone = {entry.carry for entry in sums}
    kept = [i for i in range(len(body.inputs)) if i not in gone]
    outputs = [output for i, output in enumerate(body.outputs) if i not in gone]
    places = _stacked(node, carries - len(gone), outputs, sums)
    params = {
        **node.params, "body": Graph([body.inputs[i] for i in kept], outputs),
        "carries": carries - len(gone),
    }  # fmt: skip
    given = tuple([inputs[i] for i in kept])
    with building_at(node.origin):
        new = Node(scan, given, params, scan.infer(*given, **params), node.origin, node.grad)
        totals = {entry.carry: _total(new, inputs, entry, places) for entry in sums}
        rest = iter([item(new, i) for i in range(len(outputs))])
        return [totals[i] if i in gone else next(rest) for i in range(len(body.outputs))]


def _stacked(
    node: Node, carries: int, outputs: list[Node], sums: list[Sum]
) -> dict[int, tuple[bool, int]]:
    """Where the factors are, stacked over the steps: whether as a sequence that goes in, and its
    number among the inputs of the old scan or the results of the new one. Those that are nowhere
    yet are added to `outputs`."""
    inputs, first = node.params["body"].inputs, node.params["carries"]
    sequences = range(first, first + node.params["xs"])
    places = {id(inputs[i]): (True, i) for i in sequences}
    for number in range(carries, len(outputs)):
        places.setdefault(id(outputs[number]), (False, number))
    for entry in sums:
        for factor in entry.added.inputs:
            if id(factor) not in places:
                places[id(factor)] = (False, len(outputs))
                outputs.append(factor)
    return places


def _total(
    new: Node, inputs: tuple[Node, ...], entry: Sum, places: dict[int, tuple[bool, int]]
) -> Node:
    """The first value of the carry, and what all steps add."""
    factors = []
    for factor in entry.added.inputs:
        comes_in, number = places[id(factor)]
        factors.append(inputs[number] if comes_in else item(new, number))
    if entry.added.op is reduce_sum:
        axes = (0, *[axis + 1 for axis in entry.added.params["axis"]])
        summed = reduce_sum(*factors, axis=axes, keepdims=False)
        if summed.shape != entry.added.shape:
            summed = reshape(summed, shape=entry.added.shape)
    else:
        left, right = entry.added.params["contract"]
        contract = (0, *[a + 1 for a in left]), (0, *[a + 1 for a in right])
        summed = dot_general(*factors, contract=contract, batch=((), ()))
    return e.add(inputs[entry.carry], summed)
