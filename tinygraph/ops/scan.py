"""scan: a loop with a fixed number of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygraph.dtypes import uint64
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
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
    depends,
    owned,
    placeholder,
    sample_body,
    tracing,
)
from tinygraph.ops.movement import iota, reshape
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import Bad, Op, Sample, items, register
from tinygraph.ops.rules import show_shape

Nodes = Sequence[Node]
StepFunction = Callable[[list[Node], list[Node]], tuple[Nodes, Nodes]]

# ------------------------------------------------------------------------------ the meaning


def _slice_aval(x: Any, index: int, length: Size) -> Aval:
    """What one step sees of the sequence x."""
    if not x.shape or (x.shape[0] != length and is_known(x.shape[0], length)):
        raise ShapeError(
            f"sequence {index} has shape {show_shape(x.shape)}; its first dimension is stepped "
            f"along and must have the size {length}"
        )
    return Aval(x.shape[1:], x.dtype)


def _scan_infer(
    *inputs: Any, body: Graph, carries: int, xs: int, length: Size, reverse: bool
) -> tuple[Aval, ...]:
    if is_known(length) and length < 0:
        raise ShapeError(f"the length {length} is negative")
    given = [Aval(x.shape, x.dtype) for x in inputs]
    for i, x in enumerate(inputs[carries : carries + xs]):
        given[carries + i] = _slice_aval(x, i, length)
    names = [f"carry {i}" for i in range(carries)]
    names += [f"a slice of sequence {i}" for i in range(xs)]
    names += [f"constant {i}" for i in range(len(inputs) - len(names))]
    check_inputs(body, given, names)
    check_carries(body, carries)
    if not body.outputs:
        raise ShapeError("the body returns nothing")
    final = [Aval(x.shape, x.dtype) for x in inputs[:carries]]
    stacked = [Aval((length, *y.shape), y.dtype) for y in body.outputs[carries:]]
    return (*final, *stacked)


def _scan_eval(
    xp: Any, *arrays: Any, body: Graph, carries: int, xs: int, length: int, reverse: bool
) -> tuple[Any, ...]:
    program = Interpreter(body, xp)
    carry = list(arrays[:carries])
    sequences, constants = arrays[carries : carries + xs], arrays[carries + xs :]
    stacks: list[Any] = []
    for i in reversed(range(length)) if reverse else range(length):
        results = program.run([*carry, *[x[i, ...] for x in sequences], *constants])
        carry = results[:carries]
        if not stacks:
            stacks = [xp.empty((length, *y.shape), y.dtype) for y in results[carries:]]
        for stack, y in zip(stacks, results[carries:], strict=True):
            stack[i] = y
    if not length:
        stacks = [xp.empty((0, *y.shape), y.dtype) for y in body.outputs[carries:]]
    return (*owned(xp, carry, arrays), *stacks)


def sequences(params: Mapping[str, Any]) -> range:
    """Which inputs a scan with these parameters steps along; those of another loop have none."""
    first = params.get("carries", 0)
    return range(first, first + params.get("xs", 0))


def scan_nodes(
    f: StepFunction,
    init: Nodes,
    xs: Nodes,
    length: Size | None = None,
    reverse: bool = False,
) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Run `f` once for each index along the first dimension of the sequences `xs`.

    f: `f(carry, x) -> (new carry, y)` on lists of nodes; x holds the slices at one index.
    init: the carry of the first step; every step returns one of the same shapes and dtypes.
    length: the number of steps, where there are no sequences to tell it.
    reverse: go from the last index to the first.
    Returns the last carry, and each y stacked along a new first dimension, at its index.
    """
    if length is None:
        if not xs:
            raise ShapeError("scan: give the length, since there is no sequence to tell it")
        length = xs[0].shape[0] if xs[0].shape else 1
    carry = [placeholder(node.aval, f"carry{i}") for i, node in enumerate(init)]
    slices = [placeholder(Aval(node.shape[1:], node.dtype), f"x{i}") for i, node in enumerate(xs)]
    step = placeholder(Aval((), uint64), "step")
    with tracing() as made, counted(step):
        new, ys = f(list(carry), list(slices))
    if len(new) != len(init):
        raise ShapeError(f"scan: the step gets {len(init)} carries and returns {len(new)}")
    if depends([*new, *ys], step, made):  # by its random numbers
        slices.append(step)
        xs = [*xs, iota(size=length, dtype=uint64)]
    body, captured = close_body([*carry, *slices], [*new, *ys], made)
    announce(captured, made)
    node = scan(*init, *xs, *captured, body=body, carries=len(init), xs=len(xs),
                length=length, reverse=reverse)  # fmt: skip
    results = items(node)
    return results[: len(init)], results[len(init) :]


# ------------------------------------------------------------------------------- gradients


def _scan_vjp(g: Sequence[Node | None], out: Node, *inputs: Node, **params: Any) -> Any:
    from tinygraph.autodiff.bodies import scan_vjp

    return scan_vjp(g, out, *inputs, **params)


def _scan_jvp(tangents: Sequence[Node | None], out: Node, *inputs: Node, **params: Any) -> Any:
    from tinygraph.autodiff.bodies import scan_jvp

    return scan_jvp(tangents, out, *inputs, **params)


def _scan_batch(op: Op, inputs: Nodes, places: Sequence[int | None], /, **params: Any) -> Any:
    from tinygraph.autodiff.batch_bodies import scan_batch

    return scan_batch(op, inputs, places, **params)


# --------------------------------------------------------------------------------- samples


def _recurrence(nodes: Nodes) -> Nodes:
    """h' = tanh(h w + x), with the state and its square as results."""
    h, x, w = nodes
    new = e.tanh(reduce_sum(reshape(h, shape=(3, 1)) * w, axis=(0,), keepdims=False) + x)
    return [new, new, e.square(new)]


def _counting(nodes: Nodes) -> Nodes:
    """An integer carry that chooses what is added, beside a float one."""
    count, total, x, k = nodes
    even = e.equal(e.remainder(count, 2), 0)
    return [count + 1, total * e.where(even, x, k) + e.sin(total), count * 2]


def _nested(nodes: Nodes) -> Nodes:
    """Each step runs a scan of its own, over the same carry."""
    start, row, k = nodes
    (inner,), (path,) = scan_nodes(
        lambda c, x: ([e.sin(c[0] * k) + x[0]], [c[0] * x[0]]), [start], [row]
    )
    return [inner, reduce_sum(path, axis=(0,), keepdims=False)]


def _params(body: Graph, carries: int, xs: int, length: int, reverse: bool) -> dict[str, Any]:
    return {"body": body, "carries": carries, "xs": xs, "length": length, "reverse": reverse}


def _scan_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    f8, i8 = "float64", "int64"
    step = sample_body(_recurrence, ((3,), f8), ((3,), f8), ((3, 3), f8))
    h, x, w = rng.standard_normal(3), rng.standard_normal((4, 3)), rng.standard_normal((3, 3))
    count = sample_body(_counting, ((), i8), ((), f8), ((), f8), ((), f8))
    scalars = (np.array(3), np.array(0.4), rng.standard_normal(5), np.array(0.7))
    nest = sample_body(_nested, ((), f8), ((3,), f8), ((), f8))
    total = sample_body(lambda n: [n[0] + n[1], n[0] + n[1]], ((2,), f8), ((2,), f8))
    double = sample_body(lambda n: [n[0] * n[0]], ((), "float32"))
    square = sample_body(lambda n: [e.square(n[0])], ((2,), f8))
    wrong = sample_body(lambda n: [reduce_sum(n[0], axis=(0,), keepdims=False)], ((2,), f8))
    run = np.cumsum(x[:, :2], axis=0)
    return [
        Sample((h, x, w), _params(step, 1, 1, 4, False)),
        Sample((h, x, w), _params(step, 1, 1, 4, True)),
        Sample((h, x[:0], w), _params(step, 1, 1, 0, False)),
        Sample(scalars, _params(count, 2, 1, 5, False)),
        Sample((np.array(0.5), rng.standard_normal((2, 3)), np.array(1.2)),
               _params(nest, 1, 1, 2, False)),
        Sample((np.zeros(2), x[:, :2]), _params(total, 1, 1, 4, False), expected=(run[-1], run)),
        Sample((np.float32(1.5),), _params(double, 1, 0, 3, False), grad=False,
               expected=(1.5**8,)),
        Sample((x[:, :2],), _params(square, 0, 1, 4, True), expected=(x[:, :2] ** 2,)),
        Bad((np.zeros(2),), _params(wrong, 1, 0, 3, False), ShapeError,
            "carry 0 goes into the body as float64[2] and comes back as float64[]"),
        Bad((np.zeros(2), x[:, :2]), _params(total, 1, 1, 3, False), ShapeError,
            "sequence 0 has shape (4, 2); its first dimension is stepped along and must have "
            "the size 3"),
        Bad((np.zeros(2), x), _params(total, 1, 1, 4, False), ShapeError,
            "a slice of sequence 0 is float64[3], but the body takes float64[2]"),
        Bad((np.zeros(2),), _params(total, 1, 0, 4, False), ShapeError,
            "the body takes 2 inputs, got 1"),
    ]  # fmt: skip


scan = register(Op(
    name="scan", kind="control", infer=_scan_infer, eval=_scan_eval, vjp=_scan_vjp,
    jvp=_scan_jvp, batch=_scan_batch, samples=_scan_samples, extents=("length",),
    doc="A loop of `length` steps. The inputs are the carries before the first step, then `xs` "
    "sequences, of which a step sees one slice along the first dimension, then constants. The "
    "body maps (carries, slices, constants) to (new carries, ys). The results are the last "
    "carries, then each y stacked along a new first dimension. `reverse` steps from the last "
    "index to the first; each y still stands at its index. Reverse gradients read what the "
    "forward steps saved.",
))  # fmt: skip
