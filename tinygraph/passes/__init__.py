"""The rewriting of graphs: `PIPELINE` says what is done, and in which order.

Each pass is a function `Graph -> Graph` in a file of its own. Its graph is sealed: the inputs
are placeholders, so that no rule looks behind one. `TINYGRAPH_SKIP=name,...` leaves passes out;
between two passes the tests run `graph.verify`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from tinygraph import config
from tinygraph.errors import ConfigError
from tinygraph.graph.graph import Graph
from tinygraph.graph.verify import verify
from tinygraph.passes.bodies import bodies
from tinygraph.passes.crop import crop
from tinygraph.passes.cse import cse
from tinygraph.passes.dead_code import dead_code
from tinygraph.passes.fold import fold
from tinygraph.passes.hoist import hoist
from tinygraph.passes.inline import inline_calls
from tinygraph.passes.join import join
from tinygraph.passes.one_hot import one_hot
from tinygraph.passes.rows import rows
from tinygraph.passes.seal import sealed
from tinygraph.passes.simplify import simplify
from tinygraph.passes.single import single
from tinygraph.passes.stabilise import stabilise
from tinygraph.passes.widen import widen

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[Pass, ...] = (
    inline_calls,
    widen,
    dead_code,
    hoist,
    stabilise,
    join,
    simplify,
    fold,
    cse,
    crop,
    simplify,
    bodies,
)
"""A graph holds only what its outputs need, so dead code goes with every rewrite."""

FOR_FUSION: tuple[Pass, ...] = (one_hot, single, rows)
"""What is done besides for a backend that fuses."""


def names() -> list[str]:
    """What `TINYGRAPH_SKIP` can name: the passes, and the fusion that comes after them."""
    return [*dict.fromkeys(step.__name__ for step in (*PIPELINE, *FOR_FUSION)), "fuse"]


def skipped() -> frozenset[str]:
    """The passes that `TINYGRAPH_SKIP` leaves out. ConfigError if it names an unknown one."""
    skip: frozenset[str] = config.get("SKIP")
    unknown = sorted(skip - set(names()))
    if unknown:
        raise ConfigError(
            f"TINYGRAPH_SKIP names an unknown pass {', '.join(unknown)}; "
            f"passes are {', '.join(names())}"
        )
    return skip


def optimise(graph: Graph, check: bool = False, fuse: bool = False) -> Graph:
    """`graph`, sealed, after every pass that is not skipped. With `check`, verified after each.
    With `fuse`, prepared for a backend that fuses."""
    return _after((*PIPELINE, *(FOR_FUSION if fuse else ())), sealed(graph), check)


def prepare(body: Graph) -> Graph:
    """The body of a loop, which was optimised along with the graph around it, prepared for a
    backend that fuses."""
    return _after(FOR_FUSION, body)


def _after(steps: tuple[Pass, ...], graph: Graph, check: bool = False) -> Graph:
    skip = skipped()
    trace = "passes" in config.get("DEBUG")
    for step in steps:
        if step.__name__ in skip:
            continue
        before = graph
        graph = step(graph)
        if check:
            verify(graph)
        if trace:
            print(f"pass {step.__name__}: {len(before)} -> {len(graph)} nodes", file=sys.stderr)
            if graph.key != before.key:
                print(graph, file=sys.stderr)
    return graph
