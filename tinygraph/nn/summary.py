"""A table of a network's layers: what each makes of the input's shape, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinygraph import tree
from tinygraph.autodiff.mode import no_grad
from tinygraph.errors import GraphError
from tinygraph.graph.cost import flops
from tinygraph.graph.dim import Dim, Size
from tinygraph.graph.graph import Graph, topological
from tinygraph.graph.node import STATE, Node
from tinygraph.graph.show import is_leaf
from tinygraph.ops.rules import show_shape
from tinygraph.runtime.eager import lazy
from tinygraph.tensor import Tensor, placeholder

if TYPE_CHECKING:
    from tinygraph.nn.module import Module

HEAD = ("layer", "output shape", "parameters", "FLOPs")
Row = tuple[str, ...]


@dataclass
class Calls:
    """What was seen of a module: the shape that it returned last, the FLOPs of all its calls."""

    shape: str = ""
    flops: Size = 0


def summary(
    module: Module, input_shape: Any = None, dtype: Any = "float32", *, depth: int | None = None
) -> str:
    """A table of the layers in `module`: shape of the result, parameters, arithmetic operations.

    input_shape: the shape of an input, batch included (None for an open size), or a list of
    shapes for several; without it only parameters are shown. dtype: that of the inputs, or a list
    of one for each. depth: how many levels are shown; all by default.

    Nothing is computed: the shapes are those of the graph, and the FLOPs of one forward pass in
    evaluation are counted on it (`tinygraph.graph.flops`: a multiplication and an addition are 2).

    >>> from tinygraph import nn
    >>> print(nn.Sequential(nn.Linear(4, 3), nn.ReLU()).summary((None, 4)))
    layer       output shape  parameters       FLOPs
    ------------------------------------------------
    Sequential  (input_0, 3)          15  30*input_0
      0 Linear  (input_0, 3)          15  27*input_0
      1 ReLU    (input_0, 3)           0   3*input_0
    ------------------------------------------------
    15 parameters, 15 of them trainable
    """
    seen = {} if input_shape is None else _calls(module, input_shape, dtype)
    rows: list[Row] = [HEAD if seen else (HEAD[0], HEAD[2])]
    for path, part in module.named_modules():
        level = path.count(".") + 1 if path else 0
        if depth is not None and level > depth:
            continue
        name = "  " * level + f"{path.rpartition('.')[2]} {type(part).__name__}".strip()
        count = f"{part.num_parameters():,}"
        calls = seen.get(id(part), Calls())
        rows.append((name, calls.shape, count, _number(calls.flops)) if seen else (name, count))
    return "\n".join([*_table(rows), _totals(module)])


def _number(size: Size) -> str:
    return str(size) if isinstance(size, Dim) else f"{size:,}"


def _totals(module: Module) -> str:
    return (
        f"{module.num_parameters():,} parameters, "
        f"{module.num_parameters(trainable_only=True):,} of them trainable"
    )


def _table(rows: list[Row]) -> Iterator[str]:
    """Lines of columns: names and shapes stand on the left of theirs, numbers on the right."""
    words = (True, len(rows[0]) == len(HEAD), False, False)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for index, row in enumerate(rows):
        cells = zip(row, widths, words, strict=False)
        line = "  ".join(f"{c:<{w}}" if left else f"{c:>{w}}" for c, w, left in cells)
        yield line
        if index in (0, len(rows) - 1):
            yield "-" * len(line)


def _calls(module: Module, input_shape: Any, dtype: Any) -> dict[int, Calls]:
    """What is seen of each module, by its id, as inputs of that shape run through."""
    seen: dict[int, Calls] = {}

    def note(part: Module, args: Any, result: Any) -> None:
        outputs = [leaf for leaf in tree.flatten(result)[0] if isinstance(leaf, Tensor)]
        inputs = [leaf.node for leaf in tree.flatten(args)[0] if isinstance(leaf, Tensor)]
        calls = seen.setdefault(id(part), Calls())
        if outputs:
            calls.shape = show_shape(outputs[0].shape)
            calls.flops = calls.flops + flops(_between(inputs, [out.node for out in outputs]))

    if STATE.trace is not None:
        raise GraphError("summary: call it outside of a function that is being traced")
    handles = [part.register_forward_hook(note) for part in module.modules()]
    try:
        with _not_training(module), no_grad(), lazy():
            module(*_placeholders(input_shape, dtype))
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _placeholders(input_shape: Any, dtype: Any) -> list[Tensor]:
    """An input for each shape: one, or several where a list of shapes is given."""
    if not isinstance(input_shape, (list, tuple)):
        raise TypeError(
            f"summary: expected a shape, such as (None, 3), or a list of them, got {input_shape!r}"
        )
    several = any(isinstance(shape, (list, tuple)) for shape in input_shape)
    shapes = list(input_shape) if several else [input_shape]
    dtypes = list(dtype) if isinstance(dtype, (list, tuple)) else [dtype] * len(shapes)
    if len(dtypes) != len(shapes):
        raise ValueError(f"summary: expected {len(shapes)} dtypes, got {len(dtypes)}")
    names = [f"input{number}" for number in range(len(shapes))] if several else ["input"]
    return [placeholder(*each) for each in zip(shapes, dtypes, names, strict=True)]


def _between(inputs: list[Node], outputs: list[Node]) -> Graph:
    """The graph from `inputs`, and the leaves that are met on the way, to `outputs`."""
    ends = set(map(id, inputs))

    def ends_here(node: Node) -> bool:
        return id(node) in ends or is_leaf(node)

    met = [node for node in topological(outputs, ends_here) if ends_here(node)]
    return Graph(met, outputs)


@contextmanager
def _not_training(module: Module) -> Iterator[None]:
    """Evaluation mode, so that looking at shapes changes no running average."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training
