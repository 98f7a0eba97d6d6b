"""cond and while_loop: what runs depends on a value that is known only when it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygraph.dtypes import bool_
from tinygraph.errors import DTypeError, GraphError, ShapeError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.body import (
    Interpreter,
    announce,
    check_carries,
    check_inputs,
    close_body,
    counted,
    fits,
    owned,
    placeholder,
    sample_body,
    tracing,
)
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import Bad, Op, Sample, items, register

Nodes = Sequence[Node]
Branch = Callable[[list[Node]], Nodes]


def _avals(nodes: Sequence[Any]) -> list[Aval]:
    return [Aval(node.shape, node.dtype) for node in nodes]


# ------------------------------------------------------------------------------------- cond


def _cond_infer(pred: Any, *inputs: Any, then_body: Graph, else_body: Graph) -> tuple[Aval, ...]:
    if pred.dtype != bool_ or pred.shape:
        raise DTypeError(f"the predicate is one bool, got {Aval(pred.shape, pred.dtype)}")
    names = [f"input {i}" for i in range(len(inputs))]
    for body in (then_body, else_body):
        check_inputs(body, _avals(inputs), names)
    results, others = _avals(then_body.outputs), _avals(else_body.outputs)
    if len(results) != len(others):
        raise ShapeError(
            f"the branches return {len(results)} and {len(others)} results; they must agree"
        )
    for i, (one, other) in enumerate(zip(results, others, strict=True)):
        if not fits(one, other):
            raise ShapeError(
                f"result {i} is {one} in the then-branch and {other} in the else-branch; both "
                "must return the same shapes and dtypes"
            )
    if not results:
        raise ShapeError("the branches return nothing")
    return tuple(results)


def _cond_eval(
    xp: Any, pred: Any, *arrays: Any, then_body: Graph, else_body: Graph
) -> tuple[Any, ...]:
    body = then_body if bool(pred) else else_body
    return owned(xp, Interpreter(body, xp).run(arrays), arrays)


def cond_nodes(
    pred: Node, then_branch: Branch, else_branch: Branch, inputs: Nodes
) -> tuple[Node, ...]:
    """The results of `then_branch(inputs)` where `pred` holds, else of `else_branch(inputs)`.

    pred: one bool. Each branch maps a list of nodes to its results, of the same shapes and
    dtypes in both. Only the branch that is chosen runs.
    """
    leaves = [placeholder(node.aval, f"x{i}") for i, node in enumerate(inputs)]
    with tracing() as made:
        chosen, other = list(then_branch(list(leaves))), list(else_branch(list(leaves)))
    both, captured = close_body(leaves, [*chosen, *other], made, hoist=False)
    then_body = Graph(both.inputs, both.outputs[: len(chosen)])
    else_body = Graph(both.inputs, both.outputs[len(chosen) :])
    announce(captured, made)
    return items(cond(pred, *inputs, *captured, then_body=then_body, else_body=else_body))


def _cond_vjp(g: Sequence[Node | None], out: Node, *inputs: Node, **params: Any) -> Any:
    from tinygraph.autodiff.bodies import cond_vjp

    return cond_vjp(g, out, *inputs, **params)


def _cond_jvp(tangents: Sequence[Node | None], out: Node, *inputs: Node, **params: Any) -> Any:
    from tinygraph.autodiff.bodies import cond_jvp

    return cond_jvp(tangents, out, *inputs, **params)


def _cond_batch(op: Op, inputs: Nodes, places: Sequence[int | None], /, **params: Any) -> Any:
    from tinygraph.autodiff.batch_bodies import cond_batch

    return cond_batch(op, inputs, places, **params)


def _cond_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    f8 = "float64"
    forms = (((3,), f8), ((), f8), ((2,), "int64"))
    one = sample_body(lambda n: [e.sin(n[0]) * n[1], n[2]], *forms)
    two = sample_body(lambda n: [n[0] * n[0], n[2] + 1], *forms)
    short = sample_body(lambda n: [reduce_sum(n[0], axis=(0,), keepdims=False), n[2]], *forms)
    fewer = sample_body(lambda n: [n[0]], *forms)
    params = {"then_body": one, "else_body": two}
    x, y, k = rng.standard_normal(3), np.array(0.7), np.array([1, 2])
    single = sample_body(lambda n: [n[0] * 2], ((0, 2), "float32"))
    same = sample_body(lambda n: [n[0]], ((0, 2), "float32"))
    return [
        Sample((np.array(True), x, y, k), params, expected=(np.sin(x) * 0.7, k)),
        Sample((np.array(False), x, y, k), params, expected=(x * x, k + 1)),
        Sample((np.array(False), np.zeros((0, 2), "float32")),
               {"then_body": single, "else_body": same}, grad=False),
        Bad((np.array([True]), x, y, k), params, DTypeError,
            "the predicate is one bool, got bool[1]"),
        Bad((np.array(True), x, y), params, ShapeError, "the body takes 3 inputs, got 2"),
        Bad((np.array(True), x, y, k), {"then_body": one, "else_body": short}, ShapeError,
            "result 0 is float64[3] in the then-branch and float64[] in the else-branch"),
        Bad((np.array(True), x, y, k), {"then_body": one, "else_body": fewer}, ShapeError,
            "the branches return 2 and 1 results"),
    ]  # fmt: skip


cond = register(Op(
    name="cond", kind="control", infer=_cond_infer, eval=_cond_eval, vjp=_cond_vjp,
    jvp=_cond_jvp, batch=_cond_batch, samples=_cond_samples,
    doc="The results of one of two bodies on the same inputs: of `then_body` where the first "
    "input, one bool, is true, else of `else_body`. The other does not run.",
))  # fmt: skip

# ------------------------------------------------------------------------------- while_loop


def _while_infer(*inputs: Any, cond_body: Graph, body: Graph, carries: int) -> tuple[Aval, ...]:
    if not carries:
        raise ShapeError("a loop without a carry can never end")
    names = [f"carry {i}" for i in range(carries)]
    names += [f"constant {i}" for i in range(len(inputs) - carries)]
    for graph in (cond_body, body):
        check_inputs(graph, _avals(inputs), names)
    check_carries(body, carries)
    condition = _avals(cond_body.outputs)
    if condition != [Aval((), bool_)]:
        raise DTypeError(f"the condition is one bool, got {', '.join(map(str, condition))}")
    return tuple(_avals(inputs[:carries]))


def _while_eval(
    xp: Any, *arrays: Any, cond_body: Graph, body: Graph, carries: int
) -> tuple[Any, ...]:
    condition, step = Interpreter(cond_body, xp), Interpreter(body, xp)
    values = list(arrays)
    while bool(condition.run(values)[0]):
        values[:carries] = step.run(values)
    return owned(xp, values[:carries], arrays)


def while_nodes(
    condition: Callable[[list[Node]], Node], step: Branch, init: Nodes
) -> tuple[Node, ...]:
    """The carry after `carry = step(carry)` as long as `condition(carry)` holds.

    condition: maps the carry to one bool. step: maps it to a carry of the same shapes and
    dtypes. init: the carry to begin with.
    """
    leaves = [placeholder(node.aval, f"carry{i}") for i, node in enumerate(init)]
    with tracing() as made, counted(None):
        proceed, new = condition(list(leaves)), list(step(list(leaves)))
    if len(new) != len(init):
        raise ShapeError(f"while_loop: the step gets {len(init)} carries and returns {len(new)}")
    both, captured = close_body(leaves, [proceed, *new], made)
    cond_body = Graph(both.inputs, both.outputs[:1])
    body = Graph(both.inputs, both.outputs[1:])
    announce(captured, made)
    node = while_loop(*init, *captured, cond_body=cond_body, body=body, carries=len(init))
    return items(node)


def _while_vjp(g: Sequence[Node | None], out: Node, *inputs: Node, **params: Any) -> Any:
    raise GraphError(
        "while_loop has no reverse gradient: how many steps it takes is not known before it "
        "runs, so that what they computed cannot be kept. Use scan for a fixed number of steps, "
        f"or forward mode (jvp)\n  at {out.origin.where()}"
    )


def _while_jvp(tangents: Sequence[Node | None], out: Node, *inputs: Node, **params: Any) -> Any:
    from tinygraph.autodiff.bodies import while_jvp

    return while_jvp(tangents, out, *inputs, **params)


def _while_batch(op: Op, inputs: Nodes, places: Sequence[int | None], /, **params: Any) -> Any:
    from tinygraph.autodiff.batch_bodies import while_batch

    return while_batch(op, inputs, places, **params)


def _while_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    f8, i8 = "float64", "int64"
    forms = (((), i8), ((2,), f8), ((), i8))
    below = sample_body(lambda n: [n[0] < n[2]], *forms)
    double = sample_body(lambda n: [n[0] + 1, n[1] * 2], *forms)
    widen = sample_body(lambda n: [n[0] * 1.0, n[1]], *forms)
    many = sample_body(lambda n: [n[1] < 1], *forms)
    params = {"cond_body": below, "body": double, "carries": 2}
    x = rng.standard_normal(2)
    return [
        Sample((np.array(0), x, np.array(5)), params, grad=False, expected=(5, x * 32)),
        Sample((np.array(0), x, np.array(0)), params, grad=False, expected=(0, x)),
        Bad((np.array(0), x, np.array(5)), {**params, "body": widen}, ShapeError,
            "carry 0 goes into the body as int64[] and comes back as"),
        Bad((np.array(0), x, np.array(5)), {**params, "cond_body": many}, DTypeError,
            "the condition is one bool, got bool[2]"),
        Bad((np.array(0), x), params, ShapeError, "the body takes 3 inputs, got 2"),
    ]  # fmt: skip


while_loop = register(Op(
    name="while_loop", kind="control", infer=_while_infer, eval=_while_eval, vjp=_while_vjp,
    jvp=_while_jvp, batch=_while_batch, samples=_while_samples,
    doc="The carries after running `body` as long as `cond_body` gives true. Both take the "
    "carries and then constants. Forward gradients only.",
))  # fmt: skip
