"""What an element of each elementwise op costs: fused, and in NumPy.

python tests/benchmarks/bench_scalars.py [--repeats N]

The op and a product before it, on a million float32: one kernel where the backend fuses, two
passes in NumPy. The columns are nanoseconds an element. Choose the backend, and the number of
threads, by TINYGRAPH_BACKEND and TINYGRAPH_THREADS.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from timing import median_us, repeats_from_command_line, report

import tinygraph as tg
from tinygraph.errors import DTypeError
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import REGISTRY
from tinygraph.ops.registry import Op

SIZE = 1 << 20
# where most ops are defined, and what others need
DOMAIN, DOMAINS = (0.3, 0.9), {"acosh": (1.3, 3.0), "zeta": (1.5, 3.0)}
F32 = np.dtype("float32")


def operands(op: Op) -> int:
    """How many float32 the op takes; 0 if it takes none."""
    count = len(set(re.findall(r"\b[abc]\b", op.scalar or "")))
    try:
        op.infer(*[Aval((1,), F32)] * count)
    except (DTypeError, TypeError):
        return 0
    return count


def both(op: Op, count: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """The op of x * y, and of y where it takes more: compiled, and in NumPy."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(*DOMAINS.get(op.name, DOMAIN), (2, SIZE)).astype(F32)
    a, b = (tg.placeholder((SIZE,), name=name) for name in "xy")
    result: Node = op((a * b).node, *[b.node] * (count - 1))
    compiled = tg.function([a, b], tg.Tensor(result))

    def unfused() -> object:
        with np.errstate(all="ignore"):
            return op.eval(np, x * y, *[y] * (count - 1))

    return lambda: compiled(x, y), unfused


def main(repeats: int) -> None:
    """Report every op that is defined on float32."""
    for name, op in REGISTRY.items():
        count = operands(op)
        if count == 0:
            continue
        fused, unfused = (median_us(run, repeats, 0.5) for run in both(op, count))
        report(
            "scalars", name, fused_ns=round(fused / SIZE * 1e3, 2),
            numpy_ns=round(unfused / SIZE * 1e3, 2), times=round(unfused / fused, 1),
        )  # fmt: skip


if __name__ == "__main__":
    main(repeats_from_command_line(20, __doc__))
