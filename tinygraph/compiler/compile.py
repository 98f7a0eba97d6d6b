"""From graph to tape to executable: the passes, the lowering, the memory plan, the link."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygraph import config
from tinygraph.compiler.cache import Cache
from tinygraph.compiler.kernel import Kernel
from tinygraph.compiler.memory import donations, plan
from tinygraph.compiler.schedule import defer_updates, lower
from tinygraph.compiler.tape import Tape
from tinygraph.graph.collector import collector_paused
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import STATE, Node
from tinygraph.passes import optimise, prepare

Buffer = Any
_NOTHING: Mapping[int, Buffer] = {}


class Compiled:
    """A tape that is linked to a backend. May be called by several threads at once."""

    __slots__ = ("_forms", "backend", "executable", "in_place", "tape")

    def __init__(self, tape: Tape, backend: Any, executable: Any) -> None:
        self.tape = tape
        self.backend = backend
        self.executable = executable
        self.in_place = getattr(executable, "in_place", False)
        self._forms = [
            (index, slot.view.shape, slot.dtype) for index, slot in enumerate(tape.outputs)
        ]

    def __call__(
        self, inputs: Sequence[Buffer], donated: Mapping[int, Buffer] = _NOTHING
    ) -> list[Buffer]:
        """The outputs for `inputs` (contiguous buffers of this backend).

        donated: output number -> a buffer that the output may be written to.
        """
        outputs = self.outputs(donated)
        self.executable(inputs, outputs)
        return outputs

    def outputs(self, donated: Mapping[int, Buffer] = _NOTHING) -> list[Buffer]:
        """Buffers for the outputs: those that are donated, and new ones."""
        return [
            donated[index] if index in donated else self.backend.alloc(shape, dtype)
            for index, shape, dtype in self._forms
        ]

    def run(self, inputs: Sequence[Buffer], outputs: Sequence[Buffer], done: np.ndarray) -> None:
        """Write the outputs, and then set `done`, an array of one bool."""
        if self.in_place:
            self.executable(inputs, outputs, done)
        else:
            self.executable(inputs, outputs)
            done[0] = True


TAPES: Cache[Compiled] = Cache(limit=256)
KERNELS: Cache[Any] = Cache(limit=4096)
_BUILDING = threading.Lock()  # no kernel is built twice


def kernel_count() -> int:
    """How many kernels have been built so far, by all backends."""
    return KERNELS.info().misses


def compiled(
    graph: Graph,
    backend: Any,
    names: Sequence[str] = (),
    updates: Mapping[int, int] | None = None,
) -> Compiled:
    """The executable of `graph`, from the cache if an equal one from the same lines is there.

    names: what each input is, for the printed tape; by default where it was made. updates:
    output number -> the number of the input whose next value it is.
    """
    updates = dict(updates or {})
    settings = (
        graph.lines,
        tuple(names),
        backend.name,
        config.get("SKIP"),
        config.get("CHECK"),
        tuple(updates.items()),
    )
    before = TAPES.info().misses
    result = TAPES.get(
        (graph.key, *settings), lambda: compile_graph(graph, backend, names, updates)
    )
    if "cache" in config.get("DEBUG") and TAPES.info().misses > before:
        print(f"tape cache: compiled, because {TAPES.last_miss}", file=sys.stderr)
    return result


@collector_paused()
def compile_graph(
    graph: Graph, backend: Any, names: Sequence[str], updates: dict[int, int]
) -> Compiled:
    """Compile without looking in the cache."""
    start = time.perf_counter()
    tape = make_tape(graph, names, updates, fuses(backend), takes_loops(backend))
    debug = config.get("DEBUG")
    if "tape" in debug:
        print(tape, file=sys.stderr)
    handles = [_build(backend, instruction.kernel) for instruction in tape.instructions]
    if "kernels" in debug:
        for kernel in tape.kernels:
            print(kernel, file=sys.stderr)
    executable = backend.link(tape, handles)
    if "time" in debug:
        seconds = time.perf_counter() - start
        print(
            f"compiled {len(graph)} nodes to {len(tape)} instructions in {seconds * 1e3:.1f} ms",
            file=sys.stderr,
        )
    return Compiled(tape, backend, executable)


def fuses(backend: Any) -> bool:
    """Whether kernels for `backend` compute many nodes at once. TINYGRAPH_CHECK=nan is to name
    the operation at fault, so then each stays alone."""
    skip, check = config.get("SKIP"), config.get("CHECK")
    return getattr(backend, "fuses", False) and "fuse" not in skip and "nan" not in check


def takes_loops(backend: Any) -> bool:
    """Whether `backend` has kernels of loops at all."""
    return bool(getattr(backend, "fuses", False))


def make_tape(
    graph: Graph,
    names: Sequence[str] = (),
    updates: Mapping[int, int] | None = None,
    fuse: bool = False,
    loops: bool = False,
) -> Tape:
    """The tape of a graph whose sizes are all known. fuse: compute nodes together, by kernels of
    loops; with `loops` those that could be are such kernels in any case."""
    names = tuple(names) or tuple(map(name_of, graph.inputs))
    with _building():
        return _lowered(optimise(graph, fuse=fuse), names, dict(updates or {}), fuse, loops)


def body_tape(graph: Graph, fuse: bool) -> Tape:
    """The tape of the body of a scan, cond or while_loop out of a graph that was optimised."""
    names = tuple(map(name_of, graph.inputs))
    with _building():
        return _lowered(prepare(graph) if fuse else graph, names, {}, fuse, True)


@contextmanager
def _building() -> Iterator[None]:
    """Passes build nodes; none is to run now."""
    before, STATE.evaluate = STATE.evaluate, None
    try:
        with collector_paused():
            yield
    finally:
        STATE.evaluate = before


def _lowered(
    graph: Graph, names: tuple[str, ...], updates: dict[int, int], fuse: bool, loops: bool
) -> Tape:
    program = lower(graph, updates, fuse, loops)
    defer_updates(program, updates)
    memory = plan(program)
    return Tape(
        instructions=tuple(program.instructions),
        inputs=tuple(program.inputs),
        constants=tuple(program.constants),
        constant_slots=tuple(program.constant_slots),
        outputs=tuple(program.outputs),
        slots=tuple(program.slots),
        memory=memory,
        donated=donations(program, updates),
        names=names,
        refusals=tuple(program.refusals),
    )


def name_of(node: Node) -> str:
    """What an input is, in a few words: its name, or where it was made."""
    label = node.params.get("name")
    if label:
        return f"{node.op.name} '{label}'"
    return f"{node.op.name} from {node.origin}"


def _build(backend: Any, kernel: Kernel) -> Any:
    with _BUILDING:
        return KERNELS.get((backend.name, kernel), lambda: backend.build(kernel))
