"""Borders around the dimensions of space."""

from __future__ import annotations

from typing import ClassVar

from tinygraph.array.convert import to_tensor
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.functional.window import Sizes, per_dimension
from tinygraph.nn.module import Module
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    """A border around the last `dims` dimensions."""

    dims: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float = 0.0

    def __init__(self, padding: Sizes) -> None:
        super().__init__()
        self.padding = per_dimension("padding", padding, 2 * self.dims, None)

    def forward(self, input: Tensor) -> Tensor:
        x = to_tensor(input)
        lead = x.ndim - self.dims
        if lead < 0 or (self.mode != "constant" and lead not in (1, 2)):
            raise ShapeError(
                f"{type(self).__name__}: expected (batch, channel, *size) or (channel, *size), "
                f"with {self.dims} dimensions of space, got shape {show_shape(x.shape)}"
            )
        return F.pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Sizes, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of `value` around the last dimension; see `ConstantPad2d`.

    padding: (left, right).
    """

    dims = 1


class ConstantPad2d(_ConstantPad):
    """A border of `value` around the last two dimensions.

    padding: (left, right, top, bottom), or one width for all; a negative one cuts elements off.

    >>> import tinygraph as tg
    >>> tg.nn.ConstantPad2d((1, 0, 0, 1), 7.0)(tg.tensor([[[1.0, 2.0]]])).tolist()
    [[[7.0, 1.0, 2.0], [7.0, 7.0, 7.0]]]
    """

    dims = 2


class ConstantPad3d(_ConstantPad):
    """A border of `value` around the last three dimensions; see `ConstantPad2d`.

    padding: (left, right, top, bottom, front, back).
    """

    dims = 3


class ZeroPad1d(_Pad):
    """A border of zeros around the last dimension; see `ZeroPad2d`. padding: (left, right)."""

    dims = 1


class ZeroPad2d(_Pad):
    """A border of zeros around the last two dimensions.

    padding: (left, right, top, bottom), or one width for all; a negative one cuts elements off.

    >>> import tinygraph as tg
    >>> tg.nn.ZeroPad2d(1)(tg.ones((5, 3, 4, 4))).shape
    (5, 3, 6, 6)
    """

    dims = 2


class ZeroPad3d(_Pad):
    """A border of zeros around the last three dimensions; see `ZeroPad2d`.

    padding: (left, right, top, bottom, front, back).
    """

    dims = 3


class ReflectionPad1d(_Pad):
    """A border in which the elements are mirrored: cb|abcd|cb; see `ReflectionPad2d`.

    padding: (left, right). Input: (batch, channel, length), or without a batch.
    """

    dims, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """A border in which the elements are mirrored at the outermost ones: cb|abcd|cb.

    padding: (left, right, top, bottom), or one width for all, each below the size of the input
    there. Input: (batch, channel, height, width), or without a batch.

    >>> import tinygraph as tg
    >>> tg.nn.ReflectionPad2d((1, 1, 0, 0))(tg.tensor([[[1.0, 2.0, 3.0]]])).tolist()
    [[[2.0, 1.0, 2.0, 3.0, 2.0]]]
    """

    dims, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """A border in which the elements are mirrored; see `ReflectionPad2d`.

    padding: (left, right, top, bottom, front, back). Input: (batch, channel, *size).
    """

    dims, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """A border that repeats the outermost elements: aa|abcd|dd; see `ReplicationPad2d`.

    padding: (left, right). Input: (batch, channel, length), or without a batch.
    """

    dims, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """A border that repeats the outermost elements: aa|abcd|dd.

    padding: (left, right, top, bottom), or one width for all. Input: (batch, channel, height,
    width), or without a batch.

    >>> import tinygraph as tg
    >>> tg.nn.ReplicationPad2d((1, 1, 0, 0))(tg.tensor([[[1.0, 2.0, 3.0]]])).tolist()
    [[[1.0, 1.0, 2.0, 3.0, 3.0]]]
    """

    dims, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """A border that repeats the outermost elements; see `ReplicationPad2d`.

    padding: (left, right, top, bottom, front, back). Input: (batch, channel, *size).
    """

    dims, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """A border with the elements of the other end: cd|abcd|ab; see `CircularPad2d`.

    padding: (left, right). Input: (batch, channel, length), or without a batch.
    """

    dims, mode = 1, "circular"


class CircularPad2d(_Pad):
    """A border with the elements of the other end, as on a ring: cd|abcd|ab.

    padding: (left, right, top, bottom), or one width for all, each at most the size of the input
    there. Input: (batch, channel, height, width), or without a batch.

    >>> import tinygraph as tg
    >>> tg.nn.CircularPad2d((1, 1, 0, 0))(tg.tensor([[[1.0, 2.0, 3.0]]])).tolist()
    [[[3.0, 1.0, 2.0, 3.0, 1.0]]]
    """

    dims, mode = 2, "circular"


class CircularPad3d(_Pad):
    """A border with the elements of the other end; see `CircularPad2d`.

    padding: (left, right, top, bottom, front, back). Input: (batch, channel, *size).
    """

    dims, mode = 3, "circular"
