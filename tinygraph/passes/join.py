"""A sum of parts, each padded with zeros to the whole, is their concatenation.

That is what the gradient of a split array looks like: each part's gradient is put into zeros, and
the results are added up.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from tinygraph.dtypes import is_float
from tinygraph.graph.dim import is_known
from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import concat, update_slice
from tinygraph.passes.fold import uniform


class Part(NamedTuple):
    """`value` lies from `start` on along a dimension, and fills all others."""

    start: int
    size: int
    value: Node


Parts = tuple[int, tuple[Part, ...]]  # the dimension, and what lies along it; else zeros


def join(graph: Graph) -> Graph:
    """Rewrite such sums of floats. (A -0.0 of a part stays; added to zeros it became 0.0.)"""
    known: dict[int, Parts] = {}

    def step(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = rebuild(node, inputs)
        found = _parts(node, known)
        if found is None:
            return node
        known[id(node)] = found
        axis, parts = found
        if node.op is not e.add or sum(part.size for part in parts) != node.shape[axis]:
            return node
        values = tuple([part.value for part in sorted(parts, key=lambda part: part.start)])
        aval = Aval(node.shape, node.dtype)
        return Node(concat, values, {"axis": axis}, aval, node.origin, node.grad)

    return graph.rewrite(step)


def _parts(node: Node, known: dict[int, Parts]) -> Parts | None:
    if not is_float(node.dtype) or not is_known(*node.shape):
        return None
    if node.op is update_slice:
        return _padded(node)
    if node.op is not e.add:
        return None
    one, other = (known.get(id(child)) for child in node.inputs)
    if one is None or other is None or one[0] != other[0]:
        return None
    if any(child.shape != node.shape for child in node.inputs):
        return None
    parts = (*one[1], *other[1])
    ends = sorted((part.start, part.start + part.size) for part in parts)
    apart = all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))
    return (one[0], parts) if apart else None


def _padded(node: Node) -> Parts | None:
    """The one part of an array of zeros that is set, if it is partial along one dimension."""
    zeros, value = node.inputs
    zero = uniform(zeros)
    if zero is None or zero.params["value"] != 0:
        return None
    slices = node.params["slices"]
    partial = [d for d, each in enumerate(slices) if each != (0, node.shape[d], 1)]
    if len(partial) != 1 or slices[partial[0]][2] != 1:
        return None
    start, size, _ = slices[partial[0]]
    return partial[0], (Part(int(start), int(size), value),)
