"""What convolution and pooling have in common: sizes, strides and paddings as users give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygraph.errors import DTypeError, ShapeError
from tinygraph.ops.windows import Ints, Pads

Sizes = int | Sequence[int]


def per_dimension(name: str, value: Any, dims: int, low: int | None = 1) -> Ints:
    """`value` as one integer for each of `dims` dimensions, `low` or more (None: any); a single
    one counts for all."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    if len(values) != dims:
        raise ShapeError(f"expected {name} to be an integer or {dims} of them, got {value!r}")
    if any(isinstance(number, bool) or not hasattr(number, "__index__") for number in values):
        raise DTypeError(f"expected {name} to be made of integers, got {value!r}")
    numbers = tuple([int(number.__index__()) for number in values])  # a Tensor of floats has none
    if low is not None and any(number < low for number in numbers):
        raise ShapeError(f"expected {name} of at least {low}, got {value!r}")
    return numbers


def both_sides(padding: Any, kernel: Ints, stride: Ints, dilation: Ints) -> Pads:
    """The padding before and after, for each dimension.

    padding: an integer, one for each dimension, "valid" (none), "full" (each element meets each
    place of the kernel), or "same" (a result as large as the input; stride 1 only; where the two
    sides cannot be equal, the second has one more).
    """
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "full":
        return tuple((d * (k - 1), d * (k - 1)) for d, k in zip(dilation, kernel, strict=True))
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ShapeError(f"padding 'same' needs a stride of 1, got {stride}")
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise ValueError(f"expected padding 'valid', 'same', 'full' or integers, got {padding!r}")
    return tuple((pad, pad) for pad in per_dimension("padding", padding, len(kernel), 0))


def check_spatial(shape: Sequence[Any], dims: int) -> None:
    """ShapeError unless `shape` is (batch, channel, *size) or (channel, *size)."""
    if len(shape) not in (dims + 1, dims + 2):
        raise ShapeError(
            f"expected an input with {dims + 2} dimensions (batch, channel and {dims} of space), "
            f"or {dims + 1} without a batch, got shape {tuple(shape)}"
        )
