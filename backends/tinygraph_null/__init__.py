"""A backend that allocates and runs nothing: for tests of the compiler alone.

Every result is zeros; `built` counts the kernels that were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygraph.compiler.kernel import Kernel
from tinygraph.compiler.tape import Tape


class NullBackend:
    """See `tinygraph.runtime.backend.Backend`."""

    name = "null"

    def __init__(self) -> None:
        self.built: list[Kernel] = []

    def from_host(self, array: np.ndarray) -> np.ndarray:
        return array

    def to_host(self, buffer: np.ndarray) -> np.ndarray:
        return buffer

    def alloc(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        return np.broadcast_to(np.zeros((), dtype), shape)

    def build(self, kernel: Kernel) -> Kernel:
        self.built.append(kernel)
        return kernel

    def link(self, tape: Tape, handles: Sequence[Kernel]) -> NullExecutable:
        return NullExecutable()

    def sync(self) -> None:
        """Nothing is under way."""


class NullExecutable:
    """Does nothing with its inputs and outputs."""

    def __call__(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        return None
