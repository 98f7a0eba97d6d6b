"""Trigonometric functions and their inverses in the kernel language; see `maths` for the method.

An angle is first brought near 0 by taking off the nearest multiple of pi (pi / 2 for `tan`). The
multiple must be known to more bits than the angle has, so pi is the sum of two or three floats
and each product is exact (Cody and Waite). Of f32 this is done in f64. Results keep their bounds
up to |x| = 1e9, and beyond, in f32, until about 1e13; above 2e15 angles are not resolved any
more and the result is some number between -1 and 1.
"""

from __future__ import annotations

from tinygraph_numba.language.dialect import bits, copysign, f32, f64, fma, i64, sqrt

PI = 3.141592653589793
PI_SECOND = 1.2246467991473532e-16
PI_THIRD = -2.9947698097183397e-33
HALF_PI = 1.5707963267948966
HALF_PI_SECOND = 6.123233995736766e-17
HALF_PI_THIRD = -1.4973849048591698e-33
HALF_PI_REST_F32 = -4.371139e-08
PER_PI = 0.3183098861837907
PER_HALF_PI = 0.6366197723675814
TO_WHOLE = 6755399441055744.0  # added and taken off again, rounds to a whole number; see `maths`

# -------------------------------------------------------------------------------- sine, cosine


def sin_near_zero_f32(r: f32) -> f32:
    """sin(r) for |r| <= pi / 2, to 2^-27 of it before rounding."""
    z = r * r
    p = fma(z, 2.606103e-06, -0.00019809778)
    p = fma(p, z, 0.008333069)
    p = fma(p, z, -0.1666666)
    return fma(r * z, p, r)


def sin_near_zero_f64(r: f64) -> f64:
    """sin(r) for |r| <= pi / 2, to 2^-61 of it before rounding."""
    z = r * r
    p = fma(z, 2.7215021465928547e-15, -7.643026804236726e-13)
    p = fma(p, z, 1.6058941260929086e-10)
    p = fma(p, z, -2.5052106908732067e-08)
    p = fma(p, z, 2.7557319211603342e-06)
    p = fma(p, z, -0.00019841269841212576)
    p = fma(p, z, 0.008333333333333207)
    p = fma(p, z, -0.16666666666666666)
    return fma(r * z, p, r)


def signed_rest(whole: f64, r: f64) -> f64:
    """(-1)^n r, for the n that stands in the lowest bits of `whole`."""
    return bits(f64, bits(i64, r) ^ (bits(i64, whole) << 63))


def within_f32(r: f32) -> f32:
    """r, which is near 0 unless the angle was too large to be reduced."""
    return copysign(f32(HALF_PI), r) if abs(r) > 1.6 else r


def within_f64(r: f64) -> f64:
    """r, which is near 0 unless the angle was too large to be reduced."""
    return copysign(f64(HALF_PI), r) if abs(r) > 1.6 else r


def sin_f32(x: f32) -> f32:
    """The sine. 2.5 ulp."""
    wide = f64(x)
    whole = fma(wide, PER_PI, TO_WHOLE)
    n = whole - TO_WHOLE
    r = fma(n, -PI_SECOND, fma(n, -PI, wide))
    y = sin_near_zero_f32(within_f32(f32(signed_rest(whole, r))))
    return x if x == 0.0 else y


def cos_f32(x: f32) -> f32:
    """The cosine, the sine of x + pi / 2: an odd multiple of pi / 2 is taken off. 2.5 ulp."""
    wide = f64(x)
    whole = fma(wide, PER_PI, 0.5) + TO_WHOLE
    n = (whole - TO_WHOLE) - 0.5
    r = fma(n, -PI_SECOND, fma(n, -PI, wide))
    return sin_near_zero_f32(within_f32(f32(signed_rest(whole, r))))


def sin_f64(x: f64) -> f64:
    """The sine. 2 ulp."""
    whole = fma(x, PER_PI, TO_WHOLE)
    n = whole - TO_WHOLE
    r = fma(n, -PI_THIRD, fma(n, -PI_SECOND, fma(n, -PI, x)))
    y = sin_near_zero_f64(within_f64(signed_rest(whole, r)))
    return x if x == 0.0 else y


def cos_f64(x: f64) -> f64:
    """The cosine, the sine of x + pi / 2. 2.5 ulp."""
    whole = fma(x, PER_PI, 0.5) + TO_WHOLE
    n = (whole - TO_WHOLE) - 0.5
    r = fma(n, -PI_THIRD, fma(n, -PI_SECOND, fma(n, -PI, x)))
    return sin_near_zero_f64(within_f64(signed_rest(whole, r)))


# ------------------------------------------------------------------------------------ tangent


def tan_near_zero_f32(r: f32) -> f32:
    """tan(r) for |r| <= pi / 4, to 2^-29 of it before rounding."""
    z = r * r
    p = fma(z, 0.0043724636, 9.86623e-05)
    p = fma(p, z, 0.010827174)
    p = fma(p, z, 0.021286283)
    p = fma(p, z, 0.054058906)
    p = fma(p, z, 0.13332675)
    p = fma(p, z, 0.3333335)
    return fma(r * z, p, r)


def tan_f32(x: f32) -> f32:
    """The tangent: tan(r), or -1 / tan(r) where an odd multiple of pi / 2 was taken off. 3 ulp."""
    wide = f64(x)
    whole = fma(wide, PER_HALF_PI, TO_WHOLE)
    n = whole - TO_WHOLE
    r = f32(fma(n, -HALF_PI_SECOND, fma(n, -HALF_PI, wide)))
    t = tan_near_zero_f32(within_f32(r))
    odd = (bits(i64, whole) & 1) != 0
    return (-1.0 if odd else t) / (t if odd else 1.0)


def cos_near_zero_f64(r: f64) -> f64:
    """cos(r) for |r| <= pi / 4, to 2^-63 of it before rounding."""
    z = r * r
    p = fma(z, -1.1358737471939206e-11, 2.0875705181256463e-09)
    p = fma(p, z, -2.7557314215601536e-07)
    p = fma(p, z, 2.4801587288997922e-05)
    p = fma(p, z, -0.0013888888888873338)
    p = fma(p, z, 0.041666666666666595)
    return fma(z, fma(p, z, -0.5), 1.0)


def tan_f64(x: f64) -> f64:
    """The tangent, sine over cosine. 3.5 ulp."""
    whole = fma(x, PER_HALF_PI, TO_WHOLE)
    n = whole - TO_WHOLE
    r = within_f64(fma(n, -HALF_PI_THIRD, fma(n, -HALF_PI_SECOND, fma(n, -HALF_PI, x))))
    sine, cosine = sin_near_zero_f64(r), cos_near_zero_f64(r)
    odd = (bits(i64, whole) & 1) != 0
    y = (-cosine if odd else sine) / (sine if odd else cosine)
    return x if x == 0.0 else y


# ----------------------------------------------------------------------- inverse sine, cosine


def asin_tail_f32(w: f32, z: f32) -> f32:
    """asin(w) - w for 0 <= w <= 1/2 and z = w^2; their sum is known to 2^-27 of it."""
    p = fma(z, 0.04215774, 0.024184914)
    p = fma(p, z, 0.04546915)
    p = fma(p, z, 0.074953094)
    p = fma(p, z, 0.16666752)
    return w * z * p


def asin_tail_f64(w: f64, z: f64) -> f64:
    """asin(w) - w for 0 <= w <= 1/2 and z = w^2; their sum is known to 2^-55 of it."""
    p = fma(z, 0.031903664615832744, -0.016215663952389874)
    p = fma(p, z, 0.019524868362682017)
    p = fma(p, z, 0.006528641288217247)
    p = fma(p, z, 0.01216914730370218)
    p = fma(p, z, 0.013885237525466226)
    p = fma(p, z, 0.017359704912715854)
    p = fma(p, z, 0.02237175802792443)
    p = fma(p, z, 0.03038195913860048)
    p = fma(p, z, 0.04464285682826818)
    p = fma(p, z, 0.07500000000337116)
    p = fma(p, z, 0.16666666666665408)
    return w * z * p


def asin_f32(x: f32) -> f32:
    """The inverse sine; NaN outside of -1 ... 1. 2.5 ulp.

    Above 1/2 it is pi / 2 - 2 asin(sqrt((1 - x) / 2)).
    """
    a = abs(x)
    far = a > 0.5
    z = 0.5 * (1.0 - a) if far else a * a
    w = sqrt(z) if far else a
    tail = asin_tail_f32(w, z)
    above = (HALF_PI - 2.0 * w) - (2.0 * tail - HALF_PI_REST_F32)
    return copysign(above if far else w + tail, x)


def asin_f64(x: f64) -> f64:
    """The inverse sine; NaN outside of -1 ... 1. 2.5 ulp; see `asin_f32`."""
    a = abs(x)
    far = a > 0.5
    z = 0.5 * (1.0 - a) if far else a * a
    w = sqrt(z) if far else a
    tail = asin_tail_f64(w, z)
    above = (HALF_PI - 2.0 * w) - (2.0 * tail - HALF_PI_SECOND)
    return copysign(above if far else w + tail, x)


def acos_f32(x: f32) -> f32:
    """The inverse cosine; NaN outside of -1 ... 1. 1.5 ulp; see `asin_f32`."""
    a = abs(x)
    far = a > 0.5
    z = 0.5 * (1.0 - a) if far else a * a
    w = sqrt(z) if far else a
    y = w + asin_tail_f32(w, z)
    near = HALF_PI - (copysign(y, x) - HALF_PI_REST_F32)
    half = y if x > 0.0 else HALF_PI - (y - HALF_PI_REST_F32)
    return half + half if far else near


def acos_f64(x: f64) -> f64:
    """The inverse cosine; NaN outside of -1 ... 1. 1.5 ulp; see `asin_f32`."""
    a = abs(x)
    far = a > 0.5
    z = 0.5 * (1.0 - a) if far else a * a
    w = sqrt(z) if far else a
    y = w + asin_tail_f64(w, z)
    near = HALF_PI - (copysign(y, x) - HALF_PI_SECOND)
    half = y if x > 0.0 else HALF_PI - (y - HALF_PI_SECOND)
    return half + half if far else near


# ---------------------------------------------------------------------------- inverse tangent

TAN_EIGHTH = 0.41421356237309503  # tan(pi / 8), and tan(3 pi / 8)
TAN_THREE_EIGHTHS = 2.414213562373095
QUARTER_PI = 0.7853981633974483
QUARTER_PI_SECOND = 3.061616997868383e-17
QUARTER_PI_REST_F32 = -2.1855694e-08


def angle_f32(y: f32, x: f32) -> f32:
    """atan(y / x) for finite x, y >= 0 that are not both 0, with one division.

    The angle is brought below pi / 8 by turning it back by 0, 1/4 or 1/2 of pi.
    """
    low, high = y <= TAN_EIGHTH * x, y > TAN_THREE_EIGHTHS * x
    above = -x if high else y - x
    below = y if high else y + x
    u = (y if low else above) / (x if low else below)
    z = u * u
    p = fma(z, -0.06089987, 0.10599148)
    p = fma(p, z, -0.1424439)
    p = fma(p, z, 0.19998528)
    p = fma(p, z, -0.33333316)
    turns: f32 = f32(0.0) if low else (f32(2.0) if high else f32(1.0))
    rest = fma(turns, QUARTER_PI_REST_F32, fma(u * z, p, u))
    return fma(turns, QUARTER_PI, rest)


def angle_f64(y: f64, x: f64) -> f64:
    """atan(y / x) for finite x, y >= 0 that are not both 0; see `angle_f32`."""
    low, high = y <= TAN_EIGHTH * x, y > TAN_THREE_EIGHTHS * x
    above = -x if high else y - x
    below = y if high else y + x
    u = (y if low else above) / (x if low else below)
    z = u * u
    p = fma(z, -0.01790817963552433, 0.03806505891574221)
    p = fma(p, z, -0.050393082436338756)
    p = fma(p, z, 0.058478865000524134)
    p = fma(p, z, -0.06663103204539447)
    p = fma(p, z, 0.07692060109196196)
    p = fma(p, z, -0.09090897751113837)
    p = fma(p, z, 0.11111110783276854)
    p = fma(p, z, -0.14285714280196143)
    p = fma(p, z, 0.19999999999953652)
    p = fma(p, z, -0.333333333333332)
    turns: f64 = f64(0.0) if low else (f64(2.0) if high else f64(1.0))
    rest = fma(turns, QUARTER_PI_SECOND, fma(u * z, p, u))
    return fma(turns, QUARTER_PI, rest)


def atan_f32(x: f32) -> f32:
    """The inverse tangent. 2.5 ulp."""
    return copysign(angle_f32(abs(x), 1.0), x)


def atan_f64(x: f64) -> f64:
    """The inverse tangent. 2.5 ulp."""
    return copysign(angle_f64(abs(x), 1.0), x)


def atan2_f32(y: f32, x: f32) -> f32:
    """The angle of the point (x, y), by the signs of both, also those of zeros. 2.5 ulp."""
    a, b = abs(y), abs(x)
    same = a == b  # both may be 0 or infinite
    a = f32(a > 0.0) if same else a
    b = 1.0 if same else b
    scale: f32 = f32(0.25) if a > 1e37 or b > 1e37 else f32(1.0)
    angle = angle_f32(a * scale, b * scale)
    left = 2.0 * HALF_PI - (angle - 2.0 * HALF_PI_REST_F32)
    return copysign(left if copysign(1.0, x) < 0.0 else angle, y)


def atan2_f64(y: f64, x: f64) -> f64:
    """The angle of the point (x, y), by the signs of both, also those of zeros. 2.5 ulp."""
    a, b = abs(y), abs(x)
    same = a == b
    a = f64(a > 0.0) if same else a
    b = 1.0 if same else b
    scale: f64 = f64(0.25) if a > 1e307 or b > 1e307 else f64(1.0)
    angle = angle_f64(a * scale, b * scale)
    left = PI - (angle - PI_SECOND)
    return copysign(left if copysign(1.0, x) < 0.0 else angle, y)
