"""Elements moved between channels and space, and between groups of channels."""

from __future__ import annotations

from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.ops.movement import permute, reshape
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


@api
def pixel_shuffle(input: TensorLike, upscale_factor: int) -> Tensor:
    """out[c, h r + i, w r + j] = x[c r² + i r + j, h, w]: channels become a finer grid, r times.

    input: (..., channel * r², height, width). upscale_factor: r. Returns (..., channel,
    height * r, width * r).

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
    Sub-Pixel Convolutional Neural Network" (2016).

    >>> import tinygraph as tg
    >>> tg.nn.functional.pixel_shuffle(tg.arange(4).reshape(4, 1, 1), 2)
    tensor([[[0, 1],
             [2, 3]]])
    """
    x, r = _image(input), _factor("upscale_factor", upscale_factor)
    *lead, channels, height, width = x.shape
    inner = _divided("channels", channels, r * r)
    apart = reshape(x, shape=(*lead, inner, r, r, height, width))
    n = len(lead)
    woven = permute(apart, axes=(*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return Tensor(reshape(woven, shape=(*lead, inner, height * r, width * r)))


@api
def pixel_unshuffle(input: TensorLike, downscale_factor: int) -> Tensor:
    """out[c r² + i r + j, h, w] = x[c, h r + i, w r + j]: the inverse of `pixel_shuffle`.

    input: (..., channel, height, width). downscale_factor: r, which divides height and width.
    Returns (..., channel * r², height / r, width / r).

    >>> import tinygraph as tg
    >>> tg.nn.functional.pixel_unshuffle(tg.arange(4).reshape(1, 2, 2), 2).tolist()
    [[[0]], [[1]], [[2]], [[3]]]
    """
    x, r = _image(input), _factor("downscale_factor", downscale_factor)
    *lead, channels, height, width = x.shape
    rows, columns = _divided("rows", height, r), _divided("columns", width, r)
    apart = reshape(x, shape=(*lead, channels, rows, r, columns, r))
    n = len(lead)
    woven = permute(apart, axes=(*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return Tensor(reshape(woven, shape=(*lead, channels * (r * r), rows, columns)))


@api
def channel_shuffle(input: TensorLike, groups: int) -> Tensor:
    """out[:, i g + j] = x[:, j C / g + i]: channels dealt out so that each group meets all others.

    input: (batch, channel, *size), with one dimension of space at least. groups: g, which divides
    the channels C. Returns the same shape.

    Source: Zhang et al., "ShuffleNet: An Extremely Efficient Convolutional Neural Network for
    Mobile Devices" (2018).

    >>> import tinygraph as tg
    >>> tg.nn.functional.channel_shuffle(tg.arange(4).reshape(1, 4, 1), 2).ravel()
    tensor([0, 2, 1, 3])
    """
    x, count = as_node(input), _factor("groups", groups)
    if x.ndim < 3:
        raise ShapeError(f"expected (batch, channel, *size), got shape {show_shape(x.shape)}")
    batch, channels, *size = x.shape
    each = _divided("channels", channels, count)
    apart = reshape(x, shape=(batch, count, each, *size))
    dealt = permute(apart, axes=(0, 2, 1, *range(3, apart.ndim)))
    return Tensor(reshape(dealt, shape=x.shape))


def _image(input: TensorLike) -> Node:
    x = as_node(input)
    if x.ndim < 3:
        raise ShapeError(f"expected (..., channel, height, width), got {show_shape(x.shape)}")
    return x


def _factor(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise DTypeError(f"expected {name} to be an integer, got {value!r}")
    if value < 1:
        raise ShapeError(f"expected {name} of at least 1, got {value}")
    return int(value)


def _divided(what: str, size: Size, by: int) -> Size:
    if is_known(size) and size % by:
        raise ShapeError(f"expected {what} that divide by {by}, got {size}")
    return size // by
