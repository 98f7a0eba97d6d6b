"""Finding out what went wrong, and where; and what the compiler made of your code."""

from tinygraph.debug.kernels import show_kernels, why_not_fused
from tinygraph.debug.passes import Culprit, bisect_passes, trace_passes
from tinygraph.debug.stages import TapeCulprit, bisect

__all__ = [
    "Culprit", "TapeCulprit", "bisect", "bisect_passes", "show_kernels", "trace_passes",
    "why_not_fused",
]  # fmt: skip
