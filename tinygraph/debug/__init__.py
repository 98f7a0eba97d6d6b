"""Finding out what went wrong, and where."""

from tinygraph.debug.passes import Culprit, bisect_passes, trace_passes

__all__ = ["Culprit", "bisect_passes", "trace_passes"]
