"""What a function assigns to Tensors from outside while it runs on stand-ins for its arguments.

The function that `tg.scan`, `tg.cond`, `tg.while_loop`, `tg.vmap` or `tg.checkpoint` is given is
called once, to see what it computes. What it assigns to a Tensor that outlives the call has no
value there: it has to leave as a result, or it is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tinygraph.errors import GraphError
from tinygraph.graph.node import STATE, Node, serial
from tinygraph.ops.movement import assign


class Cell(Protocol):
    """What holds a value that can be assigned: a Tensor."""

    node: Node

    def assign(self, value: Any) -> Any:
        """Hold `value` from now on."""


class Writes:
    """The assignments in one call of such a function.

    kept: once it has returned, the Tensors from outside that were assigned to, each with the
    value that it was to have. They hold what they held before.
    """

    def __init__(self) -> None:
        self.kept: list[tuple[Cell, Node]] = []
        self._since = serial()

    def undo(self) -> None:
        """Put back what the Tensors from outside held."""
        for cell, before in self._first():
            value = cell.node.inputs[0] if cell.node.op is assign else cell.node
            self.kept.append((cell, value))
            cell.node = before

    def _first(self) -> list[tuple[Cell, Node]]:
        """Those Tensors, with what they held first. One that only the function knew is gone by
        now, or held a node that was made in it."""
        first: dict[int, tuple[Cell, Node]] = {}
        for ref, before in STATE.writes or ():
            cell = ref()
            if cell is not None and before.serial < self._since:
                first.setdefault(id(cell), (cell, before))
        return list(first.values())


@contextmanager
def collected() -> Iterator[Writes]:
    """Collect what is assigned inside to Tensors from outside, and undo it at the end."""
    writes, outer = Writes(), STATE.writes
    STATE.writes = []
    try:
        yield writes
    finally:
        writes.undo()
        STATE.writes = outer


@contextmanager
def refused(what: str) -> Iterator[None]:
    """GraphError where something inside is assigned to a Tensor from outside."""
    with collected() as writes:
        yield
    for _, value in writes.kept:
        raise GraphError(
            f"{what}: the function assigns to a Tensor from outside, but it is called only once, "
            "on stand-ins for its arguments: return the new value instead. Batch norm assigns its "
            f"running averages: call eval() on it first\n  at {value.origin.where()}"
        )
