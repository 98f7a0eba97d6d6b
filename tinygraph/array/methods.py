"""The operators and methods of Tensor, by one table.

Almost every method is the function of that name: `x.sum(0)` is `tg.sum(x, 0)`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from tinygraph.array import (
    assign,
    compare,
    cumulative,
    draws,
    elementwise,
    join,
    linear,
    places,
    reduce,
    select,
    shape,
    softmax,
    sort,
    spellings,
)
from tinygraph.array import creation as new
from tinygraph.array.api import api
from tinygraph.array.convert import OPERANDS
from tinygraph.array.creation import check_device
from tinygraph.dtypes import (
    bfloat16,
    bool_,
    canonical,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
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


def is_contiguous(x: Tensor) -> bool:
    """True: whatever needs its elements in a row finds them so."""
    return True


def cpu(x: Tensor) -> Tensor:
    """x itself: `.numpy()` brings the value to the host from any backend."""
    return x


def contains(x: Tensor, value: Any) -> bool:
    """Whether some element equals `value`."""
    return bool(reduce.any(elementwise.equal(x, value)))


def dim(x: Tensor) -> int:
    """The number of dimensions."""
    return x.ndim


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


def new_full(x: Tensor, size: Any, fill_value: Any) -> Tensor:
    """One number repeated, of the dtype of x and another shape."""
    return new.full(size, fill_value, dtype=x.dtype)


def new_tensor(x: Tensor, data: Any) -> Tensor:
    """A Tensor of `data` in the dtype of x."""
    return tensor(data, x.dtype)


def detach_(x: Tensor) -> Tensor:
    """Cut x off from what it was computed from; a leaf stops requiring a gradient. Returns x."""
    return x.requires_grad_(False) if x.is_leaf else assign.rebind(x, x.detach().node)


def where(x: Tensor, condition: Any, other: Any) -> Tensor:
    """x where `condition` (bool) holds, else `other`."""
    return elementwise.where(condition, x, other)


def _transposed(x: Tensor) -> Tensor:
    """x with its dimensions turned round; of a matrix the transpose."""
    result: Tensor = shape.transpose(x)
    return result


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
        take_along_axis""",
    sort: "argsort sort topk",
    linear: "diag diagonal dot matmul mm bmm outer trace",
    assign: "copy_ fill_ zero_",
    compare: "allclose isclose",
    new: "tril triu",
    places: """
        argwhere bincount index_add movedim narrow select swapdims take_along_dim unique""",
    spellings: """
        absolute addcdiv addcmul addmm arccos arccosh arcsin arcsinh arctan arctan2 arctanh baddbmm
        bitwise_not clamp clamp_max clamp_min det dist div eq frac ge gt inverse is_floating_point
        le logit lt mul mv nan_to_num ne neg norm numel sub t""",
}
OTHERS: dict[str, Function] = {
    "__array_namespace__": array_namespace,
    "__contains__": contains,
    "__deepcopy__": deepcopy,
    "__dlpack__": to_dlpack,
    "__dlpack_device__": dlpack_device,
    "__reduce__": reduce_to_value,
    "add": spellings.plus,
    "bfloat16": _cast_to(bfloat16),
    "bool": _cast_to(bool_),
    "byte": _cast_to(uint8),
    "char": _cast_to(int8),
    "contiguous": contiguous,
    "cpu": cpu,
    "is_contiguous": is_contiguous,
    "detach_": detach_,
    "dim": dim,
    "double": _cast_to(float64),
    "expand_as": spellings.expand_as,
    "float": _cast_to(float32),
    "half": _cast_to(float16),
    "int": _cast_to(int32),
    "long": _cast_to(int64),
    "ndimension": dim,
    "nelement": spellings.numel,
    "new_full": new_full,
    "new_ones": new_ones,
    "new_tensor": new_tensor,
    "new_zeros": new_zeros,
    "reshape_as": spellings.view_as,
    "short": _cast_to(int16),
    "to": to,
    "to_device": to_device,
    "type": to,
    "type_as": spellings.type_as,
    "view_as": spellings.view_as,
    "where": where,
}

# The methods whose names with a "_" behind them change what x stands for.
IN_PLACE = """
    abs add addcdiv addcmul ceil clamp clamp_max clamp_min clip cos div exp floor index_add lerp log
    masked_fill mul neg pow reciprocal relu round rsqrt scatter scatter_add sigmoid sign sin sqrt
    square sub tanh tril triu trunc"""
DRAWN: dict[str, Function] = {
    "bernoulli": draws.as_bernoulli,
    "normal": draws.as_normal,
    "uniform": draws.as_uniform,
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
    table.update(OTHERS)
    for name in IN_PLACE.split():
        table[f"{name}_"] = assign.in_place(f"{name}_", table[name])
    for name, function in DRAWN.items():
        table[f"{name}_"] = assign.in_place(f"{name}_", function)
    for name, function in PROPERTIES.items():
        table[name] = property(function)
    return {**table, "data": property(assign.data, assign.set_data)}


def install() -> None:
    """Give Tensor its operators and methods."""
    for name, method in methods().items():
        setattr(Tensor, name, method)
