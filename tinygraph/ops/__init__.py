"""The vocabulary: one record per primitive (see `registry.Op`)."""

from tinygraph.ops import elementwise, movement, operators, reduce
from tinygraph.ops.registry import REGISTRY, Op, Sample

operators.install()

__all__ = ["REGISTRY", "Op", "Sample", "elementwise", "movement", "reduce"]
