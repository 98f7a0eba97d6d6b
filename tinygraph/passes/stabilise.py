"""Numerical stabilisation: forms that overflow or cancel become forms that do not.

These rewrites change the rounding, for the better: log(softmax(x)) is finite for any x.
"""

from __future__ import annotations

from tinygraph.dtypes import is_float
from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.reduce import restore
from tinygraph.ops.registry import const
from tinygraph.passes.fold import uniform


def stabilise(graph: Graph) -> Graph:
    """Apply the rewrites below to each node, inputs first."""
    return graph.rewrite(_step)


def _step(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = rebuild(node, inputs)
    if not is_float(node.dtype):
        return node
    rewrite = {"log": _log, "subtract": _subtract, "log1p": _log1p}.get(node.op.name)
    found = rewrite(node) if rewrite is not None else None
    return node if found is None else found


def _number(x: Node, value: float) -> bool:
    constant = uniform(x)
    return constant is not None and constant.params["value"] == value


def _make(like: Node, result: Node) -> Node:
    """`result`, with the line of the node that it replaces."""
    if result.shape != like.shape or result.dtype != like.dtype:
        return like
    result.origin = like.origin
    return result


def _softplus(x: Node) -> Node:
    return e.logaddexp(x, const(0.0, x.dtype))


def _log(node: Node) -> Node | None:
    (x,) = node.inputs
    if x.op is e.exp:  # log(exp(z)) = z
        return _same(node, x.inputs[0])
    if x.op is e.sigmoid:  # log(sigmoid(z)) = -softplus(-z)
        return _make(node, -_softplus(-x.inputs[0]))
    if x.op is e.divide and x.inputs[0].op is e.exp:  # log(exp(z) / s) = z - log(s)
        return _make(node, x.inputs[0].inputs[0] - e.log(x.inputs[1]))
    if x.op is e.add:  # log(1 + z) = log1p(z)
        for one, z in (x.inputs, x.inputs[::-1]):
            if _number(one, 1) and z.shape == x.shape:
                log1p = e.log1p(z)
                return _make(node, _log1p(log1p) or log1p)
    if x.op is e.subtract and _number(x.inputs[0], 1) and x.inputs[1].op is e.sigmoid:
        return _make(node, -_softplus(x.inputs[1].inputs[0]))
    if x.op.name == "sum" and x.inputs[0].op is e.exp:
        return _logsumexp(node, x)
    return None


def _same(like: Node, z: Node) -> Node | None:
    return z if z.shape == like.shape and z.dtype == like.dtype else None


def _log1p(node: Node) -> Node | None:
    (x,) = node.inputs
    return _make(node, _softplus(x.inputs[0])) if x.op is e.exp else None  # log(1 + exp(z))


def _subtract(node: Node) -> Node | None:
    x, y = node.inputs
    if x.op is e.exp and _number(y, 1) and x.shape == node.shape:  # exp(z) - 1
        return _make(node, e.expm1(x.inputs[0]))
    if _number(x, 1) and y.op is e.sigmoid and y.shape == node.shape:  # 1 - sigmoid(z)
        return _make(node, e.sigmoid(-y.inputs[0]))
    return None


def _logsumexp(node: Node, total: Node) -> Node | None:
    """log(sum(exp(z))) = m + log(sum(exp(z - m))) with m the largest z."""
    from tinygraph.ops.reduce import max as reduce_max

    z = total.inputs[0].inputs[0]
    if _is_shifted(z):
        return None
    axis, keepdims = total.params["axis"], total.params["keepdims"]
    if any(z.shape[a] == 0 for a in axis):
        return None
    highest = reduce_max(z, axis=axis, keepdims=keepdims)
    finite = e.where(e.isfinite(highest), highest, 0.0)
    shifted = e.exp(z - restore(finite, z.shape, axis, keepdims))
    return _make(node, finite + e.log(total.op(shifted, axis=axis, keepdims=keepdims)))


def _is_shifted(z: Node) -> bool:
    """Whether a maximum has been taken off `z` already."""
    if z.op is not e.subtract:
        return False
    shift = z.inputs[1]
    while shift.inputs and (shift.op.kind == "view" or shift.op is e.where):
        shift = shift.inputs[1] if shift.op is e.where else shift.inputs[0]
    return shift.op.name == "max"
