"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygraph.nn import functional as F
from tinygraph.nn.functional.window import Sizes
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AvgPool1d", "AvgPool2d",
    "AvgPool3d", "MaxPool1d", "MaxPool2d", "MaxPool3d",
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
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation, self.return_indices = padding, dilation, return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.return_indices
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window along one dimension; see `MaxPool2d`."""

    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window; see `nn.functional.max_pool2d`.

    >>> import tinygraph as tg
    >>> tg.nn.MaxPool2d(2)(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 4, 3)
    """

    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window along three dimensions; see `MaxPool2d`."""

    function = staticmethod(F.max_pool3d)


class _AvgPool(Module):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.count_include_pad = padding, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.count_include_pad
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window along one dimension; see `AvgPool2d`."""

    function = staticmethod(F.avg_pool1d)


class AvgPool2d(_AvgPool):
    """The mean of each window; see `nn.functional.avg_pool2d`.

    >>> import tinygraph as tg
    >>> tg.nn.AvgPool2d(2)(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 4, 3)
    """

    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window along three dimensions; see `AvgPool2d`."""

    function = staticmethod(F.avg_pool3d)


class _AdaptiveAvgPool(Module):
    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of `output_size` parts along one dimension."""

    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of `output_size` parts along height and width; 1 is global average pooling.

    >>> import tinygraph as tg
    >>> tg.nn.AdaptiveAvgPool2d(1)(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 1, 1)
    """

    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of `output_size` parts along three dimensions."""

    function = staticmethod(F.adaptive_avg_pool3d)
