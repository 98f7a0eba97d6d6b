"""Exponentials and logarithms, sigmoid and tanh, in the kernel language.

A function without branches is one that LLVM can run on many lanes at once: every case is
computed, and the right one is chosen. The method is everywhere the classical one (Cody and
Waite, "Software manual for the elementary functions", 1980; Muller, "Elementary functions",
2016): reduce the argument to a small interval, evaluate a polynomial there, undo the reduction.
The polynomials are best approximations, found by the Remez exchange in 60 digits; their
coefficients were rounded one after another, each refitting those that follow.

An error of k ulp: the result is not further from the truth than k steps between neighbouring
floats there. NaN stays NaN, infinities and signed zeros are as in C, subnormals are kept.
"""

from __future__ import annotations

from tinygraph_numba.language.dialect import bits, copysign, f32, f64, fma, i32, i64, inf, nan

# Each constant stands for the nearest float; REST is what that lacks.
LOG2_E = 1.4426950408889634
LOG2_E_REST_F32 = 1.925963e-08
LOG2_E_REST_F64 = 2.0355273740931033e-17
LOG10_E = 0.4342944819032518
LOG10_E_REST_F32 = -1.010305e-08
LOG10_E_REST_F64 = 1.098319650216765e-17
LN2 = 0.6931471805599453
LN2_REST_F32 = -1.9046542e-09
LN2_REST_F64 = 2.3190468138462996e-17
LOG10_2 = 0.3010299956639812
LOG10_2_REST_F32 = -1.4320989e-08
LOG10_2_REST_F64 = -2.8037281277851704e-18

# Adding 1.5 * 2^(bits of significand) to x rounds x to a whole number, which then stands in the
# low bits of the sum, in two's complement: cheaper than a conversion to an integer.
TO_WHOLE_F32 = 12582912.0
TO_WHOLE_F64 = 6755399441055744.0
# The smallest floats that are not subnormal; times LIFT, a subnormal has an exponent in its bits.
TINY_F32 = 1.1754944e-38
TINY_F64 = 2.2250738585072014e-308
LIFT_F32 = 8388608.0  # 2^23
LIFT_F64 = 4503599627370496.0  # 2^52
# The bits of the number at which the significand of a logarithm's argument begins.
LOWEST_F32 = 0x3F2AAAAB  # 2/3
LOWEST_F64 = 0x3FE6A09E667F3BCD  # sqrt(1/2)
EXPONENT_F32 = -0x800000  # a mask for the exponent and the sign, where they stand: times 2^23
PER_EXPONENT_F32 = 1.1920929e-07  # 2^-23
ONE_F32 = 0x3F800000  # the bits of 1.0: n << 23 added to them gives 2^n
ONE_F64 = 0x3FF0000000000000
# A power of 2 with a lesser exponent is less than half of the smallest float.
LEAST_F32 = -150
LEAST_F64 = -1075

# ------------------------------------------------------------------------------ exponentials


def expm1_near_zero_f32(r: f32) -> f32:
    """exp(r) - 1 for |r| <= log(2) / 2, to 2^-31 of it before rounding."""
    p = fma(r, 0.00019662724, 0.0013935051)
    p = fma(p, r, 0.008333644)
    p = fma(p, r, 0.041666467)
    p = fma(p, r, 0.16666666)
    p = fma(p, r, 0.5)
    return fma(r * r, p, r)


def expm1_near_zero_f64(r: f64) -> f64:
    """exp(r) - 1 for |r| <= log(2) / 2, to 2^-56 of it before rounding."""
    p = fma(r, 1.7654237009617059e-09, 2.5106082711944367e-08)
    p = fma(p, r, 2.756939515943718e-07)
    p = fma(p, r, 2.7557257031714898e-06)
    p = fma(p, r, 2.4801571537811444e-05)
    p = fma(p, r, 0.000198412698697822)
    p = fma(p, r, 0.0013888888897414984)
    p = fma(p, r, 0.008333333333328495)
    p = fma(p, r, 0.04166666666664917)
    p = fma(p, r, 0.1666666666666667)
    p = fma(p, r, 0.5000000000000001)
    return fma(r * r, p, r)


def times_power_f32(p: f32, n: i32, none: bool) -> f32:
    """p * 2^n for |n| <= 250 and p near 1, rounded once where the result is subnormal; 0 if `none`.

    In two factors, because 2^n itself may be out of range. Of n, only the lower 9 bits count.
    `none` tells that the result is too small for a float: a processor takes long to find that out.
    """
    half = n >> 1
    first = bits(f32, (half << 23) + ONE_F32)
    second: f32 = 0.0 if none else bits(f32, ((n - half) << 23) + ONE_F32)
    return p * first * second


def times_power_f64(p: f64, n: i64, none: bool) -> f64:
    """p * 2^n for |n| <= 2000 and p near 1, 0 if `none`; see `times_power_f32`."""
    half = n >> 1
    first = bits(f64, (half << 52) + ONE_F64)
    second: f64 = 0.0 if none else bits(f64, ((n - half) << 52) + ONE_F64)
    return p * first * second


def exp_bounded_f32(x: f32) -> f32:
    """exp(x) for |x| <= 80, where nothing overflows. 1 ulp."""
    whole = fma(x, LOG2_E, TO_WHOLE_F32)
    n = whole - TO_WHOLE_F32
    r = fma(n, -LN2_REST_F32, fma(n, -LN2, x))
    return (expm1_near_zero_f32(r) + 1.0) * bits(f32, (bits(i32, whole) << 23) + ONE_F32)


def exp_bounded_f64(x: f64) -> f64:
    """exp(x) for |x| <= 700, where nothing overflows. 1.5 ulp."""
    whole = fma(x, LOG2_E, TO_WHOLE_F64)
    n = whole - TO_WHOLE_F64
    r = fma(n, -LN2_REST_F64, fma(n, -LN2, x))
    return (expm1_near_zero_f64(r) + 1.0) * bits(f64, (bits(i64, whole) << 52) + ONE_F64)


def exp_scaled_f32(x: f32, shift: i32) -> f32:
    """exp(x) * 2^shift, |shift| <= 64, without overflow or underflow in between. 1 ulp."""
    none = x < f32(LEAST_F32 - shift) * LN2
    x = -150.0 if x < -150.0 else x
    x = 130.0 if x > 130.0 else x
    whole = fma(x, LOG2_E, TO_WHOLE_F32)
    n = whole - TO_WHOLE_F32
    r = fma(n, -LN2_REST_F32, fma(n, -LN2, x))
    return times_power_f32(expm1_near_zero_f32(r) + 1.0, bits(i32, whole) + shift, none)


def exp_scaled_f64(x: f64, shift: i64) -> f64:
    """exp(x) * 2^shift, |shift| <= 64, without overflow or underflow in between. 1.5 ulp."""
    none = x < f64(LEAST_F64 - shift) * LN2
    x = -850.0 if x < -850.0 else x
    x = 850.0 if x > 850.0 else x
    whole = fma(x, LOG2_E, TO_WHOLE_F64)
    n = whole - TO_WHOLE_F64
    r = fma(n, -LN2_REST_F64, fma(n, -LN2, x))
    return times_power_f64(expm1_near_zero_f64(r) + 1.0, bits(i64, whole) + shift, none)


def exp_f32(x: f32) -> f32:
    """e to the power x. 1 ulp."""
    return exp_scaled_f32(x, 0)


def exp_f64(x: f64) -> f64:
    """e to the power x. 1.5 ulp."""
    return exp_scaled_f64(x, 0)


def exp2_f32(x: f32) -> f32:
    """2 to the power x; exact for whole x. 1 ulp."""
    none = x < LEAST_F32
    x = -200.0 if x < -200.0 else x
    x = 200.0 if x > 200.0 else x
    whole = x + TO_WHOLE_F32
    r = (x - (whole - TO_WHOLE_F32)) * LN2
    return times_power_f32(expm1_near_zero_f32(r) + 1.0, bits(i32, whole), none)


def exp2_f64(x: f64) -> f64:
    """2 to the power x; exact for whole x. 1.5 ulp."""
    none = x < LEAST_F64
    x = -1200.0 if x < -1200.0 else x
    x = 1200.0 if x > 1200.0 else x
    whole = x + TO_WHOLE_F64
    r = (x - (whole - TO_WHOLE_F64)) * LN2
    return times_power_f64(expm1_near_zero_f64(r) + 1.0, bits(i64, whole), none)


def expm1_f32(x: f32) -> f32:
    """exp(x) - 1, exact near 0. 2 ulp.

    exp(x) = 2^n (1 + q), hence exp(x) - 1 = 2^n q + (2^n - 1); half of that never overflows
    before the result does.
    """
    y = -20.0 if x < -20.0 else x
    y = 89.0 if y > 89.0 else y
    whole = fma(y, LOG2_E, TO_WHOLE_F32)
    n = whole - TO_WHOLE_F32
    q = expm1_near_zero_f32(fma(n, -LN2_REST_F32, fma(n, -LN2, y)))
    half = bits(f32, (bits(i32, whole) << 23) + (ONE_F32 - (1 << 23)))
    return copysign(q if n == 0.0 else fma(half, q, half - 0.5) * 2.0, x)


def expm1_f64(x: f64) -> f64:
    """exp(x) - 1, exact near 0. 2.5 ulp; see `expm1_f32`."""
    y = -40.0 if x < -40.0 else x
    y = 710.0 if y > 710.0 else y
    whole = fma(y, LOG2_E, TO_WHOLE_F64)
    n = whole - TO_WHOLE_F64
    q = expm1_near_zero_f64(fma(n, -LN2_REST_F64, fma(n, -LN2, y)))
    half = bits(f64, (bits(i64, whole) << 52) + (ONE_F64 - (1 << 52)))
    return copysign(q if n == 0.0 else fma(half, q, half - 0.5) * 2.0, x)


def sigmoid_f32(x: f32) -> f32:
    """1 / (1 + exp(-x)), also where exp(-x) overflows. 2.5 ulp."""
    e = exp_scaled_f32(-abs(x), 0)
    return (e if x < 0.0 else 1.0) / (1.0 + e)


def sigmoid_f64(x: f64) -> f64:
    """1 / (1 + exp(-x)), also where exp(-x) overflows. 3 ulp."""
    e = exp_scaled_f64(-abs(x), 0)
    return (e if x < 0.0 else 1.0) / (1.0 + e)


def tanh_f32(x: f32) -> f32:
    """The hyperbolic tangent: a polynomial near 0, further off 1 - 2 / (exp(2|x|) + 1). 2 ulp."""
    z = x * x
    p = fma(z, -0.0061696176, 0.021000378)
    p = fma(p, z, -0.053835757)
    p = fma(p, z, 0.13332437)
    p = fma(p, z, -0.33333313)
    y = abs(x) + abs(x)
    far = 1.0 - 2.0 / (exp_bounded_f32(20.0 if y > 20.0 else y) + 1.0)
    return copysign(fma(x * z, p, x) if abs(x) < 0.55 else far, x)


def tanh_f64(x: f64) -> f64:
    """The hyperbolic tangent, t / (t + 2) with t = exp(2|x|) - 1. 3 ulp."""
    y = abs(x) + abs(x)
    y = 40.0 if y > 40.0 else y
    whole = fma(y, LOG2_E, TO_WHOLE_F64)
    n = whole - TO_WHOLE_F64
    q = expm1_near_zero_f64(fma(n, -LN2_REST_F64, fma(n, -LN2, y)))
    power = bits(f64, (bits(i64, whole) << 52) + ONE_F64)
    t = fma(power, q, power - 1.0)
    return copysign(t / (t + 2.0), x)


# -------------------------------------------------------------------------------- logarithms


def log1p_near_zero_f32(f: f32) -> f32:
    """log(1 + f) for |f| <= 1/3, to 2^-30 of it before rounding."""
    p = fma(f, 0.11716671, -0.12884969)
    p = fma(p, f, 0.10823883)
    p = fma(p, f, -0.12187594)
    p = fma(p, f, 0.14298864)
    p = fma(p, f, -0.16680092)
    p = fma(p, f, 0.19999766)
    p = fma(p, f, -0.24999811)
    p = fma(p, f, 0.33333334)
    p = fma(p, f, -0.5)
    return fma(f * f, p, f)


def log1p_near_zero_f64(f: f64) -> f64:
    """log(1 + f) for sqrt(1/2) <= 1 + f <= sqrt(2), to 2^-59 of it before rounding.

    log(1 + f) = 2 atanh(s) with s = f / (2 + f), arranged such that f itself, which is exact,
    is the leading term.
    """
    s = f / (2.0 + f)
    z = s * s
    p = fma(z, 0.1479555283781502, 0.15314093934169)
    p = fma(p, z, 0.18183562467021305)
    p = fma(p, z, 0.22222198612618507)
    p = fma(p, z, 0.285714287419597)
    p = fma(p, z, 0.39999999999416863)
    p = fma(p, z, 0.6666666666666734)
    square = 0.5 * f * f
    return f - (square - s * fma(p, z, square))


def log_parts_f32(x: f32) -> tuple[f32, f32]:
    """k and log(m) with x = 2^k m, m from 2/3 to 4/3, for finite x > 0."""
    tiny = x < TINY_F32  # subnormal: the bits have no exponent
    i = bits(i32, x * LIFT_F32 if tiny else x)
    e = (i - LOWEST_F32) & EXPONENT_F32
    k = fma(f32(e), PER_EXPONENT_F32, f32(-23.0) if tiny else 0.0)
    return k, log1p_near_zero_f32(bits(f32, i - e) - 1.0)


def log_parts_f64(x: f64) -> tuple[f64, f64]:
    """k and log(m) with x = 2^k m, m from sqrt(1/2) to sqrt(2), for finite x > 0."""
    tiny = x < TINY_F64
    i = bits(i64, x * LIFT_F64 if tiny else x)
    e = (i - LOWEST_F64) >> 52
    k = f64(e) - (f64(52.0) if tiny else 0.0)
    return k, log1p_near_zero_f64(bits(f64, i - (e << 52)) - 1.0)


def log_ends_f32(x: f32, inside: f32) -> f32:
    """`inside` where 0 < x < inf; else what a logarithm is there: -inf at 0, NaN below."""
    y = inside if x < inf else x
    y = nan if x < 0.0 else y
    return -inf if x == 0.0 else y


def log_ends_f64(x: f64, inside: f64) -> f64:
    """`inside` where 0 < x < inf; else what a logarithm is there: -inf at 0, NaN below."""
    y = inside if x < inf else x
    y = nan if x < 0.0 else y
    return -inf if x == 0.0 else y


def log_f32(x: f32) -> f32:
    """The natural logarithm. 1 ulp."""
    k, r = log_parts_f32(x)
    return log_ends_f32(x, fma(k, LN2, r))


def log_f64(x: f64) -> f64:
    """The natural logarithm. 1.5 ulp."""
    k, r = log_parts_f64(x)
    return log_ends_f64(x, fma(k, LN2, r))


def log2_f32(x: f32) -> f32:
    """The logarithm to base 2; exact for powers of 2. 2 ulp."""
    k, r = log_parts_f32(x)
    return log_ends_f32(x, fma(r, LOG2_E, fma(r, LOG2_E_REST_F32, k)))


def log2_f64(x: f64) -> f64:
    """The logarithm to base 2; exact for powers of 2. 2 ulp."""
    k, r = log_parts_f64(x)
    return log_ends_f64(x, fma(r, LOG2_E, fma(r, LOG2_E_REST_F64, k)))


def log10_f32(x: f32) -> f32:
    """The logarithm to base 10. 2.5 ulp."""
    k, r = log_parts_f32(x)
    rest = fma(r, LOG10_E_REST_F32, k * LOG10_2_REST_F32)
    return log_ends_f32(x, fma(k, LOG10_2, fma(r, LOG10_E, rest)))


def log10_f64(x: f64) -> f64:
    """The logarithm to base 10. 2 ulp."""
    k, r = log_parts_f64(x)
    rest = fma(r, LOG10_E_REST_F64, k * LOG10_2_REST_F64)
    return log_ends_f64(x, fma(k, LOG10_2, fma(r, LOG10_E, rest)))


def log1p_f32(x: f32) -> f32:
    """log(1 + x), exact near 0. 2 ulp.

    1 + x = 2^k (1 + f): f is computed from the rounded sum u = 1 + x, and what u lost is
    brought in afterwards. Where 2^-k is out of range, nothing that counts was lost.
    """
    u = 1.0 + x
    i = bits(i32, u)
    e = (i - LOWEST_F32) & EXPONENT_F32
    lost = (x - (u - 1.0)) * bits(f32, ONE_F32 - e)
    f = (bits(f32, i - e) - 1.0) + (lost if x < 1e9 else 0.0)
    y = fma(f32(e), LN2 * PER_EXPONENT_F32, log1p_near_zero_f32(f))
    return x if x == 0.0 else log_ends_f32(u, y)


def log1p_f64(x: f64) -> f64:
    """log(1 + x), exact near 0. 2 ulp; see `log1p_f32`."""
    u = 1.0 + x
    i = bits(i64, u)
    e = (i - LOWEST_F64) >> 52
    lost = (x - (u - 1.0)) * bits(f64, ONE_F64 - (e << 52))
    f = (bits(f64, i - (e << 52)) - 1.0) + (lost if x < 1e18 else 0.0)
    y = fma(f64(e), LN2, log1p_near_zero_f64(f))
    return x if x == 0.0 else log_ends_f64(u, y)


def logaddexp_f32(x: f32, y: f32) -> f32:
    """log(exp(x) + exp(y)) without overflow. 2 ulp of it or of the larger of x and y."""
    larger = x if x > y else y
    distance = 0.0 if x == y else abs(x - y)  # infinities of one sign are equal
    return larger + log1p_f32(exp_f32(-distance))


def logaddexp_f64(x: f64, y: f64) -> f64:
    """log(exp(x) + exp(y)) without overflow. 2 ulp of it or of the larger of x and y."""
    larger = x if x > y else y
    distance = 0.0 if x == y else abs(x - y)
    return larger + log1p_f64(exp_f64(-distance))
