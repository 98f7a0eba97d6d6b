"""Gradients of the ops that run bodies: the body itself is differentiated, once.

The reverse gradient of a scan is a scan the other way. It reads what the forward steps computed
instead of computing it again: the forward scan is built a second time with the values that the
backward step needs as further results, and the pass `widen` makes one scan of the two. Forward
mode runs a body that carries each value together with its tangent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tinygraph.autodiff.forward import pushforward
from tinygraph.autodiff.reverse import gradients
from tinygraph.dtypes import is_float
from tinygraph.graph.dim import Size
from tinygraph.graph.graph import Graph, topological
from tinygraph.graph.node import Node
from tinygraph.ops.body import placeholder, splice, tracing
from tinygraph.ops.control import cond_nodes, while_nodes
from tinygraph.ops.elementwise import add
from tinygraph.ops.registry import ITEM, item
from tinygraph.ops.rules import zeros_like
from tinygraph.ops.scan import scan, scan_nodes

Nodes = Sequence[Node]
Gradient = Node | None

# ------------------------------------------------------------------- differentiating a body


class Pullback(NamedTuple):
    """The gradient of a body, in terms of its own nodes.

    arriving: for each output that a gradient arrives at, its number and a placeholder for it.
    found: for each input that a gradient leaves by, its number and the gradient.
    """

    arriving: dict[int, Node]
    found: dict[int, Node]


def _live(g: Sequence[Gradient]) -> set[int]:
    """The numbers of the results that a gradient arrives at."""
    return {i for i, node in enumerate(g) if node is not None and is_float(node.dtype)}


def _pull_back(body: Graph, live: set[int], wrt: Sequence[int], carries: int = 0) -> Pullback:
    """The pullback of a body whose outputs `live` have gradients, to the inputs `wrt`.

    What leaves by a carry arrives at that carry's output in the step before, so the set of live
    outputs grows until it holds them all.
    """
    with tracing():
        cotangents = {
            i: placeholder(y.aval, f"g{i}") for i, y in enumerate(body.outputs) if is_float(y.dtype)
        }
        while True:
            arriving = {i: g for i, g in cotangents.items() if i in live}
            given = [arriving.get(i) for i in range(len(body.outputs))]
            grads = gradients(body.outputs, given, [body.inputs[i] for i in wrt])
            found = {i: g for i, g in zip(wrt, grads, strict=True) if g is not None}
            new = {i for i in found if i < carries} - live
            if not new:
                return Pullback(arriving, found)
            live = live | new


def _sought(body: Graph, inputs: Nodes, carries: int = 0) -> list[int]:
    """The inputs whose gradients somebody wants: floats that take part, and every float carry."""
    return [
        i
        for i, (inner, outer) in enumerate(zip(body.inputs, inputs, strict=True))
        if is_float(inner.dtype) and (i < carries or outer.grad)
    ]


def _or_zeros(node: Gradient, like: Node) -> Node:
    return zeros_like(like) if node is None else node


class Dual(NamedTuple):
    """The tangents of a body, in terms of its own nodes.

    stand_ins: a placeholder for the tangent of each input that moves.
    pushed: for each output that moves, its number and its tangent.
    """

    stand_ins: list[Node]
    pushed: dict[int, Node]


def _push_forward(body: Graph, moved: Sequence[int]) -> Dual:
    """The tangents of the outputs of a body whose inputs `moved` move."""
    with tracing():
        inner = [body.inputs[i] for i in moved]
        stand_ins = [placeholder(node.aval, f"t{i}") for i, node in zip(moved, inner, strict=True)]
        pushed = pushforward(body.outputs, inner, stand_ins)
    return Dual(stand_ins, {i: t for i, t in enumerate(pushed) if t is not None})


def _moved(tangents: Sequence[Gradient], inputs: Nodes, carries: int = 0) -> list[int]:
    """The inputs that move: those with a tangent, and every float carry."""
    return [
        i
        for i, (t, x) in enumerate(zip(tangents, inputs, strict=True))
        if is_float(x.dtype) and (t is not None or i < carries)
    ]


# ----------------------------------------------------------------------------- scan, reverse


def _read_back(body: Graph, pullback: Pullback, constants: set[int]) -> list[Node]:
    """The nodes of the forward step that the backward step reads: inputs, and values to save.

    Found again rather than saved: constants, views, elementwise factors that only the gradient
    needs (the cos(x) of a sine), and what depends on `constants` (ids of inputs) alone.
    """
    outputs = list(pullback.found.values())
    forward = set(map(id, body.nodes))
    given = set(map(id, body.inputs))
    backward = set(map(id, pullback.arriving.values()))
    fixed = set(constants)
    for node in topological(outputs):
        if any(id(child) in backward for child in node.inputs):
            backward.add(id(node))
        elif not node.op.leaf and all(id(child) in fixed for child in node.inputs):
            fixed.add(id(node))

    def cheap(node: Node) -> bool:
        if node.op.kind == "view":
            return node.op is not ITEM and node.op.name != "slice"
        return node.op.kind == "elementwise" and id(node) not in forward

    def read(node: Node) -> bool:
        if id(node) in given:
            return True
        return not (id(node) in backward or id(node) in fixed or cheap(node))

    return [node for node in topological(outputs, read) if read(node)]


def _sequences(out: Node, nodes: Nodes) -> list[Node]:
    """What nodes of the body are in each step of the scan `out`, stacked.

    A slice is an input of `out` again. The others are results of a scan whose body is that of
    `out` with these nodes as further outputs.
    """
    body, carries, xs = (out.params[name] for name in ("body", "carries", "xs"))
    sliced = slice(carries, carries + xs)
    known = dict(zip(map(id, body.inputs[sliced]), out.inputs[sliced], strict=True))
    outputs = list(body.outputs)
    place = {id(node): i for i, node in enumerate(outputs) if i >= carries}
    for node in nodes:
        if id(node) not in known and id(node) not in place:
            place[id(node)] = len(outputs)
            outputs.append(node)
    wide = out
    if len(outputs) > len(body.outputs):
        wide = scan(*out.inputs, **{**out.params, "body": Graph(body.inputs, outputs)})
    return [known[id(node)] if id(node) in known else item(wide, place[id(node)]) for node in nodes]


def scan_vjp(
    g: Sequence[Gradient],
    out: Node,
    *inputs: Node,
    body: Graph,
    carries: int,
    xs: int,
    length: Size,
    reverse: bool,
) -> list[Gradient]:
    """The gradients of a scan's inputs. Those of the constants are summed in the carry."""
    first = carries + xs
    wrt = _sought(body, inputs, carries)
    arriving, found = pullback = _pull_back(body, _live(g), wrt, carries)
    back = [i for i in arriving if i < carries]
    sums = [i for i in found if i >= first]
    moved = [i for i in found if carries <= i < first]
    if not (back or sums or moved):
        return [None] * len(inputs)
    constants, fixed = inputs[first:], body.inputs[first:]
    needed = [n for n in _read_back(body, pullback, set(map(id, fixed))) if n not in fixed]
    graph = Graph([*arriving.values(), *needed, *fixed], list(found.values()))

    def step(carry: list[Node], slices: list[Node]) -> tuple[Nodes, Nodes]:
        slopes, totals = carry[: len(back)], carry[len(back) :]
        parts = splice(graph, [*slopes, *slices, *constants])
        got = dict(zip(found, parts, strict=True))
        new = [got[i] if i in got else zeros_like(x) for i, x in zip(back, slopes, strict=True)]
        new += [add(total, got[i]) for i, total in zip(sums, totals, strict=True)]
        return new, [got[i] for i in moved]

    init = [_or_zeros(g[i], inputs[i]) for i in back] + [zeros_like(inputs[i]) for i in sums]
    stacked = [node for i in arriving if i >= carries and (node := g[i]) is not None]
    sources = [*stacked, *_sequences(out, needed)]
    last, along = scan_nodes(step, init, sources, length, not reverse)
    result = dict(zip([*back, *sums, *moved], [*last, *along], strict=True))
    return [result.get(i) for i in range(len(inputs))]


def scan_jvp(
    tangents: Sequence[Gradient],
    out: Node,
    *inputs: Node,
    body: Graph,
    carries: int,
    xs: int,
    length: Size,
    reverse: bool,
) -> tuple[Gradient, ...]:
    """The tangents of a scan's results, by a scan of the body and its tangents together."""
    first = carries + xs
    moved = _moved(tangents, inputs, carries)
    dual = _push_forward(body, moved)
    start = [i for i in moved if i < carries]
    along = [i for i in moved if carries <= i < first]
    still = [t for i in moved if i >= first and (t := tangents[i]) is not None]
    ys = [i for i in dual.pushed if i >= carries]
    graph = Graph([*body.inputs, *dual.stand_ins],
                  [*body.outputs[:carries], *dual.pushed.values()])  # fmt: skip

    def step(carry: list[Node], slices: list[Node]) -> tuple[Nodes, Nodes]:
        values, speeds = carry[:carries], carry[carries:]
        given = [*values, *slices[:xs], *inputs[first:], *speeds, *slices[xs:], *still]
        results = splice(graph, given)
        got = dict(zip(dual.pushed, results[carries:], strict=True))
        new = [got[i] if i in got else zeros_like(x) for i, x in zip(start, speeds, strict=True)]
        return [*results[:carries], *new], [got[i] for i in ys]

    init = [*inputs[:carries], *[_or_zeros(tangents[i], inputs[i]) for i in start]]
    sources = [*inputs[carries:first], *[t for i in along if (t := tangents[i]) is not None]]
    last, stacked = scan_nodes(step, init, sources, length, reverse)
    result = dict(zip([*start, *ys], [*last[carries:], *stacked], strict=True))
    return tuple(result.get(i) for i in range(len(body.outputs)))


# ------------------------------------------------------------------------ cond and while_loop


def _choose(
    pred: Node, branches: Sequence[tuple[Graph, Sequence[int]]], forms: Nodes, inputs: Nodes
) -> dict[int, Node]:
    """A cond between two graphs whose outputs bear numbers. What one lacks is zero there, of
    the form that `forms` has under that number."""
    wanted = sorted({i for _, numbers in branches for i in numbers})
    if not wanted:
        return {}

    def branch(graph: Graph, numbers: Sequence[int]) -> Callable[[list[Node]], Nodes]:
        def run(nodes: list[Node]) -> Nodes:
            got = dict(zip(numbers, splice(graph, nodes), strict=True))
            return [got[i] if i in got else zeros_like(forms[i]) for i in wanted]

        return run

    one, other = (branch(graph, numbers) for graph, numbers in branches)
    return dict(zip(wanted, cond_nodes(pred, one, other, inputs), strict=True))


def cond_vjp(
    g: Sequence[Gradient],
    out: Node,
    pred: Node,
    *inputs: Node,
    then_body: Graph,
    else_body: Graph,
) -> list[Gradient]:
    """The gradients of a cond's inputs: of the branch that is taken, which is computed again."""
    live = _live(g)
    branches = []
    for body in (then_body, else_body):
        arriving, found = _pull_back(body, live, _sought(body, inputs))
        graph = Graph([*body.inputs, *arriving.values()], list(found.values()))
        branches.append((graph, list(found)))
    arrived = [node for i in sorted(live) if (node := g[i]) is not None]
    result = _choose(pred, branches, then_body.inputs, [*inputs, *arrived])
    return [None, *[result.get(i) for i in range(len(inputs))]]


def cond_jvp(
    tangents: Sequence[Gradient],
    out: Node,
    pred: Node,
    *inputs: Node,
    then_body: Graph,
    else_body: Graph,
) -> tuple[Gradient, ...]:
    """The tangents of a cond's results: of the branch that is taken."""
    moved = _moved(tangents[1:], inputs)
    branches = []
    for body in (then_body, else_body):
        stand_ins, pushed = _push_forward(body, moved)
        graph = Graph([*body.inputs, *stand_ins], list(pushed.values()))
        branches.append((graph, list(pushed)))
    arrived = [t for i in moved if (t := tangents[1 + i]) is not None]
    result = _choose(pred, branches, then_body.outputs, [*inputs, *arrived])
    return tuple(result.get(i) for i in range(len(then_body.outputs)))


def while_jvp(
    tangents: Sequence[Gradient],
    out: Node,
    *inputs: Node,
    cond_body: Graph,
    body: Graph,
    carries: int,
) -> tuple[Gradient, ...]:
    """The tangents of a while_loop's results, by a loop that carries them along."""
    moved = _moved(tangents, inputs, carries)
    dual = _push_forward(body, moved)
    start = [i for i in moved if i < carries]
    still = [t for i in moved if i >= carries and (t := tangents[i]) is not None]
    constants = inputs[carries:]
    graph = Graph([*body.inputs, *dual.stand_ins], [*body.outputs, *dual.pushed.values()])

    def proceed(carry: list[Node]) -> Node:
        return splice(cond_body, [*carry[:carries], *constants])[0]

    def step(carry: list[Node]) -> Nodes:
        values, speeds = carry[:carries], carry[carries:]
        results = splice(graph, [*values, *constants, *speeds, *still])
        got = dict(zip(dual.pushed, results[carries:], strict=True))
        new = [got[i] if i in got else zeros_like(x) for i, x in zip(start, speeds, strict=True)]
        return [*results[:carries], *new]

    init = [*inputs[:carries], *[_or_zeros(tangents[i], inputs[i]) for i in start]]
    results = while_nodes(proceed, step, init)
    result = dict(zip(start, results[carries:], strict=True))
    return tuple(result.get(i) for i in range(carries))
