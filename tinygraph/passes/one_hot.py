"""One element picked of each row becomes a comparison, where rows are run through anyway.

A gather and a scatter are kernels of their own; a comparison with the numbers 0, 1, 2, ... is one
step in a loop. So cross-entropy, its softmax and its gradient can share their loops. This pass
runs only for backends that fuse: for others it would be more work.
"""

from __future__ import annotations

from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node, building_at
from tinygraph.ops import elementwise as e
from tinygraph.ops.bounds import within
from tinygraph.ops.index import scatter_along_axis, take_along_axis
from tinygraph.ops.movement import broadcast_to, iota, reshape
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import const
from tinygraph.passes.fold import uniform


def one_hot(graph: Graph) -> Graph:
    """Rewrite picks along a dimension by an index that was checked to be in range."""
    return graph.rewrite(_step)


def _step(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = rebuild(node, inputs)
    if node.op not in (take_along_axis, scatter_along_axis) or not _is_pick(node):
        return node
    with building_at(node.origin):
        return _picked(node) if node.op is take_along_axis else _put(node)


def _is_pick(node: Node) -> bool:
    """Whether one element a row is meant, and its index is known to be good."""
    x, index = node.inputs[:2]
    axis = node.params["axis"]
    if index.shape[axis] != 1 or not _is_checked(index, int(x.shape[axis])):
        return False
    if node.op is take_along_axis:
        return _source(x).op.kind == "elementwise" and index.ndim == x.ndim
    zero = uniform(x)
    return zero is not None and zero.params["value"] == 0 and index.ndim == x.ndim


def _source(node: Node) -> Node:
    while node.op.kind == "view" and node.inputs:
        node = node.inputs[0]
    return node


def _is_checked(index: Node, size: int) -> bool:
    source = _source(index)
    return source.op is within and source.params["size"] == size


def _here(x: Node, index: Node, axis: int) -> Node:
    """True at the element of each row of x that `index` names."""
    size = x.shape[axis]
    row = tuple(size if i == axis else 1 for i in range(x.ndim))
    numbers = reshape(iota(size=size, dtype=index.dtype), shape=row)
    shape = tuple(size if i == axis else n for i, n in enumerate(index.shape))
    return e.equal(broadcast_to(numbers, shape=shape), index)


def _picked(node: Node) -> Node:
    x, index = node.inputs
    axis = node.params["axis"]
    here = _here(x, index, axis)
    found = e.where(here, x, const(0, x.dtype))
    total = reduce_sum(found, axis=(axis,), keepdims=True)
    return total if total.dtype == node.dtype else node


def _put(node: Node) -> Node:
    x, index, value = node.inputs
    return e.where(_here(x, index, node.params["axis"]), value, const(0, x.dtype))
