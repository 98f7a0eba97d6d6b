"""The operators and methods of Tensor, by one table.

Almost every method is the function of that name: `x.sum(0)` is `tg.sum(x, 0)`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from tinygraph import linalg
from tinygraph.array import (
    assign,
    cumulative,
    elementwise,
    join,
    linear,
    reduce,
    select,
    shape,
    softmax,
    sort,
)
from tinygraph.array import creation as new
from tinygraph.array.api import api
from tinygraph.array.convert import OPERANDS
from tinygraph.array.creation import check_device
from tinygraph.dtypes import bool_, canonical, float16, float32, float64, int32, int64
from tinygraph.errors import ShapeError
from tinygraph.runtime.backend import backends
from tinygraph.tensor import Tensor, state, tensor

Function = Callable[..., Any]

# ----------------------------------------------------------------------------- operators


def _operator(function: Function, swapped: bool = False) -> Function:
    """The method of an operator. What is no array is left to the other operand; but not lists and
    tuples, which a number repeats: of them `function` says that they are no operands."""
    accepted = (*OPERANDS, list, tuple)

    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, accepted):
            return NotImplemented
        return function(other, self) if swapped else function(self, other)

    method.__doc__ = function.__doc__
    return method


ARITHMETIC: dict[str, Function] = {
    "add": elementwise.add,
    "sub": elementwise.subtract,
    "mul": elementwise.multiply,
    "truediv": elementwise.divide,
    "floordiv": elementwise.floor_divide,
    "mod": elementwise.remainder,
    "pow": elementwise.pow,
    "matmul": linear.matmul,
    "and": elementwise.bitwise_and,
    "or": elementwise.bitwise_or,
    "xor": elementwise.bitwise_xor,
    "lshift": elementwise.bitwise_left_shift,
    "rshift": elementwise.bitwise_right_shift,
}
COMPARISONS: dict[str, Function] = {
    "eq": elementwise.equal,
    "ne": elementwise.not_equal,
    "lt": elementwise.less,
    "le": elementwise.less_equal,
    "gt": elementwise.greater,
    "ge": elementwise.greater_equal,
}
SINGLE: dict[str, Function] = {
    "neg": elementwise.negative,
    "pos": elementwise.positive,
    "abs": elementwise.abs,
    "invert": elementwise.bitwise_invert,
    "getitem": assign.getitem,
    "setitem": assign.setitem,
}

# ------------------------------------------------------------------- methods of their own


@api
def to(x: Tensor, dtype: Any) -> Tensor:
    """x in another dtype: a dtype, its name, or that of another Tensor. The name of the backend in
    force is accepted too, and changes nothing.

    >>> import tinygraph as tg
    >>> tg.tensor([1, 2]).to(tg.float64).dtype
    dtype('float64')
    """
    if isinstance(dtype, str) and dtype in backends():
        check_device(dtype)
        return x
    result: Tensor = elementwise.astype(x, dtype.dtype if isinstance(dtype, Tensor) else dtype)
    return result


def _cast_to(dtype: Any) -> Function:
    def method(self: Tensor) -> Tensor:
        return elementwise.astype(self, dtype)

    method.__doc__ = f"x in {canonical(dtype).name}."
    return method


def to_device(x: Tensor, device: str, *, stream: Any = None) -> Tensor:
    """x itself, if `device` is the backend in force; else BackendError."""
    check_device(device)
    return x


def contiguous(x: Tensor) -> Tensor:
    """x itself: where its elements lie in memory is the compiler's to choose."""
    return x


def cpu(x: Tensor) -> Tensor:
    """x itself: `.numpy()` brings the value to the host from any backend."""
    return x


def contains(x: Tensor, value: Any) -> bool:
    """Whether some element equals `value`."""
    return bool(reduce.any(elementwise.equal(x, value)))


def dim(x: Tensor) -> int:
    """The number of dimensions."""
    return x.ndim


def numel(x: Tensor) -> Any:
    """The number of elements."""
    return x.size


def array_namespace(x: Tensor, *, api_version: str | None = None) -> ModuleType:
    """The module whose functions work on x, as the Array API asks for it."""
    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        raise ValueError(f"the version {api_version} of the Array API is not known here")
    import tinygraph

    return tinygraph


def to_dlpack(x: Tensor, **options: Any) -> Any:
    """A DLPack capsule of a copy of the value, for other libraries."""
    return x.numpy().__dlpack__(**options)


def dlpack_device(x: Tensor) -> tuple[int, int]:
    """Where that copy lies: in the host's memory."""
    return np.empty(0).__dlpack_device__()


def deepcopy(x: Tensor, memo: dict[int, Any]) -> Tensor:
    """A leaf of its own with the value of x; a copy of state is state."""
    copied = state(x.numpy()) if x.is_state else tensor(x.numpy())
    copied.name = x.name
    return copied.requires_grad_(x.requires_grad)


def reduce_to_value(x: Tensor) -> tuple[Function, tuple[Any, ...]]:
    """What a pickle holds of x: the value, and whether it requires a gradient."""
    if type(x) is not Tensor:
        raise TypeError(f"a {type(x).__name__} is not pickled; save its module's state_dict()")
    return tensor, (x.numpy(), None, x.requires_grad)


def new_zeros(x: Tensor, *sizes: Any) -> Tensor:
    """Zeros of the dtype of x and another shape."""
    return new.zeros(*sizes, dtype=x.dtype)


def new_ones(x: Tensor, *sizes: Any) -> Tensor:
    """Ones of the dtype of x and another shape."""
    return new.ones(*sizes, dtype=x.dtype)


def _transposed(x: Tensor) -> Tensor:
    """x with its dimensions turned round; of a matrix the transpose."""
    result: Tensor = shape.transpose(x)
    return result


def t(x: Tensor) -> Tensor:
    """The transpose of a matrix; a vector as it is."""
    if x.ndim > 2:
        raise ShapeError(f"t: needs at most 2 dimensions, got {x.ndim}; use mT or transpose")
    return _transposed(x)


PROPERTIES: dict[str, Function] = {
    "T": _transposed,
    "mT": shape.matrix_transpose,
    "at": assign.At,
}

# --------------------------------------------------------------------------- the table

# The functions that are methods of the same name.
SAME: dict[ModuleType, str] = {
    elementwise: """
        abs acos acosh add asin asinh astype atan atan2 atanh bitwise_and bitwise_invert bitwise_or
        bitwise_xor ceil clip copysign cos cosh digamma divide equal erf erfc erfinv exp exp2 expm1
        floor floor_divide greater greater_equal hypot isfinite isinf isnan lerp less less_equal
        lgamma log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor
        maximum minimum multiply negative not_equal positive pow reciprocal relu remainder round
        rsqrt sigmoid sign sin sinh sqrt square subtract tan tanh trunc""",
    reduce: """
        all amax amin any argmax argmin count_nonzero max mean median min prod std sum var""",
    softmax: "log_softmax logsumexp softmax",
    cumulative: "cummax cummin cumprod cumsum cumulative_prod cumulative_sum diff",
    shape: """
        broadcast_to expand expand_dims flatten flip moveaxis permute permute_dims ravel reshape
        roll squeeze swapaxes transpose unflatten unsqueeze view""",
    join: "chunk repeat repeat_interleave split tile unbind unstack",
    select: """
        gather index_select masked_fill masked_select nonzero scatter scatter_add take
        take_along_axis unique""",
    sort: "argsort sort topk",
    linear: "diag diagonal dot matmul mm bmm outer trace",
    assign: "copy_ fill_ zero_",
    new: "tril triu",
}
OTHERS: dict[str, Function] = {
    "__array_namespace__": array_namespace,
    "__contains__": contains,
    "__deepcopy__": deepcopy,
    "__dlpack__": to_dlpack,
    "__dlpack_device__": dlpack_device,
    "__reduce__": reduce_to_value,
    "bool": _cast_to(bool_),
    "clamp": elementwise.clip,
    "contiguous": contiguous,
    "cpu": cpu,
    "dim": dim,
    "div": elementwise.divide,
    "double": _cast_to(float64),
    "eq": elementwise.equal,
    "float": _cast_to(float32),
    "ge": elementwise.greater_equal,
    "gt": elementwise.greater,
    "half": _cast_to(float16),
    "int": _cast_to(int32),
    "le": elementwise.less_equal,
    "long": _cast_to(int64),
    "lt": elementwise.less,
    "mul": elementwise.multiply,
    "ne": elementwise.not_equal,
    "neg": elementwise.negative,
    "norm": linalg.norm,
    "new_ones": new_ones,
    "new_zeros": new_zeros,
    "numel": numel,
    "sub": elementwise.subtract,
    "t": t,
    "to": to,
    "to_device": to_device,
    "type": to,
}
IN_PLACE: dict[str, Function] = {
    "add_": elementwise.add,
    "clamp_": elementwise.clip,
    "div_": elementwise.divide,
    "mul_": elementwise.multiply,
    "sub_": elementwise.subtract,
}


def methods() -> dict[str, Any]:
    """Every operator, method and property by its name."""
    table: dict[str, Any] = {}
    for name, function in ARITHMETIC.items():
        table[f"__{name}__"] = _operator(function)
        table[f"__r{name}__"] = _operator(function, swapped=True)
        table[f"__i{name}__"] = assign.in_place(f"__i{name}__", function)
    for name, function in COMPARISONS.items():
        table[f"__{name}__"] = _operator(function)
    for name, function in SINGLE.items():
        table[f"__{name}__"] = function
    for module, names in SAME.items():
        for name in names.split():
            table[name] = getattr(module, name)
    for name, function in IN_PLACE.items():
        table[name] = assign.in_place(name, function)
    for name, function in PROPERTIES.items():
        table[name] = property(function)
    return {**table, **OTHERS}


def install() -> None:
    """Give Tensor its operators and methods."""
    for name, method in methods().items():
        setattr(Tensor, name, method)
