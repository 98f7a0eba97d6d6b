"""Making Tensors from numbers, sizes and arrays.

A shape is a tuple or separate integers: `tg.zeros((2, 3))` is `tg.zeros(2, 3)`. Its sizes may be
the open sizes of a placeholder. All of these functions take `requires_grad=`, and `device=`,
which can only name the backend in force.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinygraph.array.api import api, with_signature
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.sizes import as_shape, as_size
from tinygraph.dtypes import (
    DEFAULT_FLOAT,
    DEFAULT_INT,
    DType,
    Scalar,
    canonical,
    float64,
    int64,
    is_bool,
    is_integer,
    of_scalar,
)
from tinygraph.errors import BackendError, DTypeError, ShapeError
from tinygraph.graph.dim import Dim, Size, is_known
from tinygraph.graph.node import Node, Shape
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import broadcast_to, iota, reshape
from tinygraph.ops.registry import cast
from tinygraph.ops.rules import full as full_node
from tinygraph.ops.rules import show_shape
from tinygraph.runtime.backend import current
from tinygraph.tensor import Tensor, tensor


def creator(function: Callable[..., Node]) -> Callable[..., Tensor]:
    """The public function that makes a Tensor of the node that `function` returns. It takes
    `requires_grad` and `device` as well."""

    @wraps(function)
    def create(
        *args: Any, requires_grad: bool = False, device: str | None = None, **kwargs: Any
    ) -> Tensor:
        check_device(device)
        result = Tensor(function(*args, **kwargs))
        return result.requires_grad_() if requires_grad else result

    with_signature(create, inspect.signature(function), requires_grad=False, device=None)
    public: Callable[..., Tensor] = api(create)
    return public


def check_device(device: str | None) -> None:
    """BackendError where `device` is another than the backend in force."""
    if device is not None and device != current().name:
        raise BackendError(
            f"device {device!r} is not in force, {current().name!r} is; choose one with "
            "tg.set_backend or TINYGRAPH_BACKEND"
        )


# ---------------------------------------------------------------------------- one value


@creator
def zeros(*shape: Any, dtype: Any = None) -> Node:
    """Zeros of the given shape; float32 unless `dtype` says otherwise.

    >>> import tinygraph as tg
    >>> tg.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return full_node(as_shape(shape), 0, canonical(dtype or DEFAULT_FLOAT))


@creator
def ones(*shape: Any, dtype: Any = None) -> Node:
    """Ones of the given shape; float32 unless `dtype` says otherwise.

    >>> import tinygraph as tg
    >>> tg.ones((2,), dtype="int64")
    tensor([1, 1])
    """
    return full_node(as_shape(shape), 1, canonical(dtype or DEFAULT_FLOAT))


@creator
def empty(*shape: Any, dtype: Any = None) -> Node:
    """A Tensor whose values nobody relies on. They are zeros, so that a mistake can be repeated.

    >>> import tinygraph as tg
    >>> tg.empty(2).shape
    (2,)
    """
    return full_node(as_shape(shape), 0, canonical(dtype or DEFAULT_FLOAT))


@creator
def full(shape: Any, fill_value: TensorLike, dtype: Any = None) -> Node:
    """`fill_value`, a number or a Tensor of no dimensions, repeated over `shape`.

    dtype: unless given, that of the value: bool, int64 or float32 for a Python number.

    >>> import tinygraph as tg
    >>> tg.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    return filled(as_shape((shape,)), fill_value, dtype)


def filled(shape: Shape, value: TensorLike, dtype: Any = None) -> Node:
    """The node of `value` repeated over `shape`."""
    wanted = None if dtype is None else canonical(dtype)
    if isinstance(value, (bool, int, float)):
        return full_node(shape, value, wanted or of_scalar(value))
    node = as_node(value)
    if node.shape:
        raise ShapeError(f"the value has no dimensions, got one of shape {show_shape(node.shape)}")
    if wanted is not None and wanted != node.dtype:
        node = cast(node, dtype=wanted)
    return broadcast_to(node, shape=shape)


def _like(x: TensorLike, value: Scalar, dtype: Any) -> Node:
    node = as_node(x)
    return full_node(node.shape, value, node.dtype if dtype is None else canonical(dtype))


@creator
def zeros_like(x: TensorLike, dtype: Any = None) -> Node:
    """Zeros of the shape of x, and of its dtype unless another is given.

    >>> import tinygraph as tg
    >>> tg.zeros_like(tg.tensor([1.5, 2.5]))
    tensor([0., 0.])
    """
    return _like(x, 0, dtype)


@creator
def ones_like(x: TensorLike, dtype: Any = None) -> Node:
    """Ones of the shape of x, and of its dtype unless another is given.

    >>> import tinygraph as tg
    >>> tg.ones_like(tg.tensor([1.5, 2.5]))
    tensor([1., 1.])
    """
    return _like(x, 1, dtype)


@creator
def empty_like(x: TensorLike, dtype: Any = None) -> Node:
    """As `empty`, of the shape of x, and of its dtype unless another is given.

    >>> import tinygraph as tg
    >>> tg.empty_like(tg.tensor([1.5, 2.5])).shape
    (2,)
    """
    return _like(x, 0, dtype)


@creator
def full_like(x: TensorLike, fill_value: TensorLike, dtype: Any = None) -> Node:
    """`fill_value` repeated over the shape of x, in the dtype of x unless another is given.

    >>> import tinygraph as tg
    >>> tg.full_like(tg.tensor([1.5, 2.5]), 9)
    tensor([9., 9.])
    """
    node = as_node(x)
    return filled(node.shape, fill_value, node.dtype if dtype is None else dtype)


# ---------------------------------------------------------------------------- sequences


@creator
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Node:
    """start, start + step, ... before `stop`; `arange(stop)` starts at 0.

    dtype: int64 for integers, float32 where a float is among the arguments. A size of a
    placeholder can be `stop`. ShapeError for a step of 0.

    >>> import tinygraph as tg
    >>> tg.arange(2, 9, 3)
    tensor([2, 5, 8])
    >>> tg.arange(0.0, 1.0, 0.25)
    tensor([0.  , 0.25, 0.5 , 0.75])
    """
    if stop is None:
        start, stop = 0, start
    numbers = [value if isinstance(value, Dim) else _number(value) for value in (start, stop, step)]
    start, stop, step = numbers
    if isinstance(step, (int, float)) and step == 0:
        raise ShapeError("the step is 0: there is no end")
    if any(isinstance(value, float) and not math.isfinite(value) for value in numbers):
        raise ShapeError(f"needs finite numbers, got {start} to {stop} by {step}")
    floats = any(isinstance(value, float) for value in numbers)
    wanted = canonical(dtype or (DEFAULT_FLOAT if floats else DEFAULT_INT))
    count = _count(start, stop, step)
    if is_integer(wanted) and not floats:
        counted = iota(size=count, dtype=wanted)
    else:  # in double precision, so that a long range keeps its step
        counted = iota(size=count, dtype=float64)
    if not (isinstance(step, (int, float)) and step == 1):
        counted = counted * as_node(step, counted.dtype)
    if not (isinstance(start, (int, float)) and start == 0):
        counted = counted + as_node(start, counted.dtype)
    return counted if counted.dtype == wanted else cast(counted, dtype=wanted)


def _number(value: Any) -> int | float:
    """A Python number of what counts as one."""
    if isinstance(value, (int, float)):
        return value
    if hasattr(value, "__index__") and not (isinstance(value, Tensor) and value.dtype.kind == "f"):
        return int(value.__index__())
    if hasattr(value, "__float__"):
        return float(value)
    raise DTypeError(f"needs numbers, got {type(value).__name__}")


def _count(start: Any, stop: Any, step: Any) -> Size:
    """How many elements an arange has."""
    if all(isinstance(value, int) for value in (start, stop, step)):
        return len(range(start, stop, step))
    if is_known(start, stop, step):
        count: Size = max(0, math.ceil((stop - start) / step))
    else:
        count = (stop - start + (step - 1)) // step
    return count


@creator
def linspace(start: float, stop: float, num: int, dtype: Any = None, endpoint: bool = True) -> Node:
    """`num` numbers at equal distances from `start` to `stop`; both ends are met exactly.

    endpoint: whether `stop` is among them. dtype: float32 unless given.

    >>> import tinygraph as tg
    >>> tg.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    size = as_size(num)
    if isinstance(size, int) and size < 0:
        raise ShapeError(f"the number of elements is not negative, got {size}")
    steps = size - 1 if endpoint else size
    if is_known(steps):
        steps = max(int(steps), 1)
    part = iota(size=size, dtype=float64) / as_node(steps, float64)
    line = (1 - part) * float(start) + part * float(stop)
    wanted = canonical(dtype or DEFAULT_FLOAT)
    return line if wanted == float64 else cast(line, dtype=wanted)


# ---------------------------------------------------------------------------- matrices


def _coordinates(rows: Size, columns: Size) -> tuple[Node, Node]:
    """The row numbers (rows, 1) and the column numbers (1, columns) of a matrix."""
    down = reshape(iota(size=rows, dtype=int64), shape=(rows, 1))
    across = reshape(iota(size=columns, dtype=int64), shape=(1, columns))
    return down, across


@creator
def eye(n_rows: int, n_cols: int | None = None, k: int = 0, dtype: Any = None) -> Node:
    """A matrix with ones on a diagonal and zeros elsewhere, (n_rows, n_cols).

    k: which diagonal; 0 is the main one, 1 the one above it.

    >>> import tinygraph as tg
    >>> tg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    down, across = _coordinates(*as_shape((n_rows, n_rows if n_cols is None else n_cols)))
    wanted = canonical(dtype or DEFAULT_FLOAT)
    diagonal = e.equal(down + k, across)
    return diagonal if is_bool(wanted) else cast(diagonal, dtype=wanted)


def _matrix_of(x: TensorLike) -> Node:
    node = as_node(x)
    if node.ndim < 2:
        raise ShapeError(
            f"needs at least 2 dimensions, got an array of shape {show_shape(node.shape)}"
        )
    return node


@api(diagonal="k")
def tril(x: TensorLike, k: int = 0) -> Tensor:
    """x, (..., m, n), with zeros above a diagonal. k: which one; 0 is the main, 1 above it.

    >>> import tinygraph as tg
    >>> tg.tril(tg.ones(2, 3))
    tensor([[1., 0., 0.],
            [1., 1., 0.]])
    """
    node = _matrix_of(x)
    down, across = _coordinates(*node.shape[-2:])
    return Tensor(e.where(down + k >= across, node, full_node((), 0, node.dtype)))


@api(diagonal="k")
def triu(x: TensorLike, k: int = 0) -> Tensor:
    """x, (..., m, n), with zeros below a diagonal. k: which one; 0 is the main, 1 above it.

    >>> import tinygraph as tg
    >>> tg.triu(tg.ones(2, 3), k=1)
    tensor([[0., 1., 1.],
            [0., 0., 1.]])
    """
    node = _matrix_of(x)
    down, across = _coordinates(*node.shape[-2:])
    return Tensor(e.where(down + k <= across, node, full_node((), 0, node.dtype)))


@api
def meshgrid(*arrays: TensorLike, indexing: str = "xy") -> tuple[Tensor, ...]:
    """The coordinates of a grid: for arrays of shapes (n,), (m,), ... one Tensor each.

    indexing: "xy", where the grids have the shape (m, n, ...), or "ij", where it is (n, m, ...).

    >>> import tinygraph as tg
    >>> tg.meshgrid(tg.arange(3), tg.arange(2), indexing="ij")[1]
    tensor([[0, 1],
            [0, 1],
            [0, 1]])
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(f"indexing is 'xy' or 'ij', got {indexing!r}")
    nodes = [as_node(x) for x in arrays]
    for node in nodes:
        if node.ndim != 1:
            raise ShapeError(
                f"needs arrays of one dimension, got one of shape {show_shape(node.shape)}"
            )
    order = list(range(len(nodes)))
    if indexing == "xy":
        order[:2] = order[:2][::-1]
    place = {number: axis for axis, number in enumerate(order)}
    shape = tuple(nodes[number].shape[0] for number in order)
    grids = []
    for number, node in enumerate(nodes):
        line = tuple(node.shape[0] if i == place[number] else 1 for i in range(len(nodes)))
        grids.append(Tensor(broadcast_to(reshape(node, shape=line), shape=shape)))
    return tuple(grids)


@api
def one_hot(x: TensorLike, num_classes: int | None = None, dtype: Any = "int64") -> Tensor:
    """For each integer of x, (...), a row (..., num_classes) with a 1 in its place, else 0.

    A number that is no class has a row of zeros. num_classes: where it is left out, one more
    than the largest number, which must be known by then.

    >>> import tinygraph as tg
    >>> tg.one_hot(tg.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    node = as_node(x)
    if not is_integer(node.dtype):
        raise DTypeError(f"needs integers, got {node.dtype.name}")
    if num_classes is None or num_classes == -1:
        num_classes = int(Tensor(node).numpy().max(initial=-1)) + 1
    size = as_size(num_classes)
    classes = iota(size=size, dtype=node.dtype)
    places = e.equal(reshape(node, shape=(*node.shape, 1)), classes)
    return Tensor(cast(places, dtype=canonical(dtype)))


# ---------------------------------------------------------------------------- from arrays


@api
def asarray(
    x: Any, dtype: Any = None, device: str | None = None, copy: bool | None = None
) -> Tensor:
    """A Tensor of x: a Tensor as it is, all else as `tg.tensor` has it.

    copy: True for a Tensor of its own; False raises ValueError where a copy would be needed,
    which is so for all but a Tensor of the right dtype.

    >>> import tinygraph as tg
    >>> tg.asarray([1, 2])
    tensor([1, 2])
    """
    check_device(device)
    if not isinstance(x, Tensor):
        if copy is False:
            raise ValueError(f"asarray: a {type(x).__name__} has to be copied, but copy is False")
        return tensor(x, dtype)
    wanted: DType = x.dtype if dtype is None else canonical(dtype)
    if x.dtype == wanted:
        return x.clone() if copy else x
    if copy is False:
        raise ValueError(f"asarray: {x.dtype} to {wanted} needs a copy, but copy is False")
    return Tensor(cast(x.node, dtype=wanted))


@api
def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor with a copy of a NumPy array, of the same dtype.

    >>> import numpy as np
    >>> import tinygraph as tg
    >>> tg.from_numpy(np.array([1.5, 2.5])).dtype
    dtype('float64')
    """
    if not isinstance(array, np.ndarray):
        raise DTypeError(f"needs a NumPy array, got {type(array).__name__}; use tg.tensor")
    return tensor(array)


@api
def from_dlpack(x: Any) -> Tensor:
    """A Tensor with a copy of the array of any library that speaks DLPack.

    >>> import numpy as np
    >>> import tinygraph as tg
    >>> tg.from_dlpack(np.array([1, 2]))
    tensor([1, 2])
    """
    return tensor(np.from_dlpack(x))
