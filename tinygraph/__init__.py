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
from tinygraph.array.draws import Generator, bernoulli, multinomial, normal
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
from tinygraph.array.places import (
    argwhere,
    bincount,
    index_add,
    movedim,
    narrow,
    select,
    swapdims,
    take_along_dim,
    tril_indices,
    triu_indices,
    unique,
)
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
from tinygraph.array.spellings import (
    BoolTensor,
    DoubleTensor,
    FloatTensor,
    IntTensor,
    LongTensor,
    absolute,
    addcdiv,
    addcmul,
    addmm,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    as_tensor,
    baddbmm,
    bitwise_not,
    broadcast_tensors,
    cdist,
    clamp,
    clamp_max,
    clamp_min,
    clone,
    det,
    detach,
    dist,
    div,
    eq,
    frac,
    ge,
    gt,
    inverse,
    is_floating_point,
    is_tensor,
    le,
    logit,
    lt,
    mul,
    mv,
    nan_to_num,
    ne,
    neg,
    norm,
    numel,
    sub,
    t,
)
from tinygraph.autodiff.mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
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
from tinygraph.dtypes import float16 as half
from tinygraph.dtypes import float32 as float
from tinygraph.dtypes import float64 as double
from tinygraph.dtypes import int16 as short
from tinygraph.dtypes import int32 as int
from tinygraph.dtypes import int64 as long
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

_LAZY = ("autograd", "amp", "data", "debug", "init", "io", "nn", "optim", "testing", "viz")

__all__ = [
    "BoolTensor", "DoubleTensor", "FloatTensor", "Generator", "IntTensor", "LongTensor", "Tensor",
    "__array_namespace_info__", "__version__", "abs", "absolute", "acos", "acosh", "add", "addcdiv",
    "addcmul", "addmm", "all", "allclose", "amax", "amin", "amp", "any", "arange", "arccos",
    "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin", "argsort",
    "argwhere", "array_equal", "as_tensor", "asarray", "asin", "asinh", "astype", "atan", "atan2",
    "atanh", "autograd", "backend", "backends", "baddbmm", "bernoulli", "bfloat16", "bincount",
    "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "bmm", "bool", "bool_", "broadcast_arrays",
    "broadcast_shapes", "broadcast_tensors", "broadcast_to", "can_cast", "cat", "cdist", "ceil",
    "checkpoint", "chunk", "clamp", "clamp_max", "clamp_min", "clip", "clone", "concat",
    "concatenate", "cond", "config", "copysign", "cos", "cosh", "count_nonzero", "cross", "cummax",
    "cummin", "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "custom_vjp", "data",
    "debug", "det", "detach", "diag", "diagonal", "diff", "digamma", "dist", "div", "divide", "dot",
    "double", "dtypes", "e", "eager", "einsum", "empty", "empty_like", "enable_grad", "eq", "equal",
    "erf", "erfc", "erfinv", "errors", "exp", "exp2", "expand", "expand_dims", "expm1", "eye",
    "finfo", "flatten", "flip", "float", "float16", "float32", "float64", "floor", "floor_divide",
    "frac", "from_dlpack", "from_numpy", "full", "full_like", "function", "gather", "ge", "grad",
    "greater", "greater_equal", "gt", "half", "hessian", "hstack", "hypot", "iinfo", "index_add",
    "index_select", "inf", "inference_mode", "init", "int", "int8", "int16", "int32", "int64",
    "inverse", "io", "is_floating_point", "is_grad_enabled", "is_tensor", "isclose", "isdtype",
    "isfinite", "isin", "isinf", "isnan", "jacfwd", "jacobian", "jacrev", "jit", "jvp", "lazy",
    "le", "lerp", "less", "less_equal", "lgamma", "linalg", "linspace", "log", "log1p", "log2",
    "log10", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logit", "logsumexp", "long", "lt", "manual_seed", "masked_fill", "masked_select", "matmul",
    "matrix_transpose", "max", "maximum", "mean", "median", "meshgrid", "min", "minimum", "mm",
    "moveaxis", "movedim", "mul", "multinomial", "multiply", "mv", "nan", "nan_to_num", "narrow",
    "ne", "neg", "negative", "newaxis", "nextafter", "nn", "no_grad", "nonzero", "norm", "normal",
    "not_equal", "numel", "one_hot", "ones", "ones_like", "optim", "outer", "pad", "permutation",
    "permute", "permute_dims", "pi", "placeholder", "positive", "pow", "prod", "rand", "rand_like",
    "randint", "randn", "randn_like", "random", "randperm", "ravel", "realize", "reciprocal",
    "relu", "remainder", "repeat", "repeat_interleave", "reshape", "result_type", "roll", "round",
    "rsqrt", "scan", "scatter", "scatter_add", "searchsorted", "select", "set_backend",
    "set_grad_enabled", "short", "sigmoid", "sign", "signbit", "sin", "sinh", "softmax", "softplus",
    "sort", "split", "sqrt", "square", "squeeze", "stack", "state", "std", "stop_gradient", "sub",
    "subtract", "sum", "swapaxes", "swapdims", "t", "take", "take_along_axis", "take_along_dim",
    "tan", "tanh", "tensor", "tensordot", "testing", "tile", "topk", "trace", "transpose", "tril",
    "tril_indices", "triu", "triu_indices", "trunc", "uint8", "uint16", "uint32", "uint64",
    "unbind", "unflatten", "unique", "unique_all", "unique_counts", "unique_inverse",
    "unique_values", "unsqueeze", "unstack", "value_and_grad", "var", "vecdot", "view", "viz",
    "vjp", "vmap", "vstack", "where", "while_loop", "zeros", "zeros_like",
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
