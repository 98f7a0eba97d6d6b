"""Floor division, remainder, and steps between floats, in the kernel language; see `maths`.

NumPy's rules: the remainder has the sign of the divisor, as in Python; a zero result has it too.
The remainder of fmod is exact. Integers need no function: `//` and `%` of the language do.
"""

from __future__ import annotations

from tinygraph_numba.language.dialect import (
    bits,
    copysign,
    f32,
    f64,
    floor,
    fma,
    i32,
    i64,
    inf,
    nan,
    trunc,
    unroll,
)
from tinygraph_numba.maths.exponentials import LIFT_F64, TINY_F64, times_power_f64

# -------------------------------------------------------------------------------- the rest


def rest_f32(a: f32, b: f32) -> f64:
    """fmod(|a|, |b|), exactly: what is left of |a| when |b| was taken off as often as it fits.

    A quotient of two f32 is below 2^277. In f64, 47 of its bits are found at a time, from the
    highest; all products and differences are exact. Each part of the quotient is the right one
    or one less, because the inverse is a little too small.
    """
    r, divisor = f64(abs(a)), f64(abs(b))
    wrong = not (r < inf and divisor > 0.0)  # NaN among them
    d = divisor if divisor > 0.0 and divisor < inf else 1.0
    inverse = (1.0 - 2.0**-51) / d
    for step in unroll(0, 6):
        scale: f64 = f64(2.0 ** (235 - 47 * step))
        r = fma(-trunc(r * (inverse / scale)), d * scale, r)
        r = r - d * scale if r >= d * scale else r
    r = r if divisor < inf else f64(abs(a))
    return nan if wrong else r


def exponent_f64(x: f64) -> i64:
    """The e with 2^e <= x < 2^(e + 1), for finite x > 0."""
    tiny = x < TINY_F64
    return (bits(i64, x * LIFT_F64 if tiny else x) >> 52) - (1075 if tiny else 1023)


def rest_f64(a: f64, b: f64) -> f64:
    """fmod(|a|, |b|), exactly; 52 bits of the quotient at a time, from the highest."""
    r, d = abs(a), abs(b)
    if not (r < inf) or not (d > 0.0):
        return nan
    while r >= d:
        shift = exponent_f64(r) - exponent_f64(d) - 51
        near = times_power_f64(d, shift if shift > 0 else 0, False)
        r = fma(-trunc(r / near), near, r)
        r = r + near if r < 0.0 else r
    return r


# ------------------------------------------------------------------- remainder, floor_divide


def remainder_f32(a: f32, b: f32) -> f32:
    """a - b * floor(a / b), with the sign of b; NaN where b is 0 or a is infinite. Exact, but
    for the rounding of the sum where the signs differ."""
    r = copysign(rest_f32(a, b), f64(a))
    turned = r + f64(b) if (r < 0.0) != (b < 0.0) else r
    return f32(copysign(0.0, f64(b)) if r == 0.0 else turned)


def remainder_f64(a: f64, b: f64) -> f64:
    """a - b * floor(a / b), with the sign of b; see `remainder_f32`."""
    r = copysign(rest_f64(a, b), a)
    turned = r + b if (r < 0.0) != (b < 0.0) else r
    return copysign(0.0, b) if r == 0.0 else turned


def floor_divide_f64(a: f64, b: f64) -> f64:
    """floor(a / b), of the exact quotient; a / b where b is 0."""
    r = copysign(rest_f64(a, b), a)
    return whole_quotient(a, b, r)


def whole_quotient(a: f64, b: f64, r: f64) -> f64:
    """floor(a / b), where r is the remainder of fmod: (a - r) / b is whole but for rounding."""
    quotient = (a - r) / b
    lower = quotient - 1.0 if r != 0.0 and (b < 0.0) != (r < 0.0) else quotient
    near = floor(lower)
    near = near + 1.0 if lower - near > 0.5 else near
    near = copysign(0.0, a / b) if lower == 0.0 else near
    return a / b if b == 0.0 else near


def floor_divide_f32(a: f32, b: f32) -> f32:
    """floor(a / b), of the exact quotient; a / b where b is 0."""
    r = copysign(rest_f32(a, b), f64(a))
    return f32(whole_quotient(f64(a), f64(b), r))


# ---------------------------------------------------------------------------- sign, nextafter


def sign_f32(x: f32) -> f32:
    """-1, 0 or 1; NaN stays NaN."""
    y = 1.0 if x > 0.0 else (x if x != x else 0.0)
    return -1.0 if x < 0.0 else y


def sign_f64(x: f64) -> f64:
    """-1, 0 or 1; NaN stays NaN."""
    y = 1.0 if x > 0.0 else (x if x != x else 0.0)
    return -1.0 if x < 0.0 else y


def nextafter_f32(x: f32, y: f32) -> f32:
    """The float that follows x on the way to y. Floats of one sign lie in the order of their
    bits; from 0 the way leads to the smallest subnormal."""
    away = (x < y) == (x > 0.0)
    step = bits(f32, bits(i32, x) + (i32(1) if away else -1))
    smallest = copysign(bits(f32, i32(1)), y)
    moved = smallest if x == 0.0 else step
    return x + y if x != x or y != y else (y if x == y else moved)


def nextafter_f64(x: f64, y: f64) -> f64:
    """The float that follows x on the way to y; see `nextafter_f32`."""
    away = (x < y) == (x > 0.0)
    step = bits(f64, bits(i64, x) + (i64(1) if away else -1))
    smallest = copysign(bits(f64, i64(1)), y)
    moved = smallest if x == 0.0 else step
    return x + y if x != x or y != y else (y if x == y else moved)
