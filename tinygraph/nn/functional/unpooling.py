"""Unpooling: pooled values go back to where they came from, or to the middle of a window."""

from __future__ import annotations

from collections.abc import Sequence

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.sizes import as_size
from tinygraph.control import custom_vjp
from tinygraph.dtypes import int64
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.nn.functional.window import Sizes, check_spatial, per_dimension
from tinygraph.ops.index import scatter_along_axis, take_along_axis
from tinygraph.ops.movement import reshape, update_slice
from tinygraph.ops.rules import full, product, show_shape
from tinygraph.tensor import Tensor

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d", "unpool2d"]


@api
def max_unpool1d(
    input: TensorLike,
    indices: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The way back from `max_pool1d`: out[indices[i]] = x[i], 0 elsewhere; see `max_unpool2d`."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@api
def max_unpool2d(
    input: TensorLike,
    indices: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The way back from `max_pool2d`: out[indices[i, j]] = x[i, j], 0 elsewhere.

    input: (batch, channel, height, width), or without a batch. indices: the places (int64, of the
    same shape) that `max_pool2d` returns with return_indices; they count through the result's
    height * width. kernel_size, stride, padding: those of the pooling. output_size: the size of
    what was pooled (its last dimensions or the whole shape), for what rounding left open.

    Returns (batch, channel, (height - 1) stride - 2 padding + kernel, ...), or output_size. Where
    windows overlap and a place is named more than once, one of its values is kept, the last; all
    of them get the gradient that arrives there.

    Source: Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2014).

    >>> import tinygraph as tg
    >>> F, x = tg.nn.functional, tg.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    >>> largest, places = F.max_pool2d(x, 2, return_indices=True)
    >>> F.max_unpool2d(largest, places, 2)
    tensor([[[0., 0.],
             [4., 0.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@api
def max_unpool3d(
    input: TensorLike,
    indices: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The way back from `max_pool3d`; see `max_unpool2d`."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    dims: int,
    input: TensorLike,
    indices: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    output_size: Sequence[int] | None,
) -> Tensor:
    x, places = as_node(input), as_node(indices)
    check_spatial(x.shape, dims)
    if places.dtype != int64:
        raise DTypeError(f"expected indices of dtype int64, got {places.dtype.name}")
    if places.shape != x.shape:
        raise ShapeError(
            f"expected indices of the shape {show_shape(x.shape)} of the input, got "
            f"{show_shape(places.shape)}"
        )
    lead, pooled = x.shape[:-dims], x.shape[-dims:]
    kernel = per_dimension("kernel_size", kernel_size, dims)
    steps = per_dimension("stride", kernel if stride is None else stride, dims)
    pads = per_dimension("padding", padding, dims, 0)
    numbers = zip(pooled, kernel, steps, pads, strict=True)
    whole = tuple((n - 1) * step + k - 2 * pad for n, k, step, pad in numbers)
    size = whole if output_size is None else _asked_for(output_size, whole, steps)
    plane: Size = product(size)
    rows = (*lead, product(pooled))
    spread = _put(
        Tensor(reshape(x, shape=rows)), Tensor(reshape(places, shape=rows)),
        Tensor(full((*lead, plane), 0, x.dtype)),
    )  # fmt: skip
    return Tensor(reshape(spread.node, shape=(*lead, *size)))


def _asked_for(
    output_size: Sequence[int], usual: Sequence[Size], steps: Sequence[int]
) -> tuple[Size, ...]:
    """The size asked for, less than a stride from the usual one."""
    size = tuple(as_size(number) for number in output_size)
    size = size[2:] if len(size) == len(usual) + 2 else size
    if len(size) != len(usual):
        raise ShapeError(
            f"expected output_size to have {len(usual)} or {len(usual) + 2} entries, got "
            f"{tuple(output_size)}"
        )
    for number, middle, step in zip(size, usual, steps, strict=True):
        if is_known(number, middle) and not middle - step < number < middle + step:
            raise ShapeError(
                f"expected output_size {show_shape(size)} to differ from {show_shape(usual)} by "
                f"less than the stride {tuple(steps)}"
            )
    return size


@custom_vjp
def _put(x: Tensor, places: Tensor, zeros: Tensor) -> Tensor:
    """`zeros` with the elements of x at `places` along the last dimension."""
    return Tensor(_scattered(x.node, places.node, zeros.node))


def _scattered(x: Node, places: Node, zeros: Node) -> Node:
    return scatter_along_axis(zeros, places, x, axis=zeros.ndim - 1, mode="set")


# Each element gets what arrives at its place, also where several have the same one. That is
# PyTorch's gradient; it spares asking which of them was the last.
_put.defvjp(
    lambda x, places, zeros: (Tensor(_scattered(x.node, places.node, zeros.node)), places),
    lambda places, g: (
        Tensor(take_along_axis(g.node, places.node, axis=g.ndim - 1)), None, None,
    ),
)  # fmt: skip


@api
def unpool2d(input: TensorLike, kernel_size: Sizes) -> Tensor:
    """Each element in the middle of a window of zeros: out[k i + (k - 1) // 2, ...] = x[i, ...].

    input: (batch, channel, height, width), or without a batch. kernel_size (k): the size of a
    window; an integer or a pair. Of an even number of places the first of the two in the middle
    is taken: for k = 2 the top left one, the "bed of nails".

    Returns (batch, channel, k height, k width). Nothing needs to be remembered of the pooling, as
    it does for `max_unpool2d`.

    Source: Dosovitskiy et al., "Learning to Generate Chairs with Convolutional Neural Networks"
    (2015), who put the value in the top left corner.

    >>> import tinygraph as tg
    >>> tg.nn.functional.unpool2d(tg.tensor([[[5.0]]]), 3)
    tensor([[[0., 0., 0.],
             [0., 5., 0.],
             [0., 0., 0.]]])
    """
    x = as_node(input)
    check_spatial(x.shape, 2)
    kernel = per_dimension("kernel_size", kernel_size, 2)
    lead, size = x.shape[:-2], x.shape[-2:]
    large = tuple(n * k for n, k in zip(size, kernel, strict=True))
    middles = tuple(((k - 1) // 2, n, k) for n, k in zip(size, kernel, strict=True))
    slices = (*((0, n, 1) for n in lead), *middles)
    return Tensor(update_slice(full((*lead, *large), 0, x.dtype), x, slices=slices))
