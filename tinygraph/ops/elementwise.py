"""Elementwise primitives: one number of the result from one number of each input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygraph.dtypes import bool_
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import logic, rules
from tinygraph.ops.define import ALL_INPUTS, binary, special_ufunc, stored, unary
from tinygraph.ops.registry import Bad, Op, Sample, register
from tinygraph.ops.rules import full, zeros_like

# the ops of `logic` are elementwise too, and are found here as well
equal, not_equal = logic.equal, logic.not_equal
less, less_equal = logic.less, logic.less_equal
greater, greater_equal = logic.greater, logic.greater_equal
logical_and, logical_or = logic.logical_and, logic.logical_or
logical_xor, logical_not = logic.logical_xor, logic.logical_not
bitwise_and, bitwise_or = logic.bitwise_and, logic.bitwise_or
bitwise_xor, bitwise_invert = logic.bitwise_xor, logic.bitwise_invert
bitwise_left_shift = logic.bitwise_left_shift
bitwise_right_shift = logic.bitwise_right_shift
isnan, isinf, isfinite = logic.isnan, logic.isinf, logic.isfinite


def _zero(g: Node, out: Node, *inputs: Node) -> None:
    """The gradient of what is constant almost everywhere."""


# ------------------------------------------------------------------------------- arithmetic

add: Op = binary(
    "add", "x + y. On bool: logical or.", scalar="a + b", truth=lambda x, y: x + y,
    vjp=(lambda g, out, x, y: g, lambda g, out, x, y: g),
)  # fmt: skip
subtract: Op = binary(
    "subtract", "x - y.", scalar="a - b", infer=rules.numeric, truth=lambda x, y: x - y,
    vjp=(lambda g, out, x, y: g, lambda g, out, x, y: -g),
)  # fmt: skip
multiply: Op = binary(
    "multiply", "x * y, the Hadamard product. On bool: logical and.",
    scalar="a * b", truth=lambda x, y: x * y,
    vjp=(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x),
)  # fmt: skip
divide: Op = binary(
    "divide", "x / y. Integers must be cast first; `Tensor.__truediv__` does.",
    scalar="a / b", infer=rules.floating, domain=(0.5, 2.0), truth=lambda x, y: x / y,
    vjp=(lambda g, out, x, y: g / y, lambda g, out, x, y: -g * out / y),
)  # fmt: skip


def _integer_pairs(rng: np.random.Generator) -> list[Sample | Bad]:
    x, y = rng.integers(-9, 9, (2, 3)), np.array([[2, -3, 4]])
    between = x + 0.31  # no multiple of y: there the result jumps
    return [
        Sample((x, y)),
        Sample((between, y * 1.0)),
        Sample((between[:, 0], np.array(-0.7))),
        Sample((np.array(7), np.array(-2))),
        Sample((between.astype("float32"), y.astype("float32")), grad=False),
        Sample((x[:0], y)),
        Bad((x > 0, x > 0), {}, DTypeError, "is not defined on bool"),
    ]


floor_divide: Op = binary(
    "floor_divide", "The largest integer not above x / y, as Python's `//`.",
    scalar="floor_divide(a, b)", infer=rules.numeric, vjp=None, samples=_integer_pairs,
)  # fmt: skip
remainder: Op = binary(
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


pow: Op = binary(  # the Array API's name
    "pow", "x to the power y. Integers stay integers; a negative integer power is an error.",
    scalar="pow(a, b)", eval=lambda xp, x, y, out=None: xp.power(x, y, out=out),
    infer=rules.numeric, domain=(0.5, 2.0), truth=math.pow, vjp=(_pow_dx, _pow_dy),
)  # fmt: skip
negative: Op = unary(
    "negative", "-x.", scalar="-a", infer=rules.numeric, truth=lambda x: -x,
    vjp=lambda g, out, x: -g,
)  # fmt: skip
abs: Op = unary(
    "abs", "The absolute value; its slope at 0 is 0.", scalar="abs(a)", infer=rules.numeric,
    domain=(0.2, 2.0), truth=math.fabs, vjp=lambda g, out, x: g * sign(x),
)  # fmt: skip
sign: Op = unary(
    "sign", "-1, 0 or 1; NaN stays NaN.", scalar="sign(a)", infer=rules.numeric,
    domain=(0.2, 2.0), truth=lambda x: math.copysign(1, x), vjp=_zero,
)  # fmt: skip
square: Op = unary(
    "square", "x * x.", scalar="a * a", infer=rules.numeric, truth=lambda x: x * x,
    vjp=lambda g, out, x: g * (x * 2),
)  # fmt: skip
maximum: Op = binary(
    "maximum", "The larger of two; NaN if either is. At a tie each gets half the gradient.",
    scalar="maximum(a, b)", truth=max,
    vjp=(
        lambda g, out, x, y: g * _share(x > y, x, y),
        lambda g, out, x, y: g * _share(y > x, x, y),
    ),
)  # fmt: skip
minimum: Op = binary(
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

exp: Op = unary(
    "exp", "e to the power x.", scalar="exp(a)", truth=math.exp, vjp=lambda g, out, x: g * out
)
exp2: Op = unary(
    "exp2", "2 to the power x.", scalar="exp2(a)", truth=lambda x: 2.0**x,
    vjp=lambda g, out, x: g * out * math.log(2),
)  # fmt: skip
expm1: Op = unary(
    "expm1", "exp(x) - 1, exact near 0.", scalar="expm1(a)", truth=math.expm1,
    vjp=lambda g, out, x: g * (out + 1),
)  # fmt: skip
log: Op = unary(
    "log", "The natural logarithm.", scalar="log(a)", domain=(0.3, 3), truth=math.log,
    vjp=lambda g, out, x: g / x,
)  # fmt: skip
log1p: Op = unary(
    "log1p", "log(1 + x), exact near 0.", scalar="log1p(a)", domain=(-0.6, 2), truth=math.log1p,
    vjp=lambda g, out, x: g / (x + 1),
)  # fmt: skip
log2: Op = unary(
    "log2", "The logarithm to base 2.", scalar="log2(a)", domain=(0.3, 3), truth=math.log2,
    vjp=lambda g, out, x: g / (x * math.log(2)),
)  # fmt: skip
log10: Op = unary(
    "log10", "The logarithm to base 10.", scalar="log10(a)", domain=(0.3, 3), truth=math.log10,
    vjp=lambda g, out, x: g / (x * math.log(10)),
)  # fmt: skip
logaddexp: Op = binary(
    "logaddexp", "log(exp(x) + exp(y)) without overflow.", scalar="logaddexp(a, b)",
    infer=rules.floating, truth=lambda x, y: math.log(math.exp(x) + math.exp(y)),
    vjp=(
        lambda g, out, x, y: g * sigmoid(x - y),
        lambda g, out, x, y: g * sigmoid(y - x),
    ),
)  # fmt: skip
sqrt: Op = unary(
    "sqrt", "The square root; NaN below 0.", scalar="sqrt(a)", domain=(0.3, 3), truth=math.sqrt,
    vjp=lambda g, out, x: g / (out * 2),
)  # fmt: skip
rsqrt: Op = unary(
    "rsqrt", "1 / sqrt(x).", scalar="1 / sqrt(a)", domain=(0.3, 3),
    eval=lambda xp, x, out=None: xp.divide(x.dtype.type(1), xp.sqrt(x), out=out),
    truth=lambda x: x**-0.5, vjp=lambda g, out, x: g * out / x * -0.5,
)  # fmt: skip

# ------------------------------------------------------------- trigonometric and hyperbolic

sin: Op = unary(
    "sin", "The sine; x in radians.", scalar="sin(a)", truth=math.sin,
    vjp=lambda g, out, x: g * cos(x),
)  # fmt: skip
cos: Op = unary(
    "cos", "The cosine; x in radians.", scalar="cos(a)", truth=math.cos,
    vjp=lambda g, out, x: -g * sin(x),
)  # fmt: skip
tan: Op = unary(
    "tan", "The tangent; x in radians.", scalar="tan(a)", domain=(-1, 1), truth=math.tan,
    vjp=lambda g, out, x: g * (square(out) + 1),
)  # fmt: skip
asin: Op = unary(
    "asin", "The inverse sine, in radians.", scalar="asin(a)", domain=(-0.8, 0.8),
    truth=math.asin, eval=lambda xp, x, out=None: xp.arcsin(x, out=out),
    vjp=lambda g, out, x: g * rsqrt(1 - square(x)),
)  # fmt: skip
acos: Op = unary(
    "acos", "The inverse cosine, in radians.", scalar="acos(a)", domain=(-0.8, 0.8),
    truth=math.acos, eval=lambda xp, x, out=None: xp.arccos(x, out=out),
    vjp=lambda g, out, x: -g * rsqrt(1 - square(x)),
)  # fmt: skip
atan: Op = unary(
    "atan", "The inverse tangent, in radians.", scalar="atan(a)", truth=math.atan,
    eval=lambda xp, x, out=None: xp.arctan(x, out=out),
    vjp=lambda g, out, x: g / (square(x) + 1),
)  # fmt: skip
atan2: Op = binary(
    "atan2", "The angle of the point (y, x), in radians; the first argument is y.",
    scalar="atan2(a, b)", infer=rules.floating, domain=(0.4, 2), truth=math.atan2,
    eval=lambda xp, y, x, out=None: xp.arctan2(y, x, out=out),
    vjp=(
        lambda g, out, y, x: g * x / (square(x) + square(y)),
        lambda g, out, y, x: -g * y / (square(x) + square(y)),
    ),
)  # fmt: skip
hypot: Op = binary(
    "hypot", "sqrt(x^2 + y^2) without overflow.", scalar="hypot(a, b)", infer=rules.floating,
    domain=(0.4, 2), truth=math.hypot,
    vjp=(lambda g, out, x, y: g * x / out, lambda g, out, x, y: g * y / out),
)  # fmt: skip
sinh: Op = unary(
    "sinh", "The hyperbolic sine.", scalar="sinh(a)", truth=math.sinh,
    vjp=lambda g, out, x: g * cosh(x),
)  # fmt: skip
cosh: Op = unary(
    "cosh", "The hyperbolic cosine.", scalar="cosh(a)", truth=math.cosh,
    vjp=lambda g, out, x: g * sinh(x),
)  # fmt: skip
tanh: Op = unary(
    "tanh", "The hyperbolic tangent; slope 1 - tanh^2.", scalar="tanh(a)", truth=math.tanh,
    vjp=lambda g, out, x: g * (1 - square(out)),
)  # fmt: skip
asinh: Op = unary(
    "asinh", "The inverse hyperbolic sine.", scalar="asinh(a)", truth=math.asinh,
    eval=lambda xp, x, out=None: xp.arcsinh(x, out=out),
    vjp=lambda g, out, x: g * rsqrt(square(x) + 1),
)  # fmt: skip
acosh: Op = unary(
    "acosh", "The inverse hyperbolic cosine, for x >= 1.", scalar="acosh(a)", domain=(1.3, 3),
    truth=math.acosh, eval=lambda xp, x, out=None: xp.arccosh(x, out=out),
    vjp=lambda g, out, x: g * rsqrt(square(x) - 1),
)  # fmt: skip
atanh: Op = unary(
    "atanh", "The inverse hyperbolic tangent, for |x| < 1.", scalar="atanh(a)",
    domain=(-0.8, 0.8), truth=math.atanh,
    eval=lambda xp, x, out=None: xp.arctanh(x, out=out),
    vjp=lambda g, out, x: g / (1 - square(x)),
)  # fmt: skip

# ----------------------------------------------------------------------- special functions


def _sigmoid_eval(xp: Any, x: Any, out: Any = None) -> Any:
    if x.dtype.itemsize < 4:
        return stored(_sigmoid_eval(xp, x.astype("float32")).astype(x.dtype), out)
    # exp overflows to infinity where the result is 0; SciPy's expit is not vectorised
    out = xp.empty_like(x) if out is None else out
    xp.exp(xp.negative(x, out=out), out=out)
    return xp.reciprocal(xp.add(out, x.dtype.type(1), out=out), out=out)


sigmoid: Op = unary(
    "sigmoid", "1 / (1 + exp(-x)), the logistic function; slope s (1 - s).",
    scalar="sigmoid(a)", eval=_sigmoid_eval, truth=lambda x: 1 / (1 + math.exp(-x)),
    vjp=lambda g, out, x: g * (out * (1 - out)),
)  # fmt: skip
relu: Op = unary(
    "relu", "max(0, x); slope 1 for x > 0, else 0; NaN stays NaN.", scalar="maximum(a, 0)",
    infer=rules.numeric, domain=(0.2, 2), truth=lambda x: max(x, 0),
    eval=lambda xp, x, out=None: xp.maximum(x, x.dtype.type(0), out=out),
    # out > 0 where x > 0: so x need not be kept for the gradient
    vjp=lambda g, out, x: where(out > 0, g, zeros_like(Aval((), g.dtype))),
)  # fmt: skip
erf: Op = unary(
    "erf", "2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.", scalar="erf(a)",
    eval=special_ufunc("erf"), truth=math.erf,
    vjp=lambda g, out, x: g * exp(-square(x)) * (2 / math.sqrt(math.pi)),
)  # fmt: skip
erfc: Op = unary(
    "erfc", "1 - erf(x), exact for large x.", scalar="erfc(a)", eval=special_ufunc("erfc"),
    truth=math.erfc, vjp=lambda g, out, x: -g * exp(-square(x)) * (2 / math.sqrt(math.pi)),
)  # fmt: skip
erfinv: Op = unary(
    "erfinv", "The inverse of erf, for |x| < 1.", scalar="erfinv(a)", domain=(-0.8, 0.8),
    eval=special_ufunc("erfinv"),
    vjp=lambda g, out, x: g * exp(square(out)) * (math.sqrt(math.pi) / 2),
)  # fmt: skip
lgamma: Op = unary(
    "lgamma", "The logarithm of |Gamma(x)|; slope digamma.", scalar="lgamma(a)", domain=(0.5, 4),
    eval=special_ufunc("gammaln"), truth=math.lgamma, vjp=lambda g, out, x: g * digamma(x),
)  # fmt: skip
digamma: Op = unary(
    "digamma", "The slope of lgamma.", scalar="digamma(a)", domain=(0.5, 4),
    eval=special_ufunc("digamma"), vjp=lambda g, out, x: g * zeta(2.0, x),
)  # fmt: skip


def _zeta_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    q = rng.uniform(0.5, 3, (2, 3))
    truth = np.sum((q + np.arange(200000).reshape(-1, 1, 1)) ** -4.0, axis=0)
    return [
        Sample((np.full((2, 3), 4.0), q), grad=False, expected=truth),
        Sample((np.array(3.0), q), grad=False),
        Sample((np.array(3.0), q[:0]), grad=False),
    ]


zeta: Op = binary(
    "zeta", "The Hurwitz zeta function, sum over k of (q + k)^-s; zeta(2, q) is the slope of "
    "digamma. The gradient reaches q alone.",
    scalar="zeta(a, b)", infer=rules.floating, eval=special_ufunc("zeta"),
    samples=_zeta_samples,
    vjp=(None, lambda g, out, s, q: -g * s * zeta(s + 1, q)),
)  # fmt: skip

# ------------------------------------------------------------------------ rounding, choosing

floor: Op = unary(
    "floor", "The largest integer not above x.", scalar="floor(a)", infer=rules.numeric,
    domain=(0.2, 0.8), truth=math.floor, vjp=_zero,
)  # fmt: skip
ceil: Op = unary(
    "ceil", "The smallest integer not below x.", scalar="ceil(a)", infer=rules.numeric,
    domain=(0.2, 0.8), truth=math.ceil, vjp=_zero,
)  # fmt: skip


def _round_eval(xp: Any, x: Any, out: Any = None) -> Any:
    return stored(x.copy(), out) if x.dtype.kind in "iu" else xp.rint(x, out=out)


round: Op = unary(
    "round", "The nearest integer; halves go to the even one.", scalar="round(a)",
    infer=rules.numeric, domain=(0.6, 1.4), truth=lambda x: float(int(x + 0.5)), vjp=_zero,
    eval=_round_eval,
)  # fmt: skip
trunc: Op = unary(
    "trunc", "x without its fraction.", scalar="trunc(a)", infer=rules.numeric,
    domain=(0.2, 0.8), truth=math.trunc, vjp=_zero,
)  # fmt: skip
copysign: Op = binary(
    "copysign", "|x| with the sign of y.", scalar="copysign(a, b)", infer=rules.floating,
    truth=math.copysign, domain=(0.3, 2),
    vjp=(lambda g, out, x, y: g * sign(x) * copysign(full((), 1, y.dtype), y), _zero),
)  # fmt: skip
nextafter: Op = binary(
    "nextafter", "The next number after x, in the direction of y, that the dtype has.",
    scalar="nextafter(a, b)", infer=rules.floating, truth=math.nextafter, vjp=None,
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


def _where_eval(xp: Any, c: Any, x: Any, y: Any, out: Any = None) -> Any:
    if out is None:
        return xp.where(c, x, y)
    # Chosen by bits, y ^ ((x ^ y) & mask): a branch an element, as copyto and where have it,
    # is mispredicted half of the time, and took five times as long.
    bits = np.dtype(f"i{out.itemsize}")
    mask = xp.negative(c.view("i1"), dtype=bits)
    chosen, x, y = out.view(bits), x.view(bits), y.view(bits)
    xp.bitwise_xor(x, y, out=chosen)
    xp.bitwise_and(chosen, mask, out=chosen)
    xp.bitwise_xor(chosen, y, out=chosen)
    return out


where: Op = register(Op(
    name="where", kind="elementwise", infer=_where_infer,
    eval=_where_eval, scalar="b if a else c", into=True,
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


def _clip(xp: Any, x: Any, low: Any, high: Any, out: Any = None) -> Any:
    if out is not None:
        return xp.clip(x, low, high, out=out)
    return xp.clip(x, low, high).astype(x.dtype, copy=False)  # NumPy has none of bfloat16


def _clip_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = np.array([[-2.0, -0.5, 0.3], [0.7, 1.2, 3.0]])
    return [
        Sample((x, np.array(-1.0), np.array(1.0)), expected=np.minimum(np.maximum(x, -1), 1)),
        Sample((x, x[:, :1] - 0.1, np.array(5.0))),
        Sample((x[:0], np.array(-1.0), np.array(1.0))),
    ]


clip: Op = register(Op(
    name="clip", kind="elementwise", infer=rules.numeric,
    eval=_clip, into=True, scalar="minimum(maximum(a, b), c)",
    vjp=(
        lambda g, out, x, low, high: where(_inside(x, low, high), g, 0),
        lambda g, out, x, low, high: where(x < low, g, 0),
        lambda g, out, x, low, high: where(x > high, g, 0),
    ),
    promote=ALL_INPUTS, samples=_clip_samples,
    doc="x kept between two bounds; slope 1 from bound to bound (ends included), else 0.",
))  # fmt: skip
