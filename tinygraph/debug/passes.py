"""Which rewrite of a graph changed its result?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygraph.debug.compare import Tolerance
from tinygraph.errors import GraphError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Node
from tinygraph.passes import PIPELINE, Pass
from tinygraph.passes.seal import sealed
from tinygraph.runtime.eager import lazy
from tinygraph.runtime.interpret import interpret


@dataclass(frozen=True, slots=True)
class Culprit:
    """The first pass that changed a result beyond tolerance.

    name: of the pass; place: which of the pipeline, from 0; output: which output changed;
    difference: the largest one of an element; before, after: the graphs.
    """

    name: str
    place: int
    output: int
    difference: float
    before: Graph
    after: Graph

    def __str__(self) -> str:
        return (
            f"pass {self.place}, {self.name}, changes output {self.output} by up to "
            f"{self.difference:.3g}; leave it out with TINYGRAPH_SKIP={self.name}\n"
            f"before: {self.before}\nafter: {self.after}"
        )


def trace_passes(graph: Graph, passes: Sequence[Pass] = PIPELINE) -> Iterator[tuple[str, Graph]]:
    """The name of each pass in turn, and the graph that it makes; first "start", the graph as
    the passes get it (its inputs are placeholders, in the same order)."""
    graph = sealed(graph)
    yield "start", graph
    for step in passes:
        with lazy():  # a rewrite is not to be computed
            graph = step(graph)
        yield step.__name__, graph


def bisect_passes(
    graph: Graph,
    values: Mapping[Node, Any],
    passes: Sequence[Pass] = PIPELINE,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    slack: Sequence[float] = (),
) -> Culprit | None:
    """The first pass after which the outputs differ from those of `graph`; None if no pass does.

    values: an array for each input of the graph. rtol, atol: what may differ, as in
    `numpy.allclose`; NaN equals NaN. slack: for each output what may differ besides. Each graph
    is run by the NumPy meaning of its ops, so what is found is the fault of a rewrite, not of a
    backend. Raises GraphError if a value is missing.
    """
    missing = [node for node in graph.inputs if node not in values]
    if missing:
        raise GraphError(f"bisect_passes: no value is given for {missing[0]!r}")
    arrays = [values[node] for node in graph.inputs]
    tolerance = Tolerance(rtol, atol, slack)
    expected: list[Any] = []
    before = graph
    for place, (name, after) in enumerate(trace_passes(graph, passes), -1):
        got = interpret(after, dict(zip(after.inputs, arrays, strict=True)), np)
        expected = expected or got
        wrong = tolerance.first_deviation(expected, got)
        if wrong is not None:
            return Culprit(name, place, *wrong, before, after)
        before = after
    return None
