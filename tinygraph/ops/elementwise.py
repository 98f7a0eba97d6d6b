"""Elementwise primitives: one number of the result from one number of each input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygraph.dtypes import bool_
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import rules
from tinygraph.ops.registry import Bad, Op, Rule, Sample, Samples, register
from tinygraph.ops.rules import full, zeros_like

ALL_INPUTS = slice(None)
Truth = Callable[..., float]


def special(xp: Any) -> Any:
    """The special functions that go with the array namespace `xp`."""
    if xp is np:
        import scipy.special

        return scipy.special
    import cupyx.scipy.special  # type: ignore[import-not-found]

    return cupyx.scipy.special


def ufunc(name: str) -> Rule:
    """`eval` by the function of that name in the array namespace."""

    def evaluate(xp: Any, *arrays: Any, out: Any = None) -> Any:
        return getattr(xp, name)(*arrays, out=out)

    return evaluate


def _special_ufunc(name: str) -> Rule:
    def evaluate(xp: Any, *arrays: Any) -> Any:
        wide = [a.astype("float32") if a.dtype.itemsize < 4 else a for a in arrays]
        return getattr(special(xp), name)(*wide).astype(arrays[0].dtype)

    return evaluate


def _unary_samples(low: float, high: float, truth: Truth | None, bad: bool) -> Samples:
    def samples(rng: np.random.Generator) -> list[Sample | Bad]:
        x = rng.uniform(low, high, (2, 3))
        expected = np.vectorize(truth, otypes=[float])(x) if truth else None
        cases: list[Sample | Bad] = [
            Sample((x,), expected=expected),
            Sample((np.array(x[0, 0]),)),
            Sample((x[:0],)),
            Sample((x.astype("float32"),), grad=False),
        ]
        if bad:
            cases.append(Bad((np.array([1, 2]),), {}, DTypeError, "needs a float, got int64"))
        return cases

    return samples


def _binary_samples(low: float, high: float, truth: Truth | None, grad: bool = True) -> Samples:
    def samples(rng: np.random.Generator) -> list[Sample | Bad]:
        x, y = rng.uniform(low, high, (2, 3)), rng.uniform(low, high, (2, 3))
        y = np.where(np.abs(x - y) < 0.05, y + 0.2, y)  # away from ties
        expected = np.vectorize(truth, otypes=[float])(x, y) if truth else None
        return [
            Sample((x, y), grad=grad, expected=expected),
            Sample((x, y[:1]), grad=grad),
            Sample((x[0], y[:, :1]), grad=grad),
            Sample((x, y[0, 0]), grad=grad),
            Sample((x[:0], y[:1]), grad=grad),
            Sample((np.array(x[0, 0]), np.array(y[0, 0])), grad=grad),
            Sample((x.astype("float32"), y), grad=False),
            Bad((x, y[:, :2]), {}, ShapeError, "do not broadcast"),
        ]

    return samples


def _unary(
    name: str,
    doc: str,
    *,
    scalar: str,
    vjp: Rule | None,
    eval: Rule | None = None,
    infer: Rule = rules.floating,
    domain: tuple[float, float] = (-2.0, 2.0),
    truth: Truth | None = None,
    samples: Samples | None = None,
) -> Op:
    return register(Op(
        name=name, kind="elementwise", infer=infer, eval=eval or ufunc(name), doc=doc,
        vjp=None if vjp is None else (vjp,), scalar=scalar,
        samples=samples or _unary_samples(*domain, truth, infer is rules.floating),
        promote=ALL_INPUTS, into=eval is None, alias=eval is None,
        differentiable=vjp is not None,
    ))  # fmt: skip


def _binary(
    name: str,
    doc: str,
    *,
    scalar: str,
    vjp: tuple[Rule | None, Rule | None] | None,
    infer: Rule = rules.elementwise,
    eval: Rule | None = None,
    domain: tuple[float, float] = (-2.0, 2.0),
    truth: Truth | None = None,
    samples: Samples | None = None,
) -> Op:
    return register(Op(
        name=name, kind="elementwise", infer=infer, eval=eval or ufunc(name), doc=doc, vjp=vjp,
        scalar=scalar, samples=samples or _binary_samples(*domain, truth, vjp is not None),
        promote=ALL_INPUTS, into=eval is None, alias=eval is None,
        differentiable=vjp is not None,
    ))  # fmt: skip


def _zero(g: Node, out: Node, *inputs: Node) -> None:
    """The gradient of what is constant almost everywhere."""


# ------------------------------------------------------------------------------- arithmetic

add = _binary(
    "add", "x + y. On bool: logical or.", scalar="a + b", truth=lambda x, y: x + y,
    vjp=(lambda g, out, x, y: g, lambda g, out, x, y: g),
)  # fmt: skip
subtract = _binary(
    "subtract", "x - y.", scalar="a - b", infer=rules.numeric, truth=lambda x, y: x - y,
    vjp=(lambda g, out, x, y: g, lambda g, out, x, y: -g),
)  # fmt: skip
multiply = _binary(
    "multiply", "x * y, the Hadamard product. On bool: logical and.",
    scalar="a * b", truth=lambda x, y: x * y,
    vjp=(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x),
)  # fmt: skip
divide = _binary(
    "divide", "x / y. Integers must be cast first; `Tensor.__truediv__` does.",
    scalar="a / b", infer=rules.floating, domain=(0.5, 2.0), truth=lambda x, y: x / y,
    vjp=(lambda g, out, x, y: g / y, lambda g, out, x, y: -g * out / y),
)  # fmt: skip


def _integer_pairs(rng: np.random.Generator) -> list[Sample | Bad]:
    x, y = rng.integers(-9, 9, (2, 3)), np.array([[2, -3, 4]])
    return [Sample((x, y)), Sample((x * 0.7, y * 0.9)), Sample((x[:0], y))]


floor_divide = _binary(
    "floor_divide", "The largest integer not above x / y, as Python's `//`.",
    scalar="floor_divide(a, b)", infer=rules.numeric, vjp=None, samples=_integer_pairs,
)  # fmt: skip
remainder = _binary(
    "remainder", "x - y * floor(x / y), with the sign of y, as Python's `%`.",
    scalar="remainder(a, b)", infer=rules.numeric, samples=_integer_pairs,
    vjp=(
        lambda g, out, x, y: g,
        lambda g, out, x, y: -g * floor(x / y),
    ),
)  # fmt: skip


def _pow_dx(g: Node, out: Node, x: Node, y: Node) -> Node:
    # where y is 0 the slope is 0 whatever x; the inner `where` keeps 0 ** -1 out of it
    return g * y * pow(x, where(equal(y, 0), 1, y - 1))


def _pow_dy(g: Node, out: Node, x: Node, y: Node) -> Node:
    # out * log(x) tends to 0 with x; below 0 the slope in y is not real
    return g * out * log(where(x > 0, x, 1))


pow = _binary(  # noqa: A001 - the Array API's name
    "pow", "x to the power y. Integers stay integers; a negative integer power is an error.",
    scalar="pow(a, b)", eval=lambda xp, x, y, out=None: xp.power(x, y, out=out),
    infer=rules.numeric, domain=(0.5, 2.0), truth=math.pow, vjp=(_pow_dx, _pow_dy),
)  # fmt: skip
negative = _unary(
    "negative", "-x.", scalar="-a", infer=rules.numeric, truth=lambda x: -x,
    vjp=lambda g, out, x: -g,
)  # fmt: skip
abs = _unary(  # noqa: A001
    "abs", "The absolute value; its slope at 0 is 0.", scalar="abs(a)", infer=rules.numeric,
    domain=(0.2, 2.0), truth=math.fabs, vjp=lambda g, out, x: g * sign(x),
)  # fmt: skip
sign = _unary(
    "sign", "-1, 0 or 1; NaN stays NaN.", scalar="sign(a)", infer=rules.numeric,
    domain=(0.2, 2.0), truth=lambda x: math.copysign(1, x), vjp=_zero,
)  # fmt: skip
square = _unary(
    "square", "x * x.", scalar="a * a", infer=rules.numeric, truth=lambda x: x * x,
    vjp=lambda g, out, x: g * (x * 2),
)  # fmt: skip
maximum = _binary(
    "maximum", "The larger of two; NaN if either is. At a tie each gets half the gradient.",
    scalar="maximum(a, b)", truth=max,
    vjp=(
        lambda g, out, x, y: g * _share(x > y, x, y),
        lambda g, out, x, y: g * _share(y > x, x, y),
    ),
)  # fmt: skip
minimum = _binary(
    "minimum", "The smaller of two; NaN if either is. At a tie each gets half the gradient.",
    scalar="minimum(a, b)", truth=min,
    vjp=(
        lambda g, out, x, y: g * _share(x < y, x, y),
        lambda g, out, x, y: g * _share(y < x, x, y),
    ),
)  # fmt: skip


def _share(wins: Node, x: Node, y: Node) -> Node:
    half = where(equal(x, y), full((), 0.5, x.dtype), full((), 0, x.dtype))
    return where(wins, full((), 1, x.dtype), half)


# ---------------------------------------------------------------- exponentials and logarithms

exp = _unary(
    "exp", "e to the power x.", scalar="exp(a)", truth=math.exp, vjp=lambda g, out, x: g * out
)
exp2 = _unary(
    "exp2", "2 to the power x.", scalar="exp2(a)", truth=lambda x: 2.0**x,
    vjp=lambda g, out, x: g * out * math.log(2),
)  # fmt: skip
expm1 = _unary(
    "expm1", "exp(x) - 1, exact near 0.", scalar="expm1(a)", truth=math.expm1,
    vjp=lambda g, out, x: g * (out + 1),
)  # fmt: skip
log = _unary(
    "log", "The natural logarithm.", scalar="log(a)", domain=(0.3, 3), truth=math.log,
    vjp=lambda g, out, x: g / x,
)  # fmt: skip
log1p = _unary(
    "log1p", "log(1 + x), exact near 0.", scalar="log1p(a)", domain=(-0.6, 2), truth=math.log1p,
    vjp=lambda g, out, x: g / (x + 1),
)  # fmt: skip
log2 = _unary(
    "log2", "The logarithm to base 2.", scalar="log2(a)", domain=(0.3, 3), truth=math.log2,
    vjp=lambda g, out, x: g / (x * math.log(2)),
)  # fmt: skip
log10 = _unary(
    "log10", "The logarithm to base 10.", scalar="log10(a)", domain=(0.3, 3), truth=math.log10,
    vjp=lambda g, out, x: g / (x * math.log(10)),
)  # fmt: skip
logaddexp = _binary(
    "logaddexp", "log(exp(x) + exp(y)) without overflow.", scalar="logaddexp(a, b)",
    infer=rules.floating, truth=lambda x, y: math.log(math.exp(x) + math.exp(y)),
    vjp=(
        lambda g, out, x, y: g * sigmoid(x - y),
        lambda g, out, x, y: g * sigmoid(y - x),
    ),
)  # fmt: skip
sqrt = _unary(
    "sqrt", "The square root; NaN below 0.", scalar="sqrt(a)", domain=(0.3, 3), truth=math.sqrt,
    vjp=lambda g, out, x: g / (out * 2),
)  # fmt: skip
rsqrt = _unary(
    "rsqrt", "1 / sqrt(x).", scalar="1 / sqrt(a)", domain=(0.3, 3),
    eval=lambda xp, x: (1 / xp.sqrt(x)).astype(x.dtype),
    truth=lambda x: x**-0.5, vjp=lambda g, out, x: g * out / x * -0.5,
)  # fmt: skip

# ------------------------------------------------------------- trigonometric and hyperbolic

sin = _unary(
    "sin", "The sine; x in radians.", scalar="sin(a)", truth=math.sin,
    vjp=lambda g, out, x: g * cos(x),
)  # fmt: skip
cos = _unary(
    "cos", "The cosine; x in radians.", scalar="cos(a)", truth=math.cos,
    vjp=lambda g, out, x: -g * sin(x),
)  # fmt: skip
tan = _unary(
    "tan", "The tangent; x in radians.", scalar="tan(a)", domain=(-1, 1), truth=math.tan,
    vjp=lambda g, out, x: g * (square(out) + 1),
)  # fmt: skip
asin = _unary(
    "asin", "The inverse sine, in radians.", scalar="asin(a)", domain=(-0.8, 0.8),
    truth=math.asin, eval=lambda xp, x, out=None: xp.arcsin(x, out=out),
    vjp=lambda g, out, x: g * rsqrt(1 - square(x)),
)  # fmt: skip
acos = _unary(
    "acos", "The inverse cosine, in radians.", scalar="acos(a)", domain=(-0.8, 0.8),
    truth=math.acos, eval=lambda xp, x, out=None: xp.arccos(x, out=out),
    vjp=lambda g, out, x: -g * rsqrt(1 - square(x)),
)  # fmt: skip
atan = _unary(
    "atan", "The inverse tangent, in radians.", scalar="atan(a)", truth=math.atan,
    eval=lambda xp, x, out=None: xp.arctan(x, out=out),
    vjp=lambda g, out, x: g / (square(x) + 1),
)  # fmt: skip
atan2 = _binary(
    "atan2", "The angle of the point (y, x), in radians; the first argument is y.",
    scalar="atan2(a, b)", infer=rules.floating, domain=(0.4, 2), truth=math.atan2,
    eval=lambda xp, y, x, out=None: xp.arctan2(y, x, out=out),
    vjp=(
        lambda g, out, y, x: g * x / (square(x) + square(y)),
        lambda g, out, y, x: -g * y / (square(x) + square(y)),
    ),
)  # fmt: skip
hypot = _binary(
    "hypot", "sqrt(x^2 + y^2) without overflow.", scalar="hypot(a, b)", infer=rules.floating,
    domain=(0.4, 2), truth=math.hypot,
    vjp=(lambda g, out, x, y: g * x / out, lambda g, out, x, y: g * y / out),
)  # fmt: skip
sinh = _unary(
    "sinh", "The hyperbolic sine.", scalar="sinh(a)", truth=math.sinh,
    vjp=lambda g, out, x: g * cosh(x),
)  # fmt: skip
cosh = _unary(
    "cosh", "The hyperbolic cosine.", scalar="cosh(a)", truth=math.cosh,
    vjp=lambda g, out, x: g * sinh(x),
)  # fmt: skip
tanh = _unary(
    "tanh", "The hyperbolic tangent; slope 1 - tanh^2.", scalar="tanh(a)", truth=math.tanh,
    vjp=lambda g, out, x: g * (1 - square(out)),
)  # fmt: skip
asinh = _unary(
    "asinh", "The inverse hyperbolic sine.", scalar="asinh(a)", truth=math.asinh,
    eval=lambda xp, x, out=None: xp.arcsinh(x, out=out),
    vjp=lambda g, out, x: g * rsqrt(square(x) + 1),
)  # fmt: skip
acosh = _unary(
    "acosh", "The inverse hyperbolic cosine, for x >= 1.", scalar="acosh(a)", domain=(1.3, 3),
    truth=math.acosh, eval=lambda xp, x, out=None: xp.arccosh(x, out=out),
    vjp=lambda g, out, x: g * rsqrt(square(x) - 1),
)  # fmt: skip
atanh = _unary(
    "atanh", "The inverse hyperbolic tangent, for |x| < 1.", scalar="atanh(a)",
    domain=(-0.8, 0.8), truth=math.atanh,
    eval=lambda xp, x, out=None: xp.arctanh(x, out=out),
    vjp=lambda g, out, x: g / (1 - square(x)),
)  # fmt: skip

# ----------------------------------------------------------------------- special functions

sigmoid = _unary(
    "sigmoid", "1 / (1 + exp(-x)), the logistic function; slope s (1 - s).",
    scalar="sigmoid(a)", eval=_special_ufunc("expit"), truth=lambda x: 1 / (1 + math.exp(-x)),
    vjp=lambda g, out, x: g * (out * (1 - out)),
)  # fmt: skip
relu = _unary(
    "relu", "max(0, x); slope 1 for x > 0, else 0; NaN stays NaN.", scalar="maximum(a, 0)",
    infer=rules.numeric, domain=(0.2, 2), truth=lambda x: max(x, 0),
    eval=lambda xp, x, out=None: xp.maximum(x, x.dtype.type(0), out=out),
    vjp=lambda g, out, x: where(x > 0, g, zeros_like(Aval((), g.dtype))),
)  # fmt: skip
erf = _unary(
    "erf", "2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.", scalar="erf(a)",
    eval=_special_ufunc("erf"), truth=math.erf,
    vjp=lambda g, out, x: g * exp(-square(x)) * (2 / math.sqrt(math.pi)),
)  # fmt: skip
erfc = _unary(
    "erfc", "1 - erf(x), exact for large x.", scalar="erfc(a)", eval=_special_ufunc("erfc"),
    truth=math.erfc, vjp=lambda g, out, x: -g * exp(-square(x)) * (2 / math.sqrt(math.pi)),
)  # fmt: skip
erfinv = _unary(
    "erfinv", "The inverse of erf, for |x| < 1.", scalar="erfinv(a)", domain=(-0.8, 0.8),
    eval=_special_ufunc("erfinv"),
    vjp=lambda g, out, x: g * exp(square(out)) * (math.sqrt(math.pi) / 2),
)  # fmt: skip
lgamma = _unary(
    "lgamma", "The logarithm of |Gamma(x)|; slope digamma.", scalar="lgamma(a)", domain=(0.5, 4),
    eval=_special_ufunc("gammaln"), truth=math.lgamma, vjp=lambda g, out, x: g * digamma(x),
)  # fmt: skip
digamma = _unary(
    "digamma", "The slope of lgamma.", scalar="digamma(a)", domain=(0.5, 4),
    eval=_special_ufunc("digamma"), vjp=lambda g, out, x: g * zeta(2.0, x),
)  # fmt: skip


def _zeta_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    q = rng.uniform(0.5, 3, (2, 3))
    truth = np.sum((q + np.arange(200000).reshape(-1, 1, 1)) ** -4.0, axis=0)
    return [
        Sample((np.full((2, 3), 4.0), q), grad=False, expected=truth),
        Sample((np.array(3.0), q), grad=False),
        Sample((np.array(3.0), q[:0]), grad=False),
    ]


zeta = _binary(
    "zeta", "The Hurwitz zeta function, sum over k of (q + k)^-s; zeta(2, q) is the slope of "
    "digamma. The gradient reaches q alone.",
    scalar="zeta(a, b)", infer=rules.floating, eval=_special_ufunc("zeta"),
    samples=_zeta_samples,
    vjp=(None, lambda g, out, s, q: -g * s * zeta(s + 1, q)),
)  # fmt: skip

# ------------------------------------------------------------------------ rounding, choosing

floor = _unary(
    "floor", "The largest integer not above x.", scalar="floor(a)", infer=rules.numeric,
    domain=(0.2, 0.8), truth=math.floor, vjp=_zero,
)  # fmt: skip
ceil = _unary(
    "ceil", "The smallest integer not below x.", scalar="ceil(a)", infer=rules.numeric,
    domain=(0.2, 0.8), truth=math.ceil, vjp=_zero,
)  # fmt: skip
round = _unary(  # noqa: A001
    "round", "The nearest integer; halves go to the even one.", scalar="round(a)",
    infer=rules.numeric, domain=(0.6, 1.4), truth=lambda x: float(int(x + 0.5)), vjp=_zero,
    eval=lambda xp, x, out=None: xp.rint(x, out=out) if x.dtype.kind not in "iu" else x.copy(),
)  # fmt: skip
trunc = _unary(
    "trunc", "x without its fraction.", scalar="trunc(a)", infer=rules.numeric,
    domain=(0.2, 0.8), truth=math.trunc, vjp=_zero,
)  # fmt: skip
copysign = _binary(
    "copysign", "|x| with the sign of y.", scalar="copysign(a, b)", infer=rules.floating,
    truth=math.copysign, domain=(0.3, 2),
    vjp=(lambda g, out, x, y: g * sign(x) * copysign(full((), 1, y.dtype), y), _zero),
)  # fmt: skip


def _where_infer(c: Any, x: Any, y: Any) -> Aval:
    if c.dtype != bool_:
        raise DTypeError(f"the condition is a bool array, got {c.dtype.name}")
    return Aval(rules.broadcast_shapes(c.shape, x.shape, y.shape), x.dtype)


def _where_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    c = rng.random((2, 3)) > 0.5
    x, y = rng.standard_normal((2, 3)), rng.standard_normal(3)
    return [
        Sample((c, x, y)),
        Sample((c[:, :1], x[0, 0], y)),
        Sample((c[:0], x[:1], y)),
        Bad((x, x, y), {}, DTypeError, "the condition is a bool array, got float64"),
        Bad((c, x, y[:2]), {}, ShapeError, "do not broadcast"),
    ]


where = register(Op(
    name="where", kind="elementwise", infer=_where_infer,
    eval=lambda xp, c, x, y: xp.where(c, x, y), scalar="b if a else c",
    vjp=(
        None,
        lambda g, out, c, x, y: where(c, g, zeros_like(Aval((), g.dtype))),
        lambda g, out, c, x, y: where(c, zeros_like(Aval((), g.dtype)), g),
    ),
    promote=slice(1, 3), samples=_where_samples,
    doc="x where the condition holds, else y. The gradient goes to the chosen one alone.",
))  # fmt: skip


def _inside(x: Node, low: Node, high: Node) -> Node:
    return logical_and(x >= low, x <= high)


def _clip_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = np.array([[-2.0, -0.5, 0.3], [0.7, 1.2, 3.0]])
    return [
        Sample((x, np.array(-1.0), np.array(1.0)), expected=np.minimum(np.maximum(x, -1), 1)),
        Sample((x, x[:, :1] - 0.1, np.array(5.0))),
        Sample((x[:0], np.array(-1.0), np.array(1.0))),
    ]


clip = register(Op(
    name="clip", kind="elementwise", infer=rules.numeric,
    eval=lambda xp, x, low, high, out=None: xp.clip(x, low, high, out=out),
    scalar="minimum(maximum(a, b), c)", into=True,
    vjp=(
        lambda g, out, x, low, high: where(_inside(x, low, high), g, 0),
        lambda g, out, x, low, high: where(x < low, g, 0),
        lambda g, out, x, low, high: where(x > high, g, 0),
    ),
    promote=ALL_INPUTS, samples=_clip_samples,
    doc="x kept between two bounds; slope 1 from bound to bound (ends included), else 0.",
))  # fmt: skip

# ------------------------------------------------------------- comparison, logic, bits

_NONE: Any = None


def _compare(name: str, doc: str, scalar: str, truth: Truth) -> Op:
    return _binary(name, doc, scalar=scalar, infer=rules.predicate, truth=truth, vjp=_NONE)


equal = _compare("equal", "x == y; NaN equals nothing.", "a == b", lambda x, y: x == y)
not_equal = _compare("not_equal", "x != y.", "a != b", lambda x, y: x != y)
less = _compare("less", "x < y.", "a < b", lambda x, y: x < y)
less_equal = _compare("less_equal", "x <= y.", "a <= b", lambda x, y: x <= y)
greater = _compare("greater", "x > y.", "a > b", lambda x, y: x > y)
greater_equal = _compare("greater_equal", "x >= y.", "a >= b", lambda x, y: x >= y)


def _logical_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.random((2, 3)) > 0.5
    return [Sample((x, x[:1])), Sample((x, np.array(True))), Sample((x[:0], x[:1]))]


def _bit_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x, y = rng.integers(0, 99, (2, 3)), rng.integers(0, 9, (2, 3))
    return [
        Sample((x, y)),
        Sample((x.astype("uint32"), y[:1].astype("uint32"))),
        Sample((x[:0], y[:1])),
        Bad((x * 1.0, y * 1.0), {}, DTypeError, "got float64"),
    ]


def _first(samples: Samples) -> Samples:
    """Samples for a unary op: the first argument of each."""

    def unary(rng: np.random.Generator) -> list[Sample | Bad]:
        return [
            Sample(s.args[:1]) if isinstance(s, Sample)
            else Bad(s.args[:1], {}, s.error, s.message)
            for s in samples(rng)
        ]  # fmt: skip

    return unary


def _logical(name: str, doc: str, scalar: str) -> Op:
    return _binary(name, doc, scalar=scalar, infer=rules.predicate, vjp=_NONE,
                   samples=_logical_samples)


def _bitwise(name: str, doc: str, scalar: str, shift: bool = False) -> Op:
    return _binary(
        name, doc, scalar=scalar, infer=rules.integer_only if shift else rules.integral,
        eval=ufunc({"bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift"}
                   .get(name, name)),
        vjp=_NONE, samples=_bit_samples,
    )  # fmt: skip


logical_and = _logical("logical_and", "Both are true.", "bool(a) and bool(b)")
logical_or = _logical("logical_or", "At least one is true.", "bool(a) or bool(b)")
logical_xor = _logical("logical_xor", "Exactly one is true.", "bool(a) != bool(b)")
logical_not = _unary(
    "logical_not", "True where x is false.", scalar="not a", infer=rules.predicate, vjp=None,
    samples=_first(_logical_samples),
)  # fmt: skip
bitwise_and = _bitwise("bitwise_and", "The bits that both have.", "a & b")
bitwise_or = _bitwise("bitwise_or", "The bits that either has.", "a | b")
bitwise_xor = _bitwise("bitwise_xor", "The bits that one alone has.", "a ^ b")
bitwise_left_shift = _bitwise(
    "bitwise_left_shift", "The bits of x moved up by y places.", "a << b", shift=True
)
bitwise_right_shift = _bitwise(
    "bitwise_right_shift", "The bits of x moved down by y places.", "a >> b", shift=True
)
bitwise_invert = _unary(
    "bitwise_invert", "Every bit turned over.", scalar="~a", infer=rules.integral, vjp=None,
    eval=lambda xp, x, out=None: xp.invert(x, out=out), samples=_first(_bit_samples),
)  # fmt: skip


def _test(name: str, doc: str) -> Op:
    def samples(rng: np.random.Generator) -> list[Sample | Bad]:
        x = np.array([[1.0, np.nan], [np.inf, -np.inf]])
        truth = np.vectorize(getattr(math, name))(x)
        return [Sample((x,), expected=truth), Sample((np.array(np.nan),)), Sample((x[:0],))]

    return _unary(name, doc, scalar=f"{name}(a)", infer=_float_predicate, vjp=None,
                  samples=samples)


def _float_predicate(x: Any) -> Aval:
    return Aval(rules.floating(x).shape, bool_)


isnan = _test("isnan", "True where x is not a number.")
isinf = _test("isinf", "True where x is plus or minus infinity.")
isfinite = _test("isfinite", "True where x is neither NaN nor infinite.")
