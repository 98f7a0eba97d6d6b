"""The error function, its complement and its inverse in the kernel language; see `maths`."""

from __future__ import annotations

from tinygraph_numba.language.dialect import copysign, f32, f64, fma, inf, nan, sqrt
from tinygraph_numba.maths.exponentials import (
    exp_bounded_f32,
    exp_bounded_f64,
    exp_scaled_f32,
    exp_scaled_f64,
    log_f64,
)

SCALE = 18446744073709551616.0  # 2^64
HALF_SQRT_PI = 0.886226925452758

# --------------------------------------------------------------------------------------- erf


def erf_f32(x: f32) -> f32:
    """The error function: a polynomial near 0, further off 1 - exp(-(t + t q(t))), t = |x|,
    where q is fitted to log(erfc(t)). 1.5 ulp."""
    z = x * x
    p = fma(z, -0.0005960249, 0.0049874666)
    p = fma(p, z, -0.026763024)
    p = fma(p, z, 0.11281732)
    p = fma(p, z, -0.3761249)
    p = fma(p, z, 0.12837915)
    t = abs(x)
    t = 4.0 if t > 4.0 else t
    q = fma(t, 1.1618256e-05, -0.00032667644)
    q = fma(q, t, 0.0036582)
    q = fma(q, t, -0.023795344)
    q = fma(q, t, 0.10627551)
    q = fma(q, t, 0.63512796)
    q = fma(q, t, 0.12865424)
    far = 1.0 - exp_bounded_f32(-fma(t, q, t))
    return copysign(fma(x, p, x) if z < 0.8649 else far, x)


def log_erfc_tail_f64(t: f64) -> f64:
    """-log(erfc(t)) / t - 1 for 0.94 <= t <= 6, as exactly as erf needs it."""
    q = fma(t, -1.677879781225601e-12, 7.373963039619629e-11)
    q = fma(q, t, -1.5178510431773405e-09)
    q = fma(q, t, 1.9434643183136028e-08)
    q = fma(q, t, -1.731807878802067e-07)
    q = fma(q, t, 1.1360230092968708e-06)
    q = fma(q, t, -5.635288615258081e-06)
    q = fma(q, t, 2.11871625795742e-05)
    q = fma(q, t, -5.8227517002582194e-05)
    q = fma(q, t, 0.00010000439301120183)
    q = fma(q, t, -8.323095192872222e-06)
    q = fma(q, t, -0.000565292627496613)
    q = fma(q, t, 0.001683366498951049)
    q = fma(q, t, -0.0002051249980682676)
    q = fma(q, t, -0.019128748692496055)
    q = fma(q, t, 0.10277225649451328)
    q = fma(q, t, 0.6366199199823397)
    return fma(q, t, 0.12837914678964976)


def erf_f64(x: f64) -> f64:
    """The error function, as `erf_f32`. 1.5 ulp."""
    z = x * x
    p = fma(z, 4.733113208453796e-10, -3.337214516104519e-09)
    p = fma(p, z, 1.9779957489313065e-08)
    p = fma(p, z, -1.7035298516903886e-07)
    p = fma(p, z, 1.6519156728338249e-06)
    p = fma(p, z, -1.4928859504565543e-05)
    p = fma(p, z, 0.00012055453474558607)
    p = fma(p, z, -0.0008548330004644783)
    p = fma(p, z, 0.0052239776722733475)
    p = fma(p, z, -0.026866170649480783)
    p = fma(p, z, 0.1128379167097605)
    p = fma(p, z, -0.3761263890318415)
    p = fma(p, z, 0.1283791670955126)
    t = abs(x)
    t = 6.0 if t > 6.0 else t
    far = 1.0 - exp_bounded_f64(-fma(t, log_erfc_tail_f64(t), t))
    return copysign(fma(x, p, x) if z < 0.8836 else far, x)


# -------------------------------------------------------------------------------------- erfc


def erfc_f32(x: f32) -> f32:
    """1 - erf(x), exact for large x too. 5 ulp.

    (1 + 2a) exp(a^2) erfc(a), a = |x|, is a polynomial in (a - 2) / (a + 2) (Shepherd and
    Laframboise, 1981). What a^2 loses to rounding is made good; a factor keeps what is small
    from being rounded as a subnormal before the end.
    """
    a = abs(x)
    a = 11.0 if a > 11.0 else a
    t = (a - 2.0) / (a + 2.0)
    p = fma(t, 0.0001519021, 0.0003043601)
    p = fma(p, t, -0.0004286209)
    p = fma(p, t, -0.0015795835)
    p = fma(p, t, 0.001226794)
    p = fma(p, t, 0.008776078)
    p = fma(p, t, -0.00801531)
    p = fma(p, t, -0.054229833)
    p = fma(p, t, 0.16404864)
    p = fma(p, t, -0.16602972)
    p = fma(p, t, -0.09276373)
    p = fma(p, t, 1.2769784)
    square = a * a
    scaled = exp_scaled_f32(-square, 64) * (p / fma(2.0, a, 1.0))
    y = fma(-scaled, fma(a, a, -square), scaled) / SCALE
    return 2.0 - y if x < 0.0 else y


def erfc_f64(x: f64) -> f64:
    """1 - erf(x), exact for large x too, as `erfc_f32` with (a - 4) / (a + 4). 6 ulp."""
    a = abs(x)
    a = 27.5 if a > 27.5 else a
    t = (a - 4.0) / (a + 4.0)
    p = fma(t, 5.4109319429493004e-11, -8.291448060261552e-09)
    p = fma(p, t, -8.28279482389575e-09)
    p = fma(p, t, 1.0102351062658679e-07)
    p = fma(p, t, 5.5452035972310656e-08)
    p = fma(p, t, -8.193043059758456e-07)
    p = fma(p, t, 3.138458888365169e-07)
    p = fma(p, t, 5.70850411588789e-06)
    p = fma(p, t, -1.1234519584124689e-05)
    p = fma(p, t, -2.44000135417274e-05)
    p = fma(p, t, 0.0001506265710023179)
    p = fma(p, t, -0.00019925608565363716)
    p = fma(p, t, -0.0007577745081077427)
    p = fma(p, t, 0.00503196979933573)
    p = fma(p, t, -0.016197733868895347)
    p = fma(p, t, 0.03716751556448208)
    p = fma(p, t, -0.06633036582933739)
    p = fma(p, t, 0.09373283499627777)
    p = fma(p, t, -0.10103906603550317)
    p = fma(p, t, 0.06809705425476181)
    p = fma(p, t, 0.015379652102604986)
    p = fma(p, t, -0.13962111684056316)
    p = fma(p, t, 1.2329951186255526)
    square = a * a
    scaled = exp_scaled_f64(-square, 64) * (p / fma(2.0, a, 1.0))
    y = fma(-scaled, fma(a, a, -square), scaled) / SCALE
    return 2.0 - y if x < 0.0 else y


# ------------------------------------------------------------------------------------ erfinv


def erfinv_rough_f64(x: f64) -> f64:
    """The inverse of erf to 2^-19 of it: x times a function of w = -log(1 - x^2), by two
    polynomials (after Giles, "Approximating the erfinv function", 2010)."""
    w = -log_f64((1.0 - x) * (1.0 + x))
    v = w - 2.5
    p = fma(v, 2.8526653357065743e-08, 3.4369652351247555e-07)
    p = fma(p, v, -3.5288188017379435e-06)
    p = fma(p, v, -4.3963956748641576e-06)
    p = fma(p, v, 0.00021860206516191415)
    p = fma(p, v, -0.0012537090361008174)
    p = fma(p, v, -0.004177707182860357)
    p = fma(p, v, 0.24664072715465346)
    p = fma(p, v, 1.5014094215951366)
    u = sqrt(w) - 4.0
    q = fma(u, 1.6586311549200528e-05, -7.877745300006076e-05)
    q = fma(q, u, 9.906099100657935e-05)
    q = fma(q, u, -2.7260935728353922e-05)
    q = fma(q, u, 0.0002383186680808028)
    q = fma(q, u, -0.0009450219972798223)
    q = fma(q, u, 0.0013043316426216063)
    q = fma(q, u, 1.0095131120914207)
    q = fma(q, u, 3.839780411260151)
    return x * (p if w < 5.0 else q)


def erfinv_f64(x: f64) -> f64:
    """The inverse of erf; NaN outside of -1 ... 1. 4 ulp.

    One step of Halley's method from a rough value: the error of that is cubed. It is measured
    by erfc where erf is near 1.
    """
    a = abs(x)
    y = erfinv_rough_f64(a)
    excess = erf_f64(y) - a if a < 0.7 else (1.0 - a) - erfc_f64(y)
    step = excess * HALF_SQRT_PI * exp_bounded_f64(y * y if y < 6.0 else 36.0)
    y = y - step / fma(y, step, 1.0)
    y = a if a == 0.0 else y
    y = inf if a == 1.0 else y
    return copysign(nan if a > 1.0 else y, x)


def erfinv_f32(x: f32) -> f32:
    """The inverse of erf; NaN outside of -1 ... 1. 1 ulp."""
    return f32(erfinv_f64(f64(x)))
