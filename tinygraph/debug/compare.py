"""When are two results the same? What rounding may change, and how much it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygraph.array.info import finfo
from tinygraph.dtypes import is_float

STEPS = 4  # of a float type, by which inputs are changed, and results may differ in any case


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What may differ: rtol and atol as in `numpy.allclose`, and for each result its slack
    besides. NaN equals NaN."""

    rtol: float
    atol: float
    slack: Sequence[float] = ()

    def first_deviation(
        self, expected: Sequence[Any], got: Sequence[Any]
    ) -> tuple[int, float] | None:
        """The number of the first result that is not close, and the largest difference of one of
        its elements; None if all are close."""
        for number, (want, have) in enumerate(zip(expected, got, strict=True)):
            slack = self.slack[number] if self.slack else 0.0
            if not self._close(np.asarray(want), np.asarray(have), slack):
                return number, largest_difference(want, have)
        return None

    def _close(self, want: np.ndarray, have: np.ndarray, slack: float) -> bool:
        if want.shape != have.shape or want.dtype != have.dtype:
            return False
        if not is_float(want.dtype):
            return np.array_equal(want, have) or largest_difference(want, have) <= slack
        rtol = max(self.rtol, STEPS * float(finfo(want.dtype).eps))
        a, b = want.astype("float64"), have.astype("float64")
        return np.allclose(a, b, rtol, self.atol + slack, equal_nan=True)


def largest_difference(want: Any, have: Any) -> float:
    """The largest difference of two elements; infinity where the shapes differ."""
    a, b = np.asarray(want, "float64"), np.asarray(have, "float64")
    if a.shape != b.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(np.abs(a - b), initial=0.0))


def changes(expected: Sequence[Any], nudged: Sequence[Any]) -> list[float]:
    """How much each result changes where all inputs are `nudged`: about as much as it does where
    numbers are rounded in another place."""
    found = [largest_difference(*pair) for pair in zip(expected, nudged, strict=True)]
    return [change if np.isfinite(change) else 0.0 for change in found]


def nudged(array: np.ndarray) -> np.ndarray:
    """Floats that are larger by a few of the smallest steps of their type. All are larger in
    proportion, so that those which are equal stay so."""
    if not is_float(array.dtype):
        return array
    factor = 1 + STEPS * float(finfo(array.dtype).eps)
    larger: np.ndarray = np.multiply(array, np.asarray(factor, array.dtype))
    return larger
