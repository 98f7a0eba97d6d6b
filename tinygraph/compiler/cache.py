"""The cache of compiled tapes: bounded, safe between threads, and able to explain a miss."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tinygraph.graph.graph import Key

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """hits and misses since the start, and how full the cache is."""

    hits: int
    misses: int
    size: int
    limit: int


class Cache(Generic[Value]):
    """The `limit` most recently used values.

    A miss is remembered, and can be explained: the nearest other key, and what differs.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._lock = threading.RLock()
        self._hits = 0
        self._misses = 0
        self._missed: Key | None = None

    @property
    def last_miss(self) -> str:
        """Why the last value had to be made."""
        with self._lock:
            missed = self._missed
            if missed is None:
                return "nothing has been compiled yet"
            return explain(missed, [key for key in self._values if key != missed])

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value for `key`; made, and the oldest dropped, where it is not there."""
        with self._lock:
            found = self._values.get(key)
            if found is not None:
                self._hits += 1
                self._values.move_to_end(key)
                return found
            self._misses += 1
            self._missed = key
        value = make()
        with self._lock:
            value = self._values.setdefault(key, value)
            while len(self._values) > self.limit:
                self._values.popitem(last=False)
        return value

    def values(self) -> list[Value]:
        """All values, the least recently used first."""
        with self._lock:
            return list(self._values.values())

    def info(self) -> CacheInfo:
        """Hits, misses, size and limit."""
        with self._lock:
            return CacheInfo(self._hits, self._misses, len(self._values), self.limit)

    def clear(self) -> None:
        """Drop every value, and the counts."""
        with self._lock:
            self._values.clear()
            self._hits = self._misses = 0


def explain(key: Key, known: list[Key]) -> str:
    """In words: which known key is nearest to `key`, and the first thing that differs."""
    if not known:
        return "the cache is empty: nothing like this has been compiled yet"
    nearest = max(known, key=lambda other: _likeness(key, other))
    if key[0] != nearest[0]:
        return _difference(key[0], nearest[0])
    return "the same graph is known, but from other lines of code or under other settings"


def _likeness(key: Key, other: Key) -> tuple[bool, int]:
    rows, others = key[0], other[0]
    same = sum(a == b for a, b in zip(rows[:2000], others[:2000], strict=False))
    return len(rows) == len(others), same


def _difference(rows: Key, others: Key) -> str:
    """Between two graphs: a row for the inputs, one for each operation, one for the outputs."""
    if rows[0] != others[0]:
        return _input_difference(rows[0], others[0])
    for index, (row, other) in enumerate(zip(rows[1:-1], others[1:-1], strict=False)):
        if row != other:
            return f"operation {index} is {row}, the nearest known graph has {other}"
    if len(rows) != len(others):
        return f"the graph has {len(rows) - 2} operations, the nearest known {len(others) - 2}"
    return "the nearest known graph has the same operations, but other outputs"


def _input_difference(row: Key, other: Key) -> str:
    if len(row) != len(other):
        return f"the graph has {len(row)} inputs, the nearest known {len(other)}"
    number = next(n for n, (a, b) in enumerate(zip(row, other, strict=True)) if a != b)
    return (
        f"input {number} is {_aval(row[number])}, the nearest known graph has "
        f"{_aval(other[number])}"
    )


def _aval(pair: Key) -> str:
    shape, dtype = pair
    return f"{dtype.name}[{','.join(map(str, shape))}]"
