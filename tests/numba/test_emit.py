"""What compiling leaves behind."""

from __future__ import annotations

import gc
import sys

import pytest

from tinygraph_numba.language import emit, module_text

SOURCE = """
def kernel(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    x = pointer(f32, args[1])
    out = pointer(f32, args[0])
    for i in lanes(lo, hi):
        out[i] = exp(sin(x[i])) * {}.0
    return 0
"""


def resident() -> int:
    """The bytes of memory that this process has."""
    import resource

    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_llvm_needs_to_optimise_is_freed() -> None:
    texts = [module_text(SOURCE.format(number)) for number in range(50)]
    before = 0
    for number, text in enumerate(texts):
        if number == 10:  # by then, what is made once is there
            gc.collect()
            before = resident()
        emit.object_code(text)
    gc.collect()
    assert (resident() - before) / 40 < 40_000
