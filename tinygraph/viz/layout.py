"""Layered layout: boxes in rows, edges from row to row, few crossings, short edges.

After Sugiyama, Tagawa and Toda (1981): assign rows by the longest path, let long edges pass
through points in the rows between, order the rows by the mean place of their neighbours, and
place the boxes as near to their neighbours as the order allows.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
Edge = tuple[int, int]  # from the box above to the box below

SWEEPS = 12
STRAIGHT = 8.0  # the weight of a point of a long edge; that of a box is 1 or less


@dataclass(frozen=True, slots=True)
class Layout:
    """centres: of the boxes. routes: for each edge the points on its way, from centre to centre.
    width, height: of the whole."""

    centres: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Box:
    """What is to be placed. weight: how much the neighbours and the row are guided by it.
    lane: boxes of a lower lane stand to the left of those of a higher one, in every row.
    late: it is given its row when all others have theirs."""

    width: float
    height: float
    weight: float = 1.0
    lane: int = 0
    late: bool = False


def layered(boxes: Sequence[Box], edges: Sequence[Edge], gap: tuple[float, float]) -> Layout:
    """Place the boxes so that every edge leads downwards.

    gap: the free space between two boxes of a row, and between two rows.
    Raises ValueError if the edges form a cycle.
    """
    grid = _Grid(boxes, edges, _levels(boxes, edges), gap[0])
    grid.order_rows()
    grid.place()
    heights = [max((grid.height[v] for v in row), default=0.0) for row in grid.rows]
    middle = _middles(heights, gap[1])
    left = min((x - w / 2 for x, w in zip(grid.x, grid.width, strict=True)), default=0.0)
    points = [(x - left, middle[r]) for x, r in zip(grid.x, grid.level, strict=True)]
    right = max((x + w / 2 for (x, _), w in zip(points, grid.width, strict=True)), default=0.0)
    routes = [[points[v] for v in way] for way in grid.ways]
    return Layout(points[: len(boxes)], routes, right, sum(heights) + gap[1] * (len(heights) - 1))


def _levels(boxes: Sequence[Box], edges: Sequence[Edge]) -> list[int]:
    """A row for each box: as high as its sources allow, then as low as its readers do."""
    below: list[list[int]] = [[] for _ in boxes]
    above: list[list[int]] = [[] for _ in boxes]
    for source, target in edges:
        below[source].append(target)
        above[target].append(source)
    order = _sorted(below, above)
    level = [0] * len(boxes)
    for late in (False, True):
        chosen = [v for v in order if boxes[v].late == late]
        for v in chosen:
            level[v] = max((level[u] + 1 for u in above[v]), default=0)
        for v in reversed(chosen):
            readers = [level[u] for u in below[v] if boxes[u].late == late]
            if readers and (not late or not above[v]):
                level[v] = min(readers) - 1
    return level


def _sorted(below: list[list[int]], above: list[list[int]]) -> list[int]:
    waiting = [len(sources) for sources in above]
    ready = [v for v, count in enumerate(waiting) if not count]
    for v in ready:
        for u in below[v]:
            waiting[u] -= 1
            if not waiting[u]:
                ready.append(u)
    if len(ready) < len(below):
        raise ValueError("the edges form a cycle, so they cannot all lead downwards")
    return ready


def _middles(heights: Sequence[float], gap: float) -> list[float]:
    """The y of each row's middle; y grows downwards."""
    found = []
    top = 0.0
    for height in heights:
        found.append(top + height / 2)
        top += height + gap
    return found


class _Grid:
    """Boxes, and after them the points of long edges, row by row."""

    def __init__(
        self, boxes: Sequence[Box], edges: Sequence[Edge], level: Sequence[int], gap: float
    ) -> None:
        self.gap = gap
        self.width = [box.width for box in boxes]
        self.height = [box.height for box in boxes]
        self.weight = [box.weight for box in boxes]
        self.lane = [float(box.lane) for box in boxes]
        self.level = list(level)
        self.above: list[list[int]] = [[] for _ in boxes]
        self.below: list[list[int]] = [[] for _ in boxes]
        self.ways = [self._way(source, target) for source, target in edges]
        self.rows: list[list[int]] = [[] for _ in range(max(self.level, default=-1) + 1)]
        for v, row in enumerate(self.level):
            self.rows[row].append(v)
        self.x = [0.0] * len(self.level)

    def _way(self, source: int, target: int) -> list[int]:
        """The edge as a chain through every row that it crosses."""
        way = [source]
        for row in range(self.level[source] + 1, self.level[target]):
            point = len(self.level)
            self.level.append(row)
            self.width.append(0.0)
            self.height.append(0.0)
            self.weight.append(STRAIGHT)
            self.lane.append((self.lane[source] + self.lane[target]) / 2)
            self.above.append([])
            self.below.append([])
            way.append(point)
        way.append(target)
        for u, v in pairwise(way):
            self.below[u].append(v)
            self.above[v].append(u)
        return way

    # ---------------------------------------------------------------- the order in each row

    def order_rows(self) -> None:
        """Sweep down and up, and keep the order with the fewest crossings."""
        for row in self.rows:
            row.sort(key=lambda v: self.lane[v])
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(SWEEPS):
            self._sweep(downwards=sweep % 2 == 0)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _sweep(self, downwards: bool) -> None:
        neighbours = self.above if downwards else self.below
        place = self._places()
        for row in self.rows if downwards else reversed(self.rows):
            wanted = {v: self._mean(place, neighbours[v], place[v]) for v in row}
            row.sort(key=lambda v: (self.lane[v], wanted[v], self.weight[v]))
            place.update({v: i / len(row) for i, v in enumerate(row)})

    def _places(self) -> dict[int, float]:
        """Where each one stands in its row, from 0 to 1."""
        return {v: i / len(row) for row in self.rows for i, v in enumerate(row)}

    def _mean(
        self, where: Mapping[int, float] | Sequence[float], of: Sequence[int], default: float
    ) -> float:
        total = sum(self.weight[u] for u in of)
        return sum(where[u] * self.weight[u] for u in of) / total if of else default

    def _crossings(self) -> int:
        place = self._places()
        total = 0
        for row in self.rows:
            ends: list[float] = []  # of edges that start further left
            for v in row:
                found = sorted(place[u] for u in self.below[v])
                total += sum(len(ends) - bisect_right(ends, end) for end in found)
                for end in found:
                    insort(ends, end)
        return total

    # ------------------------------------------------------------------------- coordinates

    def place(self) -> None:
        """Give every box and point its x, one lane after the other, each right of the last."""
        edge = 0.0
        for lane in sorted(set(self.lane)):
            rows = [[v for v in row if self.lane[v] == lane] for row in self.rows]
            self._place_lane(rows)
            members = [v for row in rows for v in row]
            left = min(self.x[v] - self.width[v] / 2 for v in members)
            for v in members:
                self.x[v] += edge - left
            edge = max(self.x[v] + self.width[v] / 2 for v in members) + self.gap

    def _place_lane(self, rows: Sequence[Sequence[int]]) -> None:
        """As near to the neighbours in the lane as the order allows: those above, those below,
        and at last both."""
        for row in rows:
            self._settle(row, [0.0] * len(row))
        for _ in range(SWEEPS):
            for row in rows:
                self._settle(row, [self._pull(v, self.above[v]) for v in row])
            for row in reversed(rows):
                self._settle(row, [self._pull(v, self.below[v]) for v in row])
        for row in rows:
            self._settle(row, [self._pull(v, self.above[v] + self.below[v]) for v in row])

    def _pull(self, v: int, neighbours: Sequence[int]) -> float:
        near = [u for u in neighbours if self.lane[u] == self.lane[v]]
        return self._mean(self.x, near, self.x[v])

    def _settle(self, row: Sequence[int], wanted: Sequence[float]) -> None:
        """The places nearest to `wanted` (least squares) that keep the order and the gaps."""
        offsets = [0.0]
        for u, v in pairwise(row):
            offsets.append(offsets[-1] + (self.width[u] + self.width[v]) / 2 + self.gap)
        weights = [self.weight[v] for v in row]
        targets = [w - o for w, o in zip(wanted, offsets, strict=False)]
        for v, t, o in zip(row, increasing(targets, weights), offsets, strict=False):
            self.x[v] = t + o


def increasing(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing numbers nearest to `values` in the weighted least-squares sense.

    Neighbours in the wrong order are pooled into their mean, until none is left.
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(values, weights, strict=True):
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, heavy, count = pools.pop()
            total = heavy + pool[1]
            pool = ((mean * heavy + pool[0] * pool[1]) / total, total, count + pool[2])
        pools.append(pool)
    return [mean for mean, _, count in pools for _ in range(count)]
