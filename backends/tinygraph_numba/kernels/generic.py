"""Kernels that are written once for all types.

The functions of a generic module are ordinary functions of the kernel language. Where a type is
meant that differs from one use to the next they say a word of their module, such as `Value`;
a pointer to it is `ptr_Value`. `specialised` compiles them with types in place of these words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tinygraph.compiler.kernel import Slot
from tinygraph.dtypes import DType, bfloat16, is_bool, is_float
from tinygraph_numba.kernels import spaces
from tinygraph_numba.language import native, source_of


def type_name(dtype: DType) -> str:
    """What the kernel language calls `dtype`."""
    if is_bool(dtype):
        return "bool"
    if dtype == bfloat16:
        return "bf16"
    return f"{dtype.kind}{8 * dtype.itemsize}"


def word_name(dtype: DType) -> str:
    """The unsigned integers that are as long as `dtype`: for what is moved and not computed."""
    return f"u{8 * dtype.itemsize}"


def number_name(dtype: DType) -> str:
    """As `type_name`, but bool is the numbers 0 and 1."""
    return "u8" if is_bool(dtype) else type_name(dtype)


def work_name(dtype: DType) -> str:
    """The type that numbers of `dtype` are computed in: at least 32 bits for floats."""
    return "f32" if is_float(dtype) and dtype.itemsize < 4 else number_name(dtype)


def arranged(args: Mapping[int, int | Slot], size: int) -> list[int | Slot]:
    """`size` args of a kernel, from what stands at which place; 0 where nothing does."""
    return [args.get(place, 0) for place in range(size)]


@cache
def specialised(entry: Callable[..., Any], **words: str) -> int:
    """The address of a function of a generic module, where each of `words` is what is given."""
    source = source_of(entry)
    for word, meaning in words.items():
        source = re.sub(rf"\b(ptr_)?{word}\b", rf"\g<1>{meaning}", source)
    return native(source, entry.__name__, (spaces,))
