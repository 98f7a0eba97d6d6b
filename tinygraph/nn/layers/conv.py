"""Convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.functional.window import Sizes, both_sides, per_dimension
from tinygraph.nn.layers.linear import at_least, empty, fill_evenly
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.ops.rules import product
from tinygraph.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvBase(Module):
    """What convolutions and their transposes have in common."""

    dims: ClassVar[int]
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Sizes | str,
        dilation: Sizes,
        groups: int,
        bias: bool,
        dtype: Any,
        transposed: bool,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.in_channels = at_least(name, "in_channels", in_channels, 1)
        self.out_channels = at_least(name, "out_channels", out_channels, 1)
        self.groups = at_least(name, "groups", groups, 1)
        if in_channels % groups or out_channels % groups:
            raise ShapeError(
                f"{name}: expected channels that divide into {groups} groups, got "
                f"{in_channels} and {out_channels}"
            )
        self.kernel_size = per_dimension("kernel_size", kernel_size, self.dims)
        self.stride = per_dimension("stride", stride, self.dims)
        self.dilation = per_dimension("dilation", dilation, self.dims)
        self.padding = padding if isinstance(padding, str) else (
            per_dimension("padding", padding, self.dims, 0)
        )  # fmt: skip
        both_sides(self.padding, self.kernel_size, self.stride, self.dilation)
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = empty((first, second // groups, *self.kernel_size), dtype)
        self.bias = empty((out_channels,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        fan_in = int(product(self.weight.shape[1:]))
        fill_evenly(fan_in, self.weight, self.bias)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        for name, usual in (("padding", 0), ("dilation", 1)):
            if getattr(self, name) != (usual,) * self.dims:
                parts.append(f"{name}={getattr(self, name)!r}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


class _Conv(_ConvBase):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation,
                         groups, bias, dtype, transposed=False)  # fmt: skip
        if padding_mode not in _MODES:
            raise ValueError(
                f"{type(self).__name__}: expected padding_mode out of "
                f"{', '.join(_MODES)}, got {padding_mode!r}"
            )
        self.padding_mode = padding_mode

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            pads = both_sides(padding, self.kernel_size, self.stride, self.dilation)
            widths = [width for pair in reversed(pads) for width in pair]
            input, padding = F.pad(input, widths, self.padding_mode), 0
        return type(self).function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv1d(_Conv):
    """Convolution along one dimension; see `Conv2d`. Input: (batch, channel, length)."""

    dims = 1
    function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Convolution: each output channel is a sum of filtered input channels.

    in_channels, out_channels: how many. kernel_size: the size of the filters. stride: how far
    apart the windows are. padding: what is put on both sides, or "same" or "valid". dilation: how
    far apart the elements of a window are. groups: into how many parts, which do not mix, the
    channels divide. padding_mode: "zeros", "reflect", "replicate" or "circular". Sizes are an
    integer for all dimensions, or a tuple.

    weight: (out, in / groups, height, width), bias: (out,), both drawn evenly from
    ±1 / sqrt(in / groups * height * width).

    Input: (batch, channel, height, width).

    >>> import tinygraph as tg
    >>> tg.nn.Conv2d(3, 8, 5, padding="same")(tg.ones((2, 3, 7, 9))).shape
    (2, 8, 7, 9)
    """

    dims = 2
    function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Convolution along three dimensions; see `Conv2d`. Input: (batch, channel, *size)."""

    dims = 3
    function = staticmethod(F.conv3d)


class _ConvTranspose(_ConvBase):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation,
                         groups, bias, dtype, transposed=True)  # fmt: skip
        self.output_padding = per_dimension("output_padding", output_padding, self.dims, 0)

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(
            input, self.weight, self.bias, self.stride, self.padding, self.output_padding,
            self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution along one dimension; see `ConvTranspose2d`."""

    dims = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution: upsampling that is learned, the adjoint of `Conv2d`.

    The arguments are those of `Conv2d`; padding is cut off the result, output_padding added to
    one side of it. weight: (in, out / groups, height, width), bias: (out,).

    Input: (batch, channel, height, width).

    >>> import tinygraph as tg
    >>> tg.nn.ConvTranspose2d(3, 8, 2, stride=2)(tg.ones((2, 3, 7, 9))).shape
    (2, 8, 14, 18)
    """

    dims = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution along three dimensions; see `ConvTranspose2d`."""

    dims = 3
    function = staticmethod(F.conv_transpose3d)
