"""What nobody reads is not computed: results, carries and inputs of scans and conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node
from tinygraph.ops.control import cond
from tinygraph.ops.registry import ITEM, Op
from tinygraph.ops.scan import scan


class Use(NamedTuple):
    """The numbers of the results of a node that are read, and of the inputs that it needs."""

    results: list[int]
    inputs: list[int]


def dead_code(graph: Graph) -> Graph:
    """Drop the results of scans and conditions that are not read, and what only they need.

    A node that nothing needs is in no graph from the start; here are those that hide in bodies.
    A carry goes when nothing but itself reads it. What a body computed for a dropped result
    goes with it, for a graph holds only what its outputs need.
    """
    uses, _ = _analyse(graph)
    if not uses:
        return graph
    places = {key: {old: new for new, old in enumerate(use.results)} for key, use in uses.items()}

    def step(node: Node, inputs: tuple[Node, ...]) -> Node:
        use = uses.get(id(node))
        if use is not None and len(use.results) + len(use.inputs) < _size(node):
            return _narrowed(node, inputs, use)
        if node.op is ITEM and id(node.inputs[0]) in places:
            index = node.params["index"]
            place = places[id(node.inputs[0])].get(index, index)  # a dropped result has no reader
            if place != index:
                return node.replace(inputs, {"index": place})
        return rebuild(node, inputs)

    return graph.rewrite(step)


def _size(node: Node) -> int:
    return len(node.avals) + len(node.inputs)


def _analyse(graph: Graph) -> tuple[dict[int, Use], set[int]]:
    """The use of each scan and condition that is needed, and the ids of all needed nodes."""
    given = set(map(id, graph.inputs))
    needed = set(map(id, graph.outputs))
    read: dict[int, set[int]] = {}
    uses: dict[int, Use] = {}
    for node in reversed(graph.nodes):
        if id(node) not in needed or id(node) in given:
            continue
        if node.op is ITEM:
            read.setdefault(id(node.inputs[0]), set()).add(node.params["index"])
        inputs = node.inputs
        if node.op in _RULES:
            use = uses[id(node)] = _RULES[node.op][0](node, read[id(node)])
            inputs = tuple([node.inputs[i] for i in use.inputs])
        needed.update(map(id, inputs))
    return uses, needed


def _inputs_for(body: Graph, results: set[int]) -> set[int]:
    """Which inputs of `body` the outputs `results` depend on."""
    _, needed = _analyse(Graph(body.inputs, [body.outputs[i] for i in sorted(results)]))
    return {i for i, node in enumerate(body.inputs) if id(node) in needed}


def _narrowed(node: Node, inputs: tuple[Node, ...], use: Use) -> Node:
    """`node` with the results and inputs that are used, and no others."""
    params = {**node.params, **_RULES[node.op][1](node, use)}
    kept = tuple([inputs[i] for i in use.inputs])
    return Node(node.op, kept, params, node.op.infer(*kept, **params), node.origin, node.grad)


def _part(body: Graph, results: list[int], inputs: list[int]) -> Graph:
    """`body` with some of its outputs and inputs; the scans in it are narrowed too."""
    inner = dead_code(Graph(body.inputs, [body.outputs[i] for i in results]))
    return Graph([body.inputs[i] for i in inputs], inner.outputs)


def _scan_use(node: Node, read: set[int]) -> Use:
    carries = node.params["carries"]
    results = set(read)
    while True:
        inputs = _inputs_for(node.params["body"], results)
        more = {i for i in inputs if i < carries} - results
        if not more:
            break
        results |= more
    inputs |= {i for i in results if i < carries}
    return Use(sorted(results), sorted(inputs))


def _scan_params(node: Node, use: Use) -> dict[str, Any]:
    carries, xs = node.params["carries"], node.params["xs"]
    return {
        "body": _part(node.params["body"], use.results, use.inputs),
        "carries": sum(i < carries for i in use.inputs),
        "xs": sum(carries <= i < carries + xs for i in use.inputs),
    }


def _cond_use(node: Node, read: set[int]) -> Use:
    bodies = node.params["then_body"], node.params["else_body"]
    inputs = set().union(*[_inputs_for(body, read) for body in bodies])
    return Use(sorted(read), [0, *[1 + i for i in sorted(inputs)]])


def _cond_params(node: Node, use: Use) -> dict[str, Any]:
    inputs = [i - 1 for i in use.inputs[1:]]
    return {
        name: _part(node.params[name], use.results, inputs) for name in ("then_body", "else_body")
    }


_RULES: dict[Op, tuple[Callable[[Node, set[int]], Use], Callable[[Node, Use], dict[str, Any]]]] = {
    scan: (_scan_use, _scan_params),
    cond: (_cond_use, _cond_params),
}
