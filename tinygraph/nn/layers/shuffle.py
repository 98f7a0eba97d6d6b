"""Elements moved between channels and space, and between groups of channels."""

from __future__ import annotations

from tinygraph.nn import functional as F
from tinygraph.nn.layers.linear import at_least
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["ChannelShuffle", "PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """(..., C r², H, W) to (..., C, H r, W r): channels become a finer grid, r times.

    upscale_factor: r. With a convolution before it, this is upsampling that is learned. See
    `nn.functional.pixel_shuffle`.

    >>> import tinygraph as tg
    >>> tg.nn.PixelShuffle(3)(tg.ones((5, 18, 2, 4))).shape
    (5, 2, 6, 12)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = at_least("PixelShuffle", "upscale_factor", upscale_factor, 1)

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(..., C, H r, W r) to (..., C r², H, W): the inverse of `PixelShuffle`.

    downscale_factor: r.

    >>> import tinygraph as tg
    >>> tg.nn.PixelUnshuffle(3)(tg.ones((5, 2, 6, 12))).shape
    (5, 18, 2, 4)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = at_least("PixelUnshuffle", "downscale_factor", downscale_factor, 1)

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels dealt out so that each of `groups` meets all others.

    Between two grouped convolutions it lets the groups mix. See `nn.functional.channel_shuffle`.

    >>> import tinygraph as tg
    >>> tg.nn.ChannelShuffle(2)(tg.arange(4.0).reshape(1, 4, 1)).ravel()
    tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = at_least("ChannelShuffle", "groups", groups, 1)

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
