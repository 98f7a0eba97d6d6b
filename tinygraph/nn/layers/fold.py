"""The windows of an image as columns, and back."""

from __future__ import annotations

from tinygraph.nn import functional as F
from tinygraph.nn.functional.window import Sizes
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """The windows that a convolution sees, each laid out as a column; see `nn.functional.unfold`.

    Input: (batch, channel, height, width), or without a batch. Result: (batch, channel * kernel
    height * kernel width, number of windows).

    >>> import tinygraph as tg
    >>> tg.nn.Unfold(3, padding=1)(tg.ones((5, 2, 4, 6))).shape
    (5, 18, 24)
    """

    def __init__(
        self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Columns put back where their windows lie, overlaps added up; see `nn.functional.fold`.

    Input: (batch, channel * kernel height * kernel width, number of windows), or without a batch.
    Result: (batch, channel, *output_size).

    >>> import tinygraph as tg
    >>> tg.nn.Fold((4, 6), 3, padding=1)(tg.ones((5, 18, 24))).shape
    (5, 2, 4, 6)
    """

    def __init__(
        self,
        output_size: Sizes,
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Sizes = 0,
        stride: Sizes = 1,
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
