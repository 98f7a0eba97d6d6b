"""Control flow on Tensors: loops and choices that stay in the graph. Named as in JAX.

The functions given are traced once, on stand-ins for their arguments; what they read from
outside is passed along, with its gradient. They may not assign to a Tensor from outside, but for
that of `checkpoint`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tinygraph import tree
from tinygraph.array.convert import to_tensor
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.dim import Size
from tinygraph.graph.node import Node
from tinygraph.ops.call import checkpoint_nodes, custom_vjp_nodes
from tinygraph.ops.control import cond_nodes, while_nodes
from tinygraph.ops.scan import scan_nodes
from tinygraph.runtime.writes import Cell, collected, refused
from tinygraph.tensor import Tensor

Function = Callable[..., Any]


class _Structure:
    """Turns lists of nodes into pytrees of Tensors and back, and remembers the form."""

    def __init__(self, values: Any) -> None:
        leaves, self.definition = tree.flatten(values)
        self.nodes = [to_tensor(leaf).node for leaf in leaves]

    def build(self, nodes: Sequence[Node]) -> Any:
        return tree.unflatten(self.definition, [Tensor(node) for node in nodes])


def scan(
    function: Function,
    init: Any,
    xs: Any = None,
    length: Size | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run `function(carry, x) -> (new carry, y)` for each x along the first dimension of `xs`.

    init: the first carry, a pytree; each step returns one of the same shapes and dtypes. xs: a
    pytree of Tensors of equal first size, or None with `length` given. reverse: from the last
    to the first. Returns the last carry, and the ys stacked along a new first dimension.

    The steps are not unrolled: a scan of a thousand steps is one node.

    >>> import tinygraph as tg
    >>> total, sums = tg.scan(lambda c, x: (c + x, c + x), tg.tensor(0.0), tg.tensor([1.0, 2.0]))
    >>> sums
    tensor([1., 3.])
    """
    carry, sequences = _Structure(init), _Structure(xs)
    _check_lengths(sequences.nodes)
    results: list[_Structure] = []

    def step(carries: list[Node], slices: list[Node]) -> tuple[list[Node], list[Node]]:
        pair = function(carry.build(carries), sequences.build(slices))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ShapeError("scan: the step returns a pair (new carry, y)")
        new, ys = _Structure(pair[0]), _Structure(pair[1])
        _check_same(new, carry, "scan: the new carry")
        results.append(ys)
        return new.nodes, ys.nodes

    with refused("scan"):
        last, stacked = scan_nodes(step, carry.nodes, sequences.nodes, length, reverse)
    return carry.build(last), results[-1].build(stacked)


def _check_lengths(nodes: Sequence[Node]) -> None:
    for node in nodes:
        if not node.shape:
            raise ShapeError("scan: xs needs a first dimension to run along, got a single number")
        if node.shape[0] != nodes[0].shape[0]:
            raise ShapeError(
                f"scan: xs have different lengths, {nodes[0].shape[0]} and {node.shape[0]}"
            )


def _check_same(new: _Structure, old: _Structure, what: str) -> None:
    if new.definition != old.definition:
        raise ShapeError(f"{what} has structure {new.definition}, expected {old.definition}")


def cond(pred: Any, true_function: Function, false_function: Function, *operands: Any) -> Any:
    """`true_function(*operands)` where `pred` holds, else `false_function(*operands)`.

    pred: one bool (a Tensor with no dimensions, or a Python bool). Both functions return the
    same structure, shapes and dtypes. Only the chosen one runs.

    >>> import tinygraph as tg
    >>> x = tg.tensor(3.0)
    >>> tg.cond(x > 0, lambda x: x * 2, lambda x: x - 1, x)
    tensor(6.)
    """
    inputs = _Structure(operands)
    results: list[_Structure] = []

    def branch(function: Function) -> Callable[[list[Node]], list[Node]]:
        def run(nodes: list[Node]) -> list[Node]:
            results.append(_Structure(function(*inputs.build(nodes))))
            return results[-1].nodes

        return run

    with refused("cond"):
        nodes = cond_nodes(
            to_tensor(pred).node, branch(true_function), branch(false_function), inputs.nodes
        )
    _check_same(results[1], results[0], "cond: the result of the second function")
    return results[0].build(nodes)


def while_loop(cond_function: Function, body_function: Function, init: Any) -> Any:
    """Repeat `value = body_function(value)` while `cond_function(value)` holds.

    init: a pytree; the body returns the same structure, shapes and dtypes. There is no reverse
    gradient, because the number of steps is not known: use `scan`, or forward mode (`jvp`).

    >>> import tinygraph as tg
    >>> tg.while_loop(lambda x: x < 100, lambda x: x * 2, tg.tensor(3.0))
    tensor(192.)
    """
    carry = _Structure(init)

    def test(nodes: list[Node]) -> Node:
        return to_tensor(cond_function(carry.build(nodes))).node

    def step(nodes: list[Node]) -> list[Node]:
        new = _Structure(body_function(carry.build(nodes)))
        _check_same(new, carry, "while_loop: the new value")
        return new.nodes

    with refused("while_loop"):
        nodes = while_nodes(test, step, carry.nodes)
    return carry.build(nodes)


def checkpoint(function: Function) -> Function:
    """`function`, whose intermediate values are computed again for the gradient instead of kept.

    What it assigns to Tensors from outside, as batch norm does, is assigned once.

    Source: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.

    >>> import tinygraph as tg
    >>> f = tg.checkpoint(lambda x: tg.sin(tg.sin(x)))
    >>> bool(tg.grad(f)(tg.tensor(1.0)) == tg.grad(lambda x: tg.sin(tg.sin(x)))(tg.tensor(1.0)))
    True
    """

    @functools.wraps(function)
    def wrapped(*args: Any) -> Any:
        inputs = _Structure(args)
        results: list[_Structure] = []
        cells: list[Cell] = []

        def run(nodes: list[Node]) -> list[Node]:
            with collected() as writes:
                results.append(_Structure(function(*inputs.build(nodes))))
            cells.extend(cell for cell, _ in writes.kept)
            return [*results[-1].nodes, *[value for _, value in writes.kept]]

        nodes = checkpoint_nodes(run, inputs.nodes)
        count = len(results[-1].nodes)
        for cell, node in zip(cells, nodes[count:], strict=True):
            cell.assign(Tensor(node))
        return results[-1].build(nodes[:count])

    return wrapped


class custom_vjp:
    """A function with a gradient of the user's own.

    `defvjp(forward, backward)` says what it is: `forward(*args)` returns the value and whatever
    the gradient needs (a pytree of Tensors); `backward(needed, g)` returns a tuple with one
    gradient (or None) for each argument.

    >>> import tinygraph as tg
    >>> @tg.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, ()), lambda needed, g: (tg.clip(g, -1.0, 1.0),))
    >>> tg.grad(lambda x: clipped(x) * 5)(tg.tensor(1.0))
    tensor(1.)
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self._forward: Function | None = None
        self._backward: Function | None = None
        functools.update_wrapper(self, function)

    def defvjp(self, forward: Function, backward: Function) -> None:
        """Set the two halves of the gradient."""
        self._forward, self._backward = forward, backward

    def __call__(self, *args: Any) -> Any:
        if self._forward is None or self._backward is None:
            name = getattr(self.function, "__name__", "the function")
            raise GraphError(f"custom_vjp: call {name}.defvjp(forward, backward) first")
        call = _CustomCall(self._forward, self._backward, args)
        with refused("custom_vjp"):
            nodes = custom_vjp_nodes(call.run, call.pull, call.inputs.nodes)
        return call.value.build(nodes)


class _CustomCall:
    """One call of a `custom_vjp`: the forms of its arguments, value and residuals."""

    value: _Structure
    needed: _Structure

    def __init__(self, forward: Function, backward: Function, args: tuple[Any, ...]) -> None:
        self.forward, self.backward = forward, backward
        self.inputs = _Structure(args)
        self.counts = [_Structure(arg) for arg in args]

    def run(self, nodes: list[Node]) -> tuple[list[Node], list[Node]]:
        pair = self.forward(*self.inputs.build(nodes))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise GraphError("custom_vjp: forward returns a pair (value, what backward needs)")
        self.value, self.needed = _Structure(pair[0]), _Structure(pair[1])
        return self.value.nodes, self.needed.nodes

    def pull(self, needed: Sequence[Node], g: Sequence[Node]) -> list[Node | None]:
        found = self.backward(self.needed.build(needed), self.value.build(g))
        if not isinstance(found, tuple) or len(found) != len(self.counts):
            raise GraphError(
                f"custom_vjp: backward returns a tuple with one gradient for each of the "
                f"{len(self.counts)} arguments"
            )
        grads: list[Node | None] = []
        for gradient, argument in zip(found, self.counts, strict=True):
            if gradient is None:
                grads += [None] * len(argument.nodes)
            else:
                pulled = _Structure(gradient)
                _check_same(pulled, argument, "custom_vjp: a gradient")
                grads += pulled.nodes
        return grads
