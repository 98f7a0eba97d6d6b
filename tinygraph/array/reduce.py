"""Many numbers to one: sums, means, extremes and their places, truth.

`axis` is None (all dimensions), an integer or a tuple of them; negative ones count from the end.
`keepdims` leaves the reduced dimensions in place with size 1. PyTorch's `dim` and `keepdim` are
accepted too.
"""

from __future__ import annotations

from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.elementwise import maximum, minimum
from tinygraph.array.sizes import known
from tinygraph.dtypes import DEFAULT_FLOAT, DType, canonical, float32, is_bool, is_float
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size
from tinygraph.graph.node import Node
from tinygraph.ops import elementwise as e
from tinygraph.ops import reduce as r
from tinygraph.ops.movement import permute, reshape, take_range
from tinygraph.ops.registry import Op, cast, const
from tinygraph.ops.rules import Axes, normalize_axes, normalize_axis, product, show_shape
from tinygraph.ops.sort import sort as sort_node
from tinygraph.tensor import Tensor

Axis = int | tuple[int, ...] | None


def as_float_node(x: TensorLike, dtype: Any = None) -> Node:
    """A node of a float dtype; integers and bool are cast to the default one."""
    node = in_dtype(as_node(x), dtype)
    return node if is_float(node.dtype) else cast(node, dtype=DEFAULT_FLOAT)


def _reduced(op: Op, x: Node, axis: Axis, keepdims: bool) -> Node:
    return op(x, axis=normalize_axes(axis, x.ndim), keepdims=bool(keepdims))


def in_dtype(x: Node, dtype: Any) -> Node:
    """x in `dtype`; None leaves it as it is."""
    wanted: DType = x.dtype if dtype is None else canonical(dtype)
    return x if x.dtype == wanted else cast(x, dtype=wanted)


def widened(x: Node) -> Node:
    """x in at least 32 bits, so that sums and squares of 16-bit floats do not overflow."""
    return x if x.dtype.itemsize >= 4 else cast(x, dtype=float32)


def count_of(x: Node, axes: Axes) -> Size:
    """How many elements a reduction over `axes` takes together."""
    return product([x.shape[axis] for axis in axes])


# ------------------------------------------------------------------------ sums and means


@api
def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """The sum over `axis`. Integers are summed in 64 bits, bool is counted.

    dtype: what the elements are cast to before.

    >>> import tinygraph as tg
    >>> tg.sum(tg.tensor([[1, 2], [3, 4]]), axis=0)
    tensor([4, 6])
    """
    node = in_dtype(as_node(x), dtype)
    return Tensor(in_dtype(_reduced(r.sum, node, axis, keepdims), dtype))


@api
def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """The product over `axis`. Integers are multiplied in 64 bits.

    dtype: what the elements are cast to before.

    >>> import tinygraph as tg
    >>> tg.prod(tg.tensor([2, 3, 4])).item()
    24
    """
    node = in_dtype(as_node(x), dtype)
    return Tensor(in_dtype(_reduced(r.prod, node, axis, keepdims), dtype))


@api
def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """The arithmetic mean over `axis`; that of integers is a float32. NaN of no elements.

    >>> import tinygraph as tg
    >>> tg.mean(tg.tensor([[1.0, 2.0], [3.0, 5.0]]), axis=1)
    tensor([1.5, 4. ])
    """
    return Tensor(mean_node(as_float_node(x, dtype), axis, keepdims))


def mean_node(x: Node, axis: Axis, keepdims: bool) -> Node:
    """The mean of a node of floats."""
    axes = normalize_axes(axis, x.ndim)
    wide = widened(x)
    total = r.sum(wide, axis=axes, keepdims=bool(keepdims))
    return in_dtype(total / const(count_of(x, axes), wide.dtype), x.dtype)


@api(ddof="correction")
def var(
    x: TensorLike,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    *,
    unbiased: bool | None = None,
) -> Tensor:
    """The variance over `axis`: sum of (x - mean)^2 / (n - correction), n elements taken together.

    correction: 0, as in the Array API and NumPy; PyTorch's default is 1. unbiased: PyTorch's other
    way to say so, True for 1 and False for 0.

    >>> import tinygraph as tg
    >>> tg.var(tg.tensor([1.0, 2.0, 3.0]), correction=1).item()
    1.0
    """
    node = as_float_node(x)
    correction = correction if unbiased is None else int(unbiased)
    return Tensor(in_dtype(var_node(widened(node), axis, correction, keepdims), node.dtype))


def var_node(x: Node, axis: Axis, correction: float, keepdims: bool) -> Node:
    """The variance of a node of floats of 32 bits at least."""
    axes = normalize_axes(axis, x.ndim)
    squares = e.square(x - mean_node(x, axes, True))
    count = e.maximum(const(count_of(x, axes), x.dtype) - correction, 0)
    return r.sum(squares, axis=axes, keepdims=bool(keepdims)) / count


@api(ddof="correction")
def std(
    x: TensorLike,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    *,
    unbiased: bool | None = None,
) -> Tensor:
    """The standard deviation over `axis`, the square root of `var`.

    correction: 0, as in the Array API and NumPy; PyTorch's default is 1. unbiased: PyTorch's other
    way to say so, True for 1 and False for 0.

    >>> import tinygraph as tg
    >>> tg.std(tg.tensor([1.0, 3.0])).item()
    1.0
    """
    node = as_float_node(x)
    correction = correction if unbiased is None else int(unbiased)
    wide = e.sqrt(var_node(widened(node), axis, correction, keepdims))
    return Tensor(in_dtype(wide, node.dtype))


@api
def count_nonzero(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements over `axis` are not zero (int64).

    >>> import tinygraph as tg
    >>> tg.count_nonzero(tg.tensor([0, 3, 0, 4])).item()
    2
    """
    return Tensor(_reduced(r.sum, _truth(as_node(x)), axis, keepdims))


def _truth(x: Node) -> Node:
    return x if is_bool(x.dtype) else e.not_equal(x, 0)


# ----------------------------------------------------------------------------- extremes


@api
def max(x: TensorLike, axis: Axis | Tensor = None, keepdims: bool = False) -> Tensor:
    """The largest element over `axis`; NaN if there is one. The values alone: for their places
    see `argmax`. Equal largest elements share the gradient. ShapeError of no elements. With a
    Tensor in place of the axis, `maximum` of the two.

    >>> import tinygraph as tg
    >>> tg.max(tg.tensor([[1, 5], [7, 2]]), axis=1)
    tensor([5, 7])
    """
    if isinstance(axis, Tensor):
        return maximum(x, axis)
    return Tensor(_reduced(r.max, as_node(x), axis, keepdims))


@api
def min(x: TensorLike, axis: Axis | Tensor = None, keepdims: bool = False) -> Tensor:
    """The smallest element over `axis`; NaN if there is one. The values alone: for their places
    see `argmin`. Equal smallest elements share the gradient. ShapeError of no elements. With a
    Tensor in place of the axis, `minimum` of the two.

    >>> import tinygraph as tg
    >>> tg.min(tg.tensor([[1, 5], [7, 2]]), axis=1)
    tensor([1, 2])
    """
    if isinstance(axis, Tensor):
        return minimum(x, axis)
    return Tensor(_reduced(r.min, as_node(x), axis, keepdims))


amax, amin = max, min


def _place(op: Op, x: Node, axis: int | None, keepdims: bool) -> Node:
    if axis is not None:
        return op(x, axis=normalize_axis(axis, x.ndim), keepdims=bool(keepdims))
    place = op(reshape(x, shape=(product(x.shape),)), axis=0, keepdims=False)
    return reshape(place, shape=(1,) * x.ndim) if keepdims else place


@api
def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index (int64) of the largest element along `axis`, the first at ties; of the first NaN
    if there is one. Without an axis it counts through all elements, row after row.

    >>> import tinygraph as tg
    >>> tg.argmax(tg.tensor([[1, 5], [7, 2]]), axis=1)
    tensor([1, 0])
    """
    return Tensor(_place(r.argmax, as_node(x), axis, keepdims))


@api
def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index (int64) of the smallest element along `axis`, the first at ties; of the first NaN
    if there is one. Without an axis it counts through all elements, row after row.

    >>> import tinygraph as tg
    >>> tg.argmin(tg.tensor([[1, 5], [7, 2]])).item()
    0
    """
    return Tensor(_place(r.argmin, as_node(x), axis, keepdims))


@api
def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle of the sorted elements over `axis`; of an even number the mean of the middle two
    (as in NumPy; PyTorch takes the lower). NaN if there is one. ShapeError of no elements.

    >>> import tinygraph as tg
    >>> tg.median(tg.tensor([7.0, 1.0, 4.0, 2.0])).item()
    3.0
    """
    node = as_float_node(x)
    axes = normalize_axes(axis, node.ndim)
    rows = _in_rows(node, axes)
    shape = r.reduced_shape(node.shape, axes, bool(keepdims))
    size, last = known(rows.shape[-1]), rows.ndim - 1
    if not size:
        raise ShapeError(f"an array of shape {show_shape(node.shape)} has no middle element")
    ordered = sort_node(rows, axis=last, descending=False)
    middle = take_range(ordered, last, (size - 1) // 2, 2 - size % 2)
    # NaN is sorted to the end; where one is there, it is the result
    end = take_range(ordered, last, size - 1, 1)
    result = e.where(e.isnan(end), end, mean_node(middle, last, True))
    return Tensor(reshape(result, shape=shape))


def _in_rows(x: Node, axes: Axes) -> Node:
    """x with the dimensions `axes` laid out as one, the last."""
    kept = tuple(axis for axis in range(x.ndim) if axis not in axes)
    shape = (*[x.shape[axis] for axis in kept], count_of(x, axes))
    return reshape(permute(x, axes=(*kept, *axes)), shape=shape)


# -------------------------------------------------------------------------------- truth


@api
def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element over `axis` is not zero (bool). Of no elements: False.

    >>> import tinygraph as tg
    >>> tg.any(tg.tensor([[False, True], [False, False]]), axis=1)
    tensor([ True, False])
    """
    return Tensor(_reduced(r.any, as_node(x), axis, keepdims))


@api
def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element over `axis` differs from zero (bool). Of no elements: True.

    >>> import tinygraph as tg
    >>> tg.all(tg.tensor([[True, True], [False, True]]), axis=1)
    tensor([ True, False])
    """
    return Tensor(_reduced(r.all, as_node(x), axis, keepdims))
