"""The kernel language: vectors that a kernel names itself."""

import numpy as np
import pytest
from texts import body, dtype, execute

from tinygraph_numba import language
from tinygraph_numba.language import LanguageError

KINDS = ["f32", "f64"]


def numbers(kind, count=8, seed=0):
    return np.random.default_rng(seed).standard_normal(count).astype(dtype(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lanes", [2, 4, 16])
def test_load_and_store_at_any_place(kind, lanes):
    x, out = numbers(kind, 40), np.zeros(40, dtype(kind))
    execute(f"store(a, 3, load(b, 5, {lanes}))", out, x)
    np.testing.assert_array_equal(out[3 : 3 + lanes], x[5 : 5 + lanes])
    assert not out[:3].any()
    assert not out[3 + lanes :].any()


@pytest.mark.parametrize("kind", KINDS)
def test_spread(kind):
    out = np.zeros(8, dtype(kind))
    execute(f"store(a, 0, spread({kind}(0.1), 4))\nstore(a, 4, spread(a[0], 4))", out)
    np.testing.assert_array_equal(out, dtype(kind).type(0.1))


@pytest.mark.parametrize("kind", KINDS)
def test_arithmetic_is_element_by_element(kind):
    x, y, out = numbers(kind), np.abs(numbers(kind, seed=1)), np.zeros((4, 8), dtype(kind))
    text = """
x = load(b, 0, 8)
y = load(c, 0, 8)
store(a, 0, -x + y * y - x / y)
store(a, 8, fma(x, y, x))
store(a, 16, maximum(x, sqrt(y)))
z = x if hi > 3 else y
z += y
store(a, 24, z)
"""
    execute(text, out, x, y, hi=7)
    np.testing.assert_allclose(out[0], -x + y * y - x / y, rtol=1e-5)
    np.testing.assert_allclose(out[1], x * y + x, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(out[2], np.maximum(x, np.sqrt(y)))
    np.testing.assert_array_equal(out[3], x + y)


def test_shuffles():
    x, y = np.arange(8.0), np.arange(8.0) + 10
    out = np.zeros((4, 8))
    text = """
x = load(b, 0, 8)
y = load(c, 0, 8)
store(a, 0, zip_low(x, y))
store(a, 8, zip_high(x, y))
store(a, 16, even(x, y))
store(a, 24, odd(x, y))
"""
    execute(text, out, x, y)
    zipped = np.stack([x, y], axis=1).ravel()
    both = np.concatenate([x, y])
    np.testing.assert_array_equal(out, [zipped[:8], zipped[8:], both[::2], both[1::2]])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = load(a, 0, hi)", "load takes 3 operands, the last a literal size"),
        ("x = load(a, 0)", "load takes 3 operands"),
        ("x = load(b, 0, 4)", "vectors are of f32 or f64, not i64"),
        ("store(a, 0, 1.0)", "memory of f32 takes a vector of these, not f64"),
        ("store(a, 0)", "store takes 3 operands, not 2"),
        ("store(a, 0, spread(f64(1), 4))", "memory of f32 takes a vector of these, not f64x4"),
        ("x = spread(hi, 4)", "vectors are of f32 or f64, not i64"),
        ("x = load(a, 0, 4) * 2.0", "2.0 is no f32x4; use spread"),
        ("x = load(a, 0, 4) + a[0]", "two operands of one type, not f32x4, f32"),
        ("x = load(a, 0, 4) + load(a, 0, 8)", "not f32x4, f32x8"),
        ("x = load(a, 0, 4) > load(a, 0, 4)", "one number is expected, not a f32x4"),
        ("x = f64(load(a, 0, 4))", "one number is expected, not a f32x4"),
        ("x = bits(u32, load(a, 0, 4))", "one number is expected, not a f32x4"),
        ("x = even(load(a, 0, 3), load(a, 0, 3))", "an even number of lanes"),
        ("x = even(load(a, 0, 4))", "even takes two vectors"),
        ("x = zip_low(a[0], a[1])", "zip_low takes two vectors"),
    ],
)  # fmt: skip
def test_errors(text, what):
    source = body(text, np.zeros(1, np.float32), np.zeros(1, np.int64))
    with pytest.raises(LanguageError, match=what):
        language.module_text(source)
