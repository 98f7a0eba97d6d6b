"""Hyperbolic functions and their inverses in the kernel language; see `maths` for the method.

The tangent stands in `maths`, with the exponentials, because networks use it so often.
"""

from __future__ import annotations

from tinygraph_numba.language.dialect import copysign, f32, f64, fma, nan, sqrt
from tinygraph_numba.maths.exponentials import (
    LN2,
    exp_scaled_f32,
    exp_scaled_f64,
    log1p_f32,
    log1p_f64,
)


def sinh_f32(x: f32) -> f32:
    """The hyperbolic sine: a polynomial near 0, further off from h = exp(|x|) / 2. 2 ulp."""
    z = x * x
    p = fma(z, 0.00020373332, 0.008330271)
    p = fma(p, z, 0.16666716)
    h = exp_scaled_f32(abs(x), -1)
    return copysign(fma(x * z, p, x) if z < 1.0 else h - 0.25 / h, x)


def sinh_f64(x: f64) -> f64:
    """The hyperbolic sine: a polynomial near 0, further off from h = exp(|x|) / 2. 2 ulp."""
    z = x * x
    p = fma(z, 7.776713350543913e-13, 1.6056656891352543e-10)
    p = fma(p, z, 2.5052131012759576e-08)
    p = fma(p, z, 2.7557319106733824e-06)
    p = fma(p, z, 0.00019841269841593394)
    p = fma(p, z, 0.008333333333332912)
    p = fma(p, z, 0.16666666666666669)
    h = exp_scaled_f64(abs(x), -1)
    return copysign(fma(x * z, p, x) if z < 1.0 else h - 0.25 / h, x)


def cosh_f32(x: f32) -> f32:
    """The hyperbolic cosine, from h = exp(|x|) / 2. 2 ulp."""
    h = exp_scaled_f32(abs(x), -1)
    return h + 0.25 / h


def cosh_f64(x: f64) -> f64:
    """The hyperbolic cosine, from h = exp(|x|) / 2. 2 ulp."""
    h = exp_scaled_f64(abs(x), -1)
    return h + 0.25 / h


def asinh_f32(x: f32) -> f32:
    """The inverse hyperbolic sine. 2.5 ulp.

    log(a + sqrt(a^2 + 1)) with a = |x|, written by log1p for small a; where a^2 could overflow,
    log(2a), which is the same there.
    """
    a = abs(x)
    far = a > 1e10
    y = a if far else a + a * a / (1.0 + sqrt(fma(a, a, 1.0)))
    return copysign(log1p_f32(y) + (f32(LN2) if far else 0.0), x)


def asinh_f64(x: f64) -> f64:
    """The inverse hyperbolic sine. 2.5 ulp; see `asinh_f32`."""
    a = abs(x)
    far = a > 1e20
    y = a if far else a + a * a / (1.0 + sqrt(fma(a, a, 1.0)))
    return copysign(log1p_f64(y) + (f64(LN2) if far else 0.0), x)


def acosh_f32(x: f32) -> f32:
    """The inverse hyperbolic cosine; NaN below 1. 3 ulp. See `asinh_f32`."""
    t = x - 1.0
    far = x > 1e10
    y = log1p_f32(x if far else t + sqrt(t * (x + 1.0))) + (f32(LN2) if far else 0.0)
    return nan if x < 1.0 else y


def acosh_f64(x: f64) -> f64:
    """The inverse hyperbolic cosine; NaN below 1. 3 ulp. See `asinh_f32`."""
    t = x - 1.0
    far = x > 1e20
    y = log1p_f64(x if far else t + sqrt(t * (x + 1.0))) + (f64(LN2) if far else 0.0)
    return nan if x < 1.0 else y


def atanh_f32(x: f32) -> f32:
    """The inverse hyperbolic tangent; NaN outside of -1 ... 1. 2.5 ulp."""
    a = abs(x)
    return copysign(0.5 * log1p_f32((a + a) / (1.0 - a)), x)


def atanh_f64(x: f64) -> f64:
    """The inverse hyperbolic tangent; NaN outside of -1 ... 1. 2.5 ulp."""
    a = abs(x)
    return copysign(0.5 * log1p_f64((a + a) / (1.0 - a)), x)
