"""Lazy mode: nodes pile up until somebody needs a value; then they run as one tape.

What else has to be computed soon (a parameter that was assigned to, a loss whose gradient was
taken) is remembered as pending, and runs in the same tape.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tinygraph.compiler.compile import compiled
from tinygraph.errors import TraceError, UnfedError
from tinygraph.graph.graph import Graph, rebuild, topological
from tinygraph.graph.node import STATE, Node
from tinygraph.ops.movement import assign
from tinygraph.ops.registry import DATA, PLACEHOLDER
from tinygraph.runtime import backend as backends


class Cell(Protocol):
    """What holds a changing value: a Tensor."""

    node: Node


class _Pending(threading.local):
    def __init__(self) -> None:
        self.cells: dict[int, weakref.ref[Cell]] = {}


_PENDING = _Pending()
PLACEHOLDERS: weakref.WeakSet[Node] = weakref.WeakSet()  # those of the user, as long as they live
UNDEFINED: weakref.WeakSet[Node] = weakref.WeakSet()  # and those that no function has taken yet
_LOCK = threading.RLock()  # two threads may ask for values of one graph


def note(cell: Cell) -> None:
    """Compute the value of `cell` along with whatever is realized next, if it lives until then."""
    _PENDING.cells.pop(id(cell), None)  # the order is that of the notes: equal steps, equal graphs
    _PENDING.cells[id(cell)] = weakref.ref(cell)


def pending() -> list[Cell]:
    """The living cells that were noted and have no value yet."""
    alive = {}
    for key, ref in list(_PENDING.cells.items()):
        cell = ref()
        if cell is not None and cell.node.buffer is None:
            alive[key] = ref
    _PENDING.cells = alive
    return [cell for ref in alive.values() if (cell := ref()) is not None]


def has_value(node: Node) -> bool:
    """Whether the value of `node` is there."""
    return node.buffer is not None


def unfed(nodes: Iterable[Node]) -> list[Node]:
    """The placeholders without a value among `nodes`."""
    return [node for node in nodes if node.op is PLACEHOLDER and node.buffer is None]


def is_symbolic(node: Node) -> bool:
    """Whether the value of `node` cannot be computed now: it depends on a placeholder."""
    if node.buffer is not None or not unfed(topological([node], has_value)):
        return False
    return id(node) not in _grounded([node])


def realize(nodes: Sequence[Node]) -> None:
    """Compute the values of `nodes` and of all that is pending, as one tape.

    Raises UnfedError if a value depends on a placeholder that was not fed, TraceError if that
    placeholder stands for an argument of a function that is or was traced.
    """
    if not _PENDING.cells and all(map(has_value, nodes)):
        return
    with _LOCK:
        _realize(nodes)


def _realize(nodes: Sequence[Node]) -> None:
    wanted = [node for node in nodes if node.buffer is None]
    extra = [cell.node for cell in pending()] if STATE.trace is None else []
    outputs = list({id(node): node for node in (*wanted, *extra)}.values())
    if not outputs:
        return
    present, order = outputs, topological(outputs, has_value)
    if unfed(order):
        known = _grounded(outputs)
        for node in wanted:
            if id(node) not in known:
                raise _unfed_error(node, unfed(topological([node], has_value)))
        outputs = [node for node in outputs if id(node) in known]
        if not outputs:
            return
        present = [known[id(node)] for node in outputs]  # what computes each now
        order = topological(present, has_value)
    try:
        _run(outputs, present, [node for node in order if node.buffer is not None])
    except BaseException:
        _give_up(outputs)
        raise


def _give_up(outputs: Sequence[Node]) -> None:
    """After a run that failed: what was assigned in it keeps the value that it had, and what was
    pending waits no more, or it would fail whatever is computed next too."""
    failed = set(map(id, outputs))
    for cell in pending():
        if id(cell.node) in failed:
            del _PENDING.cells[id(cell)]
            while cell.node.op is assign and cell.node.buffer is None:
                cell.node = cell.node.inputs[1]


def _unfed_error(node: Node, missing: Sequence[Node]) -> Exception:
    if STATE.trace is not None and any(STATE.trace.owns(leaf) for leaf in missing):
        return TraceError(
            "a value was asked for while @tg.jit traces the function: Python cannot branch on it, "
            "print it or turn it into a number, because it is known only when the tape runs. Use "
            "tg.where or tg.cond to choose, tg.while_loop or tg.scan to repeat, or return the "
            f"value\n  at {STATE.trace.here()}"
        )
    if not any(leaf in PLACEHOLDERS for leaf in missing):
        return TraceError(
            f"the value of {node.op.name} is not known: it is computed from a stand-in. tg.jit, "
            "tg.scan, tg.cond, tg.while_loop, tg.checkpoint and tg.vmap call a function once with "
            "stand-ins for its arguments. Python cannot look at their values there, and what is "
            "kept of them (in a list, in an attribute) has none afterwards: return it instead"
            f"\n  at {node.origin.where()}"
        )
    names = ", ".join(f"'{leaf.params['name']}' (made at {leaf.origin})" for leaf in missing)
    return UnfedError(
        f"the value of {node.op.name} depends on the placeholder {names}, which was not fed. Make "
        f"a function with tg.function([...], outputs) and call it\n  at {node.origin.where()}"
    )


def _run(nodes: list[Node], present: list[Node], inputs: list[Node]) -> None:
    """Compute `present` from `inputs` in one tape, and keep the values as those of `nodes`."""
    backend = backends.current()
    run = compiled(Graph(inputs, present), backend)
    results = run([buffer_of(node, backend) for node in inputs])
    try:
        _keep_all(nodes, results)
    except BaseException:  # an interrupt: all of them have a value, or none
        _keep_all(nodes, results)
        raise


def _keep_all(nodes: list[Node], results: list[Any]) -> None:
    for node, buffer in zip(nodes, results, strict=True):
        keep(node, buffer)


# ------------------------------------------------ what is assigned while a graph is defined


def present_value(node: Node) -> Node:
    """The node whose value a state has now: behind what was assigned to it while a graph was
    defined, which is for each call of a function to come."""
    tracing = STATE.trace is not None  # a trace reads what it wrote
    while not tracing and node.op is assign and node.buffer is None and is_symbolic(node.inputs[0]):
        node = node.inputs[1]
    return node


def _grounded(outputs: Sequence[Node]) -> dict[int, Node]:
    """For the id of each output that has a value now, the node that computes it: there, state has
    its present value. Left out are what depends on a placeholder otherwise, and such
    assignments themselves."""
    found: dict[int, Node] = {}
    waiting: set[int] = set()
    for node in topological(outputs, has_value):
        if node.buffer is not None or not node.inputs:
            if node.op is not PLACEHOLDER or node.buffer is not None:
                found[id(node)] = node
        elif node.op is assign and id(node.inputs[0]) not in found:
            if id(node.inputs[1]) in found and STATE.trace is None:  # a trace reads what it wrote
                found[id(node)] = found[id(node.inputs[1])]
                waiting.add(id(node))
        elif all(id(child) in found for child in node.inputs):
            found[id(node)] = rebuild(node, tuple(found[id(child)] for child in node.inputs))
    return {id(n): found[id(n)] for n in outputs if id(n) in found and id(n) not in waiting}


@dataclass(frozen=True, slots=True)
class Deferred:
    """The next value of a state, that a graph defines. `needs`: the placeholders behind it."""

    cell: weakref.ref[Cell]
    value: Node
    needs: tuple[Node, ...]


_DEFERRED: dict[int, Deferred] = {}  # by the id of the cell: each has one at most


def end_definition() -> None:
    """Give state its present value back. What was assigned to it while a graph was defined waits
    for the function that takes it."""
    for cell in pending():
        node = cell.node
        needs = tuple(unfed(topological([node], has_value)))
        if node.op is assign and needs:
            _DEFERRED[id(cell)] = Deferred(weakref.ref(cell), node.inputs[0], needs)
            cell.node = present_value(node)


def claim(inputs: Sequence[Node]) -> list[tuple[Cell, Node]]:
    """Take the assignments that were defined on placeholders out of `inputs`: cells, and their
    next values."""
    given = set(map(id, inputs))
    claimed = []
    for key, deferred in list(_DEFERRED.items()):
        cell = deferred.cell()
        if cell is None:
            del _DEFERRED[key]
        elif all(id(leaf) in given for leaf in deferred.needs):
            claimed.append((cell, deferred.value))
            del _DEFERRED[key]
    return claimed


def buffer_of(node: Node, backend: backends.Backend) -> Any:
    """The value of `node` as a contiguous buffer of `backend`."""
    buffer = node.buffer
    if isinstance(buffer, np.ndarray):
        if not buffer.flags.c_contiguous:
            buffer = np.ascontiguousarray(buffer)
        return backend.from_host(buffer)
    return buffer


def keep(node: Node, buffer: Any, waiting: weakref.WeakSet[Node] = UNDEFINED) -> None:
    """Give `node` its value; forget how it was computed unless somebody may need to know.

    That is a gradient that may run through it, or a function still to be defined on one of the
    placeholders `waiting`, which may compute it again from state that will have changed.
    """
    node.buffer = buffer
    needed = node.grad or (node.live and len(waiting) > 0)
    if node.outs is None and (node.op is assign or not needed):
        node.op, node.inputs, node.params = DATA, (), {}
