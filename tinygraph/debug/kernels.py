"""What is compiled for a function: its kernels, and why they are not fewer."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from tinygraph import config
from tinygraph.compiler.compile import body_tape, fuses
from tinygraph.compiler.group import Refusal
from tinygraph.compiler.kernel import Instruction, Kernel
from tinygraph.compiler.tape import Tape
from tinygraph.debug.subject import lines_of, many, tape_of
from tinygraph.errors import GraphError
from tinygraph.graph.graph import Graph
from tinygraph.ops import REGISTRY
from tinygraph.runtime import backend as backends


def show_kernels(what: Any, *args: Any, file: TextIO | None = None) -> None:
    """Print every kernel that is compiled for `what`: how often it runs, for which of your lines,
    its steps, and the source that the backend in force makes of it, if it makes any.

    what: a `tg.function`, a `tg.jit` function, a Tensor that has no value yet, or a list of such
    Tensors. args: for a `tg.function` with open sizes a shape for each input, or an array of that
    shape; for a `tg.jit` function the arguments of a call. file: where to print to, by default
    standard output. Nothing is computed. Raises GraphError if `what` is something else.

    >>> import tinygraph as tg
    >>> x = tg.placeholder((None, 3), name="x")
    >>> with tg.backend("numpy"):
    ...     tg.debug.show_kernels(tg.function([x], tg.exp(x) * 2), (5, 3))
    kernel 1 of 2, runs once, for ...
      kernel exp (elementwise)
        %0 = input float32[·,·]
        %1 = exp(%0)
        return %1
    <BLANKLINE>
    kernel 2 of 2, runs once, for ...
      kernel multiply (elementwise)
        %0 = input float32[·,·]
        %1 = input float32[]
        %2 = multiply(%0, %1)
        return %2
    <BLANKLINE>
    """
    for line in _kernels(tape_of(what, args)):
        print(line, file=file or sys.stdout)


def _kernels(tape: Tape) -> Iterator[str]:
    for number, kernel in enumerate(tape.kernels, 1):
        uses = [each for each in tape.instructions if each.kernel == kernel]
        yield f"kernel {number} of {len(tape.kernels)}, {_uses(uses)}"
        for each in uses[0].links or uses[:1]:
            yield from _indented(_kernel(each.kernel))
        for name, body in _bodies(uses[0]):
            yield f"  {name}:"
            yield from _indented(_kernels(body), "    ")
        yield ""


def _kernel(kernel: Kernel) -> Iterator[str]:
    """The steps of a kernel, and its source."""
    yield str(kernel)
    source = source_of(kernel)
    if source is not None:
        yield f"as {backends.current().name} compiles it:"
        yield textwrap.indent(source.rstrip(), "  ")


def _bodies(instruction: Instruction) -> Iterator[tuple[str, Tape]]:
    """The tapes that a loop or a condition runs, with the names that it has for them."""
    for name, value in instruction.params.items():
        if isinstance(value, Graph):
            yield name, body_tape(value, fuses(backends.current()))


def _indented(lines: Iterable[str], by: str = "  ") -> Iterator[str]:
    for line in lines:
        yield textwrap.indent(line, by)


def source_of(kernel: Kernel) -> str | None:
    """The source that the backend in force makes of a kernel; None if it makes none."""
    source = getattr(backends.current(), "source", None)
    return source(kernel) if source is not None else None


def why_not_fused(
    what: Any, *args: Any, ops: Iterable[str] = (), file: TextIO | None = None
) -> None:
    """Print what is computed together, an instruction a line, and why other operations are not
    computed together with those that read them.

    what, args, file: as for `show_kernels`. ops: names of operations, to be told of these alone.
    Raises GraphError if `what` is something else, or if no operation has such a name.

    What a reason says: the operation's result is not computed in the loops of the kernel that
    reads it. That kernel is named by one of its operations. Results that the caller receives are
    in memory in any case, and nothing is said of that.

    >>> import tinygraph as tg
    >>> x = tg.placeholder((5, 3), name="x")
    >>> f = tg.function([x], tg.sort(tg.exp(x) * 2) + 1)
    >>> with tg.backend("numba"):
    ...     tg.debug.why_not_fused(f)
    4 operations in 3 instructions:
        0  exp_multiply (loops), ...
        1  sort (sort), ...
        2  add (loops), ...
    not fused:
      multiply at ... with sort at ...: the result is needed in memory
    """
    names = {ops} if isinstance(ops, str) else set(ops)
    unknown = sorted(names - REGISTRY.keys())
    if unknown:
        raise GraphError(f"no operation is called {', '.join(unknown)}; see tinygraph.ops.REGISTRY")
    for line in _report(tape_of(what, args), names):
        print(line, file=file or sys.stdout)


def _report(tape: Tape, names: set[str]) -> Iterator[str]:
    if not fuses(backends.current()):
        yield _nothing_fused()
        return
    yield from _reasons(tape, names)


def _reasons(tape: Tape, names: set[str]) -> Iterator[str]:
    count = sum(len(each.lines) for each in tape.instructions)
    yield f"{many(count, 'operation')} in {many(len(tape), 'instruction')}:"
    for number, instruction in enumerate(tape.instructions):
        kernel = instruction.kernel
        if not names or not names.isdisjoint(step.op.name for step in kernel.steps):
            parts = f" x {instruction.parts}" if instruction.parts > 1 else ""
            lines = lines_of(instruction.lines)
            yield f"  {number:3d}  {kernel.name}{parts} ({kernel.kind}), {lines}"
    told = Counter(_told(each) for each in tape.refusals if _is_of_interest(each, names))
    yield "not fused:" if told else "not fused: nothing that could be"
    for text, times in told.items():
        yield f"  {text}" + (f" ({times} times)" if times > 1 else "")
    for number, instruction in enumerate(tape.instructions):
        for name, body in _bodies(instruction):
            yield f"within instruction {number}, {name}:"
            yield from _indented(_reasons(body, names))


def _is_of_interest(refusal: Refusal, names: set[str]) -> bool:
    """Whether to tell of a refusal. That the caller's results are in memory is none."""
    if refusal.reader is None:
        return False
    return not names or refusal.node.op.name in names or refusal.reader.op.name in names


def _told(refusal: Refusal) -> str:
    node, reader = refusal.node, refusal.reader
    assert reader is not None
    return (
        f"{node.op.name} at {node.origin} with {reader.op.name} at {reader.origin}: "
        f"{refusal.reason}"
    )


def _nothing_fused() -> str:
    for name, value in (("SKIP", "fuse"), ("CHECK", "nan")):
        if value in config.get(name):
            return f"nothing is fused: {config.PREFIX}{name} is {value}"
    return f"nothing is fused: the backend {backends.current().name} runs each operation by itself"


def _uses(uses: Sequence[Instruction]) -> str:
    """How often a kernel runs, and for whose lines."""
    times = sum(each.parts for each in uses)
    often = "once" if times == 1 else f"{times} times"
    return f"runs {often}, for {lines_of(line for each in uses for line in each.lines)}"
