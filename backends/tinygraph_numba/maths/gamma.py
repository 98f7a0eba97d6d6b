"""lgamma, digamma and the Hurwitz zeta function in the kernel language; see `maths`.

Both functions of gamma follow one way. The recurrence leads x to an interval around the zero of
the function, where a polynomial, multiplied by the distance to that zero, keeps the result
relatively exact; large x go to Stirling's series, and negative x are reflected (Abramowitz and
Stegun, "Handbook of mathematical functions", 6.1 and 6.3). The f32 functions compute in f64.
"""

from __future__ import annotations

from tinygraph_numba.language.dialect import (
    copysign,
    f32,
    f64,
    fast_add,
    floor,
    fma,
    i64,
    inf,
    lanes,
    nan,
    rint,
    unroll,
)
from tinygraph_numba.maths.exponentials import log_f64
from tinygraph_numba.maths.powers import pow_f64
from tinygraph_numba.maths.trigonometry import sin_near_zero_f64, tan_f64

PI = 3.141592653589793
HALF_LOG_2PI = 0.9189385332046728
ROOT = 1.4616321449683622  # of digamma, the nearest float, and what is missing from it
ROOT_REST = 9.549995429965697e-17


# ------------------------------------------------------------------------------------ lgamma


def lgamma_near_two_f64(d: f64) -> f64:
    """lgamma(2 + d) for |d| <= 1/2."""
    p = fma(d, 2.63726546416722e-08, 2.952857689084465e-07)
    p = fma(p, d, -6.120982365485882e-07)
    p = fma(p, d, 9.022724146138269e-07)
    p = fma(p, d, -1.959073094982272e-06)
    p = fma(p, d, 4.392602566908473e-06)
    p = fma(p, d, -9.460347758031118e-06)
    p = fma(p, d, 2.050372169474583e-05)
    p = fma(p, d, -4.492309614379529e-05)
    p = fma(p, d, 9.945792639351083e-05)
    p = fma(p, d, -0.0002231550350989637)
    p = fma(p, d, 0.0005096694959593507)
    p = fma(p, d, -0.0011927538980557725)
    p = fma(p, d, 0.0028905103318283597)
    p = fma(p, d, -0.007385551029010287)
    p = fma(p, d, 0.020580808427765836)
    p = fma(p, d, -0.06735230105319491)
    p = fma(p, d, 0.3224670334241133)
    return d * fma(p, d, 0.42278433509846713)


def stirling_f64(x: f64, log_x: f64) -> f64:
    """lgamma(x) for x >= 8."""
    z = (1.0 / x) * (1.0 / x)
    p = fma(z, -0.0016536338629404902, 0.0008373251195122722)
    p = fma(p, z, -0.0005952031932933041)
    p = fma(p, z, 0.0007936506685793053)
    p = fma(p, z, -0.0027777777776147104)
    p = fma(p, z, 0.0833333333333333)
    y = fma(x - 0.5, log_x - 1.0, HALF_LOG_2PI - 0.5) + p / x
    return y if x < inf else x


def lgamma_positive_f64(x: f64) -> f64:
    """lgamma(x) for x >= 0: gamma(x + 1) = x gamma(x) leads to 1.5 <= x <= 2.5."""
    d, product = x - 2.0, 1.0
    for step in unroll(3, 9):
        above = d > 0.5
        d = x - f64(step) if above else d
        product = product * (2.0 + d) if above else product
    factor = x * (x + 1.0) if x < 0.5 else x
    below = x < 1.5
    d = (x if x < 0.5 else x - 1.0) if below else d
    large = x >= 8.0
    log = log_f64(x if large else (factor if below else product))
    y = lgamma_near_two_f64(d) + (-log if below else log)
    return stirling_f64(x, log) if large else y


def lgamma_f64(x: f64) -> f64:
    """The logarithm of |gamma(x)|. 8 ulp for x > 0; below, where it has zeros between any two
    poles, as exact as the parts that cancel there. Infinite at 0, -1, -2, ...; as in SciPy, -inf
    at -inf."""
    a = abs(x)
    y = lgamma_positive_f64(a)
    r = a - rint(a)
    area = a * abs(sin_near_zero_f64(PI * r)) / PI
    reflected = inf if r == 0.0 else -log_f64(area) - y
    y = reflected if x <= 0.0 else y
    return x if x == -inf else y


def lgamma_f32(x: f32) -> f32:
    """The logarithm of |gamma(x)|. 1 ulp but near the zeros below 0."""
    return f32(lgamma_f64(f64(x)))


# ----------------------------------------------------------------------------------- digamma


def digamma_near_root_f64(x: f64) -> f64:
    """digamma(x) for 1 <= x <= 2."""
    v = x - 1.5
    p = fma(v, 0.0005160390426492348, -0.00020295001364833832)
    p = fma(p, v, -0.00045209924697475247)
    p = fma(p, v, -0.00011104802807203599)
    p = fma(p, v, 0.0006505882046856381)
    p = fma(p, v, -0.0005056140380000002)
    p = fma(p, v, 0.0005812509151242368)
    p = fma(p, v, -0.0010300846986829653)
    p = fma(p, v, 0.001586189359199787)
    p = fma(p, v, -0.002346752413263697)
    p = fma(p, v, 0.003515062733392432)
    p = fma(p, v, -0.0052797818401641335)
    p = fma(p, v, 0.007927282058581167)
    p = fma(p, v, -0.011908232045676488)
    p = fma(p, v, 0.01790723446248683)
    p = fma(p, v, -0.02697579611153908)
    p = fma(p, v, 0.04076083437084653)
    p = fma(p, v, -0.06192213328931075)
    p = fma(p, v, 0.09498872444605103)
    p = fma(p, v, -0.14840492305372172)
    p = fma(p, v, 0.24054248424082936)
    p = fma(p, v, -0.42362742128146114)
    p = fma(p, v, 0.9510558760318328)
    return ((x - ROOT) - ROOT_REST) * p


def digamma_large_f64(x: f64) -> f64:
    """digamma(x) for x >= 8: log(x) - 1 / 2x - 1 / 12x^2 + ..."""
    inverse = 1.0 / x
    z = inverse * inverse
    p = fma(z, 0.06376897878018302, -0.020705207734090306)
    p = fma(p, z, 0.007571824301564086)
    p = fma(p, z, -0.004166646011992341)
    p = fma(p, z, 0.0039682539169432225)
    p = fma(p, z, -0.008333333333287283)
    p = fma(p, z, 0.08333333333333333)
    return log_f64(x) - fma(p, z, 0.5 * inverse)


def digamma_positive_f64(x: f64) -> f64:
    """digamma(x) for x > 0: digamma(x + 1) = digamma(x) + 1 / x leads to 1 <= x <= 2. The sum
    of the fractions that are passed on the way has one denominator."""
    below = x < 1.0
    y = x + 1.0 if below else x
    top = -1.0 if below else 0.0
    bottom = x if below else 1.0
    for _ in unroll(0, 6):
        above = y > 2.0
        y = y - 1.0 if above else y
        top = fma(top, y, bottom) if above else top
        bottom = bottom * y if above else bottom
    near = digamma_near_root_f64(y) + top / bottom
    return digamma_large_f64(x) if x > 8.0 else near


def digamma_f64(x: f64) -> f64:
    """The slope of lgamma. 10 ulp for x > 0; below, where it has zeros between any two poles, as
    exact as the parts that cancel there. Infinite at 0, NaN at -1, -2, ..."""
    a = abs(x)
    y = digamma_positive_f64(a)
    r = a - rint(a)
    reflected = y + 1.0 / a + PI / tan_f64(PI * r)
    y = (reflected if r != 0.0 else nan) if x < 0.0 else y
    return copysign(inf, -x) if x == 0.0 else y


def digamma_f32(x: f32) -> f32:
    """The slope of lgamma. 1 ulp but near the zeros below 0."""
    return f32(digamma_f64(f64(x)))


# -------------------------------------------------------------------------------------- zeta


def zeta_tail_f64(s: f64, a: f64) -> f64:
    """a^s times the sum over k >= 0 of (a + k)^-s, for a > 9, by Euler and Maclaurin's formula.

    Each number is the quotient of two coefficients B(2k) / (2k)!, B the Bernoulli numbers.
    """
    z = 1.0 / (a * a)
    p = fma((s + 21.0) * (s + 22.0) * z, -0.025330291380456796, 1.0)
    p = fma((s + 19.0) * (s + 20.0) * z * p, -0.025330277786482922, 1.0)
    p = fma((s + 17.0) * (s + 18.0) * z * p, -0.02533022338183393, 1.0)
    p = fma((s + 15.0) * (s + 16.0) * z * p, -0.025330005504037488, 1.0)
    p = fma((s + 13.0) * (s + 14.0) * z * p, -0.025329131652661065, 1.0)
    p = fma((s + 11.0) * (s + 12.0) * z * p, -0.02532561505065123, 1.0)
    p = fma((s + 9.0) * (s + 10.0) * z * p, -0.02531135531135531, 1.0)
    p = fma((s + 7.0) * (s + 8.0) * z * p, -0.025252525252525252, 1.0)
    p = fma((s + 5.0) * (s + 6.0) * z * p, -0.025, 1.0)
    p = fma((s + 3.0) * (s + 4.0) * z * p, -0.023809523809523808, 1.0)
    p = fma((s + 1.0) * (s + 2.0) * z * p, -0.016666666666666666, 1.0)
    return a / (s - 1.0) + 0.5 + 0.08333333333333333 * p * (s / a)


def zeta_f64(s: f64, q: f64) -> f64:
    """The Hurwitz zeta function, the sum over k >= 0 of (q + k)^-s. 6 ulp for q > 0.

    Sixteen numbers or more are summed one by one, as many as lead beyond 9; where s is so large
    that the rest is still badly approximated there, it does not count any more.
    """
    pole = q <= 0.0 and q == floor(q)
    wrong = s < 1.0 or (q <= 0.0 and not pole and s != floor(s))
    first = 1.0 if pole or wrong else q
    count = 16 - (i64(floor(first if first < 0.0 else 0.0)) & -16)
    total = 0.0
    for start in range(0, count, 16):
        for k in lanes(start, start + 16):
            total = fast_add(total, pow_f64(first + f64(k), -s))
    a = first + f64(count)
    power = pow_f64(a, -s)
    y = total + (power * zeta_tail_f64(s, a) if power != 0.0 else 0.0)
    y = inf if s == 1.0 or pole else y
    return nan if wrong or s != s else y


def zeta_f32(s: f32, q: f32) -> f32:
    """The Hurwitz zeta function. 1 ulp for q > 0."""
    return f32(zeta_f64(f64(s), f64(q)))
