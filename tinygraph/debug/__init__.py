"""Finding out what went wrong, and where; and what the compiler made of your code."""

from tinygraph.debug.kernels import show_kernels, why_not_fused
from tinygraph.debug.passes import Culprit, bisect_passes, trace_passes
from tinygraph.debug.stages import TapeCulprit, bisect
from tinygraph.optim.find_lr import find_lr

__all__ = [
    "Culprit", "TapeCulprit", "bisect", "bisect_passes", "find_lr", "show_kernels", "trace_passes",
    "why_not_fused",
]  # fmt: skip
