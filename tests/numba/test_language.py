"""The kernel language: every type, operator, conversion and word, against NumPy."""

import operator

import numpy as np
import pytest
from texts import FLOATS, INTEGERS, apply, dtype, execute, floats, integers, pairs, same

from tinygraph_numba import language
from tinygraph_numba.language import emit


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize(
    ("sign", "expected"),
    [("+", np.add), ("-", np.subtract), ("*", np.multiply), ("//", np.floor_divide),
     ("%", np.remainder), ("&", np.bitwise_and), ("|", np.bitwise_or), ("^", np.bitwise_xor),
     ("<<", np.left_shift), (">>", np.right_shift)],
)  # fmt: skip
def test_integers_are_as_in_numpy(kind, sign, expected):
    x, y = integers(kind)
    with np.errstate(all="ignore"):
        same(apply(f"x {sign} y", kind, x, y), expected(x, y))


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize(
    ("sign", "expected"),
    [("+", np.add), ("-", np.subtract), ("*", np.multiply), ("/", np.divide)],
)
def test_floats_are_as_in_numpy(kind, sign, expected):
    x, y = floats(kind)
    with np.errstate(all="ignore"):
        same(apply(f"x {sign} y", kind, x, y), expected(x, y))


@pytest.mark.parametrize("kind", INTEGERS + FLOATS)
@pytest.mark.parametrize("sign", ["==", "!=", "<", "<=", ">", ">="])
def test_comparisons(kind, sign):
    x, y = floats(kind) if kind in FLOATS else integers(kind)
    names = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
    same(apply(f"x {sign} y", "bool", x, y), getattr(operator, names[sign])(x, y))


def test_a_chain_of_comparisons():
    x, y = floats("f32")
    same(apply("0.0 < x <= y", "bool", x, y), (x > 0) & (x <= y))


@pytest.mark.parametrize("kind", INTEGERS + FLOATS)
def test_unary_operators(kind):
    x, _ = floats(kind) if kind in FLOATS else integers(kind)
    with np.errstate(all="ignore"):
        same(apply("-x", kind, x), np.negative(x))
        same(apply("abs(x)", kind, x), np.abs(x))
    same(apply("+x", kind, x), x)
    if kind in INTEGERS:
        same(apply("~x", kind, x), ~x)


def test_booleans():
    x, y = pairs(np.array([False, True]), np.array([False, True]))
    for text, expected in [
        ("x and y", x & y), ("x or y", x | y), ("not x", ~x), ("~x", ~x), ("x & y", x & y),
        ("x | y", x | y), ("x ^ y", x ^ y), ("x == y", x == y), ("x < y", x < y),
        ("minimum(x, y)", x & y), ("maximum(x, y)", x | y), ("True if x else y", x | y),
        ("x and y or not y", x & y | ~y),
    ]:  # fmt: skip
        same(apply(text, "bool", x, y), expected)


def test_any_byte_but_0_is_true():
    x = np.array([0, 1, 2, 255], np.uint8)
    same(apply("x", "bool", x.view(np.bool_)).view(np.uint8), np.array([0, 1, 1, 1], np.uint8))


def test_a_select_takes_numbers_and_keeps_nan():
    x, y = floats("f32")
    same(apply("x if x > y else 1.0", "f32", x, y), np.where(x > y, x, np.float32(1)))
    same(apply("1 if x > y else 2", "i64", x, y), np.where(x > y, 1, 2))


def test_numbers_take_the_type_of_what_they_meet():
    x = np.array([1, 2, 3], np.uint8)
    same(apply("(x + 250) % 7", "u8", x), (x + np.uint8(250)) % np.uint8(7))
    y = np.array([0.1, 0.2], np.float32)
    same(apply("y + 0.1", "f32", y, y), y + np.float32(0.1))
    same(apply("2 ** 3 + 7 // 2 - 5 % 3 + (1 << 2) + f32(1) * x", "f32", y), 13 + y)
    for number in ("1e39", "10 ** 400", "f32(inf)"):
        same(apply(f"x + {number}", "f32", y), np.full(2, np.inf, np.float32))
    same(apply("i32(inf)", "i32", y), np.full(2, 2**31 - 1, np.int32))


def test_inf_and_nan():
    x = np.zeros(2, np.float64)
    same(apply("x - inf", "f64", x), np.full(2, -np.inf))
    same(apply("nan", "f64", x), np.full(2, np.nan))


# ------------------------------------------------------------------------------------- conversion


@pytest.mark.parametrize("source", INTEGERS)
@pytest.mark.parametrize("target", INTEGERS + FLOATS + ("bool",))
def test_conversions_of_integers(source, target):
    x, _ = integers(source)
    same(apply(f"{target}(x)", target, x), x.astype(dtype(target)))


@pytest.mark.parametrize("source", FLOATS)
@pytest.mark.parametrize("target", INTEGERS)
def test_floats_to_integers_saturate(source, target):
    info = np.iinfo(dtype(target))
    edges = [float(info.min), float(info.max), info.min - 0.5, info.max + 0.5, -0.9, 0.9]
    x = np.concatenate([floats(source)[0], np.array(edges, dtype(source))])
    expected = [
        0 if np.isnan(v) else info.min if v <= info.min else info.max if v >= info.max else int(v)
        for v in x.astype(np.float64)
    ]
    same(apply(f"{target}(x)", target, x), np.array(expected, dtype(target)))


@pytest.mark.parametrize("source", FLOATS)
def test_floats_to_floats_and_bool(source):
    x, _ = floats(source)
    with np.errstate(all="ignore"):
        for target in (*FLOATS, "bool"):
            same(apply(f"{target}(x)", target, x), x.astype(dtype(target)))


def test_bool_to_numbers():
    x = np.array([True, False])
    for target in INTEGERS + FLOATS:
        same(apply(f"{target}(x)", target, x), x.astype(dtype(target)))


@pytest.fixture(params=[True, False], ids=["instructions", "without"])
def f16_instructions(request, monkeypatch):
    """With, and without, the processor's own conversions of f16."""
    if request.param and not emit.has_f16():
        pytest.skip("the processor has no f16")
    monkeypatch.setattr(emit, "has_f16", lambda: request.param)
    monkeypatch.setattr(language, "_addresses", {})
    monkeypatch.setattr(language.cache, "folder", lambda: None)


def same_half(got, expected):
    """Equal bits, but that all NaN are alike."""
    some = ~np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(got), ~some)
    np.testing.assert_array_equal(got.view(np.uint16)[some], expected.view(np.uint16)[some])


@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize("target", FLOATS)
def test_every_16_bit_float_widens(kind, target, f16_instructions):
    x = np.arange(1 << 16, dtype=np.uint16).view(dtype(kind))
    with np.errstate(all="ignore"):
        same(apply(f"{target}(x)", target, x), x.astype(dtype(target)))
    same(apply("bits(u16, x)", "u16", x), x.view(np.uint16))


@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize("source", FLOATS)
def test_16_bit_floats_round_to_even(kind, source, f16_instructions):
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype(kind))
    with np.errstate(invalid="ignore"):  # ml_dtypes warns of signalling NaN
        every = every[np.isfinite(every)].astype(np.float64)
    halves = (every + np.roll(every, 1)) / 2
    near = [np.nextafter(halves, end) for end in (-np.inf, np.inf)]
    with np.errstate(all="ignore"):
        x = np.concatenate([every, halves, *near, floats("f64")[0]]).astype(dtype(source))
        same_half(apply(f"{kind}(x)", kind, x), rounded(x, kind))


def rounded(x, kind):
    """x as a 16-bit float, rounded once: ml_dtypes rounds f64 to f32 before."""
    near = x.astype(dtype(kind))
    if kind == "f16" or x.dtype == np.float32:
        return near
    best, distance = near.copy(), np.abs(widened(near) - x)
    for step in (-1, 1):
        other = (near.view(np.int16) + np.int16(step)).view(dtype(kind))
        gap = np.abs(widened(other) - x)
        even = (other.view(np.uint16) & 1) == 0
        closer = (gap < distance) | ((gap == distance) & even)
        best = np.where(closer & np.isfinite(x), other, best)
    return best


def widened(x):
    """bf16 as float64; infinity is what would follow the largest number."""
    wide = x.astype(np.float64)
    return np.where(np.isinf(wide), np.copysign(2.0**128, wide), wide)


def test_bits():
    x, _ = floats("f32")
    same(apply("bits(u32, x)", "u32", x), x.view(np.uint32))
    same(apply("bits(f32, bits(i32, x) + 1)", "f32", np.abs(x[x == 1])),
         np.nextafter(x[x == 1], np.float32(2)))  # fmt: skip
    y, _ = floats("f64")
    same(apply("bits(i64, x)", "i64", y), y.view(np.int64))


# ------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize("kind", FLOATS)
def test_float_words(kind):
    x, y = floats(kind)
    with np.errstate(all="ignore"):
        for name in ("sqrt", "floor", "ceil", "rint", "trunc"):
            same(apply(f"{name}(x)", kind, x), getattr(np, name)(x))
        same(apply("copysign(x, y)", kind, x, y), np.copysign(x, y))


@pytest.mark.parametrize("kind", INTEGERS + FLOATS)
def test_minimum_and_maximum(kind):
    x, y = floats(kind) if kind in FLOATS else integers(kind)
    for name in ("minimum", "maximum"):
        got, expected = apply(f"{name}(x, y)", kind, x, y), getattr(np, name)(x, y)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("kind", FLOATS)
def test_minimum_knows_the_signs_of_zeros(kind):
    x, y = pairs(np.array([0.0, -0.0], dtype(kind)), np.array([0.0, -0.0], dtype(kind)))
    same(np.signbit(apply("minimum(x, y)", kind, x, y)), np.signbit(x) | np.signbit(y))
    same(np.signbit(apply("maximum(x, y)", kind, x, y)), np.signbit(x) & np.signbit(y))


def test_fma_rounds_once():
    x = np.array([1 + 2**-12], np.float32)
    exact = float(x[0]) ** 2 - (1 + 2**-11)
    same(apply("fma(x, x, y)", "f32", x, -np.array([1 + 2**-11], np.float32)),
         np.array([exact], np.float32))  # fmt: skip


def test_high():
    for kind, width in (("u32", 32), ("u64", 64)):
        x, y = integers(kind)
        expected = [int(a) * int(b) >> width for a, b in zip(x, y)]
        same(apply("high(x, y)", kind, x, y), np.array(expected, dtype(kind)))


def test_fast_words():
    x = np.random.default_rng(0).uniform(0.9, 1.1, 1001).astype(np.float32)
    out = np.empty(2, np.float32)
    text = """
total = f32(0)
product = f32(1)
for i in lanes(0, hi):
    total = fast_add(total, b[i])
    product = fast_mul(product, b[i])
a[0] = total
a[1] = product
"""
    execute(text, out, x, hi=x.size)
    np.testing.assert_allclose(out, [x.sum(dtype=np.float64), x.prod(dtype=np.float64)], rtol=1e-5)


def test_the_mathematical_functions_are_there():
    x = np.linspace(-3, 3, 100).astype(np.float32)
    np.testing.assert_allclose(apply("exp(x)", "f32", x), np.exp(x), rtol=1e-6)
