"""Borders, in PyTorch's spelling."""

from __future__ import annotations

from collections.abc import Sequence

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.pad import Pair, pad_node
from tinygraph.array.sizes import as_sizes
from tinygraph.errors import ShapeError
from tinygraph.graph.node import Node
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["pad"]

MODES = ("constant", "reflect", "replicate", "circular")


@api
def pad(
    input: TensorLike, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """x with a border; negative widths cut elements off instead.

    pad: (before, after) of the last dimension, then of the last but one, and so on; what is not
    named has no border. mode: what the border holds: "constant", `value` (0 by default);
    "reflect", the elements mirrored at the outermost ones, which are not repeated, so that a
    width is below the size; "replicate", the outermost elements; "circular", those of the other
    end, with a width of at most the size.

    >>> import tinygraph as tg
    >>> tg.nn.functional.pad(tg.tensor([[1, 2]]), (1, 0, 0, 1)).tolist()
    [[0, 1, 2], [0, 0, 0]]
    >>> tg.nn.functional.pad(tg.tensor([1, 2, 3]), (2, -1), mode="reflect")
    tensor([3, 2, 1, 2])
    """
    x, widths = as_node(input), as_sizes((pad,))
    if len(widths) % 2 or len(widths) > 2 * x.ndim:
        raise ShapeError(
            f"expected a pair of widths for each of the last dimensions of shape "
            f"{show_shape(x.shape)}, got {len(widths)} widths {widths}"
        )
    if mode not in MODES:
        raise ValueError(f"pad: expected a mode out of {', '.join(MODES)}, got {mode!r}")
    if value and mode != "constant":
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)]
    return Tensor(pad_last(x, pairs[::-1], mode, 0 if value is None else value))


def pad_last(x: Node, pairs: Sequence[Pair], mode: str = "constant", value: float = 0) -> Node:
    """x with a border of `pairs` (before, after) around its last dimensions."""
    return pad_node(x, [*[(0, 0)] * (x.ndim - len(pairs)), *pairs], mode, value)
