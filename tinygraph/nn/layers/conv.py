"""Convolutions: plain, transposed, depthwise and separable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.functional.window import Sizes, both_sides, check_spatial, per_dimension
from tinygraph.nn.layers.linear import at_least, empty, fill_evenly
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.ops.rules import product, show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "DepthwiseConv1d", "DepthwiseConv2d", "SeparableConv1d", "SeparableConv2d",
]  # fmt: skip


class _ConvBase(Module):
    """What convolutions and their transposes have in common."""

    dims: ClassVar[int]
    padding_modes: ClassVar[tuple[str, ...]]
    transposed: ClassVar[bool]
    bias: Parameter | None
    output_padding: tuple[int, ...] = (0,)

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
        padding_mode: str,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if padding_mode not in self.padding_modes:
            raise ValueError(
                f"{name}: expected padding_mode out of {', '.join(self.padding_modes)}, got "
                f"{padding_mode!r}"
            )
        self.padding_mode = padding_mode
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
        rows, columns = out_channels, in_channels
        if self.transposed:
            rows, columns = columns, rows
        self.weight = empty((rows, columns // groups, *self.kernel_size), dtype)
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
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            if any(size != usual for size in getattr(self, name)):
                parts.append(f"{name}={getattr(self, name)}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_ConvBase):
    function: ClassVar[Callable[..., Tensor]]
    padding_modes = ("zeros", "reflect", "replicate", "circular")
    transposed = False

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
                         groups, bias, padding_mode, dtype)  # fmt: skip

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
    """out[o] = bias[o] + sum_c x[c] * weight[o, c], where a filter slides over each channel.

        out[n, o, i, j] = bias[o] + sum_ckl x[n, c, i + k, j + l] weight[o, c, k, l]

    in_channels, out_channels: how many. kernel_size: the size F of the filters. stride: how far
    apart the windows are. padding: what is put on both sides; or "valid", nothing, "same", as
    much as makes the result as large as the input, or "full", F - 1. dilation: how far apart the
    elements of a window are. groups: into how many parts, which do not mix, the channels divide.
    padding_mode: "zeros", "reflect", "replicate" or "circular", see `nn.functional.pad`. Sizes are
    an integer for all dimensions, or a tuple.

    weight: (out, in / groups, height, width), bias: (out,), both drawn evenly from
    ±1 / sqrt(in / groups * height * width). These are F² in out + out parameters, without groups.

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
    padding_modes = ("zeros",)
    transposed = True

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
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        if isinstance(padding, str):
            raise DTypeError(
                f"{type(self).__name__}: expected padding to be made of integers, got {padding!r}"
            )
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation,
                         groups, bias, padding_mode, dtype)  # fmt: skip
        self.output_padding = per_dimension("output_padding", output_padding, self.dims, 0)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        more = self.output_padding if output_size is None else self._fitting(input, output_size)
        return type(self).function(
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups,
            self.dilation,
        )  # fmt: skip

    def _fitting(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output_padding with which the result has `output_size`, of which the dimensions of
        space alone are looked at."""
        check_spatial(input.shape, self.dims)
        if len(output_size) not in (self.dims, input.ndim):
            raise ShapeError(
                f"{type(self).__name__}: expected an output_size of {self.dims} or {input.ndim} "
                f"numbers, got {tuple(output_size)}"
            )
        wanted, size = output_size[-self.dims :], input.shape[-self.dims :]
        least: Any = F.conv_transpose_output_size(
            size, self.kernel_size, self.stride, self.padding, 0, self.dilation
        )
        most = [low + step - 1 for low, step in zip(least, self.stride, strict=True)]
        if any(not low <= n <= high for low, n, high in zip(least, wanted, most, strict=True)):
            raise ShapeError(
                f"{type(self).__name__}: an input of size {show_shape(size)} gives sizes from "
                f"{least} to {tuple(most)}, got the output_size {tuple(output_size)}"
            )
        return tuple(n - low for n, low in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution along one dimension; see `ConvTranspose2d`."""

    dims = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """out[o, s i + k, s j + l] += x[c, i, j] * weight[c, o, k, l]: upsampling that is learned.

    The arguments are those of `Conv2d`; padding (numbers alone) is cut off the result,
    output_padding added to one side of it. weight: (in, out / groups, height, width), bias:
    (out,).

    Input: (batch, channel, height, width). `layer(x, output_size)` chooses, out of the sizes
    whose convolution has the size of x, the one that is to come out.

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


class _Depthwise(_Conv):
    def __init__(
        self,
        in_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        depth_multiplier: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        channels = at_least(name, "in_channels", in_channels, 1)
        each = at_least(name, "depth_multiplier", depth_multiplier, 1)
        super().__init__(channels, channels * each, kernel_size, stride, padding, dilation,
                         channels, bias, padding_mode, dtype=dtype)  # fmt: skip
        self.depth_multiplier = each


class DepthwiseConv1d(_Depthwise, Conv1d):
    """Convolution of each channel by itself, along one dimension; see `DepthwiseConv2d`."""


class DepthwiseConv2d(_Depthwise, Conv2d):
    """Convolution of each channel by itself: out[c M + m] = bias + x[c] * weight[c M + m].

    It is `Conv2d` with as many groups as channels. depth_multiplier: M, how many filters each
    channel has. The other arguments are those of `Conv2d`.

    weight: (in * M, 1, height, width), bias: (in * M,): F² in M + in M parameters.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions" (2017).

    >>> import tinygraph as tg
    >>> tg.nn.DepthwiseConv2d(3, 5, padding="same", depth_multiplier=2)(tg.ones((2, 3, 7, 9))).shape
    (2, 6, 7, 9)
    """


class _Separable(Module):
    depthwise_type: ClassVar[type[_Depthwise]]
    pointwise_type: ClassVar[type[_Conv]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        depth_multiplier: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.depthwise = self.depthwise_type(
            in_channels, kernel_size, stride, padding, dilation, depth_multiplier, False,
            padding_mode, dtype=dtype,
        )  # fmt: skip
        between = self.depthwise.out_channels
        self.pointwise = self.pointwise_type(between, out_channels, 1, bias=bias, dtype=dtype)

    def forward(self, input: Tensor) -> Tensor:
        mixed: Tensor = self.pointwise(self.depthwise(input))
        return mixed


class SeparableConv1d(_Separable):
    """Depthwise, then pointwise convolution along one dimension; see `SeparableConv2d`."""

    depthwise_type, pointwise_type = DepthwiseConv1d, Conv1d


class SeparableConv2d(_Separable):
    """Convolution in two steps: each channel by itself, then 1x1 to mix the channels.

    The arguments are those of `Conv2d`, and depth_multiplier: M, how many filters each channel
    has in the first step, `depthwise`, which has no bias. The second is `pointwise`.

    These are F² in M + in M out + out parameters, where `Conv2d` has F² in out + out.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions" (2017).

    >>> import tinygraph as tg
    >>> layer = tg.nn.SeparableConv2d(3, 8, 5, padding="same")
    >>> layer(tg.ones((2, 3, 7, 9))).shape, layer.num_parameters()
    ((2, 8, 7, 9), 107)
    """

    depthwise_type, pointwise_type = DepthwiseConv2d, Conv2d
