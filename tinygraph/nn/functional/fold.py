"""The windows of an image as columns, and back."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.nn.functional.pad import pad_last
from tinygraph.nn.functional.window import Sizes, per_dimension
from tinygraph.ops import windows as op
from tinygraph.ops.movement import permute, reshape
from tinygraph.ops.rules import product, show_shape
from tinygraph.tensor import Tensor

__all__ = ["fold", "unfold"]


@api
def unfold(
    input: TensorLike,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """The windows that a convolution sees, each laid out as a column: im2col.

    A convolution is a matrix product with these columns: weight.reshape(out, -1) @ unfold(x).

    input: (batch, channel, height, width), or without a batch. kernel_size, dilation, padding,
    stride: as in `conv2d`. Returns (batch, channel * kernel height * kernel width, number of
    windows), row after row.

    >>> import tinygraph as tg
    >>> tg.nn.functional.unfold(tg.tensor([[[[1.0, 2.0, 3.0]]]]), (1, 2)).tolist()
    [[[1.0, 2.0], [2.0, 3.0]]]
    """
    x = as_node(input)
    if x.ndim not in (3, 4):
        raise ShapeError(
            f"expected (batch, channel, height, width), or without the batch, got "
            f"{show_shape(x.shape)}"
        )
    images = x if x.ndim == 4 else reshape(x, shape=(1, *x.shape))
    pads = per_dimension("padding", padding, 2, 0)
    seen = op.windows(
        pad_last(images, tuple((pad, pad) for pad in pads)),
        kernel=per_dimension("kernel_size", kernel_size, 2),
        stride=per_dimension("stride", stride, 2),
        dilation=per_dimension("dilation", dilation, 2),
    )
    places = permute(seen, axes=(0, 1, 4, 5, 2, 3))
    columns = (product(places.shape[1:4]), product(places.shape[4:]))
    return Tensor(reshape(places, shape=(*x.shape[:-3], *columns)))


@api
def fold(
    input: TensorLike,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Columns put back where their windows lie, and added up where these overlap: col2im.

    It is the adjoint of `unfold`, not its inverse: fold(unfold(x)) is x times the number of
    windows that see an element, fold(unfold(1)).

    input: (batch, channel * kernel height * kernel width, number of windows), or without a batch.
    output_size: (height, width). Returns (batch, channel, height, width).

    >>> import tinygraph as tg
    >>> tg.nn.functional.fold(tg.tensor([[[1.0, 2.0], [10.0, 20.0]]]), (1, 3), (1, 2)).tolist()
    [[[[1.0, 12.0, 20.0]]]]
    """
    x = as_node(input)
    size = per_dimension("output_size", output_size, 2)
    kernel = per_dimension("kernel_size", kernel_size, 2)
    apart = per_dimension("dilation", dilation, 2)
    pads = per_dimension("padding", padding, 2, 0)
    steps = per_dimension("stride", stride, 2)
    both = tuple((pad, pad) for pad in pads)
    count = op.window_counts(size, kernel, steps, apart, both)
    _check_columns(x, product(kernel), product(count))
    batch = (1,) if x.ndim == 2 else x.shape[:1]
    channels = x.shape[-2] // product(kernel)
    places = reshape(x, shape=(*batch, channels, *kernel, *count))
    whole = tuple(length + 2 * pad for length, pad in zip(size, pads, strict=True))
    images = op.fold(
        permute(places, axes=(0, 1, 4, 5, 2, 3)), size=whole, stride=steps, dilation=apart
    )
    inner = pad_last(images, tuple((-pad, -pad) for pad in pads))
    return Tensor(reshape(inner, shape=(*x.shape[:-2], channels, *size)))


def _check_columns(x: Node, places: Size, count: Size) -> None:
    if x.ndim not in (2, 3) or (is_known(x.shape[-2]) and x.shape[-2] % places):
        raise ShapeError(
            f"expected (batch, channel * {places}, {count}), or without the batch, got "
            f"{show_shape(x.shape)}"
        )
    if is_known(x.shape[-1]) and x.shape[-1] != count:
        raise ShapeError(f"expected {count} windows, got {x.shape[-1]} of {show_shape(x.shape)}")
