"""Slot: what an optimizer keeps for a parameter, before there is a value of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinygraph.dtypes import DEFAULT_FLOAT, DType
from tinygraph.graph.node import Shape
from tinygraph.tensor import Tensor, state


class Slot(NamedTuple):
    """An array that is kept for a parameter, and how it starts out.

    shape: that of the parameter where it is None. start: the value of every element at first.
    dtype: the one that the parameter's update is computed in where it is None.
    """

    shape: Shape | None = None
    start: float = 0.0
    dtype: DType | None = None

    def make(self, name: str, param: Tensor) -> Tensor:
        """What is kept for `param` before the first step."""
        dtype = self.dtype or working_dtype(param)
        return state(np.full(self.shape_for(param), self.start, dtype), name=name)

    def shape_for(self, param: Tensor) -> Shape:
        """The shape of what is kept for `param`."""
        return param.shape if self.shape is None else self.shape


STEP = Slot((), dtype=DEFAULT_FLOAT)


def slots(*names: str) -> dict[str, Slot]:
    """Arrays like the parameter, from zeros; but `step` is the number of steps made."""
    return {name: STEP if name == "step" else Slot() for name in names}


def working_dtype(param: Tensor) -> DType:
    """What the update of `param` is computed and its state kept in: float32 for 16-bit floats,
    whose range holds neither an epsilon of 1e-8 nor the square of a small gradient."""
    return DEFAULT_FLOAT if param.dtype.itemsize < DEFAULT_FLOAT.itemsize else param.dtype
