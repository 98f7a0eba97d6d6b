"""Sums of neighbours along one dimension, with given weights: what resizing is made of.

Each place of the result has neighbours in x, which follow one another, and a weight for each. They
can be gathered. But where about p places come to q elements of x, the result consists of p strided
slices of x, shifted, weighted and added up, which take turns: elementwise work, several times
faster. The slices are as many as the places of one turn; where the places are not quite evenly
spaced, each has a neighbour or two more, whose weights are 0 for a part of the turns.

An element of weight 0 has no say, be it infinite or not a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygraph.array.join import front_to
from tinygraph.array.pad import pad_node
from tinygraph.array.sizes import known
from tinygraph.control import custom_vjp
from tinygraph.dtypes import is_float
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.index import gather
from tinygraph.ops.movement import concat, reshape, slice_, take_range
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.rules import full
from tinygraph.tensor import Tensor, tensor

MOST_SLICES = 8
MOST_TERMS = 64  # neighbours of all slices together; beyond them gathering is faster


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each place of the result the first of its neighbours and the weights of all of them.

    first: (places,); it may lie outside of x, which then counts as continued by its first and
    last elements. weights: (places, neighbours).
    stride: None, or these are the places of one turn, and in each next turn the neighbours lie
    `stride` elements further on.
    """

    first: np.ndarray
    weights: np.ndarray
    stride: int | None = None

    def index(self, size: int) -> np.ndarray:
        """(places, neighbours): which of the `size` elements of x each neighbour is."""
        return np.clip(self.first[:, None] + np.arange(self.weights.shape[1]), 0, size - 1)


@lru_cache(maxsize=256)
def _transposed(neighbours: Neighbours, size: int) -> Neighbours:
    """For each of the `size` elements of x the places that it is a neighbour of."""
    index, used = neighbours.index(size), neighbours.weights != 0
    element, weight = index[used], neighbours.weights[used]
    place = np.broadcast_to(np.arange(len(index))[:, None], index.shape)[used]
    first, last = np.full(size, len(index)), np.full(size, -1)
    np.minimum.at(first, element, place)
    np.maximum.at(last, element, place)
    weights = np.zeros((size, max(1, int((last - first).max()) + 1)))
    np.add.at(weights, (element, place - first[element]), weight)
    return Neighbours(np.minimum(first, len(index) - 1), weights)


class _Slice(NamedTuple):
    """One place of each turn: its first neighbour in the first turn, and the weights in each (or
    in all alike): (turns or 1, neighbours)."""

    start: int
    weights: np.ndarray


class _Turns(NamedTuple):
    slices: list[_Slice]
    stride: int

    @property
    def terms(self) -> int:
        return sum(part.weights.shape[1] for part in self.slices)


def summed(x: Node, axis: int, size: Size, neighbours: Neighbours) -> Node:
    """Along `axis` the sums of the neighbours of `size` places.

    Its gradient is a sum of neighbours, too: those places that an element of x is a neighbour of.
    """
    if neighbours.stride is not None or not is_float(x.dtype):
        return _summed(x, axis, size, neighbours)
    old = known(x.shape[axis])
    forward = custom_vjp(lambda x: Tensor(_summed(x.node, axis, size, neighbours)))
    forward.defvjp(
        lambda x: (Tensor(_summed(x.node, axis, size, neighbours)), ()),
        lambda _, g: (Tensor(summed(g.node, axis, old, _transposed(neighbours, old))),),
    )
    result: Tensor = forward(Tensor(x))
    return result.node


def _summed(x: Node, axis: int, size: Size, neighbours: Neighbours) -> Node:
    turns = _taken_in_turns(neighbours)
    if turns is not None:
        return _interleaved(x, axis, size, turns)
    return weighted(x, axis, neighbours.index(known(x.shape[axis])), neighbours.weights)


def weighted(x: Node, axis: int, index: np.ndarray, weights: np.ndarray) -> Node:
    """Along `axis`: result[i] = sum_k weights[i, k] x[index[i, k]].

    Whole rows are gathered, to the front: elements of the last dimension one by one take longer.
    """
    picked = gather(x, tensor(index.T).node, axes=(axis,))
    if index.shape[1] == 1 and np.all(weights == 1):
        return front_to(reshape(picked, shape=picked.shape[1:]), 1, axis)
    terms = _times(picked, weights.T.reshape(*weights.T.shape, *(1,) * (x.ndim - 1)))
    return front_to(reduce_sum(terms, axis=(0,), keepdims=False), 1, axis)


def _times(x: Node, weights: np.ndarray) -> Node:
    """x * weights, and 0 where a weight is."""
    if weights.size == 1:
        return x if weights.item() == 1 else x * float(weights.item())
    if not np.all(weights):
        x = e.where(tensor(weights != 0).node, x, 0)
    return x * tensor(weights.astype(x.dtype)).node


# ------------------------------------------------------------------------------------- turns


@lru_cache(maxsize=256)
def _taken_in_turns(neighbours: Neighbours) -> _Turns | None:
    """The slices that the result consists of; None if they would be too many."""
    if neighbours.stride is not None:
        pairs = zip(neighbours.first, neighbours.weights, strict=True)
        return _Turns([_Slice(int(at), part[None]) for at, part in pairs], neighbours.stride)
    most = min(len(neighbours.first), MOST_SLICES)
    tried = [_in_turns(neighbours, period) for period in range(1, most + 1)]
    best = min(tried, key=lambda turns: turns.terms)
    return best if best.terms <= MOST_TERMS else None


def _in_turns(neighbours: Neighbours, period: int) -> _Turns:
    """As many slices as `period`, with what neighbours they need."""
    first, weights = neighbours.first, neighbours.weights
    slope = (first[-1] - first[0]) / max(len(first) - 1, 1)
    stride = max(1, round(slope * period))
    turn = np.arange(len(first)) // period
    index = first[:, None] - stride * turn[:, None] + np.arange(weights.shape[1])
    slices = []
    for place in range(period):
        own, shares = index[place::period], weights[place::period]
        used = shares != 0
        start, stop = (own[used].min(), own[used].max() + 1) if used.any() else (0, 1)
        spread = np.zeros((int(turn[-1]) + 1, stop - start))
        spread[np.nonzero(used)[0], own[used] - start] = shares[used]
        spread[len(own) :] = spread[len(own) - 1]  # of a last turn that is cut off: as before it
        slices.append(_Slice(int(start), spread))
    return _Turns(slices, stride)


def _interleaved(x: Node, axis: int, size: Size, turns: _Turns) -> Node:
    """The slices in turns: element i * p + k of the result is element i of slice k."""
    period = len(turns.slices)
    rounds = size // period if size % period == 0 else (size + period - 1) // period
    x, before = _continued(x, axis, rounds, turns)
    result = _stacked(
        [_sum(x, axis, rounds, part, turns.stride, before) for part in turns.slices], axis
    )
    return take_range(result, axis, 0, size) if result.shape[axis] != size else result


def _continued(x: Node, axis: int, rounds: Size, turns: _Turns) -> tuple[Node, int]:
    """x, continued by its ends as far as neighbours lie beyond them, and by how much before."""
    before = max(0, -min(part.start for part in turns.slices))
    top = max(part.start + part.weights.shape[1] - 1 for part in turns.slices)
    beyond = (rounds - 1) * turns.stride + top - (x.shape[axis] - 1)
    # of a size that is not known: the turns before the last one end within x
    after = max(0, beyond if is_known(beyond) else top)
    pairs = [(before, after) if i == axis else (0, 0) for i in range(x.ndim)]
    return pad_node(x, pairs, "replicate"), before


def _sum(x: Node, axis: int, rounds: Size, part: _Slice, stride: int, before: int) -> Node:
    """The weighted sum of the neighbours of one slice."""
    terms = []
    for number, column in enumerate(part.weights.T):
        if not np.any(column):
            continue
        slices = [(0, size, 1) for size in x.shape]
        slices[axis] = (part.start + number + before, rounds, stride)
        weights = column[:1] if np.ptp(column) < 1e-9 else column
        behind = (1,) * (x.ndim - 1 - axis)
        terms.append(_times(slice_(x, slices=tuple(slices)), weights.reshape(-1, *behind)))
    if not terms:
        return full((*x.shape[:axis], rounds, *x.shape[axis + 1 :]), 0, x.dtype)
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _stacked(slices: Sequence[Node], axis: int) -> Node:
    """The slices with their elements along `axis` in turns."""
    if len(slices) == 1:
        return slices[0]
    shape = slices[0].shape
    apart = (*shape[: axis + 1], 1, *shape[axis + 1 :])
    joined = concat(*[reshape(part, shape=apart) for part in slices], axis=axis + 1)
    whole = (*shape[:axis], shape[axis] * len(slices), *shape[axis + 1 :])
    return reshape(joined, shape=whole)
