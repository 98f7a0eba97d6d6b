"""A step length by the strong Wolfe conditions: downhill enough, and flat enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """A point on the line: its length t, the value, the gradient, and the slope along the line."""

    t: float
    value: float
    grad: np.ndarray
    slope: float


Evaluate = Callable[[float], Point]


def strong_wolfe(
    evaluate: Evaluate,
    t: float,
    start: Point,
    limit: int,
    least: float,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[Point, int]:
    """A point on the line that fulfils the strong Wolfe conditions, or the best one found.

        value <= start's value + c1 * t * start's slope,  |slope| <= c2 * |start's slope|

    evaluate: the point at a length. t: the first length. start: the point at 0. limit: how many
    further points may be looked at. least: the shortest bracket to look into. Returns the point,
    and how many were looked at.

    Source: Nocedal and Wright, "Numerical Optimization" (2006), algorithms 3.5 and 3.6.
    """
    last, new, count = start, evaluate(t), 0
    while count < limit:
        if _rises(start, new, c1) or (count > 1 and new.value >= last.value):
            break
        if _is_flat(start, new, c2):
            return new, count + 1
        if new.slope >= 0:
            break
        bounds = new.t + 0.01 * (new.t - last.t), new.t * 10
        last, new = new, evaluate(_cubic_minimum(last, new, bounds))
        count += 1
    else:
        return (start if start.value <= new.value else new), count + 1
    return _zoomed(evaluate, [last, new], start, count, limit, least, c1, c2)


def _zoomed(
    evaluate: Evaluate,
    bracket: list[Point],
    start: Point,
    count: int,
    limit: int,
    least: float,
    c1: float,
    c2: float,
) -> tuple[Point, int]:
    """The same within a bracket, which has such a point in it."""
    low = _lower(bracket)
    stuck = False
    while count < limit and abs(bracket[1].t - bracket[0].t) >= least:
        t, stuck = _trial(bracket, stuck)
        new = evaluate(t)
        count += 1
        if _rises(start, new, c1) or new.value >= bracket[low].value:
            bracket[1 - low] = new
            low = _lower(bracket)
            continue
        if _is_flat(start, new, c2):
            return new, count + 1
        if new.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = new
    return bracket[low], count + 1


def _trial(bracket: list[Point], stuck: bool) -> tuple[float, bool]:
    """The length to try next, and whether it is close to an end of the bracket; the second time
    in a row it is moved away from there."""
    low, high = sorted(point.t for point in bracket)
    t = _cubic_minimum(bracket[0], bracket[1], (low, high))
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if not stuck and low < t < high:
        return t, True
    return (high - margin if abs(t - high) < abs(t - low) else low + margin), False


def _cubic_minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic through both points, with their slopes, is least within `bounds`."""
    if a.t > b.t:
        a, b = b, a
    low, high = bounds
    if a.t == b.t:
        return (low + high) / 2.0
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    below = b.slope - a.slope + 2 * math.sqrt(square) if square >= 0 else 0.0
    if below == 0.0:
        return (low + high) / 2.0
    least = b.t - (b.t - a.t) * ((b.slope + math.sqrt(square) - d1) / below)
    return min(max(least, low), high)


def _lower(bracket: list[Point]) -> int:
    return 0 if bracket[0].value <= bracket[1].value else 1


def _rises(start: Point, new: Point, c1: float) -> bool:
    return new.value > start.value + c1 * new.t * start.slope


def _is_flat(start: Point, new: Point, c2: float) -> bool:
    return abs(new.slope) <= -c2 * start.slope
