"""The page on what the numba backend compiles, made by compiling the samples of each operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from prose import plain

from tinygraph.compiler.compile import make_tape
from tinygraph.compiler.kernel import Instruction
from tinygraph.graph import Aval, Graph, Node
from tinygraph.ops import REGISTRY, Op
from tinygraph.ops.registry import PLACEHOLDER, Sample, items
from tinygraph_numba.link import provider

PAGE = """# What runs natively

For every [operation](ops.md): how the [numba backend](../numba.md) runs it. This page is made by
compiling the samples that are in the record of each operation.

- **fused**: in the loops of a kernel of its own or of others, which the compiler has written for
  the graph at hand. See [fusion](../fusion.md).
- **own kernel**: by a kernel that is written by hand. Products may be followed by fused loops.
- **NumPy**: by the operation's NumPy meaning, called from the tape.

The last column has the shapes among the samples that NumPy runs all the same. Nothing is computed
for a result without elements.

| operation | how it runs | but by NumPy |
|---|---|---|
"""
HOW = {"loops": "fused", "host": "NumPy"}


class Run(NamedTuple):
    """How one sample runs: the avals of its inputs, and which ways its instructions take."""

    inputs: tuple[Aval, ...]
    ways: frozenset[str]


def page() -> str:
    """The page."""
    return PAGE + "".join(_row(op) for op in sorted(REGISTRY.values(), key=lambda op: op.name))


def runs(op: Op) -> Iterator[Run]:
    """How the samples of an operation run, those apart that leave nothing to compute."""
    for sample in op.samples(np.random.default_rng(0)):
        if not isinstance(sample, Sample):
            continue
        arrays = [np.asarray(array) for array in sample.args]
        leaves = [Node(PLACEHOLDER, (), {"name": "x"}, Aval(a.shape, a.dtype)) for a in arrays]
        node = op(*leaves, **sample.params)
        outputs = [node] if node.outs is None else items(node)
        tape = make_tape(Graph(leaves, outputs), fuse=True)
        if tape.instructions:
            ways = frozenset(map(way, tape.instructions))
            yield Run(tuple(leaf.aval for leaf in leaves), ways)


def way(instruction: Instruction) -> str:
    """How an instruction runs: its kind, where there is native code for it; else "host"."""
    kind = instruction.kernel.kind
    find = provider(kind)
    native = find is not None and all(find(part) is not None for part in instruction.split())
    return kind if native else "host"


def _row(op: Op) -> str:
    found = list(runs(op))
    native = [run for run in found if "host" not in run.ways]
    ways = {way for run in native or found for way in run.ways}
    told = sorted({HOW.get(way, "own kernel") for way in ways}) or ["it is no computation"]
    rest = [run for run in found if native and run not in native]
    inputs = "; ".join(sorted({", ".join(f"`{aval}`" for aval in run.inputs) for run in rest}))
    return f"| [{plain(op.name)}](ops.md#{op.name}) | {', '.join(told)} | {inputs} |\n"
