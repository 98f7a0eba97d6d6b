"""tinygraph: arrays that know how they were computed, their gradients, and tapes that run them.

The functions on arrays are named as in the Python Array API standard, with the aliases that users
of NumPy and PyTorch type by habit; the transformations of functions as in JAX. What is heavy or
seldom needed (`tg.nn`, `tg.viz`, ...) is imported when it is first used.
"""

from importlib import import_module
from typing import Any

from tinygraph import config, dtypes, errors, linalg, random
from tinygraph.array import methods
from tinygraph.array.compare import allclose, array_equal, isclose
from tinygraph.array.creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    linspace,
    meshgrid,
    one_hot,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)
from tinygraph.array.cumulative import (
    cummax,
    cummin,
    cumprod,
    cumsum,
    cumulative_prod,
    cumulative_sum,
    diff,
)
from tinygraph.array.elementwise import (
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    astype,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    clip,
    copysign,
    cos,
    cosh,
    digamma,
    divide,
    equal,
    erf,
    erfc,
    erfinv,
    exp,
    exp2,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    isfinite,
    isinf,
    isnan,
    lerp,
    less,
    less_equal,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,
    reciprocal,
    relu,
    remainder,
    round,
    rsqrt,
    sigmoid,
    sign,
    signbit,
    sin,
    sinh,
    softplus,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
)
from tinygraph.array.info import (
    __array_namespace_info__,
    can_cast,
    e,
    finfo,
    iinfo,
    inf,
    isdtype,
    nan,
    newaxis,
    pi,
    result_type,
)
from tinygraph.array.join import (
    cat,
    chunk,
    concat,
    concatenate,
    hstack,
    repeat,
    repeat_interleave,
    split,
    stack,
    tile,
    unbind,
    unstack,
    vstack,
)
from tinygraph.array.linear import (
    bmm,
    cross,
    diag,
    diagonal,
    dot,
    einsum,
    matmul,
    mm,
    outer,
    tensordot,
    trace,
    vecdot,
)
from tinygraph.array.pad import pad
from tinygraph.array.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    count_nonzero,
    max,
    mean,
    median,
    min,
    prod,
    std,
    sum,
    var,
)
from tinygraph.array.select import (
    gather,
    index_select,
    isin,
    masked_fill,
    masked_select,
    nonzero,
    scatter,
    scatter_add,
    searchsorted,
    take,
    take_along_axis,
    unique,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
    where,
)
from tinygraph.array.shape import (
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    expand,
    expand_dims,
    flatten,
    flip,
    matrix_transpose,
    moveaxis,
    permute,
    permute_dims,
    ravel,
    reshape,
    roll,
    squeeze,
    swapaxes,
    transpose,
    unflatten,
    unsqueeze,
    view,
)
from tinygraph.array.softmax import log_softmax, logsumexp, softmax
from tinygraph.array.sort import argsort, sort, topk
from tinygraph.autodiff.mode import enable_grad, no_grad
from tinygraph.control import checkpoint, cond, custom_vjp, scan, while_loop
from tinygraph.dtypes import (
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from tinygraph.dtypes import bool_ as bool
from tinygraph.function import function
from tinygraph.jit import jit
from tinygraph.random import (
    manual_seed,
    permutation,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
)
from tinygraph.runtime.backend import backends, set_backend
from tinygraph.runtime.backend import using as backend
from tinygraph.runtime.eager import eager, lazy
from tinygraph.tensor import Tensor, placeholder, realize, state, tensor
from tinygraph.transforms import (
    grad,
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
)

methods.install()
del methods

_LAZY = ("data", "debug", "init", "io", "nn", "optim", "testing", "viz")

__all__ = [
    "Tensor", "__array_namespace_info__", "__version__", "abs", "acos", "acosh", "add", "all",
    "allclose", "amax", "amin", "any", "arange", "argmax", "argmin", "argsort", "array_equal",
    "asarray", "asin", "asinh", "astype", "atan", "atan2", "atanh", "backend", "backends",
    "bfloat16", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "bmm", "bool", "bool_", "broadcast_arrays",
    "broadcast_shapes", "broadcast_to", "can_cast", "cat", "ceil", "checkpoint", "chunk", "clip",
    "concat", "concatenate", "cond", "config", "copysign", "cos", "cosh", "count_nonzero", "cross",
    "cummax", "cummin", "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "custom_vjp",
    "data", "debug", "diag", "diagonal", "diff", "digamma", "divide", "dot", "dtypes", "e", "eager",
    "einsum", "empty", "empty_like", "enable_grad", "equal", "erf", "erfc", "erfinv", "errors",
    "exp", "exp2", "expand", "expand_dims", "expm1", "eye", "finfo", "flatten", "flip", "float16",
    "float32", "float64", "floor", "floor_divide", "from_dlpack", "from_numpy", "full", "full_like",
    "function", "gather", "grad", "greater", "greater_equal", "hessian", "hstack", "hypot", "iinfo",
    "index_select", "inf", "init", "int8", "int16", "int32", "int64", "io", "isclose", "isdtype",
    "isfinite", "isin", "isinf", "isnan", "jacfwd", "jacobian", "jacrev", "jit", "jvp", "lazy",
    "lerp", "less", "less_equal", "lgamma", "linalg", "linspace", "log", "log1p", "log2", "log10",
    "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logsumexp", "manual_seed", "masked_fill", "masked_select", "matmul", "matrix_transpose", "max",
    "maximum", "mean", "median", "meshgrid", "min", "minimum", "mm", "moveaxis", "multiply", "nan",
    "negative", "newaxis", "nextafter", "nn", "no_grad", "nonzero", "not_equal", "one_hot", "ones",
    "ones_like", "optim", "outer", "pad", "permutation", "permute", "permute_dims", "pi",
    "placeholder", "positive", "pow", "prod", "rand", "rand_like", "randint", "randn", "randn_like",
    "random", "randperm", "ravel", "realize", "reciprocal", "relu", "remainder", "repeat",
    "repeat_interleave", "reshape", "result_type", "roll", "round", "rsqrt", "scan", "scatter",
    "scatter_add", "searchsorted", "set_backend", "sigmoid", "sign", "signbit", "sin", "sinh",
    "softmax", "softplus", "sort", "split", "sqrt", "square", "squeeze", "stack", "state", "std",
    "stop_gradient", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh",
    "tensor", "tensordot", "testing", "tile", "topk", "trace", "transpose", "tril", "triu", "trunc",
    "uint8", "uint16", "uint32", "uint64", "unbind", "unflatten", "unique", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "unsqueeze", "unstack", "value_and_grad",
    "var", "vecdot", "view", "viz", "vjp", "vmap", "vstack", "where", "while_loop", "zeros",
    "zeros_like",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"tinygraph.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("tinygraph")
    raise AttributeError(f"module 'tinygraph' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
