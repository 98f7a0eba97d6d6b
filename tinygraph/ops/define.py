"""Short forms of a record, for elementwise ops of one input (`unary`) and of two (`binary`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygraph.errors import DTypeError, ShapeError
from tinygraph.ops import rules
from tinygraph.ops.registry import Bad, Op, Rule, Sample, Samples, register

ALL_INPUTS = slice(None)
Truth = Callable[..., float]


def special(xp: Any) -> Any:
    """The special functions that go with the array namespace `xp`."""
    if xp is np:
        import scipy.special

        return scipy.special
    import cupyx.scipy.special

    return cupyx.scipy.special


def ufunc(name: str) -> Rule:
    """`eval` by the function of that name in the array namespace."""

    def evaluate(xp: Any, *arrays: Any, out: Any = None) -> Any:
        return getattr(xp, name)(*arrays, out=out)

    return evaluate


def stored(result: Any, out: Any) -> Any:
    """`result`, written to `out` where there is one."""
    if out is None:
        return result
    out[...] = result
    return out


def special_ufunc(name: str) -> Rule:
    """`eval` by a special function; types of 16 bits are widened for it."""

    def evaluate(xp: Any, *arrays: Any, out: Any = None) -> Any:
        function = getattr(special(xp), name)
        dtype = arrays[0].dtype
        if dtype.itemsize >= 4:
            return function(*arrays, out=out)
        return stored(function(*[a.astype("float32") for a in arrays]).astype(dtype), out)

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


def unary(
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
    """Register an op of one input. Without `eval` it is the array namespace's function of that
    name; an `eval` of one's own takes `out=` and may be given its input as that. Without
    `samples` they are drawn from `domain` and compared with `truth`, a function of one Python
    number."""
    return register(Op(
        name=name, kind="elementwise", infer=infer, eval=eval or ufunc(name), doc=doc,
        vjp=None if vjp is None else (vjp,), scalar=scalar,
        samples=samples or _unary_samples(*domain, truth, infer is rules.floating),
        promote=ALL_INPUTS, into=True, alias=True,
        differentiable=vjp is not None,
    ))  # fmt: skip


def binary(
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
    """Register an op of two inputs that broadcast; see `unary`."""
    return register(Op(
        name=name, kind="elementwise", infer=infer, eval=eval or ufunc(name), doc=doc, vjp=vjp,
        scalar=scalar, samples=samples or _binary_samples(*domain, truth, vjp is not None),
        promote=ALL_INPUTS, into=True, alias=True,
        differentiable=vjp is not None,
    ))  # fmt: skip
