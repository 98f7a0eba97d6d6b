"""Scans that take the same steps become one scan with the results of all.

The gradient of a scan builds the forward scan a second time, with the values that the backward
steps read as further results. After this pass the forward steps run once.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinygraph.graph.graph import Graph, Key, node_key, rebuild
from tinygraph.graph.node import Node
from tinygraph.ops.registry import ITEM
from tinygraph.ops.scan import scan


def widen(graph: Graph) -> Graph:
    """Merge scans of equal inputs whose bodies compute equal carries from them."""
    if sum(node.op is scan for node in graph.nodes) < 2:
        return graph
    plan = _Plan(graph)
    if all(len(union.members) == 1 for union in plan.unions):
        return graph
    built: dict[int, Node] = {}

    def step(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op is scan:
            union, _ = plan.place[id(node)]
            if id(union) not in built:
                built[id(union)] = union.build(inputs)
            return built[id(union)]
        if node.op is ITEM and id(node.inputs[0]) in plan.place:
            _, places = plan.place[id(node.inputs[0])]
            return node.replace(inputs, {"index": places[node.params["index"]]})
        return rebuild(node, inputs)

    return graph.rewrite(step)


class _Plan:
    """Which scans of a graph become one, found by numbering equal values alike.

    unions: the scans that will be. place: for each scan that is, its union, and where among
    the results of that union each of its own results is.
    """

    def __init__(self, graph: Graph) -> None:
        self.unions: list[_Union] = []
        self.place: dict[int, tuple[_Union, list[int]]] = {}
        self._by_form: dict[Key, list[_Union]] = {}
        numbers: dict[int, int] = {}
        known: dict[Key, int] = {}
        given = set(map(id, graph.inputs))
        for node in graph.nodes:
            if id(node) in given or node.op.leaf:
                key: Key = ("leaf", id(node))
            else:
                key = self._key(node, [numbers[id(child)] for child in node.inputs])
            numbers[id(node)] = known.setdefault(key, len(known))

    def _key(self, node: Node, inputs: list[int]) -> Key:
        """What makes a node equal to another, where its inputs bear these numbers."""
        if node.op is scan:
            union = self._join(node, inputs)
            return ("union", id(union))
        if node.op is ITEM and id(node.inputs[0]) in self.place:
            _, places = self.place[id(node.inputs[0])]
            return (ITEM.name, places[node.params["index"]], *inputs)
        return node_key(node, inputs)

    def _join(self, node: Node, inputs: list[int]) -> _Union:
        """The union that the scan `node` belongs to: one that is there, or a new one."""
        form = tuple(value for name, value in node.params.items() if name != "body")
        candidates = self._by_form.setdefault((form, *inputs), [])
        for union in candidates:
            places = union.join(node)
            if places is not None:
                self.place[id(node)] = (union, places)
                return union
        union = _Union(node)
        candidates.append(union)
        self.unions.append(union)
        self.place[id(node)] = (union, list(range(len(union.outputs))))
        return union


class _Union:
    """A scan in the making: the nodes of several bodies over one set of inputs, each once."""

    def __init__(self, node: Node) -> None:
        body = node.params["body"]
        self.members = [node]
        self.inputs: tuple[Node, ...] = body.inputs
        self._known: dict[Key, Node] = {}
        self._numbers = {id(leaf): i for i, leaf in enumerate(self.inputs)}
        self.outputs = self._merged(body)
        self.carries: int = node.params["carries"]
        stacked = range(self.carries, len(self.outputs))
        self._places = {id(self.outputs[i]): i for i in stacked}

    def _merged(self, body: Graph) -> list[Node]:
        """The outputs of `body`, built from nodes that are there wherever they are equal."""
        new = {id(old): leaf for old, leaf in zip(body.inputs, self.inputs, strict=True)}
        for node in body.nodes:
            if id(node) in new:
                continue
            inputs = tuple([new[id(child)] for child in node.inputs])
            key = node_key(node, [self._numbers[id(child)] for child in inputs])
            if key not in self._known:
                self._known[key] = rebuild(node, inputs)
                self._numbers[id(self._known[key])] = len(self._numbers)
            new[id(node)] = self._known[key]
        return [new[id(node)] for node in body.outputs]

    def join(self, node: Node) -> list[int] | None:
        """Add the results of the scan `node`; where they are, or None if its carries differ."""
        outputs = self._merged(node.params["body"])
        if outputs[: self.carries] != self.outputs[: self.carries]:
            return None
        self.members.append(node)
        return [*range(self.carries), *map(self._place, outputs[self.carries :])]

    def _place(self, output: Node) -> int:
        """Where `output` stands among the stacked results, which it joins if it is not there."""
        if id(output) not in self._places:
            self._places[id(output)] = len(self.outputs)
            self.outputs.append(output)
        return self._places[id(output)]

    def build(self, inputs: Sequence[Node]) -> Node:
        first = min(self.members, key=lambda node: node.origin.backward)  # the user's own, if any
        params = {**first.params, "body": Graph(self.inputs, self.outputs)}
        avals = scan.infer(*inputs, **params)
        grad = any(node.grad for node in self.members)
        return Node(scan, tuple(inputs), params, avals, first.origin, grad)
