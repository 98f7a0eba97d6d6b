"""tg.function: define a graph with placeholders, then run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygraph import tree
from tinygraph.compiler.tape import Tape
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.registry import DATA, PLACEHOLDER, RESULT, Op
from tinygraph.runtime import backend as backends
from tinygraph.runtime import lazy
from tinygraph.runtime.program import Program, bind
from tinygraph.tensor import Tensor

Updates = Mapping[Tensor, Tensor]
_PLAIN = {np.ndarray, Tensor}


class Function:
    """A compiled graph: NumPy arrays or Tensors in, Tensors out. Made by `tg.function`.

    Each new combination of open sizes is planned once; no kernel is compiled again for it.
    """

    def __init__(
        self, inputs: Sequence[Tensor], outputs: Any, updates: Updates | None, name: str
    ) -> None:
        self.name = name
        if not isinstance(inputs, Sequence):
            raise GraphError(
                "the inputs of tg.function are a list of placeholders, tg.function([x, y], ...); "
                f"got {type(inputs).__name__}"
            )
        self.placeholders = [_placeholder(x) for x in inputs]
        _check_distinct(self.placeholders)
        self._names = [node.params["name"] for node in self.placeholders]
        leaves, self._structure = tree.flatten(outputs)
        nodes = [_output(leaf) for leaf in leaves]
        lazy.realize([])  # what is pending and depends on no placeholder has its value now
        lazy.end_definition()
        pairs = _pairs(updates)
        if updates is not None:
            taken = {id(cell) for cell, _ in pairs}
            pairs += [pair for pair in lazy.claim(self.placeholders) if id(pair[0]) not in taken]
        self.program = Program(self.placeholders, nodes, pairs)
        lazy.UNDEFINED.difference_update(self.placeholders)

    @property
    def graph(self) -> Graph:
        """The graph as it was defined, before any pass."""
        return self.program.graph

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run: one array for each placeholder, in order or by the placeholder's name."""
        results = self.program(self.arrays(*args, **named))
        return tree.unflatten(self._structure, [result_tensor(buffer) for buffer in results])

    def arrays(self, *args: Any, **named: Any) -> list[Any]:
        """What a call with these arguments feeds to its program."""
        return _values(self._order(args, named))

    def _order(self, args: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
        names = self._names
        if len(args) == len(names) and not named and _PLAIN.issuperset(map(type, args)):
            return list(args)
        if any(isinstance(arg, Mapping) for arg in args):
            raise TypeError(
                f"{self.name}() takes arrays in order or by name, {self.name}(array) or "
                f"{self.name}({names[0] if names else 'x'}=array), not a dictionary"
            )
        if len(args) > len(names):
            raise TypeError(
                f"{self.name}() takes {len(names)} inputs ({', '.join(names)}), got {len(args)}"
            )
        twice = [name for name in names[: len(args)] if name in named]
        if twice:
            raise TypeError(f"{self.name}() got two values for '{twice[0]}'")
        rest = dict(named)
        values = [*args, *(rest.pop(name, None) for name in names[len(args) :])]
        if rest:
            raise TypeError(
                f"{self.name}() has no placeholder {', '.join(map(repr, rest))}; "
                f"it has {', '.join(map(repr, names))}"
            )
        return values

    def tape(self, *shapes: Sequence[int]) -> Tape:
        """The tape for inputs of these shapes, which may be left out where none is open.

        `print(f.tape((64, 784), (64,)))` shows every instruction.
        """
        sizes: dict[str, int] = {}
        if self.program.open and len(shapes) != len(self.placeholders):
            raise ShapeError(
                f"{self.name} has open sizes: give a shape for each of its "
                f"{len(self.placeholders)} inputs"
            )
        for node, shape in zip(self.placeholders, shapes, strict=False):
            bind(node, shape, sizes)
        return self.program.version(sizes, backends.current()).tape

    def __repr__(self) -> str:
        inputs = ", ".join(f"{n.params['name']}: {n.aval}" for n in self.placeholders)
        return f"<tg.function {self.name}({inputs}), {len(self.graph)} nodes>"


def function(
    inputs: Sequence[Tensor], outputs: Any, updates: Updates | None = None, name: str = "function"
) -> Function:
    """Compile the graph between `inputs` and `outputs` to a function.

    inputs: placeholders. outputs: a Tensor, or any nesting of them in tuples, lists and
    dictionaries; the function returns the same nesting. updates: {state Tensor: its next
    value}, applied at each call; with it, what layers assign while the graph is defined (the
    moving averages of batch norm) is an update too.

    Raises UnfedError if the outputs need a placeholder that is not among the inputs.

    >>> import tinygraph as tg
    >>> x = tg.placeholder((None,), name="x")
    >>> double = tg.function([x], x * 2)
    >>> double([1.0, 2.0])
    tensor([2., 4.])
    """
    return Function(inputs, outputs, updates, name)


def _values(values: Sequence[Any]) -> list[Any]:
    tensors = [value.node for value in values if isinstance(value, Tensor)]
    if not tensors:
        return list(values)
    lazy.realize(tensors)
    return [value.node.buffer if isinstance(value, Tensor) else value for value in values]


def result_tensor(buffer: Any, op: Op = DATA) -> Tensor:
    """A Tensor that holds a result; as a `RESULT` it lets no gradient pass it unnoticed."""
    aval = Aval(buffer.shape, buffer.dtype)
    return Tensor(Node(op, (), {}, aval, None, op is RESULT, buffer))


def _placeholder(x: Any) -> Node:
    if not isinstance(x, Tensor) or x.node.op is not PLACEHOLDER:
        raise GraphError(f"an input of tg.function is a tg.placeholder, got {x!r}")
    return x.node


def _check_distinct(placeholders: Sequence[Node]) -> None:
    """GraphError where two inputs bear one name: neither could be fed by it, and open sizes of
    one name are one size."""
    known: dict[str, Node] = {}
    for node in placeholders:
        name = node.params["name"]
        if name in known:
            what = "is given twice" if known[name] is node else "has the name of another input"
            raise GraphError(
                f"tg.function: the placeholder '{name}' {what}\n  at {node.origin.where()}"
            )
        known[name] = node


def _output(x: Any) -> Node:
    if not isinstance(x, Tensor):
        raise GraphError(f"an output of tg.function is a Tensor, got {type(x).__name__}")
    return x.node


def _pairs(updates: Updates | None) -> list[tuple[Any, Node]]:
    pairs: list[tuple[Any, Node]] = []
    if updates is not None and not isinstance(updates, Mapping):
        raise GraphError(
            "updates is a dictionary {state: next value}, as optimizer.minimize(loss) returns it; "
            f"got {type(updates).__name__}"
        )
    for cell, value in (updates or {}).items():
        if not cell.is_state:
            raise GraphError(
                "an update is given for a Tensor that is no state; make it with "
                "tg.state or as a nn.Parameter"
            )
        if (value.shape, value.dtype) != (cell.shape, cell.dtype):
            raise ShapeError(
                f"the next value of a {cell.node.aval} cannot be a {value.node.aval}"
                f"\n  at {value.node.origin.where()}"
            )
        pairs.append((cell, value.node))
    return pairs
