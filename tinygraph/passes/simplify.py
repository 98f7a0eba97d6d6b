"""Algebraic simplification. Only what is exact: the rewritten graph yields the same bits.

So `x + 0.0` stays (it turns -0.0 into 0.0) and `x * 0` stays for floats (NaN and infinity).
"""

from __future__ import annotations

from collections.abc import Callable

from tinygraph.dtypes import is_float, is_integer
from tinygraph.graph.graph import Graph, rebuild
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import broadcast_to, permute, reshape, update_slice
from tinygraph.ops.registry import Op
from tinygraph.passes.fold import uniform

Rule = Callable[[Node], Node | None]
RULES: dict[str, list[Rule]] = {}


def simplify(graph: Graph) -> Graph:
    """Apply `RULES` to each node, inputs first, until none applies to it."""
    return graph.rewrite(_step)


def _step(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = rebuild(node, inputs)
    applied = True
    while applied:
        applied = False
        for rule in RULES.get(node.op.name, ()):
            found = rule(node)
            if found is not None and found is not node:
                node, applied = found, True
                break
    return node


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for the ops of these names. It returns what to put in place, or None."""

    def enter(function: Rule) -> Rule:
        for name in names:
            RULES.setdefault(name, []).append(function)
        return function

    return enter


def make(op: Op, like: Node, *inputs: Node) -> Node:
    """A node in the place of `like`: same result, same line."""
    return Node(op, inputs, {}, like.aval, like.origin, like.grad)


def _same(x: Node, node: Node) -> bool:
    return x.shape == node.shape and x.dtype == node.dtype


def _is_number(x: Node, value: float) -> bool:
    constant = uniform(x)
    if constant is None or constant.params["value"] != value:
        return False
    return str(float(constant.params["value"])) == str(float(value))  # tells -0.0 from 0.0


@rule("identity", "stop_gradient", "assign")
def _through(node: Node) -> Node | None:
    return node.inputs[0]


@rule("cast")
def _cast_to_itself(node: Node) -> Node | None:
    return node.inputs[0] if node.inputs[0].dtype == node.dtype else None


@rule("reshape", "broadcast_to", "slice")
def _same_shape(node: Node) -> Node | None:
    x = node.inputs[0]
    if x.shape != node.shape:
        return None
    if node.op.name == "slice" and any(step < 0 for _, _, step in node.params["slices"]):
        return None
    return x


@rule("slice")
def _what_was_put_there(node: Node) -> Node | None:
    x = node.inputs[0]
    return x.inputs[1] if x.op is update_slice and x.params == node.params else None


@rule("reshape", "broadcast_to")
def _twice(node: Node) -> Node | None:
    x = node.inputs[0]
    if x.op is not node.op:
        return None
    op = reshape if node.op is reshape else broadcast_to
    return Node(op, x.inputs, node.params, node.aval, node.origin, node.grad)


@rule("permute")
def _permutations(node: Node) -> Node | None:
    x, axes = node.inputs[0], node.params["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if x.op is not permute:
        return None
    both = tuple(x.params["axes"][a] for a in axes)
    return Node(permute, x.inputs, {"axes": both}, node.aval, node.origin, node.grad)


@rule("concat")
def _concat_of_one(node: Node) -> Node | None:
    return node.inputs[0] if len(node.inputs) == 1 else None


@rule("multiply")
def _times_one(node: Node) -> Node | None:
    x, y = node.inputs
    if _is_number(y, 1) and _same(x, node):
        return x
    return y if _is_number(x, 1) and _same(y, node) else None


@rule("multiply")
def _times_zero(node: Node) -> Node | None:
    x, y = node.inputs
    if not is_integer(node.dtype):
        return None
    for side in (x, y):
        zero = uniform(side)
        if zero is not None and zero.params["value"] == 0:
            return zero if not node.shape else Node(
                broadcast_to, (zero,), {"shape": node.shape}, node.aval, node.origin, False
            )  # fmt: skip
    return None


@rule("divide", "floor_divide", "pow")
def _neutral_right(node: Node) -> Node | None:
    x, y = node.inputs
    if node.op.name == "floor_divide" and not is_integer(node.dtype):
        return None
    return x if _is_number(y, 1) and _same(x, node) else None


@rule("pow")
def _to_square(node: Node) -> Node | None:
    x, y = node.inputs
    return make(e.square, node, x) if _is_number(y, 2) and _same(x, node) else None


@rule("add")
def _plus_zero(node: Node) -> Node | None:
    zero = 0 if is_integer(node.dtype) else -0.0
    x, y = node.inputs
    if _is_number(y, zero) and _same(x, node):
        return x
    return y if _is_number(x, zero) and _same(y, node) else None


@rule("subtract")
def _minus_zero(node: Node) -> Node | None:
    x, y = node.inputs
    return x if _is_number(y, 0.0) and _same(x, node) else None


@rule("add")
def _plus_negative(node: Node) -> Node | None:
    x, y = node.inputs
    if y.op is e.negative:
        return make(e.subtract, node, x, y.inputs[0])
    return make(e.subtract, node, y, x.inputs[0]) if x.op is e.negative else None


@rule("subtract")
def _minus_negative(node: Node) -> Node | None:
    x, y = node.inputs
    return make(e.add, node, x, y.inputs[0]) if y.op is e.negative else None


@rule("negative", "logical_not", "bitwise_invert")
def _undone(node: Node) -> Node | None:
    x = node.inputs[0]
    if x.op is not node.op or not _same(x.inputs[0], node):
        return None
    return x.inputs[0]


@rule("where")
def _known_choice(node: Node) -> Node | None:
    condition = uniform(node.inputs[0])
    if condition is None:
        return None
    chosen = node.inputs[1] if condition.params["value"] else node.inputs[2]
    if chosen.shape == node.shape:
        return chosen
    return Node(broadcast_to, (chosen,), {"shape": node.shape}, node.aval, node.origin, node.grad)


@rule("sum", "prod", "max", "min")
def _nothing_to_reduce(node: Node) -> Node | None:
    """Over no dimension, or over dimensions of size 1: the same numbers in another shape."""
    x = node.inputs[0]
    if x.dtype != node.dtype or any(x.shape[a] != 1 for a in node.params["axis"]):
        return None
    if node.op.name == "sum" and is_float(node.dtype):
        return None  # a sum starts from 0.0, which turns -0.0 into 0.0
    if x.shape == node.shape:
        return x
    aval = Aval(node.shape, node.dtype)
    return Node(reshape, (x,), {"shape": node.shape}, aval, node.origin, node.grad)
