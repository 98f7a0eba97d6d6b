"""Convolution and transposed convolution, and the sizes of what they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.sizes import known
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.nn.functional.pad import pad_last
from tinygraph.nn.functional.window import Sizes, both_sides, check_spatial, per_dimension
from tinygraph.ops import conv as op
from tinygraph.ops.movement import reshape
from tinygraph.ops.rules import show_shape
from tinygraph.ops.windows import window_counts
from tinygraph.tensor import Tensor

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_output_size", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "conv_transpose_output_size",
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
    both sides; or "valid", none; "same", so many that the result is as large as the input (of a
    stride of 1; where their number is odd, the second side has one more); "full", so many that
    each element meets each place of the kernel, dilation (kernel - 1) on both sides. dilation:
    how far apart the elements of a window are. groups: into how many parts, which do not mix,
    the channels divide. Numbers of space are an integer for all dimensions, or a tuple.

    Returns (batch, out, height, width), of sizes as `conv_output_size` gives them.

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
        stride=steps, padding=pads, dilation=apart, groups=_groups(groups),
    )  # fmt: skip
    return Tensor(_with_bias(result, bias, dims, batched))


def _groups(groups: Any) -> int:
    return per_dimension("groups", groups, 1)[0]


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
    """out[n, o, s i + k, s j + l] += x[n, c, i, j] w[c, o, k, l]: the adjoint of `conv2d`.

    input: (batch, in, height, width), or without a batch. weight: (in, out / groups, kernel
    height, kernel width). bias: (out,). padding: what the convolution had, which is cut off here.
    output_padding: what is added to one side of the result, where a stride leaves its size open.

    Returns (batch, out, height, width), of sizes as `conv_transpose_output_size` gives them.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016).

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
        padding=cut, dilation=apart, groups=_groups(groups),
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


# -------------------------------------------------------------------------------------- sizes


@api
def conv_output_size(
    size: Sizes,
    kernel_size: Sizes,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
) -> int | tuple[int, ...]:
    """⌊(N + 2 P - D (F - 1) - 1) / S⌋ + 1, without dilation ⌊(N + 2 P - F) / S⌋ + 1.

    The size of what a convolution or a pooling makes of N elements, with windows of size F that
    are S apart, P elements of padding on both sides, and D from one element of a window to the
    next. Textbooks that leave out 2 P or the rounding mean P = 0 and windows that come out even.

    size: N, an integer or one for each dimension; the others as in `conv2d`. Returns an integer,
    or a tuple where anything is one.

    >>> import tinygraph as tg
    >>> tg.nn.functional.conv_output_size(224, 7, stride=2, padding=3)
    112
    >>> tg.nn.functional.conv_output_size((28, 28), 5, padding="full")
    (32, 32)
    """
    dims = _dims(size, kernel_size, stride, padding, dilation)
    kernel = per_dimension("kernel_size", kernel_size, dims)
    steps = per_dimension("stride", stride, dims)
    apart = per_dimension("dilation", dilation, dims)
    pads = both_sides(padding, kernel, steps, apart)
    counts = window_counts(per_dimension("size", size, dims, 0), kernel, steps, apart, pads)
    return _as_given(counts, size, kernel_size, stride, padding, dilation)


@api
def conv_transpose_output_size(
    size: Sizes,
    kernel_size: Sizes,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    dilation: Sizes = 1,
) -> int | tuple[int, ...]:
    """(N - 1) S - 2 P + D (F - 1) + output_padding + 1, without dilation (N - 1) S - 2 P + F.

    The size of what a transposed convolution makes of N elements; see `conv_output_size`. Of that
    size, the convolution with the same arguments makes N again.

    >>> import tinygraph as tg
    >>> tg.nn.functional.conv_transpose_output_size(7, 4, stride=2, padding=1)
    14
    """
    given = (size, kernel_size, stride, padding, output_padding, dilation)
    dims = _dims(*given)
    counts = per_dimension("size", size, dims)
    kernel = per_dimension("kernel_size", kernel_size, dims)
    steps = per_dimension("stride", stride, dims)
    pads = per_dimension("padding", padding, dims, 0)
    more = per_dimension("output_padding", output_padding, dims, 0)
    apart = per_dimension("dilation", dilation, dims)
    cuts = tuple((pad, pad - extra) for pad, extra in zip(pads, more, strict=True))
    numbers = zip(counts, kernel, steps, cuts, apart, strict=True)
    return _as_given(tuple(_transposed_size(*each) for each in numbers), *given)


def _dims(*given: Any) -> int:
    """How many dimensions the tuples among what a user gave are for; 1 without any."""
    return next((len(value) for value in given if isinstance(value, (tuple, list))), 1)


def _as_given(sizes: Sequence[Size], *given: Any) -> int | tuple[int, ...]:
    """`sizes` as a tuple, or as one integer where no tuple was given."""
    numbers = tuple(map(known, sizes))
    return numbers if any(isinstance(part, (tuple, list)) for part in given) else numbers[0]
