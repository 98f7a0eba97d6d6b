"""The vocabulary: one record per primitive (see `registry.Op`)."""

from tinygraph.ops import (
    call,
    contract,
    control,
    conv,
    cumulative,
    einsum,
    elementwise,
    index,
    logic,
    movement,
    operators,
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
    "call",
    "contract",
    "control",
    "conv",
    "cumulative",
    "einsum",
    "elementwise",
    "index",
    "logic",
    "movement",
    "reduce",
    "scan",
    "sort",
    "windows",
]
