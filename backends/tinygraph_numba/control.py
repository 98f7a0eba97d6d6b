"""Plans for scan, cond and while_loop: their bodies are tapes, run by a native kernel.

A body is lowered and linked like any other graph. Its constants and carries lie in row-major
order, and so do the slices of its sequences, which are stepped along by whatever stride; where
the graph around has them otherwise, the lowering copies them once, before the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from tinygraph import config
from tinygraph.compiler.compile import body_tape
from tinygraph.compiler.kernel import Instruction, Slot, View
from tinygraph.compiler.sources import is_dense, size_of
from tinygraph.graph.graph import Graph
from tinygraph.ops.scan import sequences
from tinygraph_numba import control_kernels as kernels
from tinygraph_numba.language import native, source_of
from tinygraph_numba.link import Linked, link
from tinygraph_numba.memory import rounded
from tinygraph_numba.plan import Plan, Stop


class Body(NamedTuple):
    """A body, and where its state stands in the memory that the instruction shares."""

    linked: Linked
    state: int


class Base(NamedTuple):
    """An input or output of a body: where it is at the first step, and the bytes from there to
    where it is at the next one."""

    first: Slot
    step: int = 0


class Room:
    """The memory that an instruction shares, handed out piece by piece."""

    def __init__(self) -> None:
        self.nbytes = 0

    def take(self, nbytes: int) -> int:
        """The place of a piece."""
        place = self.nbytes
        self.nbytes += rounded(nbytes)
        return place


def plan(instruction: Instruction) -> Plan | None:
    """The plan of a scan, cond or while_loop; None where an input lies in another way."""
    make = PLANS.get(instruction.kernel.name)
    if make is None or not _is_laid_out(instruction):
        return None
    return make(instruction)


def _is_laid_out(instruction: Instruction) -> bool:
    stepped = sequences(instruction.params)
    return all(
        slot.storage.place != "index" and is_dense(slot.view, int(number in stepped))
        for number, slot in enumerate(instruction.inputs)
    )


def _scan(instruction: Instruction) -> Plan:
    params = instruction.params
    room = Room()
    body = _linked(params["body"])
    bodies = [Body(body, room.take(body.nbytes))]
    length, carries = params["length"], params["carries"]
    stepped = partial(_stepped, length=length, reverse=params["reverse"])
    bases = [
        stepped(slot) if number in sequences(params) else Base(slot)
        for number, slot in enumerate(instruction.inputs)
    ]
    bases += map(Base, instruction.outputs[:carries])
    bases += map(stepped, instruction.outputs[carries:])
    return _plan(instruction, kernels.scan, bodies, bases, room, carries=carries, length=length)


def _stepped(slot: Slot, length: int, reverse: bool) -> Base:
    """The slices along the first dimension, one after another."""
    offset, (_, *shape), (step, *strides) = slot.view.offset, slot.view.shape, slot.view.strides
    if reverse and length:
        offset, step = offset + (length - 1) * step, -step
    view = View(offset, tuple(shape), tuple(strides))
    return Base(replace(slot, view=view), step * slot.dtype.itemsize)


def _cond(instruction: Instruction) -> Plan:
    room = Room()
    branches = [_linked(instruction.params[name]) for name in ("then_body", "else_body")]
    place = room.take(max(linked.nbytes for linked in branches))  # only one of them runs
    bodies = [Body(linked, place) for linked in branches]
    predicate, *inputs = instruction.inputs
    bases = [Base(slot) for slot in (*inputs, *instruction.outputs)]
    return _plan(instruction, kernels.cond, bodies, bases, room, choice=predicate)


def _while_loop(instruction: Instruction) -> Plan:
    room = Room()
    parts = [_linked(instruction.params[name]) for name in ("cond_body", "body")]
    bodies = [Body(linked, room.take(linked.nbytes)) for linked in parts]
    bases = [Base(slot) for slot in (*instruction.inputs, *instruction.outputs)]
    return _plan(
        instruction, kernels.while_loop, bodies, bases, room,
        carries=instruction.params["carries"], choice=room.take(1),
    )  # fmt: skip


PLANS = {"scan": _scan, "cond": _cond, "while_loop": _while_loop}


def _linked(graph: Graph) -> Linked:
    return link(body_tape(graph, fuse="fuse" not in config.get("SKIP")))


def _plan(
    instruction: Instruction, entry: Callable[..., int], bodies: Sequence[Body],
    bases: Sequence[Base], room: Room, carries: int = 0, length: int = 0, choice: Slot | int = 0,
) -> Plan:  # fmt: skip
    """The plan whose args are laid out as `control_kernels` has them."""
    rows: list[int | Slot] = []
    for body in (bodies[0], bodies[-1]):
        rows += [body.linked.address, len(body.linked.plans), body.state]
    rows += [len(bases), len(bases) - len(instruction.outputs), carries, length, choice]
    for base in bases:
        rows += base
    for slot in instruction.outputs[:carries]:
        nbytes = size_of(slot.view.shape) * slot.dtype.itemsize
        rows += [nbytes, room.take(nbytes)]

    def inside(args: Sequence[int]) -> list[Stop]:
        body = bodies[args[kernels.RUNNING]]
        return body.linked.stops(args[-1] + body.state)

    return Plan(
        kernel=native(source_of(entry), entry.__name__),
        args=(0, *rows),
        extent=1,
        grain=1,
        scratch=max(body.linked.scratch for body in bodies),
        shared=room.nbytes,
        parallel=any(body.linked.parallel for body in bodies),
        inside=inside,
    )
