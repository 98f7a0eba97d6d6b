"""call: a body as one node, so that its gradient can be another than that of its parts.

A pass puts the body in the place of the node; what remains of `call` is the gradient rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tinygraph.dtypes import is_float
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.body import (
    Interpreter,
    announce,
    check_inputs,
    close_body,
    owned,
    placeholder,
    sample_body,
    splice,
    tracing,
)
from tinygraph.ops.movement import barrier
from tinygraph.ops.registry import Bad, Op, Sample, items, register
from tinygraph.ops.rules import zeros_like

Nodes = Sequence[Node]
Gradients = Sequence[Node | None]
Function = Callable[[list[Node]], Nodes]
Forward = Callable[[list[Node]], tuple[Nodes, Nodes]]
Backward = Callable[[Nodes, Nodes], Gradients]


class GradientRule(Protocol):
    """How a `call` is differentiated. A rule is hashable: it is a parameter of the node."""

    def vjp(self, g: Gradients, out: Node, inputs: Nodes) -> Gradients:
        """The gradients of `inputs`, where `g` are those of the results of `out`."""
        ...


def _call_infer(*inputs: Any, body: Graph, rule: GradientRule) -> tuple[Aval, ...]:
    given = [Aval(x.shape, x.dtype) for x in inputs]
    check_inputs(body, given, [f"input {i}" for i in range(len(inputs))])
    if not body.outputs:
        raise ShapeError("the body returns nothing")
    return tuple(node.aval for node in body.outputs)


def _call_eval(xp: Any, *arrays: Any, body: Graph, rule: GradientRule) -> tuple[Any, ...]:
    return owned(xp, Interpreter(body, xp).run(arrays), arrays)


def _call_vjp(g: Gradients, out: Node, *inputs: Node, body: Graph, rule: GradientRule) -> Gradients:
    return rule.vjp(g, out, inputs)


def _call_batch(op: Op, inputs: Nodes, places: Sequence[int | None], /, **params: Any) -> Any:
    from tinygraph.autodiff.batch_bodies import call_batch

    return call_batch(op, inputs, places, **params)


# ------------------------------------------------------------------------------- checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """Compute the body again for its gradient, instead of keeping what it computed.

    The second computation starts from barriers that wait for the gradient, so that it is
    neither merged with the first nor done before it is needed.
    """

    def vjp(self, g: Gradients, out: Node, inputs: Nodes) -> Gradients:
        from tinygraph.autodiff.reverse import gradients

        after = next(node for node in g if node is not None)
        copies = [barrier(x, after) for x in inputs]
        outputs = splice(out.params["body"], copies)
        cotangents = [
            node if is_float(output.dtype) else None
            for node, output in zip(g, outputs, strict=True)
        ]
        return gradients(outputs, cotangents, copies)


def checkpoint_nodes(f: Function, inputs: Nodes) -> tuple[Node, ...]:
    """`f(inputs)`, whose intermediate values are computed again for the gradient, not kept."""
    body, captured = _traced(f, inputs)
    return items(call(*inputs, *captured, body=body, rule=Checkpoint()))


def _traced(f: Function, inputs: Nodes) -> tuple[Graph, list[Node]]:
    leaves = [placeholder(node.aval, f"x{i}") for i, node in enumerate(inputs)]
    with tracing() as made:
        outputs = f(list(leaves))
    body, captured = close_body(leaves, outputs, made, hoist=False)
    announce(captured, made)
    return body, captured


# --------------------------------------------------------------------------- custom gradient


@dataclass(frozen=True)
class CustomGradient:
    """The user's own gradient.

    forward: a body with the inputs of the call, whose outputs are the results and then what
        the backward function reads. backward: `backward(read, g) -> gradients`.
    explicit: how many inputs the backward function answers for; the others are captured.

    Two rules are equal whatever their functions: what a call computes does not depend on them.
    """

    forward: Graph = field(compare=False)
    backward: Backward = field(compare=False)
    explicit: int = field(compare=False)

    def vjp(self, g: Gradients, out: Node, inputs: Nodes) -> Gradients:
        assert out.outs is not None
        # ordinary nodes, which `merge` unites with those of the inlined call, and through which
        # a gradient of the gradient finds its way
        results = splice(self.forward, inputs)
        full = [
            zeros_like(aval) if node is None else node
            for node, aval in zip(g, out.outs, strict=True)
        ]
        found = list(self.backward(results[len(out.outs) :], full))
        self._check(found, inputs)
        return [*found, *[None] * (len(inputs) - self.explicit)]

    def _check(self, found: Gradients, inputs: Nodes) -> None:
        if len(found) != self.explicit:
            raise GraphError(
                f"custom_vjp: the backward function returns {len(found)} gradients for "
                f"{self.explicit} inputs"
            )
        for i, (gradient, node) in enumerate(zip(found, inputs, strict=False)):
            if gradient is not None and gradient.aval != node.aval:
                raise ShapeError(
                    f"custom_vjp: the backward function returns {gradient.aval} as the gradient "
                    f"of input {i}, which is {node.aval}"
                )


def custom_vjp_nodes(forward: Forward, backward: Backward, inputs: Nodes) -> tuple[Node, ...]:
    """`forward(inputs)` with a gradient of the user's own.

    forward: returns the results and whatever nodes the gradient needs. backward: called with
    those nodes and the gradients of all results; returns one gradient (or None) an input.
    Raises GraphError if `forward` reads from outside a value that takes part in gradients: its
    gradient would be lost.
    """
    count = 0

    def both(nodes: list[Node]) -> Nodes:
        nonlocal count
        results, read = forward(nodes)
        count = len(results)
        return [*results, *read]

    whole, captured = _traced(both, inputs)
    for node in captured:
        if node.grad and is_float(node.dtype):
            raise GraphError(
                "custom_vjp: the function reads a value from outside that takes part in "
                f"gradients, {node!r}. Pass it as an argument, or through stop_gradient"
            )
    rule = CustomGradient(whole, backward, len(inputs))
    body = Graph(whole.inputs, whole.outputs[:count])
    return items(call(*inputs, *captured, body=body, rule=rule))


# ---------------------------------------------------------------------------------- the op


def _call_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    f8 = "float64"
    forms = (((3,), f8), ((), f8), ((), "int64"))
    body = sample_body(lambda n: [e.sin(n[0] * n[1]) * n[0], n[2] + 1], *forms)
    params = {"body": body, "rule": Checkpoint()}
    x, y, k = rng.standard_normal(3), np.array(0.7), np.array(2)
    same = sample_body(lambda n: [n[0], n[0]], ((0, 2), "float32"))
    cube = sample_body(lambda n: [n[0] * n[0] * n[0], n[0]], ((2,), f8))
    custom = CustomGradient(cube, lambda read, g: [g[0] * read[0] * read[0] * 3], 1)
    return [
        Sample((x, y, k), params, expected=(np.sin(x * 0.7) * x, 3)),
        Sample((x[:2],), {"body": Graph(cube.inputs, cube.outputs[:1]), "rule": custom},
               expected=(x[:2] ** 3,)),
        Sample((np.zeros((0, 2), "float32"),), {"body": same, "rule": Checkpoint()}, grad=False),
        Bad((x[:2], y, k), params, ShapeError,
            "input 0 is float64[2], but the body takes float64[3]"),
        Bad((x, y), params, ShapeError, "the body takes 3 inputs, got 2"),
    ]  # fmt: skip


call = register(Op(
    name="call", kind="control", infer=_call_infer, eval=_call_eval, vjp=_call_vjp,
    batch=_call_batch, samples=_call_samples,
    doc="The results of a body, whose gradient is what `rule` says: `Checkpoint` computes the "
    "body again, `CustomGradient` calls the user's function.",
))  # fmt: skip
