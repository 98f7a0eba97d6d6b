"""Elementwise primitives on truth and bits: comparisons, logic, bitwise operations, tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygraph.dtypes import bool_
from tinygraph.errors import DTypeError
from tinygraph.graph.node import Aval
from tinygraph.ops import rules
from tinygraph.ops.define import Truth, binary, ufunc, unary
from tinygraph.ops.registry import Bad, Op, Sample, Samples

# ------------------------------------------------------------------------------ comparison


def _compare(name: str, doc: str, scalar: str, truth: Truth) -> Op:
    return binary(name, doc, scalar=scalar, infer=rules.predicate, truth=truth, vjp=None)


equal = _compare("equal", "x == y; NaN equals nothing.", "a == b", lambda x, y: x == y)
not_equal = _compare("not_equal", "x != y.", "a != b", lambda x, y: x != y)
less = _compare("less", "x < y.", "a < b", lambda x, y: x < y)
less_equal = _compare("less_equal", "x <= y.", "a <= b", lambda x, y: x <= y)
greater = _compare("greater", "x > y.", "a > b", lambda x, y: x > y)
greater_equal = _compare("greater_equal", "x >= y.", "a >= b", lambda x, y: x >= y)

# ------------------------------------------------------------------------------------ logic


def _first(samples: Samples) -> Samples:
    """Samples for a unary op: the first argument of each."""

    def unary_samples(rng: np.random.Generator) -> list[Sample | Bad]:
        return [
            Sample(s.args[:1]) if isinstance(s, Sample)
            else Bad(s.args[:1], {}, s.error, s.message)
            for s in samples(rng)
        ]  # fmt: skip

    return unary_samples


def _logical_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.random((2, 3)) > 0.5
    return [Sample((x, x[:1])), Sample((x, np.array(True))), Sample((x[:0], x[:1]))]


def _logical(name: str, doc: str, scalar: str) -> Op:
    return binary(
        name, doc, scalar=scalar, infer=rules.predicate, vjp=None, samples=_logical_samples
    )


logical_and = _logical("logical_and", "Both are true.", "bool(a) and bool(b)")
logical_or = _logical("logical_or", "At least one is true.", "bool(a) or bool(b)")
logical_xor = _logical("logical_xor", "Exactly one is true.", "bool(a) != bool(b)")
logical_not = unary(
    "logical_not", "True where x is false.", scalar="not a", infer=rules.predicate, vjp=None,
    samples=_first(_logical_samples),
)  # fmt: skip

# ------------------------------------------------------------------------------------- bits

_NUMPY_NAME = {"bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift"}


def _bit_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x, y = rng.integers(0, 99, (2, 3)), rng.integers(0, 9, (2, 3))
    return [
        Sample((x, y)),
        Sample((x.astype("uint32"), y[:1].astype("uint32"))),
        Sample((x[:0], y[:1])),
        Bad((x * 1.0, y * 1.0), {}, DTypeError, "got float64"),
    ]


def _bitwise(name: str, doc: str, scalar: str, shift: bool = False) -> Op:
    return binary(
        name, doc, scalar=scalar, infer=rules.integer_only if shift else rules.integral,
        eval=ufunc(_NUMPY_NAME.get(name, name)), vjp=None, samples=_bit_samples,
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
bitwise_invert = unary(
    "bitwise_invert", "Every bit turned over.", scalar="~a", infer=rules.integral, vjp=None,
    eval=lambda xp, x, out=None: xp.invert(x, out=out), samples=_first(_bit_samples),
)  # fmt: skip

# ------------------------------------------------------------------------------------ tests


def _float_predicate(x: Any) -> Aval:
    return Aval(rules.floating(x).shape, bool_)


def _test(name: str, doc: str) -> Op:
    def samples(rng: np.random.Generator) -> list[Sample | Bad]:
        x = np.array([[1.0, np.nan], [np.inf, -np.inf]])
        truth = np.vectorize(getattr(math, name))(x)
        return [
            Sample((x,), expected=truth),
            Sample((np.array(np.nan),)),
            Sample((x[:0],)),
            Sample((x.astype("float32"),)),
            Bad((np.array([1, 2]),), {}, DTypeError, "needs a float, got int64"),
        ]

    return unary(name, doc, scalar=f"{name}(a)", infer=_float_predicate, vjp=None, samples=samples)


isnan = _test("isnan", "True where x is not a number.")
isinf = _test("isinf", "True where x is plus or minus infinity.")
isfinite = _test("isfinite", "True where x is neither NaN nor infinite.")
