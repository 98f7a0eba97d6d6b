"""vmap of the ops that run bodies: the body itself is applied to a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinygraph.autodiff.batch import emit, reach
from tinygraph.autodiff.batch_rules import Mapped, Place, Places, spread
from tinygraph.dtypes import is_float
from tinygraph.graph.dim import Size
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Node
from tinygraph.ops.body import close_body, placeholder, tracing
from tinygraph.ops.call import Checkpoint, GradientRule, Gradients, call
from tinygraph.ops.control import cond_nodes, while_nodes
from tinygraph.ops.elementwise import where
from tinygraph.ops.movement import permute, reshape
from tinygraph.ops.reduce import any as reduce_any
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import Op, items
from tinygraph.ops.scan import scan_nodes

Nodes = Sequence[Node]
Flags = list[bool]


def _size(inputs: Nodes, flags: Flags) -> Size:
    return next(x.shape[0] for x, mapped in zip(inputs, flags, strict=True) if mapped)


def _mapped_outputs(body: Graph, flags: Flags) -> Flags:
    """Which outputs of `body` depend on an input that is mapped."""
    sources = {id(x) for x, mapped in zip(body.inputs, flags, strict=True) if mapped}
    found = reach(body.nodes, sources)
    return [id(node) in found for node in body.outputs]


def _mapped_carries(body: Graph, flags: Flags, carries: int) -> Flags:
    """`flags` with every carry that becomes mapped in some step."""
    while True:
        after = _mapped_outputs(body, flags)[:carries]
        grown = [a or b for a, b in zip(flags[:carries], after, strict=True)] + flags[carries:]
        if grown == flags:
            return flags
        flags = grown


def _run(body: Graph, inputs: Nodes, flags: Flags, wanted: Flags, size: Size) -> list[Node]:
    """The outputs of `body` on a batch; those `wanted` have the mapped dimension in front."""
    results = emit(body, list(zip(inputs, flags, strict=True)))
    return [
        spread(node, 0 if mapped or not want else None, size)
        for (node, mapped), want in zip(results, wanted, strict=True)
    ]


def _places(flags: Flags, place: int = 0) -> list[Place]:
    return [place if mapped else None for mapped in flags]


# ------------------------------------------------------------------------------------- loops


def scan_batch(
    op: Op,
    inputs: Nodes,
    places: Places,
    /,
    *,
    body: Graph,
    carries: int,
    xs: int,
    length: Size,
    reverse: bool,
) -> Mapped:
    """One scan, each step of which takes the whole batch."""
    first = carries + xs
    given = [place is not None for place in places]
    size = _size(inputs, given)
    flags = _mapped_carries(body, given, carries)
    wanted = flags[:carries] + _mapped_outputs(body, flags)[carries:]

    def step(carry: list[Node], slices: list[Node]) -> tuple[Nodes, Nodes]:
        results = _run(body, [*carry, *slices, *inputs[first:]], flags, wanted, size)
        return results[:carries], results[carries:]

    init = [
        spread(x, place, size) if mapped else x
        for x, place, mapped in zip(inputs[:carries], places, flags, strict=False)
    ]
    sequences = [
        permute(x, axes=(1, 0, *range(2, x.ndim))) if mapped else x
        for x, mapped in zip(inputs[carries:first], flags[carries:], strict=False)
    ]
    last, stacked = scan_nodes(step, init, sequences, length, reverse)
    return [*last, *stacked], [*_places(wanted[:carries]), *_places(wanted[carries:], 1)]


def while_batch(
    op: Op, inputs: Nodes, places: Places, /, *, cond_body: Graph, body: Graph, carries: int
) -> Mapped:
    """One loop for the batch. If the examples take different numbers of steps, it runs until the
    last is done, and the carry of an example that is done stays."""
    given = [place is not None for place in places]
    size = _size(inputs, given)
    flags = _mapped_carries(body, given, carries)
    (apart,) = _mapped_outputs(cond_body, flags)
    if apart:
        flags = [True] * carries + flags[carries:]
    wanted, constants = flags[:carries], inputs[carries:]

    def going(carry: list[Node]) -> Node:
        return _run(cond_body, [*carry, *constants], flags, [apart], size)[0]

    def condition(carry: list[Node]) -> Node:
        node = going(carry)
        return reduce_any(node, axis=(0,), keepdims=False) if apart else node

    def step(carry: list[Node]) -> Nodes:
        new = _run(body, [*carry, *constants], flags, wanted, size)
        if not apart:
            return new
        active = going(carry)
        return [_select(active, x, before) for x, before in zip(new, carry, strict=True)]

    init = [
        spread(x, place, size) if mapped else x
        for x, place, mapped in zip(inputs[:carries], places, flags, strict=False)
    ]
    return list(while_nodes(condition, step, init)), _places(wanted)


def _select(chosen: Node, x: Node, y: Node) -> Node:
    """For each example x or y, both mapped, as `chosen` (size,) says."""
    column = reshape(chosen, shape=(chosen.shape[0], *[1] * (x.ndim - 1)))
    return where(column, x, y)


# -------------------------------------------------------------------------------------- cond


def cond_batch(
    op: Op, inputs: Nodes, places: Places, /, *, then_body: Graph, else_body: Graph
) -> Mapped:
    """A cond for the whole batch; where the examples choose for themselves, both branches run."""
    flags = [place is not None for place in places]
    size = _size(inputs, flags)
    (pred, *rest), (apart, *flags) = inputs, flags
    bodies = (then_body, else_body)
    one, other = (_mapped_outputs(body, flags) for body in bodies)
    wanted = [apart or a or b for a, b in zip(one, other, strict=True)]
    if apart:
        pairs = zip(*[_run(body, rest, flags, wanted, size) for body in bodies], strict=True)
        return [_select(pred, x, y) for x, y in pairs], _places(wanted)

    def branch(body: Graph) -> Callable[[list[Node]], Nodes]:
        return lambda nodes: _run(body, nodes, flags, wanted, size)

    return cond_nodes(pred, branch(then_body), branch(else_body), rest), _places(wanted)


# -------------------------------------------------------------------------------------- call


@dataclass(frozen=True)
class BatchedRule:
    """The gradient of a call on a batch: that of the call on one example, for each of them.

    rule, body: of the call on one example. flags: which inputs are mapped.
    """

    rule: GradientRule
    body: Graph
    flags: tuple[bool, ...]

    def vjp(self, g: Gradients, out: Node, inputs: Nodes) -> Gradients:
        flags = list(self.flags)
        arrived = {i: x for i, x in enumerate(g) if x is not None and is_float(x.dtype)}
        numbers, graph, captured = self._of_one_example(list(arrived))
        given = [*inputs, *arrived.values(), *captured]
        mapped = [*flags, *[True] * len(arrived), *[False] * len(captured)]
        results = _run(graph, given, mapped, [True] * len(numbers), _size(inputs, flags))
        slopes = dict(zip(numbers, results, strict=True))
        for i in numbers:
            if not flags[i]:  # every example reads the same
                slopes[i] = reduce_sum(slopes[i], axis=(0,), keepdims=False)
        return [slopes.get(i) for i in range(len(inputs))]

    def _of_one_example(self, arrived: Sequence[int]) -> tuple[list[int], Graph, list[Node]]:
        """The inputs that have a gradient, the graph from inputs and arriving gradients to
        these, and the outer nodes that it reads besides."""
        leaves = [placeholder(x.aval, f"x{i}") for i, x in enumerate(self.body.inputs)]
        slopes = {i: placeholder(self.body.outputs[i].aval, f"g{i}") for i in arrived}
        with tracing() as made:
            example = call(*leaves, body=self.body, rule=self.rule)
            every = [slopes.get(i) for i in range(len(self.body.outputs))]
            grads = self.rule.vjp(every, example, leaves)
        found = {i: node for i, node in enumerate(grads) if node is not None}
        outputs = list(found.values())
        graph, captured = close_body([*leaves, *slopes.values()], outputs, made, hoist=False)
        return list(found), graph, captured


def call_batch(
    op: Op, inputs: Nodes, places: Places, /, *, body: Graph, rule: GradientRule
) -> Mapped:
    """A call whose body takes the whole batch."""
    flags = [place is not None for place in places]
    size = _size(inputs, flags)
    leaves = [placeholder(x.aval, f"x{i}", x.grad) for i, x in enumerate(inputs)]
    wanted = [True] * len(body.outputs)
    with tracing() as made:
        results = _run(body, leaves, flags, wanted, size)
    batched, _ = close_body(leaves, results, made, hoist=False)
    if not isinstance(rule, Checkpoint):
        rule = BatchedRule(rule, body, tuple(flags))
    return items(call(*inputs, body=batched, rule=rule)), _places(wanted)
