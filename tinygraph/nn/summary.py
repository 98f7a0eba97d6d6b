"""A table of a network's layers: what each makes of the input's shape, and how many parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tinygraph.autodiff.mode import no_grad
from tinygraph.errors import GraphError
from tinygraph.graph.node import STATE
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor, placeholder

if TYPE_CHECKING:
    from tinygraph.nn.module import Module

Row = tuple[str, str, str]


def summary(
    module: Module, input_shape: Sequence[int | None] | None = None, dtype: Any = "float32"
) -> str:
    """A table of the layers in `module`: name and type, shape of the result, parameters.

    input_shape: the shape of an input, batch included (None for an open size); without it the
    shapes are left out. dtype: that of the input. Nothing is computed: the shapes are those of
    the graph.

    >>> from tinygraph import nn
    >>> print(nn.Sequential(nn.Linear(4, 3), nn.ReLU()).summary((None, 4)))
    layer       output shape  parameters
    ------------------------------------
    Sequential  (input_0, 3)          15
      0 Linear  (input_0, 3)          15
      1 ReLU    (input_0, 3)           0
    ------------------------------------
    15 parameters, 15 of them trainable
    """
    shapes = {} if input_shape is None else _output_shapes(module, input_shape, dtype)
    rows: list[Row] = [("layer", "output shape", "parameters")]
    for path, part in module.named_modules():
        depth = path.count(".") + 1 if path else 0
        name = f"{path.rpartition('.')[2]} {type(part).__name__}".strip()
        rows.append(("  " * depth + name, shapes.get(id(part), ""), f"{part.num_parameters():,}"))
    if not shapes:
        rows = [(name, "", count) for name, _, count in rows]
    return "\n".join([*_table(rows), _totals(module)])


def _totals(module: Module) -> str:
    return (
        f"{module.num_parameters():,} parameters, "
        f"{module.num_parameters(trainable_only=True):,} of them trainable"
    )


def _table(rows: list[Row]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for index, (name, shape, count) in enumerate(rows):
        middle = f"  {shape:<{widths[1]}}" if widths[1] else ""
        line = f"{name:<{widths[0]}}{middle}  {count:>{widths[2]}}"
        yield line
        if index in (0, len(rows) - 1):
            yield "-" * len(line)


def _output_shapes(module: Module, shape: Sequence[int | None], dtype: Any) -> dict[int, str]:
    """For each module's id, the shape of what it last returned for an input of `shape`."""
    shapes: dict[int, str] = {}

    def note(part: Module, args: Any, result: Any) -> None:
        first = result[0] if isinstance(result, tuple) and result else result
        shapes[id(part)] = show_shape(first.shape) if isinstance(first, Tensor) else ""

    if STATE.trace is not None:
        raise GraphError("summary: call it outside of a function that is being traced")
    handles = [part.register_forward_hook(note) for part in module.modules()]
    try:
        with _not_training(module), no_grad():
            module(placeholder(shape, dtype, "input"))
    finally:
        for handle in handles:
            handle.remove()
    return shapes


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
