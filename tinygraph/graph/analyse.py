"""What a graph looks like: how deep, how wide, what is in it.

Every function takes a Graph, a Tensor or a Node, or a list of Tensors or Nodes. The graph of a
Tensor reaches back to its leaves: placeholders, parameters, state and data. (A value that is
computed, and that no gradient needs, has forgotten how; so in eager mode little is left to see.)
Open sizes become numbers by `sizes`, such as `{"x_0": 32}`; what does not depend on them needs
none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.dim import Dim, Size
from tinygraph.graph.graph import Graph, topological
from tinygraph.graph.node import Node
from tinygraph.graph.show import is_leaf, listed, role
from tinygraph.graph.specialise import specialise

if TYPE_CHECKING:
    import networkx

FREE = ("view", "const", "leaf")  # kinds of ops that compute nothing
Sizes = Mapping[str, int] | None


def as_graph(value: Any, sizes: Sizes = None) -> Graph:
    """`value` itself if it is a Graph; else the graph between its leaves and `value`.

    Raises GraphError if `value` is none of a Graph, a Tensor, a Node, or a list of these.
    """
    graph = value if isinstance(value, Graph) else _behind(value)
    if not sizes:
        return graph
    for node in graph.inputs:
        for size in node.shape:
            if isinstance(size, Dim) and not size.symbols() <= sizes.keys():
                raise ShapeError(f"sizes give {', '.join(sizes)}, but not the open size {size}")
    return specialise(graph, sizes)


def _behind(value: Any) -> Graph:
    values = value if isinstance(value, (list, tuple)) else [value]
    outputs = [_node_of(one) for one in values]
    leaves = [node for node in topological(outputs, is_leaf) if is_leaf(node)]
    return Graph(leaves, outputs)


def _node_of(value: Any) -> Node:
    node = getattr(value, "node", value)
    if not isinstance(node, Node):
        raise GraphError(f"expected a Graph, a Tensor or a Node, got {type(value).__name__}")
    return node


def known(size: Size, what: str) -> int:
    """`size` as a number. ShapeError if it is open: `what` says what asked for it."""
    if isinstance(size, Dim):
        names = ", ".join(f"{name!r}: ..." for name in sorted(size.symbols()))
        raise ShapeError(f"{what} depends on the open size {size}; give it with sizes={{{names}}}")
    return size


def computes(graph: Graph) -> list[Node]:
    """The nodes that compute something: no inputs, leaves, constants or views."""
    given = set(map(id, graph.inputs))
    return [node for node in graph.nodes if id(node) not in given and node.op.kind not in FREE]


# ---------------------------------------------------------------------------- depth and width


def depth(value: Any, sizes: Sizes = None) -> int:
    """The length of the longest chain of computations that must run one after another.

    Leaves, constants and views count nothing. A scan counts its body once for each step; a
    condition counts its deeper branch, a while loop one round.

    w1 * x1 + w2 * x2 has depth 2: the products stand side by side, the sum waits for both.
    """
    return max(_levels(as_graph(value, sizes)).values(), default=0)


def width(value: Any, sizes: Sizes = None) -> int:
    """The largest number of computations that stand side by side, at one depth."""
    graph = as_graph(value, sizes)
    levels = _levels(graph)
    return max(Counter(levels[id(node)] for node in computes(graph)).values(), default=0)


def critical_path(value: Any, sizes: Sizes = None) -> list[Node]:
    """The computations of one longest chain, the first one first."""
    graph = as_graph(value, sizes)
    levels = _levels(graph)
    counted = set(map(id, computes(graph)))
    node = max(graph.nodes, key=lambda n: levels[id(n)], default=None)
    given = set(map(id, graph.inputs))
    path = []
    while node is not None:
        if id(node) in counted:
            path.append(node)
        before = () if id(node) in given else node.inputs
        node = max(before, key=lambda n: levels[id(n)], default=None)
    return path[::-1]


def _levels(graph: Graph) -> dict[int, int]:
    """For each node the length of the longest chain that ends in it."""
    steps = {id(node): _steps(node) for node in computes(graph)}
    return _longest(graph, steps)


def _steps(node: Node) -> int:
    """How many computations in sequence a node stands for."""
    bodies = [value for value in node.params.values() if isinstance(value, Graph)]
    if not bodies:
        return 1
    length = known(node.params.get("length", 1), f"the depth of {node.op.name}")
    deepest = [depth(body) for body in bodies]
    return length * (sum(deepest) if node.op.name == "while_loop" else max(deepest))


def _longest(graph: Graph, weights: Mapping[int, int]) -> dict[int, int]:
    """For each node the largest sum of weights along a path that ends in it."""
    given = set(map(id, graph.inputs))
    sums: dict[int, int] = {}
    for node in graph.nodes:
        before = () if id(node) in given else node.inputs
        behind = max((sums[id(child)] for child in before), default=0)
        sums[id(node)] = behind + weights.get(id(node), 0)
    return sums


# ------------------------------------------------------------------------------ concept depth


def concept_depth(value: Any, sizes: Sizes = None) -> int:
    """How many layers with parameters stand one behind another, at most: 2 for a convolution
    that finds edges, followed by one that finds corners.

    A layer is a computation on data that reads a parameter, or something computed from
    parameters alone: a product, a convolution, a look-up, a recurrence, a scaling. Additions
    are none, for a bias belongs to the layer before it, and a penalty to no layer; nor is the
    joining of a parameter to the data. A normalisation that scales is a layer of its own.
    """
    graph = as_graph(value, sizes)
    source = _sources(graph)
    weights = {
        id(node): 1
        for node in computes(graph)
        if source[id(node)] == "data"
        and node.op.kind != "copy"
        and node.op.name not in ("add", "subtract")
        and any(source[id(child)] == "parameter" for child in node.inputs)
    }
    return max(_longest(graph, weights).values(), default=0)


def _sources(graph: Graph) -> dict[int, str]:
    """What each node is computed from: "data", or else "parameter", or else "constant"."""
    given = set(map(id, graph.inputs))
    found: dict[int, str] = {}
    for node in graph.nodes:
        what = role(node, given)
        if id(node) in given or is_leaf(node):
            known_source = {"parameter": "parameter", "state": "constant"}
            found[id(node)] = known_source.get(what, "data")
        else:
            found[id(node)] = _joined(found[id(child)] for child in node.inputs)
    return found


def _joined(sources: Iterable[str]) -> str:
    present = set(sources)
    return next((s for s in ("data", "parameter") if s in present), "constant")


# ------------------------------------------------------------------------------------ counts


def operations(value: Any) -> dict[str, int]:
    """How often each op occurs, the most frequent first. Inputs and leaves are left out."""
    graph = as_graph(value)
    given = set(map(id, graph.inputs))
    counts = Counter(n.op.name for n in graph.nodes if id(n) not in given and not n.op.leaf)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def to_networkx(value: Any) -> networkx.DiGraph[int]:
    """The graph for networkx: an edge from each input of a node to the node.

    Nodes are numbered as in the printed graph; each has the attributes op, role, shape, dtype
    and origin (the user's file and line). An edge has `places`: which arguments it is.
    """
    import networkx

    graph = as_graph(value)
    nodes = listed(graph)
    number = {id(node): index for index, node in enumerate(nodes)}
    given = set(map(id, graph.inputs))
    result: networkx.DiGraph[int] = networkx.DiGraph()
    for node in nodes:
        result.add_node(
            number[id(node)], op=node.op.name, role=role(node, given), shape=node.shape,
            dtype=node.dtype.name, origin=f"{node.origin.file}:{node.origin.line}",
        )  # fmt: skip
    for node in nodes:
        if id(node) not in given:
            places: dict[int, list[int]] = {}
            for place, child in enumerate(node.inputs):
                places.setdefault(number[id(child)], []).append(place)
            for child_number, where in places.items():
                result.add_edge(child_number, number[id(node)], places=tuple(where))
    return result
