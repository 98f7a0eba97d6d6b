"""The kernel language: loops become vector instructions, where the processor has them."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from texts import FLOATS, body, dtype, execute

from tinygraph_numba import language
from tinygraph_numba.language import emit

features = emit.host()[1].split(",")
vectors = pytest.mark.skipif("+avx2" not in features, reason="needs AVX2")
REGISTER = "zmm" if "+avx512f" in features else "ymm"


def assembly(text, *arrays):
    return emit.assembly(language.module_text(body(text, *arrays)))


@vectors
def test_a_loop_with_operands_in_place_vectorises_without_checks():
    f = np.zeros(1, np.float32)
    text = """
for i in lanes(lo, hi):
    x = a[i] * b[i] + c[i]
    y = minimum(x, d[i])
    a[i] = x
    b[i] = y if x > 1.0 else x - y
    e[i] = sqrt(y)
"""
    listing = assembly(text, *[f] * 5)
    assert f"vsqrtps\t%{REGISTER}" in listing
    # One comparison each for "is there work", the vector loops and their rests, no more.
    assert len(re.findall(r"\tj\w+\t", listing)) <= 12
    x = np.random.default_rng(0).uniform(1, 2, (5, 1000)).astype(np.float32)
    before = x.copy()
    execute(text, *x, hi=1000)
    fused = before[0].astype(np.float64) * before[1] + before[2]
    np.testing.assert_allclose(x[0], fused, rtol=1e-6)
    np.testing.assert_allclose(x[4], np.sqrt(np.minimum(fused, before[3])), rtol=1e-6)


@vectors
@pytest.mark.parametrize(
    ("start", "step", "instruction"),
    [("f32(0)", "fast_add(s, b[i])", "vaddps"), ("f32(1)", "fast_mul(s, b[i])", "vmulps"),
     ("f32(inf)", "minimum(s, b[i])", "vminps"), ("f32(-inf)", "maximum(s, b[i])", "vmaxps"),
     ("f32(0)", "fast_add(s, exp(b[i]))", "vaddps")],
)  # fmt: skip
def test_reductions_vectorise(start, step, instruction):
    f = np.zeros(1, np.float32)
    listing = assembly(f"s = {start}\nfor i in lanes(lo, hi):\n    s = {step}\na[0] = s", f, f)
    assert re.search(rf"{instruction}\t.*%{REGISTER}", listing)


@vectors
def test_a_plain_sum_keeps_its_order():
    f = np.zeros(1, np.float32)
    listing = assembly("s = f32(0)\nfor i in lanes(lo, hi):\n    s += b[i]\na[0] = s", f, f)
    assert not re.search(rf"vaddps\t.*%{REGISTER}", listing)


@vectors
@pytest.mark.parametrize(
    ("kind", "expression"),
    [("f16", "f16(f32(b[i]) * 2.0)"), ("bf16", "bf16(f32(b[i]) * 2.0)"), ("i32", "b[i] >> 3"),
     ("u8", "b[i] + 3"), ("u32", "high(b[i], 0xD2511F53)"), ("f32", "f32(i32(b[i]))"),
     ("f32", "tanh(b[i])"), ("f64", "exp(b[i])")],
)  # fmt: skip
def test_loops_over_each_type_vectorise(kind, expression):
    f = np.zeros(1, dtype(kind))
    listing = assembly(f"for i in lanes(lo, hi):\n    a[i] = {expression}", f, f)
    assert f"%{REGISTER}" in listing


def test_minimum_of_a_long_row_keeps_nan():
    x = np.ones(1000, np.float32)
    out = np.empty(1, np.float32)
    text = "s = f32(inf)\nfor i in lanes(lo, hi):\n    s = minimum(s, b[i])\na[0] = s"
    for place in (0, 500, 999):
        x[place] = np.nan
        execute(text, out, x, hi=1000)
        assert np.isnan(out[0])
        x[place] = 1


def test_a_processor_without_vectors_beyond_sse2():
    """All words still work: LLVM calls functions of the system for what is missing."""
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from tinygraph_numba.language import emit
from tinygraph_numba import language, machine
emit.host.cache_clear()
whole = emit.host
cpu = "x86-64" if "+sse2" in whole()[1] else "generic"
def plain():
    return cpu, ""
emit.host = plain
language.cache.folder = lambda: None
import test_language as t
import test_vectors as v
import numpy as np
for kind in t.FLOATS:
    t.test_float_words(kind)
    t.test_minimum_and_maximum(kind)
    v.test_reductions_are_right(kind)
for kind in ("f16", "bf16"):
    t.test_every_16_bit_float_widens(kind, "f32", None)
    t.test_16_bit_floats_round_to_even(kind, "f32", None)
t.test_fma_rounds_once()
t.test_high()
t.test_the_mathematical_functions_are_there()
assert "%ymm" not in v.assembly("for i in lanes(lo, hi):\\n    a[i] = b[i] * 2.0",
                               np.zeros(1), np.zeros(1))
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=os.path.dirname(os.path.abspath(__file__))
    )


@pytest.mark.parametrize("kind", FLOATS)
def test_reductions_are_right(kind):
    x = np.random.default_rng(1).normal(size=1003).astype(dtype(kind))
    out = np.empty(3, dtype(kind))
    text = f"""
s = {kind}(0)
low = {kind}(inf)
high = {kind}(-inf)
for i in lanes(lo, hi):
    s = fast_add(s, b[i])
    low = minimum(low, b[i])
    high = maximum(high, b[i])
a[0] = s
a[1] = low
a[2] = high
"""
    execute(text, out, x, hi=x.size)
    np.testing.assert_allclose(out, [x.sum(dtype=np.float64), x.min(), x.max()], rtol=1e-4)
