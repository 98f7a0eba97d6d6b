"""The kernel language: a small typed part of Python, compiled to native code by LLVM.

All native code of this backend is written in it: kernels that are rendered as text, kernels and
mathematical functions that are written by hand, the machine that runs the tapes.

    def kernel(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
        out = pointer(f32, args[0])
        x = pointer(f32, args[1])
        for i in lanes(lo, hi):
            out[i] = exp(x[i]) * 2.0
        return 0

The words are listed in `dialect.py`. Types are strict: both sides of an operator have one type,
a local has the type of its first value. A number in the source takes the type of what it meets;
where it meets nothing it is an i64 or f64. `and`, `or` and `a if c else b` evaluate all of their
operands. Functions are written out where they are called; `exp(x)` is `exp_f32` or `exp_f64`, by
the type of x.

How the parts meet: `library` parses sources and finds names in them; `translate` (statements),
`expressions`, `arithmetic` and `intrinsics` write the text of one LLVM function into `code`;
`emit` has LLVM compile and load it; `cache` keeps object code on disk.
"""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from types import ModuleType
from typing import Any

from tinygraph_numba.language import (
    arithmetic,
    cache,
    code,
    emit,
    expressions,
    intrinsics,
    library,
    scalars,
    storage,
    translate,
    vectors,
)
from tinygraph_numba.language.scalars import LanguageError

__all__ = ["STATISTICS", "LanguageError", "compile_functions", "compile_source", "native"]

COMPILER = (
    arithmetic, code, emit, expressions, intrinsics, library, scalars, storage, translate, vectors,
)  # fmt: skip


@dataclass(slots=True)
class Statistics:
    """What the compiler has done in this process: kernels compiled, kernels loaded from disk,
    and the seconds that both took."""

    compiled: int = 0
    loaded: int = 0
    seconds: float = 0.0


STATISTICS = Statistics()
_addresses: dict[str, int] = {}


@lru_cache(maxsize=1)
def _surroundings() -> bytes:
    """A hash of all that decides how a source is compiled: the compiler, the mathematical
    functions, versions, and the processor."""
    with emit.LOCK:
        versions = (version("tinygraph"), emit.versions(), *emit.host())
        digest = sha256(" ".join(versions).encode())
        for module in (*COMPILER, *library.maths()):
            digest.update(inspect.getsource(module).encode())
        return digest.digest()


def symbol_of(source: str, entry: str = "kernel", modules: Sequence[ModuleType] = ()) -> str:
    """The name of the compiled function: a hash of all that it is made from."""
    digest = sha256(_surroundings())
    for text in (source, *map(inspect.getsource, modules)):
        digest.update(sha256(text.encode()).digest())
    return f"{entry}_{digest.hexdigest()}"


def module_text(source: str, entry: str = "kernel", modules: Sequence[ModuleType] = ()) -> str:
    """LLVM's text for `source`, to be read."""
    scope = library.Scope(library.Library(source, "source"), modules)
    symbol = symbol_of(source, entry, modules)
    return translate.translate(scope, entry, symbol, emit.attributes())


def compile_source(source: str, entry: str = "kernel", modules: Sequence[ModuleType] = ()) -> bytes:
    """The object code of function `entry` of `source`, under the name `symbol_of`.

    Raises LanguageError, with the line, where the source is not in the kernel language.
    """
    return emit.object_code(module_text(source, entry, modules))


def compile_functions(entry: Callable[..., Any], modules: Sequence[ModuleType] = ()) -> bytes:
    """The object code of a function that stands in a Python file."""
    return compile_source(source_of(entry), entry.__name__, modules)


def source_of(entry: Callable[..., Any]) -> str:
    """The text of the file that a function stands in."""
    return inspect.getsource(sys.modules[entry.__module__])


def native(source: str, entry: str = "kernel", modules: Sequence[ModuleType] = ()) -> int:
    """The address of function `entry` of `source`, compiled if need be. It stays loaded."""
    key = symbol_of(source, entry, modules)
    address = _addresses.get(key)
    if address is None:
        with emit.LOCK:  # of threads that want one kernel, one compiles it
            address = _addresses.get(key) or _loaded(key, source, entry, modules)
            _addresses[key] = address
    return address


def _loaded(key: str, source: str, entry: str, modules: Sequence[ModuleType]) -> int:
    """Load the kernel, from disk if it is there."""
    start = time.perf_counter()
    compiled = False

    def make() -> bytes:
        nonlocal compiled
        compiled = True
        return compile_source(source, entry, modules)

    address = emit.load(cache.load_or_compile(key, make), key)
    STATISTICS.compiled += compiled
    STATISTICS.loaded += not compiled
    STATISTICS.seconds += time.perf_counter() - start
    return address
