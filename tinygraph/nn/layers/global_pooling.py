"""Layers that make a vector of each image, whatever its size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from tinygraph.nn import functional as F
from tinygraph.nn.functional.global_pooling import pyramid_levels
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = [
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
    "GlobalAvgPool1d", "GlobalAvgPool2d", "GlobalAvgPool3d", "GlobalMaxPool1d", "GlobalMaxPool2d",
    "GlobalMaxPool3d", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D",
    "SpatialPyramidPooling",
]  # fmt: skip


class _GlobalPool(Module):
    function: ClassVar[Callable[..., Tensor]]
    dims: ClassVar[int]

    def __init__(self, keepdims: bool = False) -> None:
        super().__init__()
        self.keepdims = keepdims

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.dims, self.keepdims)

    def extra_repr(self) -> str:
        return "keepdims=True" if self.keepdims else ""


class GlobalAvgPool1d(_GlobalPool):
    """The mean over one dimension of space; see `GlobalAvgPool2d`."""

    function, dims = staticmethod(F.global_avg_pool), 1


class GlobalAvgPool2d(_GlobalPool):
    """The mean over all of space: out[b, c] = mean_ij x[b, c, i, j].

    keepdims: leave height and width, with size 1. See `nn.functional.global_avg_pool`. Keras
    calls it GlobalAveragePooling2D.

    >>> import tinygraph as tg
    >>> tg.nn.GlobalAvgPool2d()(tg.ones((5, 3, 8, 6))).shape
    (5, 3)
    """

    function, dims = staticmethod(F.global_avg_pool), 2


class GlobalAvgPool3d(_GlobalPool):
    """The mean over three dimensions of space; see `GlobalAvgPool2d`."""

    function, dims = staticmethod(F.global_avg_pool), 3


class GlobalMaxPool1d(_GlobalPool):
    """The largest element over one dimension of space; see `GlobalMaxPool2d`."""

    function, dims = staticmethod(F.global_max_pool), 1


class GlobalMaxPool2d(_GlobalPool):
    """The largest element of all of space: out[b, c] = max_ij x[b, c, i, j].

    keepdims: leave height and width, with size 1. See `nn.functional.global_max_pool`. Keras
    calls it GlobalMaxPooling2D.

    >>> import tinygraph as tg
    >>> tg.nn.GlobalMaxPool2d()(tg.ones((5, 3, 8, 6))).shape
    (5, 3)
    """

    function, dims = staticmethod(F.global_max_pool), 2


class GlobalMaxPool3d(_GlobalPool):
    """The largest element over three dimensions of space; see `GlobalMaxPool2d`."""

    function, dims = staticmethod(F.global_max_pool), 3


# Keras' names
GlobalAveragePooling1D = GlobalAvgPool1d
GlobalAveragePooling2D = GlobalAvgPool2d
GlobalAveragePooling3D = GlobalAvgPool3d
GlobalMaxPooling1D = GlobalMaxPool1d
GlobalMaxPooling2D = GlobalMaxPool2d
GlobalMaxPooling3D = GlobalMaxPool3d


class SpatialPyramidPooling(Module):
    """The parts of pooled grids of n x n, for each n of `levels`, as one vector.

    So that a dense layer can follow, whatever the size of the images: it has channel * sum of
    n * n inputs. levels: how many parts each grid has in height and in width. mode: "max" or
    "avg", what is taken of each part.

    Source: He et al., "Spatial Pyramid Pooling in Deep Convolutional Networks for Visual
    Recognition" (2014).

    >>> import tinygraph as tg
    >>> tg.nn.SpatialPyramidPooling((1, 2))(tg.ones((5, 3, 13, 17))).shape
    (5, 15)
    """

    def __init__(self, levels: Sequence[int] = (1, 2, 4), mode: str = "max") -> None:
        super().__init__()
        self.levels, self.mode = pyramid_levels(levels, mode), mode

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = F.spatial_pyramid_pool(input, self.levels, self.mode)
        return result

    def extra_repr(self) -> str:
        return f"levels={self.levels}, mode={self.mode!r}"
