"""What a graph costs: parameters, arithmetic, memory traffic, memory.

As in `analyse`, every function takes a Graph, Tensors or Nodes. With open sizes the result is
an expression in them (a `Dim`), unless `sizes` makes numbers of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tinygraph.graph.analyse import Sizes, as_graph, computes, known
from tinygraph.graph.dim import Size
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.show import listed, role


def elements(shape: Iterable[Size]) -> Size:
    """The number of elements of an array."""
    total: Size = 1
    for size in shape:
        total = total * size
    return total


def parameter_count(value: Any) -> int:
    """The number of elements of all parameters: leaves that have a value and a gradient."""
    graph = as_graph(value)
    given = set(map(id, graph.inputs))
    parameters = [node for node in listed(graph) if role(node, given) == "parameter"]
    return sum(known(elements(node.shape), "the parameter count") for node in parameters)


# ------------------------------------------------------------------------------- arithmetic


def flops(value: Any, sizes: Sizes = None) -> Size:
    """The number of arithmetic operations on elements.

    elementwise: 1 an element of the result, whatever the function (an exp counts as an add).
    reductions, running sums, argmax: 1 an element of the input.
    products: 2 for each term, a multiplication and an addition: 2 M N K for matrices, and for a
    convolution 2 x output elements x kernel elements x input channels / groups. The gradients
    of a convolution cost what it costs. pooling: 1 an element of each window.
    sorting: n log2 n comparisons along the dimension. scatter: 1 an element that is put.
    linear algebra: n^3 for a matrix, and 2 n^2 for each right-hand side, whatever the method.
    views, constants, copies and look-ups: nothing. A scan: its body, for each step; a
    condition: its dearer branch; a while loop: one round.
    """
    return _total_flops(as_graph(value, sizes))


def _total_flops(graph: Graph) -> Size:
    total: Size = 0
    for node in computes(graph):
        total = total + FORMULAS.get(node.op.kind, _each_result)(node)
    return total


def _each_result(node: Node) -> Size:
    total: Size = 0
    for aval in node.avals:
        total = total + elements(aval.shape)
    return total


def _each_input(node: Node) -> Size:
    return elements(node.inputs[0].shape)


def _nothing(node: Node) -> Size:
    return 0


def _contract(node: Node) -> Size:
    summed, _ = node.params["contract"]
    return 2 * elements(node.shape) * elements(node.inputs[0].shape[axis] for axis in summed)


def _conv(node: Node) -> Size:
    """Each place of the output takes part with each weight of one output channel."""
    x, w = node.inputs
    if node.op.name == "conv":
        return 2 * elements(node.shape) * elements(w.shape[1:])
    if node.op.name == "conv_input":  # x is the gradient of the output
        return 2 * elements(x.shape) * elements(w.shape[1:])
    return 2 * elements(w.shape) * elements(node.shape[1:])  # w is; the result is the weight's


def _window(node: Node) -> Size:
    kernel = node.params.get("kernel")
    return _each_input(node) if kernel is None else elements(node.shape) * elements(kernel)


def _sort(node: Node) -> Size:
    length = known(node.shape[node.params["axis"]], "the cost of sorting")
    return elements(node.shape) * math.ceil(math.log2(max(length, 2)))


def _linalg(node: Node) -> Size:
    """Of the third order: n^3 for a decomposition, and 2 n^2 for each right-hand side."""
    matrix, *others = (child.shape for child in node.inputs)
    total = elements(matrix) * matrix[-1]
    for right in others:
        total = total + 2 * elements(right) * matrix[-1]
    return total


def _scatter(node: Node) -> Size:
    """The value that is put is the last argument but for the indices of `scatter`, the second."""
    value = node.inputs[-1 if node.op.name == "scatter_along_axis" else 1]
    return elements(value.shape)


def _control(node: Node) -> Size:
    costs = [_total_flops(v) for v in node.params.values() if isinstance(v, Graph)]
    length: Size = node.params.get("length", 1)
    if node.op.name == "while_loop" or len(costs) == 1:
        return length * _sum(costs)
    return max(costs, key=lambda cost: known(cost, f"the dearer branch of {node.op.name}"))


def _sum(costs: Sequence[Size]) -> Size:
    total: Size = 0
    for cost in costs:
        total = total + cost
    return total


FORMULAS: dict[str, Callable[[Node], Size]] = {
    "elementwise": _each_result,
    "random": _each_result,
    "reduce": _each_input,
    "argreduce": _each_input,
    "cumulative": _each_input,
    "contract": _contract,
    "conv": _conv,
    "window": _window,
    "linalg": _linalg,
    "sort": _sort,
    "gather": _nothing,
    "copy": _nothing,
    "scatter": _scatter,
    "control": _control,
}

# ------------------------------------------------------------------------------------ memory


def nbytes(avals: Iterable[Aval]) -> Size:
    """The size of arrays in bytes."""
    total: Size = 0
    for aval in avals:
        total = total + elements(aval.shape) * aval.dtype.itemsize
    return total


def bytes_moved(value: Any, sizes: Sizes = None) -> Size:
    """The bytes that all computations read and write, each by itself: nothing is fused, and
    nothing is found in a cache. What broadcasting repeats is read once."""
    total: Size = 0
    for node in computes(as_graph(value, sizes)):
        total = total + nbytes(node.avals) + nbytes(_source(child).aval for child in node.inputs)
    return total


def _source(node: Node) -> Node:
    """What is read through views that show everything; a slice is read by itself."""
    while node.op.kind == "view" and node.op.name not in ("slice", "item"):
        node = node.inputs[0]
    return node


def memory(value: Any, sizes: Sizes = None) -> int:
    """The most bytes of results that are alive at one time, when the nodes run in their order
    and each is kept until its last use; outputs are kept to the end. Inputs and constants are
    not counted, and a view takes no memory."""
    graph = as_graph(value, sizes)
    counted = {id(node): known(nbytes(node.avals), "the memory") for node in computes(graph)}
    owner = _owners(graph, counted)
    last: dict[int, int] = {}
    for index, node in enumerate(graph.nodes):
        for child in (node, *node.inputs):
            last[owner.get(id(child), id(child))] = index
    for node in graph.outputs:
        last[owner[id(node)]] = len(graph.nodes)
    dying: dict[int, list[int]] = {}
    for key, index in last.items():
        dying.setdefault(index, []).append(key)
    alive = most = 0
    for index, node in enumerate(graph.nodes):
        alive += counted.get(id(node), 0)
        most = max(most, alive)
        alive -= sum(counted.get(key, 0) for key in dying.get(index, ()))
    return most


def _owners(graph: Graph, counted: dict[int, int]) -> dict[int, int]:
    """For each node the id of the one whose memory it looks at."""
    given = set(map(id, graph.inputs))
    owner: dict[int, int] = {}
    for node in graph.nodes:
        own = id(node) in counted or id(node) in given or not node.inputs
        owner[id(node)] = id(node) if own else owner[id(node.inputs[0])]
    return owner
