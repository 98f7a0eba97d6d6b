"""The reference backend: each op's NumPy meaning, written into the planned arena."""

from tinygraph_numpy.backend import NumpyBackend

__all__ = ["NumpyBackend"]
