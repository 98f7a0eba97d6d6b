"""The mathematical functions of the kernel language: each keeps the bound that it states.

f32 is measured against float64; f64 against the longer floats of the processor, where it has
them, or another library. The bound of a function is what its docstring says.
"""

import importlib
import math
import re

import numpy as np
import pytest
import scipy.special
from texts import apply, dtype, same

from tinygraph.ops.elementwise import floor_divide, remainder
from tinygraph.ops.random import philox
from tinygraph_numba.maths import MODULES

LONG = np.finfo(np.longdouble).nmant > 60
FLOATS = ("f32", "f64")
COUNT = 40_000
SPECIAL = (0.0, 1.0, 0.5, 2.0, 3.0, 10.0, 1000.0, 1e-3, 1e-30, 1e30, np.inf)

# name: its truth, and intervals that are looked at closely
UNARY = {
    "exp": (np.exp, [(-5, 5), (-110, 90), (-760, 711)]),
    "exp2": (np.exp2, [(-5, 5), (-160, 130), (-1100, 1030)]),
    "expm1": (np.expm1, [(-1, 1), (-110, 90), (-760, 711), (-0.36, -0.34)]),
    "log": (np.log, [(0, 5), (0.5, 1.5), (0.99, 1.01)]),
    "log2": (np.log2, [(0, 5), (0.5, 1.5), (0.99, 1.01)]),
    "log10": (np.log10, [(0, 5), (0.5, 1.5), (0.99, 1.01)]),
    "log1p": (np.log1p, [(-1, 5), (-0.5, 0.5), (-0.01, 0.01)]),
    "tanh": (np.tanh, [(-1, 1), (-10, 10), (0.54, 0.56)]),
    "sigmoid": (lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(-abs(x))), [(-9, 9), (-110, 90)]),
    "sinh": (np.sinh, [(-1.1, 1.1), (-90, 90), (-711, 711)]),
    "cosh": (np.cosh, [(-1.1, 1.1), (-90, 90), (-711, 711)]),
    "asinh": (np.arcsinh, [(-1, 1), (-9, 9), (-1e5, 1e5)]),
    "acosh": (np.arccosh, [(1, 1.1), (1, 9), (1, 1e5)]),
    "atanh": (np.arctanh, [(-1, 1), (-0.1, 0.1), (0.99, 1)]),
    "sin": (np.sin, [(-5, 5), (3.1, 3.2), (-1e3, 1e3), (-1e5, 1e5), (-1e9, 1e9)]),
    "cos": (np.cos, [(-5, 5), (1.5, 1.6), (-1e3, 1e3), (-1e5, 1e5), (-1e9, 1e9)]),
    "tan": (np.tan, [(-5, 5), (1.5, 1.6), (-1e3, 1e3), (-1e5, 1e5), (-1e9, 1e9)]),
    "asin": (np.arcsin, [(-1, 1), (0.49, 0.51), (0.99, 1)]),
    "acos": (np.arccos, [(-1, 1), (0.49, 0.51), (0.99, 1)]),
    "atan": (np.arctan, [(-1, 1), (-9, 9), (0.41, 0.42), (2.4, 2.5)]),
}


def elementwise(function):
    """A function of Python's floats as one of arrays."""
    return lambda x: np.vectorize(function, [float])(x.astype(float))


def erfinv(x):
    """SciPy's, which forgets the sign of 0."""
    return np.copysign(scipy.special.erfinv(x.astype(float)), x.astype(float))


STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def lgamma(x):
    """lgamma(x) for x > 0, by Stirling's series at x + 25 and the recurrence."""
    y = x + 25
    passed = np.log(np.add.outer(np.arange(25), x)).sum(axis=0)
    series = sum(np.longdouble(c) / y ** (2 * k + 1) for k, c in enumerate(STIRLING))
    half = np.log(8 * np.arctan(np.longdouble(1))) / 2
    return np.where(x < np.inf, (y - 0.5) * np.log(y) - y + half + series - passed, x)


def digamma(x):
    """The slope of that."""
    y = x + 25
    passed = (1 / np.add.outer(np.arange(25), x)).sum(axis=0)
    series = sum(np.longdouble(c) * (2 * k + 1) / y ** (2 * k + 2) for k, c in enumerate(STIRLING))
    return np.where(x < np.inf, np.log(y) - 0.5 / y - series - passed, x)


SPECIAL_FUNCTIONS = {
    "erf": (elementwise(math.erf), [(-1, 1), (-6, 6), (0.92, 0.95)]),
    "erfc": (elementwise(math.erfc), [(-1, 1), (-6, 6), (6, 10.1), (6, 26)]),
    "erfinv": (erfinv, [(-1, 1), (0.69, 0.71), (0.999, 1)]),
    "lgamma": (lgamma, [(0, 3), (0, 20), (5, 1e5)]),
    "digamma": (digamma, [(0, 3), (0, 20), (5, 1e5)]),
}
BINARY = {
    "atan2": (np.arctan2, [((-5, 5), (-5, 5)), ((-1e-3, 1e-3), (-1, 1))]),
    "hypot": (np.hypot, [((-5, 5), (-5, 5)), ((0, 1e-42), (0, 1e-42)), ((0, 1e-310), (0, 1e-310))]),
    "pow": (np.power, [((0, 5), (-20, 20)), ((0.5, 2), (-90, 90)), ((0.99, 1.01), (-5e3, 5e3)),
                       ((0.7, 1.42), (-250, 250))]),
}  # fmt: skip
LARGEST_ANGLE = 1e9
DIGAMMA = [  # near its zero, computed in 40 digits
    (1.4, -0.06138454458511624), (1.45, -0.011316422586445888), (1.46163, -2.0756283887224574e-06),
    (1.4616321449683622, -9.241265521729427e-17), (1.4616321449683625, 1.2245374622004068e-16),
    (1.4617, 6.56593922936765e-05), (1.47, 0.008066489011364869), (1.52, 0.05502211457955164),
]  # fmt: skip


def functions():
    """All functions of the modules, by name."""
    modules = [importlib.import_module(name) for name in MODULES]
    return {name: value for each in modules for name, value in vars(each).items()}


def bound(name, kind):
    """How many ulp the docstring of a function allows."""
    return float(re.search(r"([\d.]+) ulp", functions()[f"{name}_{kind}"].__doc__)[1])


def ulps(got, truth):
    """How far results are from the truth, in steps between neighbouring floats there."""
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        exponent = np.frexp(np.abs(truth))[1] - 1
        step = np.ldexp(truth.dtype.type(1), np.maximum(exponent, info.minexp) - info.nmant)
        error = np.abs(got.astype(truth.dtype) - truth) / step
        rounded = truth.astype(got.dtype)
    right = (got == rounded) | (np.isnan(got) & np.isnan(truth))
    return np.where(right & ~(error < 1), 0, np.where(np.isnan(error), np.inf, error))


def close(got, truth, limit, *inputs):
    """No result is further from the truth than `limit` ulp, and zeros have the right sign."""
    error = ulps(got, truth)
    worst = int(np.argmax(error))
    where = [float(x[worst]) for x in inputs]
    assert error[worst] <= limit, f"{error[worst]} ulp at {where}: {got[worst]}"
    zeros = (got == 0) & (truth == 0)
    np.testing.assert_array_equal(np.signbit(got[zeros]), np.signbit(truth[zeros]))


def wide(x):
    """An array in a longer float, in which the truth is computed."""
    with np.errstate(invalid="ignore"):  # signalling NaN
        return x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)


def special(kind):
    """Numbers at which something special may happen, of both signs."""
    info = np.finfo(dtype(kind))
    edges = [info.tiny, info.smallest_subnormal, info.tiny / 3, info.max, 1 + info.eps]
    some = np.array([*SPECIAL, *edges], dtype(kind))
    return np.concatenate([some, -some, np.array([np.nan], dtype(kind))])


def any_bits(kind, rng):
    """Floats of all exponents."""
    words = dtype("u" + kind[1:])
    return rng.integers(0, np.iinfo(words).max, COUNT, words, endpoint=True).view(dtype(kind))


def spread(kind, intervals):
    """Floats of all exponents, of the intervals, and special ones."""
    rng = np.random.default_rng(5)
    inside = [rng.uniform(*each, COUNT).astype(dtype(kind)) for each in intervals]
    return np.concatenate([special(kind), any_bits(kind, rng), *inside])


def true_values(function, *inputs):
    with np.errstate(all="ignore"):
        return function(*inputs)


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("name", UNARY)
def test_functions(name, kind):
    truth, intervals = UNARY[name]
    x = spread(kind, intervals)
    if name in ("sin", "cos", "tan"):
        x = x[~(np.abs(x) > LARGEST_ANGLE) | np.isinf(x)]
    got = apply(f"{name}(x)", kind, x)
    slack = 0 if kind == "f32" or LONG else 1
    close(got, true_values(truth, wide(x)), bound(name, kind) + slack, x)


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("name", SPECIAL_FUNCTIONS)
def test_special_functions(name, kind):
    truth, intervals = SPECIAL_FUNCTIONS[name]
    x = spread(kind, intervals)
    if name in ("lgamma", "digamma"):  # up to 0, and near their zeros: see below
        x = x[~(x <= 0)]
        zeros = {"lgamma": (1, 2), "digamma": (1.4616,)}[name]
        x = x[~(np.abs(np.subtract.outer(wide(x), zeros)).min(axis=1) < 0.1)]
    got, expected = apply(f"{name}(x)", kind, x), true_values(truth, wide(x))
    slack = 0 if kind == "f32" or LONG else 20
    close(got, expected, bound(name, kind) + slack, x)


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two(name, kind):
    truth, intervals = BINARY[name]
    rng = np.random.default_rng(5)
    x, y = (grid.ravel() for grid in np.meshgrid(special(kind), special(kind)))
    inside = [[rng.uniform(*each, COUNT).astype(dtype(kind)) for each in two] for two in intervals]
    x = np.concatenate([x, any_bits(kind, rng), *(two[0] for two in inside)])
    y = np.concatenate([y, any_bits(kind, rng), *(two[1] for two in inside)])
    slack = 0 if kind == "f32" or LONG else 1
    got = apply(f"{name}(x, y)", kind, x, y)
    close(got, true_values(truth, wide(x), wide(y)), bound(name, kind) + slack, x, y)


@pytest.mark.parametrize("kind", FLOATS)
def test_exact_values(kind):
    whole = np.arange(-20, 21).astype(dtype(kind))
    same(apply("exp2(x)", kind, whole), np.exp2(whole))
    same(apply("log2(exp2(x))", kind, whole), whole)
    tens = 10.0 ** np.arange(11).astype(dtype(kind))
    same(apply("log10(x)", kind, tens), np.arange(11).astype(dtype(kind)))
    same(apply("pow(x, 2.0)", kind, whole), whole * whole)
    zero = np.zeros(1, dtype(kind))
    for name in ("exp", "cos", "cosh", "exp2"):
        same(apply(f"{name}(x)", kind, zero), zero + 1)


@pytest.mark.parametrize("kind", FLOATS)
def test_logaddexp(kind):
    rng = np.random.default_rng(5)
    some = rng.uniform(-30, 30, (2, COUNT)).astype(dtype(kind))
    x, y = np.concatenate([some, np.array(np.meshgrid(*[special(kind)] * 2)).reshape(2, -1)], 1)
    got, truth = apply("logaddexp(x, y)", kind, x, y), true_values(np.logaddexp, wide(x), wide(y))
    scale = np.fmax(np.abs(truth), np.abs(wide(np.fmax(x, y))))
    info = np.finfo(dtype(kind))
    limit = bound("logaddexp", kind) * info.eps * scale + info.smallest_subnormal
    finite = np.isfinite(truth)
    assert np.all(np.abs(got[finite] - truth[finite]) <= limit[finite])
    same(got[~finite], truth[~finite].astype(got.dtype))


def test_lgamma_near_its_zeros():
    e = np.outer([1, -1], 2.0 ** -np.arange(3.25, 50)).ravel()
    at_one, at_two = 1 + e, 2 + e
    for x, e in ((at_one, wide(at_one) - 1), (at_two, wide(at_two) - 2)):
        k = np.arange(2, 30)[:, None]
        terms = scipy.special.zeta(k) / k * (-e) ** k
        truth = np.sum(terms[::-1], axis=0) - np.longdouble(0.5772156649015328606) * e
        truth = truth + (np.log1p(e) if x is at_two else 0)
        close(apply("lgamma(x)", "f64", x), truth, bound("lgamma", "f64"), x)
    same(apply("lgamma(x)", "f64", np.array([1.0, 2.0])), np.zeros(2))


def test_digamma_near_its_zero():
    x, truth = np.ascontiguousarray(np.transpose(DIGAMMA))
    close(apply("digamma(x)", "f64", x), truth, bound("digamma", "f64"), x)


@pytest.mark.parametrize(
    ("name", "truth"), [("lgamma", scipy.special.gammaln), ("digamma", scipy.special.digamma)]
)
def test_gamma_below_zero(name, truth):
    x = np.linspace(-20, 0, 20_002)[1:-1]
    x = x[np.abs(x - np.rint(x)) > 1e-4]
    got = apply(f"{name}(x)", "f64", x)
    np.testing.assert_allclose(got, truth(x), rtol=1e-11, atol=1e-12)
    same(apply(f"{name}(x)", "f64", -np.arange(5.0)), truth(-np.arange(5.0)))


def test_zeta():
    rng = np.random.default_rng(5)
    s = np.concatenate([rng.uniform(1, 20, 300), rng.uniform(1, 200, 300), np.full(300, 2.0)])
    q = np.concatenate([rng.uniform(0, 20, 300), rng.uniform(0.5, 200, 300), np.arange(300) / 7])
    truth = scipy.special.zeta(s, q)
    normal = ~(truth < 1e-290)  # SciPy's sum of subnormal numbers is not exact
    close(apply("zeta(x, y)", "f64", s, q)[normal], truth[normal], bound("zeta", "f64") + 4)
    whole, below = np.full(3, 3.0), np.array([-0.5, -1.0, -7.25])
    got = apply("zeta(x, y)", "f64", whole, below)
    np.testing.assert_allclose(got, scipy.special.zeta(whole, below), rtol=1e-13)
    small, q32 = s[:300].astype(np.float32), q[:300].astype(np.float32)
    truth = scipy.special.zeta(small.astype(np.float64), q32.astype(np.float64))
    close(apply("zeta(x, y)", "f32", small, q32), truth, bound("zeta", "f32"))


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("name", [*UNARY, *SPECIAL_FUNCTIONS])
def test_a_result_does_not_depend_on_its_lane(name, kind):
    x = np.random.default_rng(5).uniform(-3, 3, 203).astype(dtype(kind))
    same(apply(f"{name}(x)", kind, x), apply(f"{name}(x)", kind, x, how="range"))
    same(apply(f"{name}(x)", kind, x)[5:], apply(f"{name}(x)", kind, x[5:]))


# -------------------------------------------------------------------------- division and steps


def dividends(kind):
    """Pairs of special floats, of floats near and far, and of small multiples."""
    rng = np.random.default_rng(5)
    near, far, small = rng.uniform(-9, 9, (2, COUNT)), rng.uniform(-1e9, 1e9, COUNT), 0.25
    x, y = (grid.ravel() for grid in np.meshgrid(special(kind), special(kind)))
    tops = [x, near[0], far, rng.integers(-50, 50, COUNT), any_bits(kind, rng)]
    bottoms = [y, near[1], near[1], rng.integers(-9, 9, COUNT) * small, any_bits(kind, rng)]
    typed = [[part.astype(dtype(kind)) for part in each] for each in (tops, bottoms)]
    return [np.concatenate(each) for each in typed]


@pytest.mark.parametrize("kind", FLOATS)
def test_remainder_is_as_in_numpy(kind):
    x, y = dividends(kind)
    same(apply("remainder(x, y)", kind, x, y), true_values(remainder.eval, np, x, y))


@pytest.mark.parametrize("kind", FLOATS)
def test_floor_divide_is_as_in_numpy(kind):
    x, y = dividends(kind)
    got, expected = (
        apply("floor_divide(x, y)", kind, x, y),
        true_values(floor_divide.eval, np, x, y),
    )
    whole = ~(np.abs(expected) >= 2.0 ** (np.finfo(dtype(kind)).nmant - 4))
    same(got[whole], expected[whole])
    # above, NumPy's quotient is rounded more than once, and sometimes one off
    np.testing.assert_allclose(got[~whole], expected[~whole], rtol=4 * np.finfo(dtype(kind)).eps)


@pytest.mark.parametrize("kind", FLOATS)
def test_sign_and_nextafter(kind):
    x, y = dividends(kind)
    same(apply("sign(x)", kind, x), np.sign(x))
    same(apply("nextafter(x, y)", kind, x, y), true_values(np.nextafter, x, y))


def test_powers_of_integers_wrap():
    rng = np.random.default_rng(5)
    x = rng.integers(0, 2**64 - 1, 1000, np.uint64)
    n = rng.integers(0, 70, 1000, np.uint64)
    same(apply("pow(x, y)", "u64", x, n), x**n)


def test_philox():
    rng = np.random.default_rng(5)
    seed, draw, index = (rng.integers(0, 2**64 - 1, 1000, np.uint64) for _ in range(3))
    index = np.concatenate([np.arange(500, dtype=np.uint64), index[500:]])
    same(apply("philox(x, y, z)", "u32", seed, draw, index), philox.eval(np, seed, draw, index))


# ------------------------------------------------------------------------------- huge angles


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_huge_angles_stay_between_minus_1_and_1(name, kind):
    x = special(kind)
    x = x[np.isfinite(x)]
    assert np.all(np.abs(apply(f"{name}(x)", kind, x)) <= 1)
