"""The vocabulary: one record per primitive (see `registry.Op`)."""

from tinygraph.ops import (
    bounds,
    call,
    contract,
    control,
    conv,
    cumulative,
    decompose,
    einsum,
    elementwise,
    index,
    linalg,
    logic,
    movement,
    operators,
    random,
    reduce,
    scan,
    sort,
    windows,
)
from tinygraph.ops.registry import REGISTRY, Op, Sample

operators.install()

__all__ = [
    "REGISTRY",
    "Op",
    "Sample",
    "bounds",
    "call",
    "contract",
    "control",
    "conv",
    "cumulative",
    "decompose",
    "einsum",
    "elementwise",
    "index",
    "linalg",
    "logic",
    "movement",
    "random",
    "reduce",
    "scan",
    "sort",
    "windows",
]
