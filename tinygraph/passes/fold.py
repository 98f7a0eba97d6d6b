"""Constant folding: what depends on no input is computed now."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygraph import config
from tinygraph.graph.dim import is_known
from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Aval, Node, Shape
from tinygraph.ops.movement import broadcast_to, iota
from tinygraph.ops.registry import CONST, DATA, ITEM

LARGEST = 1 << 16  # elements of an array that is kept with the tape


def fold(graph: Graph) -> Graph:
    """Replace nodes that depend on constants alone: scalars by `const`, arrays by their values.

    A repeated scalar stays one: it is folded as a scalar and broadcast again.
    """
    return graph.rewrite(_step)


def _step(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = rebuild(node, inputs)
    if not inputs or node.outs is not None or node.op.kind == "view":
        return node
    scalars = [uniform(child) for child in inputs]
    if node.op.kind == "elementwise" and all(s is not None for s in scalars):
        return _scalar(node, [s for s in scalars if s is not None])
    if all(map(_is_constant, inputs)) and all(_is_small(x.shape) for x in (node, *inputs)):
        return _array(node)
    return node


def uniform(node: Node) -> Node | None:
    """The scalar constant that `node` repeats, if it does."""
    while node.op.kind == "view" and node.op.name in ("broadcast_to", "reshape", "permute"):
        node = node.inputs[0]
    return node if node.op is CONST and isinstance(node.params["value"], (bool, int, float)) else (
        None
    )  # fmt: skip


def _source(node: Node) -> tuple[Node, list[Node]]:
    """What `node` is a view of, and the views in between, the outermost first."""
    views = []
    while node.op.kind == "view" and len(node.inputs) == 1 and node.op is not ITEM:
        views.append(node)
        node = node.inputs[0]
    return node, views


def _is_constant(node: Node) -> bool:
    source, _ = _source(node)
    if source.op is DATA:
        return source.cell is None and isinstance(source.buffer, np.ndarray)
    return source.op is CONST or source.op is iota


def _is_small(shape: Shape) -> bool:
    return is_known(*shape) and math.prod(shape) <= LARGEST


def _scalar(node: Node, scalars: list[Node]) -> Node:
    values = [CONST.eval(np, **scalar.params) for scalar in scalars]
    with np.errstate(all="ignore"):
        result = np.asarray(node.op.eval(np, *values, **node.params))
    if _is_for_the_check(result):
        return node
    value = result.astype(np.float64).item() if result.dtype.kind in "fV" else result.item()
    constant = Node(
        CONST, (), {"value": value, "dtype": node.dtype}, Aval((), node.dtype), node.origin, False
    )
    if not node.shape:
        return constant
    return Node(broadcast_to, (constant,), {"shape": node.shape}, node.aval, node.origin, False)


def _is_for_the_check(result: np.ndarray) -> bool:
    """Whether TINYGRAPH_CHECK=nan is to see the operation that yields this: so it must run."""
    floats = result.dtype.kind in "fV"
    return floats and "nan" in config.get("CHECK") and not bool(np.isfinite(result).all())


def _array(node: Node) -> Node:
    arrays = [_value(child) for child in node.inputs]
    with np.errstate(all="ignore"):
        result = node.op.eval(np, *arrays, **node.params)
    if _is_for_the_check(result):
        return node
    value = np.ascontiguousarray(result, dtype=node.dtype).reshape(node.shape)
    return Node(DATA, (), {}, node.aval, node.origin, False, value)


def _value(node: Node) -> Any:
    source, views = _source(node)
    value = source.buffer if source.op is DATA else source.op.eval(np, **source.params)
    for view in reversed(views):
        value = view.op.eval(np, value, **view.params)
    return value
