"""Layers that make images and signals larger or smaller."""

from __future__ import annotations

from typing import Any

from tinygraph.nn import functional as F
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """x at other places: out[i] = sum_j w(s (i + 1/2) - 1/2 - j) x[j], s = old size / new size.

    size: the new size, or scale_factor: what it is multiplied with; a number or one for each
    dimension of space. mode: the weight w: "nearest", "linear", "bilinear", "bicubic" or
    "trilinear", and what else `nn.functional.interpolate` knows. align_corners: the outermost
    elements stay where they are. recompute_scale_factor: s comes from the sizes.

    >>> import tinygraph as tg
    >>> tg.nn.Upsample(scale_factor=2, mode="bilinear")(tg.ones((5, 3, 8, 6))).shape
    (5, 3, 16, 12)
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor: Any = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = None if scale_factor is None else float(scale_factor)
        self.mode, self.align_corners = mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip
        return result

    def extra_repr(self) -> str:
        given = (
            f"size={self.size}"
            if self.scale_factor is None
            else f"scale_factor={self.scale_factor}"
        )
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images made larger by repetition: `Upsample` in the mode "nearest".

    >>> import tinygraph as tg
    >>> tg.nn.UpsamplingNearest2d(scale_factor=2)(tg.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1., 1., 2., 2.],
              [1., 1., 2., 2.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images made larger linearly, corners kept: `Upsample`, "bilinear", align_corners=True.

    >>> import tinygraph as tg
    >>> tg.nn.UpsamplingBilinear2d(size=(1, 3))(tg.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1. , 1.5, 2. ]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
