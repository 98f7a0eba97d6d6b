"""Layers that put pooled values back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from tinygraph.nn import functional as F
from tinygraph.nn.functional.window import Sizes, per_dimension
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "Unpool2d"]


class _MaxUnpool(Module):
    function: ClassVar[Callable[..., Tensor]]
    dims: ClassVar[int]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        self.kernel_size = per_dimension("kernel_size", kernel_size, self.dims)
        self.stride = (
            self.kernel_size if stride is None else per_dimension("stride", stride, self.dims)
        )
        self.padding = per_dimension("padding", padding, self.dims, 0)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        return type(self).function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """The way back from `MaxPool1d`; see `MaxUnpool2d`."""

    function, dims = staticmethod(F.max_unpool1d), 1


class MaxUnpool2d(_MaxUnpool):
    """The way back from `MaxPool2d`: out[indices[i, j]] = x[i, j], 0 elsewhere.

    kernel_size, stride, padding: those of the pooling, which was called with return_indices. The
    layer is called with the values, the places and, for what rounding left open, output_size. See
    `nn.functional.max_unpool2d`.

    >>> import tinygraph as tg
    >>> x = tg.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    >>> tg.nn.MaxUnpool2d(2)(*tg.nn.MaxPool2d(2, return_indices=True)(x))
    tensor([[[0., 0.],
             [4., 0.]]])
    """

    function, dims = staticmethod(F.max_unpool2d), 2


class MaxUnpool3d(_MaxUnpool):
    """The way back from `MaxPool3d`; see `MaxUnpool2d`."""

    function, dims = staticmethod(F.max_unpool3d), 3


class Unpool2d(Module):
    """Each element in the middle of a window of zeros: out[k i + (k - 1) // 2, ...] = x[i, ...].

    kernel_size (k): the size of a window; an integer or a pair. See `nn.functional.unpool2d`;
    `MaxUnpool2d` puts the values back where they were.

    >>> import tinygraph as tg
    >>> tg.nn.Unpool2d(3)(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 24, 18)
    """

    def __init__(self, kernel_size: Sizes) -> None:
        super().__init__()
        self.kernel_size = per_dimension("kernel_size", kernel_size, 2)

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = F.unpool2d(input, self.kernel_size)
        return result

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}"
