"""Layers that pool to a size that is asked for, whatever the size of the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygraph.nn import functional as F
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d",
]  # fmt: skip


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
    """The means of `output_size` parts along one dimension; see `AdaptiveAvgPool2d`."""

    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of parts, as equal as can be: part i is floor(i n / m) to ceil((i + 1) n / m).

    output_size: an integer (m) or a pair; None keeps a size. 1 is global average pooling. See
    `nn.functional.adaptive_avg_pool2d`.

    >>> import tinygraph as tg
    >>> tg.nn.AdaptiveAvgPool2d(1)(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 1, 1)
    """

    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of `output_size` parts along three dimensions; see `AdaptiveAvgPool2d`."""

    function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(Module):
    function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest of `output_size` parts along one dimension; see `AdaptiveMaxPool2d`."""

    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements of parts: part i of m is floor(i n / m) to ceil((i + 1) n / m).

    output_size: an integer (m) or a pair; None keeps a size. return_indices: return a pair
    (values, places). See `nn.functional.adaptive_max_pool2d`.

    >>> import tinygraph as tg
    >>> tg.nn.AdaptiveMaxPool2d((3, None))(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 3, 6)
    """

    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest of `output_size` parts along three dimensions; see `AdaptiveMaxPool2d`."""

    function = staticmethod(F.adaptive_max_pool3d)
