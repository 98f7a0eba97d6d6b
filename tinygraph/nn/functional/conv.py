"""Convolution, transposed convolution, and the columns that a convolution sees."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.nn.functional.pad import pad_last
from tinygraph.nn.functional.window import Sizes, both_sides, check_spatial, per_dimension
from tinygraph.ops import conv as op
from tinygraph.ops.movement import permute, reshape
from tinygraph.ops.rules import product, show_shape
from tinygraph.ops.windows import windows
from tinygraph.tensor import Tensor

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "unfold",
]  # fmt: skip


@api
def conv1d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution along one dimension; see `conv2d`. weight: (out, in / groups, width)."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@api
def conv2d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution: out[n, o, i, j] = bias[o] + sum_ckl x[n, c, i + k, j + l] w[o, c, k, l].

    The kernel is not flipped (it is a cross-correlation, as everywhere in deep learning).

    input: (batch, in, height, width), or without a batch. weight: (out, in / groups, kernel
    height, kernel width). bias: (out,). stride: how far apart the windows are. padding: zeros on
    both sides, or "same" or "valid". dilation: how far apart the elements of a window are.
    groups: into how many parts, which do not mix, the channels divide. Numbers of space are an
    integer for all dimensions, or a tuple.

    Returns (batch, out, (height + 2 padding - dilation (kernel - 1) - 1) // stride + 1, ...).

    >>> import tinygraph as tg
    >>> x, w = tg.ones((1, 1, 3, 3)), tg.ones((1, 1, 2, 2))
    >>> tg.nn.functional.conv2d(x, w).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@api
def conv3d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution along three dimensions; see `conv2d`. weight: (out, in / groups, *kernel)."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _conv(
    dims: int,
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    x, w = as_node(input), as_node(weight)
    check_spatial(x.shape, dims)
    _check_weight(w, dims)
    steps = per_dimension("stride", stride, dims)
    apart = per_dimension("dilation", dilation, dims)
    pads = both_sides(padding, w.shape[2:], steps, apart)  # type: ignore[arg-type]
    batched = x.ndim == dims + 2
    result = op.conv(
        x if batched else reshape(x, shape=(1, *x.shape)), w,
        stride=steps, padding=pads, dilation=apart, groups=groups,
    )  # fmt: skip
    return Tensor(_with_bias(result, bias, dims, batched))


def _check_weight(w: Node, dims: int) -> None:
    if w.ndim != dims + 2:
        raise ShapeError(
            f"expected a weight with {dims + 2} dimensions, got shape {show_shape(w.shape)}"
        )


def _with_bias(result: Node, bias: TensorLike | None, dims: int, batched: bool) -> Node:
    if bias is not None:
        b, channels = as_node(bias), result.shape[1]
        if b.shape != (channels,):
            raise ShapeError(f"expected a bias of shape ({channels},), got {show_shape(b.shape)}")
        result = result + reshape(b, shape=(channels, *(1,) * dims))
    return result if batched else reshape(result, shape=result.shape[1:])


@api
def conv_transpose1d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution along one dimension; see `conv_transpose2d`."""
    return _transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@api
def conv_transpose2d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution, the adjoint of `conv2d`: each element puts a multiple of the kernel.

    input: (batch, in, height, width), or without a batch. weight: (in, out / groups, kernel
    height, kernel width). bias: (out,). padding: what the convolution had, which is cut off here.
    output_padding: what is added to one side of the result, where a stride leaves its size open.

    Returns (batch, out, (height - 1) stride - 2 padding + dilation (kernel - 1) + output_padding
    + 1, ...).

    >>> import tinygraph as tg
    >>> x, w = tg.tensor([[[[1.0, 2.0]]]]), tg.tensor([[[[1.0, 10.0]]]])
    >>> tg.nn.functional.conv_transpose2d(x, w, stride=2).tolist()
    [[[[1.0, 10.0, 2.0, 20.0]]]]
    """
    return _transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@api
def conv_transpose3d(
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Transposed convolution along three dimensions; see `conv_transpose2d`."""
    return _transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _transpose(
    dims: int,
    input: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    x, w = as_node(input), as_node(weight)
    check_spatial(x.shape, dims)
    _check_weight(w, dims)
    steps = per_dimension("stride", stride, dims)
    apart = per_dimension("dilation", dilation, dims)
    pads = per_dimension("padding", padding, dims, 0)
    more = per_dimension("output_padding", output_padding, dims, 0)
    if any(extra >= max(step, gap) for extra, step, gap in zip(more, steps, apart, strict=True)):
        raise ShapeError(
            f"expected output_padding below the stride {steps} or the dilation {apart}, got {more}"
        )
    batched = x.ndim == dims + 2
    x = x if batched else reshape(x, shape=(1, *x.shape))
    # output_padding cuts less off the second side; what is more than that is zeros
    cut = tuple((pad, max(pad - extra, 0)) for pad, extra in zip(pads, more, strict=True))
    zeros = tuple((0, max(extra - pad, 0)) for pad, extra in zip(pads, more, strict=True))
    numbers = zip(x.shape[2:], w.shape[2:], steps, cut, apart, strict=True)
    result = op.conv_input(
        x, w, size=tuple(_transposed_size(*each) for each in numbers), stride=steps,
        padding=cut, dilation=apart, groups=groups,
    )  # fmt: skip
    if any(after for _, after in zeros):
        result = pad_last(result, zeros)
    return Tensor(_with_bias(result, bias, dims, batched))


def _transposed_size(
    count: Size, kernel: Size, stride: int, cut: tuple[int, int], dilation: int
) -> Size:
    """The size whose convolution, with the padding `cut`, has exactly `count` windows."""
    size = (count - 1) * stride - sum(cut) + dilation * (kernel - 1) + 1
    if is_known(size) and size < 1:
        raise ShapeError(f"the result would have a size of {size}")
    return size


@api
def unfold(
    input: TensorLike,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """The windows that a convolution sees, each laid out as a column.

    input: (batch, channel, height, width). Returns (batch, channel * kernel height * kernel
    width, number of windows).

    >>> import tinygraph as tg
    >>> tg.nn.functional.unfold(tg.tensor([[[[1.0, 2.0, 3.0]]]]), (1, 2)).tolist()
    [[[1.0, 2.0], [2.0, 3.0]]]
    """
    x = as_node(input)
    if x.ndim != 4:
        raise ShapeError(f"expected (batch, channel, height, width), got {show_shape(x.shape)}")
    kernel = per_dimension("kernel_size", kernel_size, 2)
    steps = per_dimension("stride", stride, 2)
    apart = per_dimension("dilation", dilation, 2)
    x = pad_last(x, both_sides(padding, kernel, steps, apart))
    seen = windows(x, kernel=kernel, stride=steps, dilation=apart)
    places = permute(seen, axes=(0, 1, 4, 5, 2, 3))
    columns = (x.shape[0], product(places.shape[1:4]), product(places.shape[4:]))
    return Tensor(reshape(places, shape=columns))
