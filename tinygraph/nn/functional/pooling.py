"""Pooling: each window of the input becomes its largest element, its mean or its norm."""

from __future__ import annotations

import math
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.reduce import in_dtype, widened
from tinygraph.array.sizes import known
from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size
from tinygraph.graph.node import Node
from tinygraph.nn.functional.pad import pad_last
from tinygraph.nn.functional.window import Sizes, check_spatial, per_dimension
from tinygraph.ops import elementwise as e
from tinygraph.ops.index import take_along_axis
from tinygraph.ops.movement import reshape, take_range
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.rules import full, product
from tinygraph.ops.windows import Ints, Pads, no_padding, window_argmax, window_counts, window_sum
from tinygraph.tensor import Tensor

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d",
    "max_pool2d", "max_pool3d",
]  # fmt: skip

Pooled = Tensor | tuple[Tensor, Tensor]

# ------------------------------------------------------------------------------- the largest


@api
def max_pool1d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """out[i] = max_k x[stride i + dilation k - padding]; see `max_pool2d`."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@api
def max_pool2d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window: out[i, j] = max_kl x[s i + d k - p, s j + d l - p].

    input: (batch, channel, height, width), or without a batch. kernel_size, stride (s; that of
    the kernel by default), padding (p; at most half of the window, and never the largest),
    dilation (d; how far apart the elements of a window are): an integer for all dimensions, or a
    tuple. ceil_mode: a last window that starts in the input, or before, may reach beyond its end.
    return_indices: return a pair, the second of which (int64) tells where in height * width each
    element was; `max_unpool2d` takes them back.

    Returns (batch, channel, (height + 2 padding - dilation (kernel - 1) - 1) // stride + 1, ...),
    rounded up with ceil_mode. NaN counts as the largest. The gradient goes to the first of equal
    ones.

    Source: Ranzato et al., "Unsupervised Learning of Invariant Feature Hierarchies" (2007).

    >>> import tinygraph as tg
    >>> tg.nn.functional.max_pool2d(tg.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[4.0]]]
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@api
def max_pool3d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window along three dimensions; see `max_pool2d`."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _max_pool(
    dims: int,
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    return_indices: bool,
) -> Pooled:
    x = as_node(input)
    check_spatial(x.shape, dims)
    apart = per_dimension("dilation", dilation, dims)
    kernel, steps, pads = _layout(dims, kernel_size, stride, padding, apart)
    places = window_argmax(
        x, kernel=kernel, stride=steps, dilation=apart,
        padding=_sides(x.shape[-dims:], kernel, steps, apart, pads, ceil_mode),
    )  # fmt: skip
    return at_places(x, places, dims, return_indices)


def at_places(x: Node, places: Node, dims: int, return_indices: bool) -> Pooled:
    """The elements of x at `places`, which count through its last `dims` dimensions, and with
    return_indices those, too."""
    lead, size = x.shape[:-dims], x.shape[-dims:]
    flat = reshape(places, shape=(*lead, product(places.shape[len(lead) :])))
    elements = reshape(x, shape=(*lead, product(size)))
    found = take_along_axis(elements, flat, axis=len(lead))
    result = Tensor(reshape(found, shape=places.shape))
    return (result, Tensor(places)) if return_indices else result


def _layout(
    dims: int,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Ints | None = None,
) -> tuple[Ints, Ints, Ints]:
    """Kernel, stride and padding, one of each for each dimension."""
    kernel = per_dimension("kernel_size", kernel_size, dims)
    steps = per_dimension("stride", kernel if stride is None else stride, dims)
    pads = per_dimension("padding", padding, dims, 0)
    extents = [d * (k - 1) + 1 for d, k in zip(dilation or (1,) * dims, kernel, strict=True)]
    if any(2 * pad > extent for pad, extent in zip(pads, extents, strict=True)):
        raise ShapeError(f"expected padding of at most half of the kernel {kernel}, got {pads}")
    return kernel, steps, pads


def _sides(
    sizes: tuple[Size, ...], kernel: Ints, steps: Ints, apart: Ints, pads: Ints, ceil_mode: bool
) -> Pads:
    """The padding before and after each dimension."""
    if not ceil_mode:
        return tuple((pad, pad) for pad in pads)
    numbers = zip(sizes, kernel, steps, apart, pads, strict=True)
    return tuple((each[-1], _rounded_up(*each)) for each in numbers)


def _rounded_up(size: Size, kernel: int, stride: int, dilation: int, pad: int) -> int:
    """The padding after a dimension that rounds the number of windows up, unless the last of
    them would start behind the input."""
    extent = dilation * (kernel - 1) + 1
    after = pad + stride - 1
    if pad + stride <= extent:  # so it starts in the input, whatever the size
        return after
    end = known(size) + pad
    last = (end + after - extent) // stride * stride
    return after if last < end else pad


# ---------------------------------------------------------------------------------- the mean


@api
def avg_pool1d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """out[i] = mean_k x[stride i + k - padding]; see `avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@api
def avg_pool2d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: out[i, j] = mean_kl x[s i + k - p, s j + l - p].

    input: (batch, channel, height, width), or without a batch. kernel_size, stride (s; that of
    the kernel by default), padding (p; at most half of the kernel): an integer for all
    dimensions, or a tuple. ceil_mode: a last window that starts in the input, or before, may reach
    beyond its end; what is there does not count. count_include_pad: whether the zeros of the
    padding count as elements. divisor_override: what the sum of a window is divided by, instead
    of the number of its elements.

    Returns (batch, channel, (height + 2 padding - kernel) // stride + 1, ...), rounded up with
    ceil_mode.

    Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (1998).

    >>> import tinygraph as tg
    >>> tg.nn.functional.avg_pool2d(tg.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[2.5]]]
    """
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@api
def avg_pool3d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window along three dimensions; see `avg_pool2d`."""
    return _avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _avg_pool(
    dims: int,
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    x = float_node(input)
    check_spatial(x.shape, dims)
    if divisor == 0:
        raise ValueError("expected a divisor_override that is not 0")
    kernel, steps, pads = _layout(dims, kernel_size, stride, padding)
    sides = _sides(x.shape[-dims:], kernel, steps, (1,) * dims, pads, ceil_mode)
    total = window_sums(pad_last(widened(x), sides), kernel, steps)
    counted = pads if count_include_pad else (0,) * dims
    if divisor is not None:
        total = total / float(divisor)
    elif all(side == (pad, pad) for side, pad in zip(sides, counted, strict=True)):
        total = total / float(product(kernel))
    else:
        total = total / _counts(x, kernel, steps, counted, sides, total)
    return Tensor(in_dtype(total, x.dtype))


def _counts(x: Node, kernel: Ints, steps: Ints, counted: Ints, sides: Pads, like: Node) -> Node:
    """How many elements of each window lie in the input or less than `counted` beside it."""
    dims = len(kernel)
    inner = zip(x.shape[-dims:], counted, strict=True)
    ones = full(tuple(size + 2 * pad for size, pad in inner), 1, like.dtype)
    rest = zip(sides, counted, strict=True)
    ones = pad_last(ones, tuple((low - pad, max(high - pad, 0)) for (low, high), pad in rest))
    return window_sums(ones, kernel, steps)


def float_node(input: TensorLike) -> Node:
    """A node of floats. DTypeError for the rest."""
    x = as_node(input)
    if not is_float(x.dtype):
        raise DTypeError(f"needs a float, got {x.dtype.name}; cast it with astype")
    return x


def window_sums(x: Node, kernel: Ints, steps: Ints) -> Node:
    """The sum over each window of the last dimensions."""
    if kernel != steps:
        return window_sum(x, kernel=kernel, stride=steps, dilation=(1,) * len(kernel))
    window_counts(
        x.shape[-len(kernel) :], kernel, steps, (1,) * len(kernel), no_padding(len(kernel))
    )
    for axis, width in enumerate(kernel, x.ndim - len(kernel)):
        x = _sums_of(x, axis, width) if width > 1 else x
    return x


def _sums_of(x: Node, axis: int, width: int) -> Node:
    """The sums of every `width` elements along `axis`, without what is left over.

    Windows that do not overlap are a dimension of their own in a longer shape: the sums over it
    are fused with what is around them, and their gradient is a broadcast.
    """
    count = x.shape[axis] // width
    whole = x if x.shape[axis] == count * width else take_range(x, axis, 0, count * width)
    shape = (*x.shape[:axis], count, width, *x.shape[axis + 1 :])
    return reduce_sum(reshape(whole, shape=shape), axis=(axis + 1,), keepdims=False)


# ---------------------------------------------------------------------------------- the norm


@api
def lp_pool1d(
    input: TensorLike,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """out[i] = (sum_k x[stride i + k]^p)^(1/p), p = norm_type; see `lp_pool2d`."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@api
def lp_pool2d(
    input: TensorLike,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The power sum of each window: out[i, j] = (sum_kl x[s i + k, s j + l]^p)^(1/p).

    input: (batch, channel, height, width), or without a batch. norm_type: p. 1 gives sums, 2 the
    Euclidean norm, infinity the largest absolute value, -infinity the smallest one. An odd p takes
    no absolute values: where the sum is negative the result is NaN. kernel_size, stride (s; that
    of the kernel by default): an integer for all dimensions, or a pair. ceil_mode: a last window
    may reach beyond the end; its sum is then scaled up to a whole window.

    The gradient is 0 where the sum is 0.

    Source: Sermanet et al., "Convolutional Neural Networks Applied to House Numbers Digit
    Classification" (2012).

    >>> import tinygraph as tg
    >>> tg.nn.functional.lp_pool2d(tg.tensor([[[3.0, 0.0], [0.0, 4.0]]]), 2, 2).tolist()
    [[[5.0]]]
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@api
def lp_pool3d(
    input: TensorLike,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The power sum of each window along three dimensions; see `lp_pool2d`."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    dims: int,
    input: TensorLike,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None,
    ceil_mode: bool,
) -> Tensor:
    x = float_node(input)
    if norm_type == 0:
        raise ValueError("expected a norm_type that is not 0")
    if math.isinf(norm_type):
        sign = math.copysign(1.0, norm_type)
        size = Tensor(e.abs(x) * sign)
        found = _max_pool(dims, size, kernel_size, stride, 0, 1, ceil_mode, False)
        assert isinstance(found, Tensor)
        return found * sign
    powers = Tensor(widened(x) ** float(norm_type))
    mean = _avg_pool(dims, powers, kernel_size, stride, 0, ceil_mode, True, None)
    total = mean.node * float(product(per_dimension("kernel_size", kernel_size, dims)))
    # the root has an infinite slope at 0: there it is taken of another number, and not used
    none = e.equal(total, 0)
    base = e.where(none, 1, total)
    root = e.sqrt(base) if norm_type == 2 else base ** (1.0 / norm_type)
    return Tensor(in_dtype(e.where(none, 0, root), x.dtype))
