"""Fractional max pooling layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygraph.nn import functional as F
from tinygraph.nn.functional.fractional import check_either
from tinygraph.nn.functional.window import Sizes, per_dimension
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]


class _FractionalMaxPool(Module):
    function: ClassVar[Callable[..., Any]]
    dims: ClassVar[int]

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        check_either(self.dims, output_size, output_ratio)
        self.kernel_size = per_dimension("kernel_size", kernel_size, self.dims)
        self.output_size, self.output_ratio = output_size, output_ratio
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples,
        )  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest element of each window, which starts at floor((i + u) a) - floor(u a), u random.

    kernel_size, and either output_size, the new size, or output_ratio, what the size is multiplied
    with: a number or a pair. return_indices: return a pair (values, places). See
    `nn.functional.fractional_max_pool2d`.

    >>> import tinygraph as tg
    >>> tg.nn.FractionalMaxPool2d(2, output_ratio=0.7)(tg.ones((2, 3, 9, 9))).shape
    (2, 3, 6, 6)
    """

    function, dims = staticmethod(F.fractional_max_pool2d), 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Fractional max pooling along three dimensions; see `FractionalMaxPool2d`."""

    function, dims = staticmethod(F.fractional_max_pool3d), 3
