"""What an elementwise op is in the kernel language: one table.

An op's `scalar` is written in a neutral dialect, most of which is the kernel language as it is.
The table has the exceptions: what is spelled differently there, or means something else for
some dtypes. The meaning is that of the op's `eval` in NumPy. float16 and bfloat16 are computed
in f32, which holds their values; who stores them, or hands them on, rounds.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tinygraph.dtypes import DType, is_bool, is_float
from tinygraph.ops.registry import REGISTRY
from tinygraph_numba.language.intrinsics import WORDS
from tinygraph_numba.language.scalars import SCALARS
from tinygraph_numba.loops.accumulate import held, rounded
from tinygraph_numba.maths import MODULES

_NAME = re.compile(r"\b[abc]\b")
_NUMBER = re.compile(r"\w+\((-?[\d.e+-]+)\)")
_CALLED = re.compile(r"\b(\w+)\(")

# By the kind of the operands ("V": 16-bit floats, else as in NumPy): the scalar, and what it is
# instead. T stands for their type; None: there is no native form.
_INTEGER_POWER = "T(pow_u64(u64(a), u64(b)))"
_FLOAT: dict[str, str | None] = {
    "not a": "a == 0.0",
    "isnan(a)": "a != a",
    "isinf(a)": "abs(a) == inf",
    "isfinite(a)": "abs(a) < inf",
    "round(a)": "rint(a)",
}
_UNSIGNED: dict[str, str | None] = {
    "not a": "a == 0",
    "floor_divide(a, b)": "a // b",
    "remainder(a, b)": "a % b",
    "sign(a)": "T(a != 0)",
    "pow(a, b)": _INTEGER_POWER,
    **dict.fromkeys(("floor(a)", "ceil(a)", "round(a)", "trunc(a)"), "a"),
}
EXCEPTIONS: dict[str, dict[str, str | None]] = {
    "b": {"a + b": "a or b", "a * b": "a and b"},
    "u": _UNSIGNED,
    # a negative power of integers is an error, which the reference raises
    "i": {**_UNSIGNED, "sign(a)": "T(a > 0) - T(a < 0)", "pow(a, b)": None},
    "f": _FLOAT,
    # the next number of 32 bits is not the next of 16
    "V": {**_FLOAT, "nextafter(a, b)": None},
}
# Powers with these exponents need no logarithm. The square root of -inf is NaN, its power not.
POWERS = {
    3.0: "a * a * a",
    4.0: "a * a * (a * a)",
    -1.0: "1.0 / a",
    0.5: "inf if a == -inf else sqrt(a + 0.0)",
    -0.5: "0.0 if a == -inf else 1.0 / sqrt(a + 0.0)",
}


def expression(
    name: str,
    params: Mapping[str, Any],
    arguments: Sequence[str],
    dtypes: Sequence[DType],
    result: DType,
) -> str | None:
    """The op called `name` on `arguments` (names or calls, of `dtypes`), giving a `result`.

    None if this op has no native form for these dtypes; then its `eval` runs.
    """
    scalar = REGISTRY[name].scalar
    if scalar is None:
        return None
    if scalar == "cast(a)":
        return _cast(arguments[0], dtypes[0], result)
    if scalar == "pow(a, b)":
        scalar = _power(scalar, arguments[1], dtypes[1])
    pattern = _pattern(scalar, dtypes[-1])  # of `where`, the first is the condition
    values = dict(zip("abc", arguments))
    return pattern and _NAME.sub(lambda found: values[found[0]], pattern)


@cache
def _pattern(scalar: str, dtype: DType) -> str | None:
    """A scalar in the kernel language, on operands of `dtype`."""
    kind = "V" if is_float(dtype) and dtype.itemsize < 4 else dtype.kind
    text = EXCEPTIONS[kind].get(scalar, scalar)
    if text is None:
        return None
    text = re.sub(r"\bT\b", held(dtype), text)
    return text if all(_is_known(each, held(dtype)) for each in _CALLED.findall(text)) else None


def _power(scalar: str, exponent: str, dtype: DType) -> str:
    """The scalar of a power; a simpler one where the exponent is a literal such as `f32(3.0)`."""
    found = _NUMBER.fullmatch(exponent)
    if found is None:
        return scalar
    if is_float(dtype):
        return POWERS.get(float(found[1]), scalar)
    return scalar if found[1].startswith("-") else _INTEGER_POWER


def _is_known(function: str, suffix: str) -> bool:
    """Whether the kernel language, or a mathematical module, has a function of that name."""
    if function in WORDS or function in SCALARS:
        return True
    modules = [importlib.import_module(each) for each in MODULES]
    names = (function, f"{function}_{suffix}")
    return any(hasattr(module, each) for module in modules for each in names)


def _cast(argument: str, source: DType, result: DType) -> str:
    """A conversion, like NumPy's `astype` where that is defined."""
    if is_float(result) and result.itemsize < 4:
        wide = argument if is_float(source) else f"f32({argument})"
        return wide if is_bool(source) else rounded(wide, result)
    return f"{held(result)}({argument})"
