"""Functions under the names that PyTorch gives them; the Array API has other names, or none."""

from __future__ import annotations

from typing import Any

from tinygraph import linalg
from tinygraph.array import elementwise as e
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import asarray
from tinygraph.array.info import finfo, inf
from tinygraph.array.linear import matmul
from tinygraph.array.reduce import Axis
from tinygraph.array.shape import broadcast_arrays, broadcast_to, expand_dims, reshape
from tinygraph.dtypes import bool_, float32, float64, int32, int64, is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor, tensor

absolute, mul, neg = e.abs, e.multiply, e.negative
arccos, arcsin, arctan, arctan2 = e.acos, e.asin, e.atan, e.atan2
arccosh, arcsinh, arctanh = e.acosh, e.asinh, e.atanh
eq, ne, lt, le, gt, ge = e.equal, e.not_equal, e.less, e.less_equal, e.greater, e.greater_equal
as_tensor, broadcast_tensors = asarray, broadcast_arrays
bitwise_not, clamp, det, inverse = e.bitwise_invert, e.clip, linalg.det, linalg.inv

# ---------------------------------------------------------------------------- elementwise


def plus(x: TensorLike, other: TensorLike, *, alpha: float = 1) -> Tensor:
    """x + alpha * other.

    >>> import tinygraph as tg
    >>> tg.ones(2).add(tg.ones(2), alpha=3)
    tensor([4., 4.])
    """
    return e.add(x, other if alpha == 1 else e.multiply(other, alpha))


def sub(x: TensorLike, other: TensorLike, *, alpha: float = 1) -> Tensor:
    """x - alpha * other.

    >>> import tinygraph as tg
    >>> tg.sub(tg.ones(2), tg.ones(2), alpha=3)
    tensor([-2., -2.])
    """
    return e.subtract(x, other if alpha == 1 else e.multiply(other, alpha))


@api
def div(x: TensorLike, y: TensorLike, *, rounding_mode: str | None = None) -> Tensor:
    """x / y; rounded down with the rounding_mode "floor", towards zero with "trunc".

    >>> import tinygraph as tg
    >>> tg.div(tg.tensor([-7, 7]), 2, rounding_mode="trunc")
    tensor([-3,  3])
    """
    if rounding_mode is None:
        return e.divide(x, y)
    if rounding_mode == "floor":
        return e.floor_divide(x, y)
    if rounding_mode != "trunc":
        raise ValueError(
            f"div: expected a rounding_mode of None, 'floor' or 'trunc', got {rounding_mode!r}"
        )
    whole = to_tensor(e.floor_divide(x, y))
    if is_float(whole.dtype):
        return e.trunc(e.divide(x, y))
    # rounded down, a quotient below zero that does not come out even is one too small
    uneven = e.not_equal(e.multiply(whole, y), x)
    return e.add(whole, e.astype(e.logical_and(e.less(whole, 0), uneven), whole.dtype))


def addcmul(x: TensorLike, a: TensorLike, b: TensorLike, *, value: float = 1) -> Tensor:
    """x + value * a * b.

    >>> import tinygraph as tg
    >>> tg.addcmul(tg.ones(2), tg.tensor([2.0, 3.0]), 10.0, value=0.5)
    tensor([11., 16.])
    """
    return e.add(x, e.multiply(e.multiply(a, value), b))


def addcdiv(x: TensorLike, a: TensorLike, b: TensorLike, *, value: float = 1) -> Tensor:
    """x + value * a / b.

    >>> import tinygraph as tg
    >>> tg.addcdiv(tg.ones(2), tg.tensor([2.0, 3.0]), 10.0, value=5)
    tensor([2. , 2.5])
    """
    return e.add(x, e.divide(e.multiply(a, value), b))


def clamp_min(x: TensorLike, min: TensorLike) -> Tensor:
    """x, but at least `min`.

    >>> import tinygraph as tg
    >>> tg.clamp_min(tg.tensor([-1.0, 2.0]), 0.0)
    tensor([0., 2.])
    """
    return e.clip(x, min, None)


def clamp_max(x: TensorLike, max: TensorLike) -> Tensor:
    """x, but at most `max`.

    >>> import tinygraph as tg
    >>> tg.clamp_max(tg.tensor([-1.0, 2.0]), 0.0)
    tensor([-1.,  0.])
    """
    return e.clip(x, None, max)


def frac(x: TensorLike) -> Tensor:
    """x - trunc(x): what stands behind the point, with the sign of x.

    >>> import tinygraph as tg
    >>> tg.frac(tg.tensor([1.5, -0.25]))
    tensor([ 0.5 , -0.25])
    """
    return e.subtract(x, e.trunc(x))


def logit(x: TensorLike, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), the inverse of sigmoid. eps: x is kept between it and 1 - eps first.

    >>> import tinygraph as tg
    >>> tg.logit(tg.tensor([0.5, 0.0]), eps=0.5)
    tensor([0., 0.])
    """
    p = to_tensor(x) if eps is None else e.clip(x, eps, 1 - eps)
    return e.subtract(e.log(p), e.log1p(e.negative(p)))


def nan_to_num(
    x: TensorLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """x with numbers for NaN and infinities: `nan`, and by default the largest of the dtype.

    >>> import tinygraph as tg
    >>> tg.nan_to_num(tg.tensor([1.0, float("nan"), -float("inf")]), neginf=-9.0)
    tensor([ 1.,  0., -9.])
    """
    array = to_tensor(x)
    if not is_float(array.dtype):
        return array
    limits = finfo(array.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    bounded = e.where(e.equal(array, inf), high, e.where(e.equal(array, -inf), low, array))
    return e.where(e.isnan(array), nan, bounded)


# ------------------------------------------------------------------------------- products


@api(vec="y")
def mv(x: TensorLike, y: TensorLike) -> Tensor:
    """The product of a matrix x, (m, k), and a vector y, (k,).

    >>> import tinygraph as tg
    >>> tg.mv(tg.tensor([[1, 2], [3, 4]]), tg.tensor([1, 1]))
    tensor([3, 7])
    """
    result: Tensor = matmul(x, y)
    return result


@api
def addmm(
    x: TensorLike, mat1: TensorLike, mat2: TensorLike, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * x + alpha * mat1 @ mat2; the matrices may be batches of such.

    >>> import tinygraph as tg
    >>> tg.addmm(tg.ones(2), tg.ones(1, 3), tg.ones(3, 2), alpha=2)
    tensor([[7., 7.]])
    """
    product = matmul(mat1, mat2)
    return plus(x if beta == 1 else e.multiply(x, beta), product, alpha=alpha)


baddbmm = addmm


@api(p="ord")
def norm(x: TensorLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """(sum |x|^p)^(1/p) over `axis`, or over all elements: always that of a vector.

    ord: the p; None and "fro" for 2. The norms of matrices are in `tg.linalg`.

    >>> import tinygraph as tg
    >>> tg.norm(tg.tensor([[3.0, -4.0], [1.0, 2.0]]), p=1).item()
    10.0
    """
    order = 2 if ord is None or ord == "fro" else ord
    if isinstance(order, str):
        raise ValueError(
            f"norm: expected a number or 'fro', got {ord!r}; see tg.linalg.matrix_norm"
        )
    result: Tensor = linalg.vector_norm(x, axis, keepdims, order)
    return result


def dist(x: TensorLike, other: TensorLike, p: float = 2.0) -> Tensor:
    """|x - other|_p, over all elements.

    >>> import tinygraph as tg
    >>> tg.dist(tg.tensor([3.0, 0.0]), tg.tensor([0.0, 4.0])).item()
    5.0
    """
    result: Tensor = linalg.vector_norm(e.subtract(x, other), ord=p)
    return result


@api(x1="x", x2="y")
def cdist(x: TensorLike, y: TensorLike, p: float = 2.0) -> Tensor:
    """|x_i - y_j|_p: the distance of each row of x from each row of y.

    x: (..., n, features). y: (..., m, features). p: the order of the norm. Returns (..., n, m).

    >>> import tinygraph as tg
    >>> tg.cdist(tg.tensor([[0.0], [1.0]]), tg.tensor([[0.0], [5.0]]))
    tensor([[0., 5.],
            [1., 4.]])
    """
    rows, columns = to_tensor(x), to_tensor(y)
    if rows.ndim < 2 or columns.ndim < 2 or rows.shape[-1] != columns.shape[-1]:
        raise ShapeError(
            "expected (..., n, features) and (..., m, features), got "
            f"{show_shape(rows.shape)} and {show_shape(columns.shape)}"
        )
    gaps = e.subtract(expand_dims(rows, -2), expand_dims(columns, -3))
    result: Tensor = linalg.vector_norm(gaps, axis=-1, ord=p)
    return result


# ------------------------------------------------------------------------ Tensors and kinds


def clone(x: Tensor) -> Tensor:
    """A Tensor of its own with the same value; gradients pass through."""
    return x.clone()


def detach(x: Tensor) -> Tensor:
    """The same value, through which no gradient passes."""
    return x.detach()


def numel(x: Tensor) -> Any:
    """The number of elements.

    >>> import tinygraph as tg
    >>> tg.numel(tg.zeros(2, 3))
    6
    """
    return x.size


def is_tensor(x: Any) -> bool:
    """Whether x is a Tensor.

    >>> import tinygraph as tg
    >>> tg.is_tensor(tg.zeros(1)), tg.is_tensor(1.0)
    (True, False)
    """
    return isinstance(x, Tensor)


def is_floating_point(x: Tensor) -> bool:
    """Whether x is of a floating-point dtype.

    >>> import tinygraph as tg
    >>> tg.is_floating_point(tg.zeros(1)), tg.is_floating_point(tg.arange(1))
    (True, False)
    """
    return is_float(x.dtype)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """x, broadcast to the shape of `other`."""
    result: Tensor = broadcast_to(x, other.shape)
    return result


def view_as(x: Tensor, other: Tensor) -> Tensor:
    """The elements of x, row after row, under the shape of `other`."""
    result: Tensor = reshape(x, other.shape)
    return result


def type_as(x: Tensor, other: Tensor) -> Tensor:
    """x in the dtype of `other`."""
    return e.astype(x, other.dtype)


def t(x: Tensor) -> Tensor:
    """The transpose of a matrix; a vector as it is.

    >>> import tinygraph as tg
    >>> tg.t(tg.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    if x.ndim > 2:
        raise ShapeError(f"t: needs at most 2 dimensions, got {x.ndim}; use mT or transpose")
    turned: Tensor = x.T
    return turned


def FloatTensor(data: Any) -> Tensor:
    """`data` as a Tensor of float32. (`tg.tensor(data, dtype=...)` is the present way to say so.)

    >>> import tinygraph as tg
    >>> tg.FloatTensor([1, 2])
    tensor([1., 2.])
    """
    return tensor(_values(data), float32)


def DoubleTensor(data: Any) -> Tensor:
    """`data` as a Tensor of float64; see `FloatTensor`."""
    return tensor(_values(data), float64)


def IntTensor(data: Any) -> Tensor:
    """`data` as a Tensor of int32; see `FloatTensor`."""
    return tensor(_values(data), int32)


def LongTensor(data: Any) -> Tensor:
    """`data` as a Tensor of int64; see `FloatTensor`."""
    return tensor(_values(data), int64)


def BoolTensor(data: Any) -> Tensor:
    """`data` as a Tensor of bool; see `FloatTensor`."""
    return tensor(_values(data), bool_)


def _values(data: Any) -> Any:
    """`data`, which is no number: of that PyTorch makes an array of such a size."""
    if isinstance(data, (int, float)):
        raise DTypeError(
            f"expected a list or an array, got the number {data}; for an array of that size use "
            "tg.empty, for the number tg.tensor"
        )
    return data
