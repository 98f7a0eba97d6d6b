"""How the benchmarks measure: the clock, the rows they print, and the arguments they share."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

LEAST = 5  # measurements, however long one takes
WARM_UP = 3  # runs that are not measured
TURNS = 3  # of each of those that take turns


def seconds(action: Callable[[], Any]) -> float:
    """How long one call of `action` takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def best(action: Callable[[], Any], repeats: int) -> float:
    """The shortest of `repeats` calls, in seconds: what the code itself costs."""
    return min(seconds(action) for _ in range(repeats))


def steady(action: Callable[[], Any], repeats: int, limit: float) -> list[float]:
    """Seconds of up to `repeats` calls, after a warm-up, within about `limit` seconds."""
    for _ in range(WARM_UP):
        action()
    found: list[float] = []
    end = time.perf_counter() + limit
    while len(found) < LEAST or (len(found) < repeats and time.perf_counter() < end):
        found.append(seconds(action))
    return found


def median_us(action: Callable[[], Any], repeats: int, limit: float = 2.0) -> float:
    """The median time of a call, in microseconds."""
    return round(statistics.median(steady(action, repeats, limit)) * 1e6, 1)


def taking_turns(
    actions: dict[str, Callable[[], Any]], repeats: int, limit: float
) -> dict[str, float]:
    """The median time of each action in milliseconds, of up to `repeats` calls within about
    `limit` seconds; they are measured in turns, so that a busy machine slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(TURNS):
        for name, action in actions.items():
            action()  # what ran before holds the caches, and may hold a core yet
            end = time.perf_counter() + limit / TURNS
            for _ in range(max(1, repeats // TURNS)):
                times[name].append(seconds(action))
                if time.perf_counter() > end:
                    break
    return {name: statistics.median(found) * 1e3 for name, found in times.items()}


def report(benchmark: str, name: str, **figures: Any) -> None:
    """Print one result as a line of JSON, which `python tests/benchmarks` gathers."""
    print(json.dumps({"benchmark": benchmark, "name": name, **figures}), flush=True)


def repeats_from_command_line(default: int, doc: str | None) -> int:
    """The value of `--repeats`, the one argument of the small benchmarks."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--repeats", type=int, default=default, help="how often to measure")
    return max(1, parser.parse_args().repeats)
