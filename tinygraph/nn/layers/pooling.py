"""Pooling layers: each window becomes its largest element, its mean or its norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygraph.nn import functional as F
from tinygraph.nn.functional.window import Sizes, per_dimension
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = [
    "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d",
]  # fmt: skip


class _MaxPool(Module):
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window along one dimension; see `MaxPool2d`."""

    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window: out[i, j] = max_kl x[s i + d k - p, s j + d l - p].

    kernel_size, stride (s; that of the kernel by default), padding (p), dilation (d): an integer
    or a pair. return_indices: return a pair (values, places), for `MaxUnpool2d`. ceil_mode: a
    last window may reach beyond the end. See `nn.functional.max_pool2d`.

    >>> import tinygraph as tg
    >>> tg.nn.MaxPool2d(2)(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 4, 3)
    """

    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window along three dimensions; see `MaxPool2d`."""

    function = staticmethod(F.max_pool3d)


class AvgPool1d(Module):
    """The mean of each window along one dimension; see `AvgPool2d`."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = per_dimension("kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else per_dimension("stride", stride, 1)
        self.padding = per_dimension("padding", padding, 1, 0)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip
        return result

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window: out[i, j] = mean_kl x[s i + k - p, s j + l - p].

    kernel_size, stride (s; that of the kernel by default), padding (p): an integer or a pair.
    ceil_mode: a last window may reach beyond the end. count_include_pad: whether the zeros of
    the padding count. divisor_override: what sums are divided by instead. See
    `nn.functional.avg_pool2d`.

    >>> import tinygraph as tg
    >>> tg.nn.AvgPool2d(2)(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 4, 3)
    """

    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window along three dimensions; see `AvgPool2d`."""

    function = staticmethod(F.avg_pool3d)


class _LPPool(Module):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The power sum of each window along one dimension; see `LPPool2d`."""

    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """The power sum of each window: out[i, j] = (sum_kl x[s i + k, s j + l]^p)^(1/p).

    norm_type: p. kernel_size, stride (s; that of the kernel by default): an integer or a pair.
    ceil_mode: a last window may reach beyond the end. See `nn.functional.lp_pool2d`.

    >>> import tinygraph as tg
    >>> tg.nn.LPPool2d(2, 2)(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 4, 3)
    """

    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """The power sum of each window along three dimensions; see `LPPool2d`."""

    function = staticmethod(F.lp_pool3d)
