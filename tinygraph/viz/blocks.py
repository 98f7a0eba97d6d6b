"""Blocks: what a picture of a graph shows as one box.

Views, constants and state other than parameters are left out, a chain of elementwise operations
is one block, and a parameter stands beside each of its uses. So the training graph of a small
network fits on a page.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import groupby
from textwrap import wrap

from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Node, Shape
from tinygraph.graph.show import is_leaf, listed, name_of, role

HIDDEN = ("view", "constant", "state")  # the roles that are left out
TIMES = "\u00d7"
LONGEST_LINE = 22  # characters
MOST_NAMES = 6  # operations that a block names; of more it gives the number

FORWARD, BACKWARD, AFTER = 0, 1, 2  # what is computed, its gradient, and what uses the gradient


@dataclass(slots=True)
class Block:
    """One box. `nodes`: what it stands for, in order of computation; the last one is its result.
    `inputs`: the blocks that it reads. `part`: FORWARD, BACKWARD or AFTER."""

    nodes: list[Node]
    role: str
    inputs: list[Block] = field(default_factory=list)
    is_output: bool = False
    part: int = FORWARD

    @property
    def label(self) -> str:
        """What is written into the box: names of operations, and the shape of the result."""
        last = self.nodes[-1]
        shapes = " and ".join(_show_shape(aval.shape) for aval in last.avals[:2])
        more = " ..." if len(last.avals) > 2 else ""
        return f"{self._title(last)}\n{shapes}{more}"

    def _title(self, last: Node) -> str:
        if self.role in ("parameter", "state", "input", "data"):
            return name_of(last) or self.role
        if last.op.name == "const":
            return f"{last.params['value']:.6g}"
        if len(self.nodes) > MOST_NAMES:
            return f"{len(self.nodes)} elementwise"
        counts = [(name, len(list(run))) for name, run in groupby(n.op.name for n in self.nodes)]
        names = ", ".join(n if count == 1 else f"{n} {TIMES}{count}" for n, count in counts)
        return "\n".join(wrap(names, LONGEST_LINE))


def _show_shape(shape: Shape) -> str:
    return f" {TIMES} ".join(map(str, shape)) if shape else "scalar"


def blocks(graph: Graph, hidden: Collection[str] = HIDDEN, merge: bool = True) -> list[Block]:
    """The blocks of `graph`, each after those that it reads.

    hidden: roles of nodes that are left out. merge: whether chains of elementwise operations
    become one block each.
    """
    given = set(map(id, graph.inputs))
    nodes = listed(graph)
    seen_as = _visible(nodes, given, hidden)
    root = _roots(graph, nodes, seen_as) if merge else {}
    built: dict[int, Block] = {}
    for node in nodes:
        if seen_as[id(node)] is node:
            key = root.get(id(node), id(node))
            block = built.setdefault(key, Block([], role(node, given)))
            block.nodes.append(node)
    for node in graph.outputs:
        shown = seen_as[id(node)]
        if shown is not None:
            built[root.get(id(shown), id(shown))].is_output = True
    found = list(built.values())
    for key, block in built.items():
        block.inputs = _read_by(block, key, built, root, seen_as, given)
    _set_parts(found)
    return _in_order(_beside_each_use(found))


def _visible(nodes: list[Node], given: set[int], hidden: Collection[str]) -> dict[int, Node | None]:
    """For each node the one that is shown in its place: itself, what a view looks at, or none."""
    seen_as: dict[int, Node | None] = {}
    for node in nodes:
        what = role(node, given)
        if what not in hidden:
            seen_as[id(node)] = node
        else:
            seen_as[id(node)] = seen_as[id(node.inputs[0])] if what == "view" else None
    return seen_as


def _roots(graph: Graph, nodes: list[Node], seen_as: dict[int, Node | None]) -> dict[int, int]:
    """For each elementwise node the id of the last node of its block.

    A node joins the block of its readers if all of them are in one and none is hidden behind a
    view. So no path leaves a block and comes back to it.
    """
    kept = set(map(id, graph.outputs))
    given = set(map(id, graph.inputs))
    readers = graph.consumers()
    root: dict[int, int] = {}
    for node in reversed(nodes):
        if id(node) in given or node.op.kind != "elementwise" or is_leaf(node):
            continue
        root[id(node)] = id(node)
        roots = {root.get(id(reader)) for reader in readers.get(id(node), ())}
        same_part = all(
            reader.origin.backward == node.origin.backward for reader in readers.get(id(node), ())
        )
        if len(roots) == 1 and same_part and id(node) not in kept:
            root[id(node)] = roots.pop() or id(node)
    return root


def _read_by(
    block: Block,
    key: int,
    built: dict[int, Block],
    root: dict[int, int],
    seen_as: dict[int, Node | None],
    given: set[int],
) -> list[Block]:
    found: dict[int, Block] = {}
    for node in block.nodes:
        if id(node) in given:
            continue
        for child in node.inputs:
            shown = seen_as[id(child)]
            if shown is not None:
                source = root.get(id(shown), id(shown))
                if source != key:
                    found[source] = built[source]
    return list(found.values())


def _set_parts(found: list[Block]) -> None:
    order = _in_order(found)
    readers: dict[int, set[int]] = {}
    for block in order:
        if block.nodes[-1].origin.backward:
            block.part = BACKWARD
        elif any(source.part != FORWARD for source in block.inputs):
            block.part = AFTER
    for block in reversed(order):  # what is there for an update alone, as a count of steps
        if block.part == FORWARD and readers.get(id(block)) == {AFTER}:
            block.part = AFTER
        for source in block.inputs:
            readers.setdefault(id(source), set()).add(block.part)


def _beside_each_use(found: list[Block]) -> list[Block]:
    """Blocks without inputs are repeated for each block that reads them."""
    result = []
    used: set[int] = set()
    for block in found:
        for place, source in enumerate(block.inputs):
            if not source.inputs and source.nodes[-1].op.kind in ("leaf", "const"):
                if id(source) in used:
                    source = Block(source.nodes, source.role, is_output=source.is_output)
                    block.inputs[place] = source
                    result.append(source)
                used.add(id(source))
                source.part = block.part
        result.append(block)
    return result


def _in_order(found: list[Block]) -> list[Block]:
    """The same blocks, each after those that it reads."""
    order: list[Block] = []
    seen: set[int] = set()
    for start in found:
        stack = [(start, False)]
        while stack:
            block, ready = stack.pop()
            if ready:
                order.append(block)
            elif id(block) not in seen:
                seen.add(id(block))
                stack.append((block, True))
                stack.extend((source, False) for source in reversed(block.inputs))
    return order
