"""Graph: an ordered set of nodes with named inputs and outputs. Pure and immutable.

Every walk here is iterative, so that the depth of a graph is limited by memory alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tinygraph.graph.node import Node

if TYPE_CHECKING:
    import networkx

Key = tuple[Any, ...]


def topological(
    outputs: Iterable[Node], is_leaf: Callable[[Node], bool] | None = None
) -> list[Node]:
    """Every node that `outputs` need, inputs first; does not look behind nodes `is_leaf` picks."""
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = []
    for output in outputs:
        stack.append((output, False))
        while stack:
            node, ready = stack.pop()
            if ready:
                order.append(node)
                continue
            if id(node) in seen:
                continue
            seen.add(id(node))
            if not node.inputs or (is_leaf is not None and is_leaf(node)):
                order.append(node)
                continue
            stack.append((node, True))
            for child in reversed(node.inputs):
                if id(child) not in seen:
                    stack.append((child, False))
    return order


class Graph:
    """Nodes between `inputs` and `outputs`.

    inputs: the leaves that are given when the graph runs, in order. Behind an input the graph
    does not look, so any node can be one.
    """

    __slots__ = ("__weakref__", "_key", "inputs", "nodes", "outputs")

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        given = set(map(id, self.inputs))
        self.nodes = tuple(topological(self.outputs, lambda node: id(node) in given))
        self._key: Key | None = None

    @property
    def key(self) -> Key:
        """What makes two graphs the same: ops, parameters, wiring, shapes and dtypes of the
        inputs. Neither the origins nor any value is part of it."""
        if self._key is None:
            self._key = self._structure()
        return self._key

    def _structure(self) -> Key:
        number = {id(node): index for index, node in enumerate(self.inputs)}
        rows: list[Any] = [tuple((node.shape, node.dtype) for node in self.inputs)]
        count = len(number)
        for node in self.nodes:
            if id(node) in number:
                continue
            number[id(node)] = count
            count += 1
            if node.op.leaf:  # free: only the very same leaf is equal
                rows.append(node)
            else:
                rows.append(node_key(node, [number[id(child)] for child in node.inputs]))
        rows.append(tuple(number[id(node)] for node in self.outputs))
        return tuple(rows)

    @property
    def lines(self) -> tuple[int, ...]:
        """Which places in the user's code the nodes come from. Graphs with equal keys and equal
        lines can share a tape: whatever goes wrong in it is reported where it belongs. Inputs
        compute nothing; a parameter is made in one line and has its next values from others."""
        found: list[int] = []
        given = set(map(id, self.inputs))
        for node in self.nodes:
            if id(node) not in given:
                found.append(id(node.origin.code))
                found.append(node.origin.offset)
        return tuple(found)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self.key == other.key

    def free(self) -> list[Node]:
        """Leaves that are not inputs and need a value: placeholders and data."""
        given = set(map(id, self.inputs))
        return [node for node in self.nodes if node.op.leaf and id(node) not in given]

    def consumers(self) -> dict[int, list[Node]]:
        """For each node's id, the nodes that read it."""
        found: dict[int, list[Node]] = {id(node): [] for node in self.nodes}
        given = set(map(id, self.inputs))
        for node in self.nodes:
            if id(node) not in given:
                for child in node.inputs:
                    found[id(child)].append(node)
        return found

    def rewrite(self, step: Callable[[Node, tuple[Node, ...]], Node]) -> Graph:
        """A graph in which each node is what `step(node, new inputs)` returns, inputs first."""
        given = set(map(id, self.inputs))
        new: dict[int, Node] = {}
        for node in self.nodes:
            if id(node) in given:
                new[id(node)] = node
            else:
                new[id(node)] = step(node, tuple([new[id(child)] for child in node.inputs]))
        outputs = [new[id(node)] for node in self.outputs]
        if all(node is old for node, old in zip(outputs, self.outputs, strict=True)):
            return self
        return Graph(self.inputs, outputs)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"<Graph of {len(self.nodes)} nodes, {len(self.outputs)} outputs>"

    def __str__(self) -> str:
        from tinygraph.graph.show import text

        return text(self)

    def to_dot(self, max_nodes: int = 500) -> str:
        """The graph in Graphviz's language; see `tinygraph.graph.show.dot`."""
        from tinygraph.graph.show import dot

        return dot(self, max_nodes)

    def to_networkx(self) -> networkx.DiGraph[int]:
        """The graph for networkx; see `tinygraph.graph.analyse.to_networkx`."""
        from tinygraph.graph.analyse import to_networkx

        return to_networkx(self)


def rebuild(node: Node, inputs: tuple[Node, ...]) -> Node:
    """`node` with new inputs, or itself where they are the old ones."""
    for new, old in zip(inputs, node.inputs, strict=True):
        if new is not old:
            return node.replace(inputs)
    return node


def node_key(node: Node, inputs: Sequence[int]) -> Key:
    """What makes two nodes with these (numbered) inputs compute the same."""
    params = node.params
    if not params:
        return (node.op.name, *inputs)
    if node.op.name == "const":  # -0.0 and 0.0, NaN and NaN, 1 and True
        return ("const", repr(params["value"]), node.dtype)
    return (node.op.name, tuple(params.values()), *inputs)


def inline(graph: Graph, values: Sequence[Node]) -> tuple[Node, ...]:
    """The outputs of `graph` with `values` in the place of its inputs."""
    new = {id(old): value for old, value in zip(graph.inputs, values, strict=True)}
    for node in graph.nodes:
        if id(node) not in new:
            new[id(node)] = rebuild(node, tuple([new[id(child)] for child in node.inputs]))
    return tuple(new[id(node)] for node in graph.outputs)
