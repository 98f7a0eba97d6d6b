"""Numerical stabilisation: forms that overflow or cancel become forms that do not.

These rewrites change the rounding, for the better: log(softmax(x)) is finite for any x.
"""

from __future__ import annotations

from collections.abc import Callable

from tinygraph.dtypes import is_float
from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Node, building_at
from tinygraph.ops import elementwise as e
from tinygraph.ops.reduce import max as reduce_max
from tinygraph.ops.reduce import restore
from tinygraph.ops.registry import const
from tinygraph.passes.fold import uniform


def stabilise(graph: Graph) -> Graph:
    """Apply the rewrites below to each node, inputs first."""
    return graph.rewrite(_step)


def _step(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = rebuild(node, inputs)
    rewrite = _REWRITES.get(node.op.name)
    if rewrite is None or not is_float(node.dtype):
        return node
    with building_at(node.origin):
        found = rewrite(node)
    if found is None or found.shape != node.shape or found.dtype != node.dtype:
        return node
    return found


def _number(x: Node, value: float) -> bool:
    constant = uniform(x)
    return constant is not None and constant.params["value"] == value


def _softplus(x: Node) -> Node:
    return e.logaddexp(x, const(0.0, x.dtype))


def _log(node: Node) -> Node | None:
    return _through_views(node.inputs[0], _log_of)


def _through_views(x: Node, rewrite: Callable[[Node], Node | None]) -> Node | None:
    """`rewrite` of what x is a view of, seen in the same way: log(view(x)) = view(log(x))."""
    views = []
    while x.op.name in ("broadcast_to", "reshape", "permute"):
        views.append(x)
        x = x.inputs[0]
    found = rewrite(x)
    if found is None:
        return None
    for view in reversed(views):
        found = view.replace((found,))
    return found


def _log_of(x: Node) -> Node | None:
    if x.op is e.exp:  # log(exp(z)) = z
        return x.inputs[0]
    if x.op is e.sigmoid:  # log(sigmoid(z)) = -softplus(-z)
        return -_softplus(-x.inputs[0])
    if x.op is e.divide and x.inputs[0].op is e.exp:  # log(exp(z) / s) = z - log(s)
        total = x.inputs[1]  # s is the denominator of a softmax, more often than not
        return x.inputs[0].inputs[0] - (_through_views(total, _logsumexp) or e.log(total))
    if x.op is e.add:  # log(1 + z) = log1p(z)
        for one, z in (x.inputs, x.inputs[::-1]):
            if _number(one, 1) and z.shape == x.shape:
                log1p = e.log1p(z)
                return _log1p(log1p) or log1p
    if x.op is e.subtract and _number(x.inputs[0], 1) and x.inputs[1].op is e.sigmoid:
        return -_softplus(x.inputs[1].inputs[0])  # log(1 - sigmoid(z)) = -softplus(z)
    return _logsumexp(x)


def _log1p(node: Node) -> Node | None:
    (x,) = node.inputs
    return _softplus(x.inputs[0]) if x.op is e.exp else None  # log(1 + exp(z))


def _subtract(node: Node) -> Node | None:
    x, y = node.inputs
    if x.op is e.exp and _number(y, 1) and x.shape == node.shape:  # exp(z) - 1
        return e.expm1(x.inputs[0])
    if _number(x, 1) and y.op is e.sigmoid and y.shape == node.shape:  # 1 - sigmoid(z)
        return e.sigmoid(-y.inputs[0])
    return None


def _multiply(node: Node) -> Node | None:
    """g * (s * (1 - s)), the slope of s = sigmoid(z), where g has the slope 1 / s of log(s) in it.

    (a / s) * (s * t) = a * t also where s is 0, and where t = 1 - s is, (b / t) * (s * t) = b * s.
    """
    for g, slope in (node.inputs, node.inputs[::-1]):
        if slope.op is e.multiply and slope.inputs[0].op is e.sigmoid:
            s, t = slope.inputs
            if _is_complement(t, s):
                return _slope_times(g, slope, 4)
    return None


def _is_complement(t: Node, s: Node) -> bool:
    """Whether t is 1 - s with s = sigmoid(z), which has become sigmoid(-z)."""
    if t.op is not e.sigmoid or t.inputs[0].op is not e.negative:
        return False
    return t.inputs[0].inputs[0] is s.inputs[0]


def _slope_times(g: Node, slope: Node, depth: int) -> Node | None:
    """g * slope, slope = s * t, with the quotients by s and t in the sum g multiplied out; None if
    it has none."""
    s, t = slope.inputs
    if g.op is e.divide and g.inputs[1] is s:
        return g.inputs[0] * t
    if g.op is e.divide and _is_complement(g.inputs[1], s):
        return g.inputs[0] * s
    if g.op not in (e.negative, e.add, e.subtract) or not depth:
        return None
    terms = [_slope_times(term, slope, depth - 1) for term in g.inputs]
    if all(term is None for term in terms):
        return None
    return g.op(
        *[old * slope if new is None else new for new, old in zip(terms, g.inputs, strict=True)]
    )


def _logsumexp(total: Node) -> Node | None:
    """log(sum(exp(z))) = m + log(sum(exp(z - m))) with m the largest z."""
    if total.op.name != "sum" or total.inputs[0].op is not e.exp:
        return None
    z = total.inputs[0].inputs[0]
    axis, keepdims = total.params["axis"], total.params["keepdims"]
    if _is_shifted(z) or any(z.shape[a] == 0 for a in axis):
        return None
    highest = reduce_max(z, axis=axis, keepdims=keepdims)
    finite = e.where(e.isfinite(highest), highest, 0.0)
    shifted = e.exp(z - restore(finite, z.shape, axis, keepdims))
    return finite + e.log(total.op(shifted, axis=axis, keepdims=keepdims))


def _is_shifted(z: Node) -> bool:
    """Whether a maximum has been taken off `z` already."""
    if z.op is not e.subtract:
        return False
    shift = z.inputs[1]
    while shift.inputs and (shift.op.kind == "view" or shift.op is e.where):
        shift = shift.inputs[1] if shift.op is e.where else shift.inputs[0]
    return shift.op.name == "max"


_REWRITES: dict[str, Callable[[Node], Node | None]] = {
    "log": _log,
    "log1p": _log1p,
    "multiply": _multiply,
    "subtract": _subtract,
}
