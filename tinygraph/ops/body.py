"""Bodies: the graphs that control-flow ops run, traced from Python functions.

A body is a closed Graph: each of its leaves is one of its inputs, a placeholder. What the
traced function reads from outside is captured, and becomes a further input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tinygraph.dtypes import is_float
from tinygraph.errors import ShapeError, TinygraphError
from tinygraph.graph.dim import is_known
from tinygraph.graph.graph import Graph, topological
from tinygraph.graph.node import STATE, Aval, Node
from tinygraph.ops.registry import ITEM, PLACEHOLDER

# ---------------------------------------------------------------------------------- tracing


def placeholder(aval: Aval, name: str, grad: bool = True) -> Node:
    """An input of a body; a float one takes part in gradients unless `grad` is off."""
    return Node(PLACEHOLDER, (), {"name": name}, aval, grad=grad and is_float(aval.dtype))


@contextmanager
def tracing() -> Iterator[dict[int, Node]]:
    """Nodes built inside are recorded (in the dictionary that is yielded) and not computed, in
    eager mode neither: they depend on placeholders, which have no value."""
    made: dict[int, Node] = {}

    def record(node: Node) -> None:
        made[id(node)] = node

    before, STATE.evaluate = STATE.evaluate, record
    try:
        yield made
    finally:
        STATE.evaluate = before


@contextmanager
def counted(step: Node | None) -> Iterator[None]:
    """Random states that are drawn inside depend on the number `step`; with None, none can be."""
    before = STATE.steps
    STATE.steps = None if step is None or before is None else (*before, step)
    try:
        yield
    finally:
        STATE.steps = before


def depends(outputs: Sequence[Node], leaf: Node, made: Collection[int]) -> bool:
    """Whether `outputs` depend on `leaf` by nodes out of `made`."""
    return any(node is leaf for node in topological(outputs, lambda n: id(n) not in made))


def close_body(
    placeholders: Sequence[Node],
    outputs: Sequence[Node],
    made: Collection[int] | None = None,
    hoist: bool = True,
) -> tuple[Graph, list[Node]]:
    """The body that computes `outputs`, and the outer nodes that it captures.

    placeholders: the body's own inputs. made: the ids of the nodes that the trace built; behind
    others it does not look (None: every node counts as built by it, but for leaves).
    hoist: capture also what the trace built without need of a placeholder, so that it is
    computed once outside; else such nodes stay in the body. Constants stay in any case.
    Returns the graph, whose inputs are `placeholders` and one for each captured node, and the
    captured nodes in the order in which the outputs need them.
    """
    given = set(map(id, placeholders))

    def outside(node: Node) -> bool:
        return node.op.leaf or (made is not None and id(node) not in made)

    order = topological(outputs, lambda node: id(node) in given or outside(node))
    inside = _inside(order, given, outside, hoist)
    read = {id(node) for node in outputs}
    for node in order:
        if id(node) in inside:
            read.update(map(id, node.inputs))
    captured = [node for node in order if id(node) in read and id(node) not in inside]
    stand_ins = [
        placeholder(node.aval, f"captured{i}", node.grad) for i, node in enumerate(captured)
    ]
    inputs = [*placeholders, *stand_ins]
    return Graph(inputs, _copied(Graph([*placeholders, *captured], outputs), inputs)), captured


def _inside(
    order: Sequence[Node], given: set[int], outside: Callable[[Node], bool], hoist: bool
) -> set[int]:
    """The ids of the nodes that stay in the body."""
    bound = set(given)
    constant: set[int] = set()
    for node in order:
        if id(node) in given:
            continue
        if node.op.kind == "const":
            constant.add(id(node))
        elif outside(node):
            continue
        elif hoist:
            if any(id(child) in bound for child in node.inputs):
                bound.add(id(node))
            elif node.op.kind == "view" and all(id(child) in constant for child in node.inputs):
                constant.add(id(node))
        elif node.op is not ITEM or id(node.inputs[0]) in bound:
            bound.add(id(node))
    return bound | constant


def announce(captured: Sequence[Node], made: dict[int, Node]) -> None:
    """Let the mode that is on (eager, or the trace around this one) see the nodes that a trace
    built and that were moved out of its body."""
    see = STATE.evaluate
    if see is None:
        return
    for node in topological(captured, lambda node: id(node) not in made):
        if id(node) in made:
            see(node)


def splice(body: Graph, values: Sequence[Node]) -> list[Node]:
    """The outputs of `body` with `values` in the place of its inputs, as nodes of the graph in
    construction: in eager mode they are computed, and a trace in progress records them."""
    return _copied(body, values, STATE.evaluate)


def _copied(
    graph: Graph, values: Sequence[Node], announce: Callable[[Node], None] | None = None
) -> list[Node]:
    """As `graph.inline`, but every node is new: a node that gets a value forgets its inputs, and
    what shares it would change with it."""
    new = {id(old): value for old, value in zip(graph.inputs, values, strict=True)}
    for node in graph.nodes:
        if id(node) not in new:
            copy = new[id(node)] = node.replace(tuple([new[id(child)] for child in node.inputs]))
            if announce is not None:
                announce(copy)
    return [new[id(node)] for node in graph.outputs]


def sample_body(
    f: Callable[[list[Node]], Sequence[Node]], *avals: tuple[tuple[int, ...], str]
) -> Graph:
    """The body of `f` on inputs of these shapes and dtypes; f reads nothing from outside."""
    nodes = [
        placeholder(Aval(shape, np.dtype(dtype)), f"x{i}") for i, (shape, dtype) in enumerate(avals)
    ]
    with tracing() as made:
        outputs = f(list(nodes))
    return close_body(nodes, outputs, made)[0]


# ------------------------------------------------------------------------------- shape rules


def fits(found: Aval, wanted: Aval) -> bool:
    """Whether both are one dtype and shape; a size that is open is taken to fit."""
    return (
        found.dtype == wanted.dtype
        and len(found.shape) == len(wanted.shape)
        and all(
            a == b or not is_known(a, b) for a, b in zip(found.shape, wanted.shape, strict=True)
        )
    )


def check_inputs(body: Graph, given: Sequence[Aval], names: Sequence[str]) -> None:
    """ShapeError unless `given` are what `body` takes; `names` are for the message."""
    if len(given) != len(body.inputs):
        raise ShapeError(f"the body takes {len(body.inputs)} inputs, got {len(given)}")
    for name, aval, node in zip(names, given, body.inputs, strict=True):
        if not fits(aval, node.aval):
            raise ShapeError(f"{name} is {aval}, but the body takes {node.aval}")


def check_carries(body: Graph, carries: int) -> None:
    """ShapeError unless each of the first `carries` outputs is of the form of its input."""
    if len(body.outputs) < carries:
        raise ShapeError(f"{carries} carries go into the body, {len(body.outputs)} come back")
    for i, (start, end) in enumerate(zip(body.inputs[:carries], body.outputs, strict=False)):
        if not fits(end.aval, start.aval):
            raise ShapeError(
                f"carry {i} goes into the body as {start.aval} and comes back as {end.aval}; a "
                "carry keeps its shape and dtype: cast or broadcast it, or start with that form"
            )


# ---------------------------------------------------------------------------------- meaning


class Step(NamedTuple):
    """One node of a Interpreter: which slots it reads, which it writes, which are free after it."""

    node: Node
    reads: tuple[int, ...]
    slot: int
    dead: tuple[int, ...]


class Interpreter:
    """A body laid out to be interpreted many times: values in numbered slots, constants
    computed once, a value dropped after its last use."""

    __slots__ = ("outputs", "start", "steps", "xp")

    def __init__(self, body: Graph, xp: Any) -> None:
        self.xp = xp
        slots = {id(node): slot for slot, node in enumerate(body.inputs)}
        self.start: list[Any] = [None] * len(slots)
        rows: list[tuple[Node, tuple[int, ...], int]] = []
        for node in body.nodes:
            if id(node) in slots:
                continue
            reads = tuple([slots[id(child)] for child in node.inputs])
            slots[id(node)] = len(self.start)
            constant = not reads and not node.op.leaf
            self.start.append(node.op.eval(xp, **node.params) if constant else None)
            if not constant:
                rows.append((node, reads, slots[id(node)]))
        self.outputs = [slots[id(node)] for node in body.outputs]
        self.steps = self._with_last_uses(rows)

    def _with_last_uses(self, rows: list[tuple[Node, tuple[int, ...], int]]) -> list[Step]:
        kept = set(self.outputs)
        steps: list[Step] = []
        for node, reads, slot in reversed(rows):
            dead = tuple(sorted({read for read in reads if read not in kept}))
            kept.update(dead)
            steps.append(Step(node, reads, slot, dead))
        return steps[::-1]

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """The outputs for these inputs. An error bears the user's line."""
        values = self.start.copy()
        values[: len(arrays)] = arrays
        xp = self.xp
        node: Node | None = None
        try:
            for node, reads, slot, dead in self.steps:
                values[slot] = node.op.eval(xp, *[values[read] for read in reads], **node.params)
                for unused in dead:
                    values[unused] = None
        except TinygraphError:
            raise
        except Exception as error:
            assert node is not None
            error.add_note(f"in {node.op.name}\n  at {node.origin.where()}")
            raise
        return [values[slot] for slot in self.outputs]


def owned(xp: Any, values: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, ...]:
    """`values` as arrays that share no storage with the inputs or with each other."""
    taken = set(map(id, inputs))
    results = []
    for value in values:
        array = xp.asarray(value)
        if array.base is not None or id(array) in taken:
            array = array.copy()
        taken.add(id(array))
        results.append(array)
    return tuple(results)
