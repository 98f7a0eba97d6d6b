"""What it costs to build a node, and how a long chain of them grows.

python tests/benchmarks/bench_graph.py [--repeats N]
"""

from __future__ import annotations

import time
from collections.abc import Callable

from timing import best, repeats_from_command_line, report

import tinygraph as tg
from tinygraph.autodiff.reverse import gradients
from tinygraph.compiler.compile import TAPES
from tinygraph.ops.elementwise import add

NODES = 20_000
GOAL_US = 5
LENGTHS = (10_000, 30_000, 100_000)


def nodes(repeats: int) -> None:
    """Report microseconds for a node, made by an op and by operators on Tensors."""
    x = tg.placeholder((64, 64), name="x")
    rows: dict[str, tuple[int, Callable[[], object]]] = {
        "add(node, node)": (1, lambda: [add(x.node, x.node) for _ in range(NODES)]),
        "x + x on Tensors": (1, lambda: [x + x for _ in range(NODES)]),
        "x + 1.0, with its constant": (2, lambda: [x + 1.0 for _ in range(NODES)]),
        "x @ x": (1, lambda: [x @ x for _ in range(NODES)]),
    }
    for name, (each, build) in rows.items():
        us = best(build, repeats) / NODES / each * 1e6
        report("nodes", name, us_per_node=round(us, 2), goal_us=GOAL_US)


def chain(length: int) -> None:
    """Report seconds to build, differentiate and compile a chain of `length` nodes."""
    build, gradient, compile_ = _chain(length)
    total = build + gradient + compile_
    report(
        "chain", f"{length} nodes", build_s=round(build, 3), gradient_s=round(gradient, 3),
        compile_s=round(compile_, 3), us_per_node=round(total / length * 1e6, 1),
    )  # fmt: skip


def _chain(length: int) -> tuple[float, float, float]:
    """Seconds for each of the three stages, of sin(...sin(sin(x) * w) * w...)."""
    TAPES.clear()
    x, w = tg.placeholder((4,), name="x"), tg.placeholder((4,), name="w")
    start = time.perf_counter()
    y = x
    for _ in range(length // 2):
        y = tg.sin(y) * w
    loss = tg.sum(y)
    built = time.perf_counter()
    (g,) = gradients([loss.node], [tg.tensor(1.0).node], [w.node])
    differentiated = time.perf_counter()
    assert g is not None
    tg.function([x, w], [loss, tg.Tensor(g)]).tape()
    compiled = time.perf_counter()
    return built - start, differentiated - built, compiled - differentiated


if __name__ == "__main__":
    repeats = repeats_from_command_line(5, __doc__)
    nodes(repeats)
    _chain(1000)  # whatever the first use of the compiler imports
    for length in LENGTHS:
        chain(length)
