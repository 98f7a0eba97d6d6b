"""Powers and the hypotenuse in the kernel language; see `maths` for the method."""

from __future__ import annotations

from tinygraph_numba.language.dialect import (
    bits,
    copysign,
    f32,
    f64,
    fma,
    i32,
    i64,
    inf,
    nan,
    rint,
    sqrt,
    u64,
)
from tinygraph_numba.maths.exponentials import (
    EXPONENT_F32,
    LEAST_F32,
    LEAST_F64,
    LIFT_F32,
    LIFT_F64,
    LN2,
    LN2_REST_F64,
    LOG2_E,
    LOWEST_F64,
    PER_EXPONENT_F32,
    TINY_F32,
    TINY_F64,
    TO_WHOLE_F32,
    TO_WHOLE_F64,
    expm1_near_zero_f32,
    expm1_near_zero_f64,
    times_power_f32,
    times_power_f64,
)

SQRT_HALF_F32 = 0x3F3504F3  # the bits of sqrt(1/2)
LN2_UPPER = 0.693147180559663  # its 41 highest bits: a multiple of it is exact
LN2_LOWER = 2.8235290563031577e-13
TWO_LOG2_E = 2.8853900817779268
TWO_LOG2_E_REST_F32 = 3.851926e-08
TWO_THIRDS = 0.6666666666666666
TWO_THIRDS_REST = 3.700743415417188e-17


# --------------------------------------------------------------------------------------- f32


def log2_sum_f32(x: f32) -> tuple[f32, f32]:
    """The logarithm to base 2 of finite x > 0 as a sum of two floats, to about 2^-30 of it:
    x = 2^k m, and log2(m) = 2 / log(2) * atanh(s), s = (m - 1) / (m + 1).

    What rounding takes from s and from the leading term c s of the series is computed too, by
    fma. Beside these the rest of it is small: s (c' + z (c / 3 + z (c / 5 + ...))), z = s^2,
    where c' is what the float c lacks.
    """
    tiny = x < TINY_F32
    i = bits(i32, x * LIFT_F32 if tiny else x)
    e = (i - SQRT_HALF_F32) & EXPONENT_F32
    m = bits(f32, i - e)
    k = fma(f32(e), PER_EXPONENT_F32, f32(-23.0) if tiny else 0.0)
    f, d = m - 1.0, m + 1.0
    inverse = 1.0 / d
    s = f * inverse
    s_low = fma(-s, m - (d - 1.0), fma(-s, d, f)) * inverse
    z = s * s
    p = fma(fma(fma(z, 0.33648852, 0.4119273), z, 0.5770788), z, 0.9617967)
    rest = s * fma(z, p, TWO_LOG2_E_REST_F32)
    a = s * TWO_LOG2_E
    a_low = s_low * TWO_LOG2_E
    a_low = fma(s, TWO_LOG2_E, -a) + fma(z, a_low, a_low)
    b = a + rest
    b_low = (rest - (b - a)) + a_low
    high = k + b
    return high, (b - (high - k)) + b_low


def pow_f32(x: f32, y: f32) -> f32:
    """x to the power y, as in C: 1 where x is 1 or y is 0, NaN for a negative x unless y is
    whole. 2.5 ulp; 1.5 ulp where the result is from 2^-50 to 2^50."""
    a = abs(x)
    high, low = log2_sum_f32(a)
    high = high if a < inf else a
    high = -inf if a == 0.0 else high
    high = 0.0 if y == 0.0 else high  # 0 times infinity counts as 0 here
    factor: f32 = 0.0 if a == 1.0 else y
    t = factor * high
    none = t < LEAST_F32
    bounded = 200.0 if t > 200.0 else t
    bounded = -200.0 if bounded < -200.0 else bounded
    rest = fma(factor, high, -t) + factor * low if bounded == t else 0.0
    whole = bounded + TO_WHOLE_F32
    r = ((bounded - (whole - TO_WHOLE_F32)) + rest) * LN2
    size = times_power_f32(expm1_near_zero_f32(r) + 1.0, bits(i32, whole), none)
    integral = rint(y) == y
    odd = integral and rint(0.5 * y) != 0.5 * y
    return nan if x < 0.0 and a < inf and not integral else (copysign(size, x) if odd else size)


# --------------------------------------------------------------------------------------- f64


def atanh_series_f64(s: f64, low: f64) -> tuple[f64, f64]:
    """2 atanh(s + low) for |s| < 0.172, as a sum of two floats: 2s + s^3 (2/3 + z (2/5 + ...)).

    What each rounding loses is computed too, by fma, and added to the lower part.
    """
    z = s * s
    p = fma(z, 0.13196066962509034, 0.1325684752064144)
    p = fma(p, z, 0.15386755973149854)
    p = fma(p, z, 0.1818178439865913)
    p = fma(p, z, 0.2222222251953372)
    p = fma(p, z, 0.28571428570101964)
    p = fma(p, z, 0.4000000000000225)
    q = z * p
    t = TWO_THIRDS + q
    t_low = (q - (t - TWO_THIRDS)) + TWO_THIRDS_REST
    z_low = fma(s, s, -z) + 2.0 * s * low
    cube = s * z
    cube_low = fma(s, z, -cube) + fma(s, z_low, low * z)
    v = cube * t
    v_low = fma(cube, t, -v) + fma(cube, t_low, cube_low * t)
    high = 2.0 * s + v
    return high, (v - (high - 2.0 * s)) + (v_low + 2.0 * low)


def log_sum_f64(x: f64) -> tuple[f64, f64]:
    """log(x) for finite x > 0 as a sum of two floats, to about 2^-66 of it."""
    tiny = x < TINY_F64
    i = bits(i64, x * LIFT_F64 if tiny else x)
    e = (i - LOWEST_F64) >> 52
    m = bits(f64, i - (e << 52))
    k = f64(e) - (f64(52.0) if tiny else 0.0)
    f = m - 1.0
    d = m + 1.0
    d_low = m - (d - 1.0)
    inverse = 1.0 / d
    s = f * inverse
    low = fma(-s, d_low, fma(-s, d, f)) * inverse
    a, a_low = atanh_series_f64(s, low)
    high = fma(k, LN2_UPPER, a)
    rest = a - fma(-k, LN2_UPPER, high)
    return high, rest + fma(k, LN2_LOWER, a_low)


def exp_sum_f64(x: f64, low: f64) -> f64:
    """exp(x + low), where low is far below x. 1.5 ulp."""
    y = -850.0 if x < -850.0 else x
    y = 850.0 if y > 850.0 else y
    whole = fma(y, LOG2_E, TO_WHOLE_F64)
    n = whole - TO_WHOLE_F64
    r = fma(n, -LN2_REST_F64, fma(n, -LN2, y)) + (low if x == y else 0.0)
    return times_power_f64(expm1_near_zero_f64(r) + 1.0, bits(i64, whole), x < LEAST_F64 * LN2)


def power_cases_f64(x: f64, y: f64, size: f64) -> f64:
    """x to the power y, given |x|^y: its sign, and the cases in which the logarithm fails."""
    whole = rint(y) == y
    odd = whole and rint(0.5 * y) != 0.5 * y
    power = copysign(size, x) if odd else size
    power = nan if x < 0.0 and x > -inf and not whole else power
    one = x == 1.0 or y == 0.0 or (x == -1.0 and abs(y) == inf)
    return 1.0 if one else power


def pow_f64(x: f64, y: f64) -> f64:
    """x to the power y, as in C; see `pow_f32`. 1.5 ulp."""
    a = abs(x)
    high, low = log_sum_f64(a)
    high = high if a < inf else a
    high = -inf if a == 0.0 else high
    t = y * high
    size = exp_sum_f64(t, fma(y, high, -t) + y * low)
    return power_cases_f64(x, y, size)


def pow_u64(x: u64, n: u64) -> u64:
    """x to the power n, modulo 2^64, by squaring. Shorter integers are the lower bits of it."""
    power: u64 = u64(1)
    while n != 0:
        power = power * x if (n & 1) != 0 else power
        x = x * x
        n = n >> 1
    return power


# -------------------------------------------------------------------------------- hypotenuse


def hypot_f32(x: f32, y: f32) -> f32:
    """sqrt(x^2 + y^2) without overflow; infinite if either is, also beside NaN. 1 ulp."""
    a, b = f64(x), f64(y)
    length = f32(sqrt(fma(a, a, b * b)))
    return inf if abs(x) == inf or abs(y) == inf else length


def hypot_f64(x: f64, y: f64) -> f64:
    """sqrt(x^2 + y^2) without overflow, by a power of 2; see `hypot_f32`. 1.5 ulp."""
    a, b = abs(x), abs(y)
    large, small = a > 1e150 or b > 1e150, a < 1e-100 and b < 1e-100
    scale: f64 = f64(2.0**-600) if large else (f64(2.0**600) if small else f64(1.0))
    a, b = a * scale, b * scale
    length = sqrt(fma(a, a, b * b)) / scale
    return inf if abs(x) == inf or abs(y) == inf else length
