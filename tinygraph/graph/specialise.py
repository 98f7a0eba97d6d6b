"""From open sizes to numbers: a graph with `Dim`s becomes one for the sizes at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygraph.errors import ShapeError, TinygraphError
from tinygraph.graph.dim import Dim, substitute
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node, Shape


def is_open(graph: Graph) -> bool:
    """Whether any size in the graph is still open."""
    return any(isinstance(size, Dim) for node in graph.inputs for size in node.shape)


def specialise(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """`graph` with every open size replaced by its number; shapes are inferred and checked anew.

    Raises ShapeError, with the user's line, where the sizes do not fit together: an open size
    was taken to equal what it met, and here it does not.
    """
    new: dict[int, Node] = {}
    inputs = [_leaf(node, sizes) for node in graph.inputs]
    for old, leaf in zip(graph.inputs, inputs, strict=True):
        new[id(old)] = leaf
    for node in graph.nodes:
        if id(node) not in new:
            new[id(node)] = _specialised(node, tuple(new[id(c)] for c in node.inputs), sizes)
    return Graph(inputs, [new[id(node)] for node in graph.outputs])


def _leaf(node: Node, sizes: Mapping[str, int]) -> Node:
    shape = substitute(node.shape, sizes)
    if shape == node.shape:
        return node
    return Node(node.op, (), node.params, Aval(shape, node.dtype), node.origin, node.grad)


def _specialised(node: Node, inputs: tuple[Node, ...], sizes: Mapping[str, int]) -> Node:
    if node.op.leaf:
        return node
    params = {key: _parameter(value, sizes) for key, value in node.params.items()}
    try:
        aval = node.op.infer(*inputs, **params)
    except TinygraphError as error:
        raise type(error)(
            f"{node.op.name}: {error} (sizes {_show(sizes)})\n  at {node.origin.where()}"
        ) from None
    _check_assumptions(node, inputs, aval, sizes)
    return Node(node.op, inputs, params, aval, node.origin, node.grad)


def _parameter(value: Any, sizes: Mapping[str, int]) -> Any:
    return specialise(value, sizes) if isinstance(value, Graph) else substitute(value, sizes)


def _check_assumptions(
    node: Node, inputs: tuple[Node, ...], aval: Any, sizes: Mapping[str, int]
) -> None:
    expected = tuple(Aval(substitute(a.shape, sizes), a.dtype) for a in node.avals)
    got = (aval,) if isinstance(aval, Aval) else tuple(aval)
    stretches = node.op.kind == "elementwise" or node.op.name == "broadcast_to"
    stretched = stretches and any(
        _stretched(old.shape, new.shape, got[0].shape)
        for old, new in zip(node.inputs, inputs, strict=True)
    )
    if expected != got or stretched:
        shapes = " and ".join(str(child.shape) for child in inputs)
        raise ShapeError(
            f"{node.op.name}: sizes that were left open were taken to be equal, but {_show(sizes)} "
            f"gives shapes {shapes}\n  at {node.origin.where()}"
        )


def _stretched(declared: Shape, actual: Shape, result: Shape) -> bool:
    """Whether a size that was not declared as 1 is 1 now, and broadcasts."""
    tail = result[len(result) - len(actual) :]
    return any(
        was != 1 and now == 1 and full != 1
        for was, now, full in zip(declared, actual, tail, strict=True)
    )


def _show(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes.items())
