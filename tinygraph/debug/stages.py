"""Which stage of the compiler, or which kernel of the backend, changes a result?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from tinygraph.compiler.compile import fuses, make_tape
from tinygraph.compiler.tape import Tape
from tinygraph.debug.compare import Tolerance, changes, nudged
from tinygraph.debug.kernels import source_of
from tinygraph.debug.passes import Culprit, bisect_passes
from tinygraph.debug.subject import Call, call_of, lines_of, many
from tinygraph.debug.walk import run_tape, walk
from tinygraph.passes import FOR_FUSION, PIPELINE, Pass, skipped
from tinygraph.runtime import backend as backends
from tinygraph.runtime.interpret import interpret

SLACK = 8  # times what a nudge of the inputs changes may differ
REFERENCE = "numpy"  # the backend that runs a tape by the NumPy meaning of its kernels
_STAGES = {
    "lowering": "the instructions, each by its NumPy meaning, yield something else than the graph",
    "fusion": "the fused kernels, each by its NumPy meaning, yield something else than the graph; "
    "leave the fusion out with TINYGRAPH_SKIP=fuse",
    "link": "each kernel alone yields what it should, but all of them one after another do not",
}


@dataclass(frozen=True, slots=True)
class TapeCulprit:
    """The first stage behind the passes that changed a result beyond tolerance.

    stage: "lowering" to a tape, without fusion; "fusion"; "kernel", one of the backend's; or
    "link", where the kernels are right one by one and wrong together. backend: the one in force.
    output: which output changed, of the function, or of the kernel. difference: the largest one
    of an element. tape: the tape at this stage. instruction: in stage "kernel", the number of the
    first instruction whose result is wrong.
    """

    stage: str
    backend: str
    output: int
    difference: float
    tape: Tape
    instruction: int | None = None

    def __str__(self) -> str:
        changed = f"changes output {self.output} by up to {self.difference:.3g}"
        if self.instruction is None:
            return f"{self.stage} {changed}: {_STAGES[self.stage]}"
        instruction = self.tape.instructions[self.instruction]
        lines = [
            f"instruction {self.instruction}, {instruction.kernel.name}, {changed}: from the same "
            f"inputs {self.backend} computes something else than NumPy",
            f"for {lines_of(instruction.lines)}",
        ]
        with backends.using(self.backend):
            for each in instruction.links or (instruction,):
                source = source_of(each.kernel)
                lines += [str(each.kernel)] if source is None else [str(each.kernel), source]
        return "\n".join(lines).rstrip()


def bisect(
    what: Any, *args: Any, rtol: float = 1e-3, atol: float = 1e-5, file: TextIO | None = None
) -> Culprit | TapeCulprit | None:
    """Find what makes a compiled result wrong: a pass, the fusion, or a kernel of the backend.

    Each stage is compared with the NumPy meaning of the graph as you wrote it: the graph after
    each pass, then the tape without fusion, and with it. After that each kernel of the backend in
    force is compared with its NumPy meaning, both given the same inputs, and at last the whole
    tape. The first that differs is printed and returned; None if none does.

    what: a `tg.function` or a `tg.jit` function, with the arguments of a call as args; or a Tensor
    that has no value yet, or a list of such Tensors. State is read but not changed, and no random
    numbers are used up. rtol, atol: what may differ, as in `numpy.allclose`. file: where to print
    to, by default standard output. Raises GraphError if `what` is something else.

    Rounding may grow: in a difference of numbers that are almost equal, and in what is divided by
    it. How much it does is measured, by computing again from inputs that are larger by some of
    their smallest steps, and a result may differ by a few times of that besides.

    >>> import tinygraph as tg
    >>> x = tg.placeholder((None,), name="x")
    >>> f = tg.function([x], tg.exp(x).sum())
    >>> tg.debug.bisect(f, [1.0, 2.0])
    no difference: ... rewrites, and ... on ..., leave the result as it is
    """
    call = call_of(what, args)
    found, told = _search(call, rtol, atol)
    print(told if found is None else found, file=file or sys.stdout)
    return found


def _search(call: Call, rtol: float, atol: float) -> tuple[Culprit | TapeCulprit | None, str]:
    """What is at fault; and what to say if nothing is."""
    backend = backends.current()
    passes = _passes(fuses(backend))
    given = dict(zip(call.graph.inputs, call.values, strict=True))
    expected = interpret(call.graph, given, np)
    other = interpret(call.graph, {node: nudged(array) for node, array in given.items()}, np)
    slack = [SLACK * change for change in changes(expected, other)]
    culprit = bisect_passes(call.graph, given, passes, rtol, atol, slack)
    if culprit is not None:
        return culprit, ""
    tolerance = Tolerance(rtol, atol, slack)
    for stage, fuse in (("lowering", False), ("fusion", True))[: 1 + fuses(backend)]:
        tape = make_tape(call.graph, call.names, call.replaced, fuse)
        got = run_tape(tape, call.values, backends.named(REFERENCE))
        wrong = tolerance.first_deviation(expected, got)
        if wrong is not None:
            return TapeCulprit(stage, backend.name, *wrong, tape), ""
    told = (
        f"no difference: {many(len(passes), 'rewrite')}, and "
        f"{many(len(tape), 'instruction')} on {backend.name}, leave the result as it is"
    )
    return _on_backend(tape, call.values, expected, tolerance), told


def _passes(fuse: bool) -> list[Pass]:
    """The passes that are in force."""
    skip = skipped()
    every = (*PIPELINE, *FOR_FUSION) if fuse else PIPELINE
    return [step for step in every if step.__name__ not in skip]


def _on_backend(
    tape: Tape, values: Sequence[np.ndarray], expected: Sequence[np.ndarray], tolerance: Tolerance
) -> TapeCulprit | None:
    """What is at fault in the backend in force."""
    backend = backends.current()
    for number, results in enumerate(walk(tape, values, backends.named(REFERENCE), backend)):
        slack = [SLACK * change for change in changes(results.expected, results.nudged)]
        each = Tolerance(tolerance.rtol, tolerance.atol, slack)
        wrong = each.first_deviation(results.expected, results.got)
        if wrong is not None:
            return TapeCulprit("kernel", backend.name, *wrong, tape, number)
    wrong = tolerance.first_deviation(expected, run_tape(tape, values, backend))
    return None if wrong is None else TapeCulprit("link", backend.name, *wrong, tape)
