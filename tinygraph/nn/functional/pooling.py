"""Pooling: each window of the input becomes its largest or its mean element."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.reduce import in_dtype, mean_node, widened
from tinygraph.array.sizes import known
from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.node import Node
from tinygraph.nn.functional.pad import pad_last
from tinygraph.nn.functional.window import Sizes, check_spatial, per_dimension
from tinygraph.ops.contract import contraction
from tinygraph.ops.index import take_along_axis
from tinygraph.ops.movement import reshape
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.rules import full, product
from tinygraph.ops.windows import Ints, window_argmax, windows
from tinygraph.tensor import Tensor, tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
]  # fmt: skip

Pooled = Tensor | tuple[Tensor, Tensor]


@api
def max_pool1d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window along one dimension; see `max_pool2d`."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, return_indices)


@api
def max_pool2d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window. The gradient goes to the first of equal ones.

    input: (batch, channel, height, width), or without a batch. kernel_size, stride (that of the
    kernel by default), padding (at most half of the kernel; never the largest), dilation: an
    integer for all dimensions, or a tuple. return_indices: return a pair, the second of which
    tells where in height * width each element was.

    >>> import tinygraph as tg
    >>> tg.nn.functional.max_pool2d(tg.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[4.0]]]
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, return_indices)


@api
def max_pool3d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window along three dimensions; see `max_pool2d`."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, return_indices)


def _max_pool(
    dims: int,
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    return_indices: bool,
) -> Pooled:
    x = as_node(input)
    check_spatial(x.shape, dims)
    kernel, steps, pads = _layout(dims, kernel_size, stride, padding)
    lead, size = x.shape[:-dims], x.shape[-dims:]
    places = window_argmax(
        x, kernel=kernel, stride=steps, dilation=per_dimension("dilation", dilation, dims),
        padding=tuple((pad, pad) for pad in pads),
    )  # fmt: skip
    flat = reshape(places, shape=(*lead, product(places.shape[-dims:])))
    elements = reshape(x, shape=(*lead, product(size)))
    largest = take_along_axis(elements, flat, axis=len(lead))
    result = Tensor(reshape(largest, shape=places.shape))
    return (result, Tensor(places)) if return_indices else result


def _layout(
    dims: int, kernel_size: Sizes, stride: Sizes | None, padding: Sizes
) -> tuple[Ints, Ints, Ints]:
    kernel = per_dimension("kernel_size", kernel_size, dims)
    steps = per_dimension("stride", kernel if stride is None else stride, dims)
    pads = per_dimension("padding", padding, dims, 0)
    if any(2 * pad > k for pad, k in zip(pads, kernel, strict=True)):
        raise ShapeError(f"expected padding of at most half of the kernel {kernel}, got {pads}")
    return kernel, steps, pads


@api
def avg_pool1d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window along one dimension; see `avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, count_include_pad)


@api
def avg_pool2d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window.

    input: (batch, channel, height, width), or without a batch. kernel_size, stride (that of the
    kernel by default), padding (at most half of the kernel): an integer for all dimensions, or a
    tuple. count_include_pad: whether the zeros of the padding count as elements.

    >>> import tinygraph as tg
    >>> tg.nn.functional.avg_pool2d(tg.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2).tolist()
    [[[2.5]]]
    """
    return _avg_pool(2, input, kernel_size, stride, padding, count_include_pad)


@api
def avg_pool3d(
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window along three dimensions; see `avg_pool2d`."""
    return _avg_pool(3, input, kernel_size, stride, padding, count_include_pad)


def _avg_pool(
    dims: int,
    input: TensorLike,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    count_include_pad: bool,
) -> Tensor:
    x = _floats(input)
    check_spatial(x.shape, dims)
    kernel, steps, pads = _layout(dims, kernel_size, stride, padding)
    total = _window_sums(widened(x), kernel, steps, pads)
    if count_include_pad or not any(pads):
        return Tensor(in_dtype(total / float(product(kernel)), x.dtype))
    ones = full(x.shape[-dims:], 1, total.dtype)
    return Tensor(in_dtype(total / _window_sums(ones, kernel, steps, pads), x.dtype))


def _floats(input: TensorLike) -> Node:
    x = as_node(input)
    if not is_float(x.dtype):
        raise DTypeError(f"needs a float, got {x.dtype.name}; cast it with astype")
    return x


def _window_sums(x: Node, kernel: Ints, steps: Ints, pads: Ints) -> Node:
    dims = len(kernel)
    padded = pad_last(x, tuple((pad, pad) for pad in pads))
    seen = windows(padded, kernel=kernel, stride=steps, dilation=(1,) * dims)
    return reduce_sum(seen, axis=tuple(range(seen.ndim - dims, seen.ndim)), keepdims=False)


@api
def adaptive_avg_pool1d(input: TensorLike, output_size: Any) -> Tensor:
    """The means of `output_size` equal parts along one dimension; see `adaptive_avg_pool2d`."""
    return _adaptive(1, input, output_size)


@api
def adaptive_avg_pool2d(input: TensorLike, output_size: Any) -> Tensor:
    """The means of `output_size` parts, as equal as can be, along height and width.

    Part i of n runs from floor(i * size / n) to ceil((i + 1) * size / n). output_size: an
    integer or a pair; None keeps a size. 1 is the mean of the whole.

    >>> import tinygraph as tg
    >>> x = tg.tensor([[[1.0, 2.0, 4.0], [3.0, 4.0, 6.0]]])
    >>> tg.nn.functional.adaptive_avg_pool2d(x, (1, 2))
    tensor([[[2.5, 4. ]]])
    """
    return _adaptive(2, input, output_size)


@api
def adaptive_avg_pool3d(input: TensorLike, output_size: Any) -> Tensor:
    """The means of `output_size` parts along three dimensions; see `adaptive_avg_pool2d`."""
    return _adaptive(3, input, output_size)


def _adaptive(dims: int, input: TensorLike, output_size: Any) -> Tensor:
    x = _floats(input)
    check_spatial(x.shape, dims)
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * dims
    if len(wanted) != dims:
        raise ShapeError(f"expected output_size to have {dims} entries, got {output_size!r}")
    lead = x.ndim - dims
    if all(size == 1 for size in wanted):
        return Tensor(mean_node(x, tuple(range(lead, x.ndim)), True))
    for axis, parts in enumerate(wanted, lead):
        if parts is not None and parts != x.shape[axis]:
            x = _mean_parts(x, axis, per_dimension("output_size", parts, 1)[0])
    return Tensor(x)


def _mean_parts(x: Node, axis: int, parts: int) -> Node:
    """Along `axis` the means of `parts` parts: a product with a matrix of shares."""
    size = known(x.shape[axis])
    shares = np.zeros((parts, size), x.dtype)
    for part in range(parts):
        start, stop = part * size // parts, -(-(part + 1) * size // parts)
        shares[part, start:stop] = 1 / (stop - start)
    left = tuple(range(x.ndim))
    result = (*left[:axis], "part", *left[axis + 1 :])
    return contraction(x, left, tensor(shares).node, ("part", axis), result)
