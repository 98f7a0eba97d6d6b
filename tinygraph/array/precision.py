"""In which precision a function computes within `amp.autocast`.

`api`, through which every public function on Tensors is called, asks here, and nobody else: a
function is known by the file it stands in. Products and convolutions get their operands in the
16 bits of `autocast`. What adds up many terms, takes differences of large numbers, or makes a
loss gets its operands in 32 bits. All other functions compute in the dtypes that they are given;
of 16 and 32 bits together that is 32.

Within a function of either kind autocast is off: it says itself how it computes. Gradients, and
what the compiler makes of a graph, are built of operations, which `autocast` does not touch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, Literal, TypeVar

import numpy as np

from tinygraph.array.convert import to_tensor
from tinygraph.dtypes import DType, canonical, float32, float64, is_float
from tinygraph.graph.node import STATE
from tinygraph.tensor import Tensor

Precision = Literal["low", "full"]
Result = TypeVar("Result")

# For a file its functions, or "*" for all of them.
LOW = {
    "array.linear": "matmul dot vecdot tensordot einsum",
    "nn.functional.attention": "*",
    "nn.functional.conv": "*",
    "nn.functional.efficient": "*",
    "nn.functional.linear": "linear",
    "nn.functional.multihead": "*",
    "nn.functional.tiled": "*",
    "nn.functional.windowed": "*",
}
FULL = {
    "array.cumulative": "cumulative_sum cumulative_prod",
    "array.reduce": "sum prod mean var std",
    "array.softmax": "*",
    "linalg": "*",
    "nn.functional.binary": "*",
    "nn.functional.boxes": "*",
    "nn.functional.categorical": "*",
    "nn.functional.classification": "*",
    "nn.functional.contrastive": "*",
    "nn.functional.ctc": "*",
    "nn.functional.distance": "*",
    "nn.functional.focal": "*",
    "nn.functional.hinge": "*",
    "nn.functional.likelihood": "*",
    "nn.functional.margin": "*",
    "nn.functional.norm": "*",
    "nn.functional.overlap": "*",
    "nn.functional.probability": "*",
    "nn.functional.regression": "*",
    "nn.functional.variational": "*",
}
TABLES: tuple[tuple[Precision, dict[str, str]], ...] = (("low", LOW), ("full", FULL))


def precision_of(function: Callable[..., Any]) -> Precision | None:
    """How `function` computes within autocast; None where it takes what it gets."""
    home = function.__module__.removeprefix("tinygraph.")
    for precision, table in TABLES:
        names = table.get(home, "").split()
        if function.__name__ in names or names == ["*"]:
            return precision
    return None


def at_precision(
    precision: Precision,
    function: Callable[..., Result],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Result:
    """The result of `function` for these arguments, brought to the dtype that it computes in."""
    dtype = STATE.autocast
    given = [_dtype_of(leaf) for leaf in _leaves((args, list(kwargs.values())))]
    wanted = _wanted(precision, dtype, [kind for kind in given if kind is not None])
    if wanted is not None:
        buffers = precision == "low"
        args = [_cast(value, wanted, buffers) for value in args]
        kwargs = {name: _cast(value, wanted, buffers) for name, value in kwargs.items()}
    STATE.autocast = None
    try:
        return function(*args, **kwargs)
    finally:
        STATE.autocast = dtype


def full_precision(function: Callable[..., Result]) -> Callable[..., Result]:
    """For a method that within autocast computes in 32 bits, whatever it is built of."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Result:
        if STATE.autocast is None:
            return function(*args, **kwargs)
        return at_precision("full", function, args, kwargs)

    return run


def _wanted(precision: Precision, low: DType | None, given: Sequence[DType]) -> DType | None:
    """What to cast the floats among the arguments to; None leaves them: those with 64 bits among
    them are there because somebody wants them."""
    if float64 in given:
        return None
    return low if precision == "low" else float32


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def _dtype_of(value: Any) -> DType | None:
    """The dtype of an array of floats."""
    if not isinstance(value, (Tensor, np.ndarray)):
        return None
    dtype = canonical(value.dtype)
    return dtype if is_float(dtype) else None


def _cast(value: Any, dtype: DType, buffers: bool) -> Any:
    """The arrays of floats in `value` as Tensors of `dtype`. Without `buffers`, state that is not
    learned stays itself: it may be a running mean, which the function assigns to."""
    if isinstance(value, (list, tuple)):
        parts = [_cast(part, dtype, buffers) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if _dtype_of(value) in (None, dtype):
        return value
    if not buffers and isinstance(value, Tensor) and value.is_state and not value.requires_grad:
        return value
    return to_tensor(value, dtype)
