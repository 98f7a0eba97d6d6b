"""Running reductions along one dimension, and the linear recurrence that their gradients need.

With `reverse` each runs from the end towards the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygraph.dtypes import UNSIGNED, DType, float32, int64, is_bool, is_float, uint64
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.elementwise import not_equal, where
from tinygraph.ops.index import scatter_along_axis
from tinygraph.ops.movement import broadcast_to, concat, iota, reshape, take_range
from tinygraph.ops.registry import Bad, Op, Rule, Sample, Samples, const, register
from tinygraph.ops.rules import check_axis, full, show_shape, zeros_like


def accumulator(dtype: DType) -> DType:
    """The dtype of a sum or product: 64 bits for integers and bool, else `dtype` itself."""
    if is_float(dtype):
        return dtype
    return uint64 if dtype in UNSIGNED else int64


def working(dtype: DType) -> DType:
    """The dtype that a sum or product is formed in: at least 32 bits for floats."""
    return float32 if is_float(dtype) and dtype.itemsize < 4 else accumulator(dtype)


def shift(x: Node, axis: int, fill: int, reverse: bool = False) -> Node:
    """x moved by one place: element t is x[t - 1] and the first `fill`; with `reverse` element
    t is x[t + 1] and the last `fill`."""
    size = x.shape[axis]
    edge = full(tuple(1 if i == axis else n for i, n in enumerate(x.shape)), fill, x.dtype)
    if reverse:
        return take_range(concat(x, edge, axis=axis), axis, 1, size)
    return take_range(concat(edge, x, axis=axis), axis, 0, size)


def exclusive_cumprod(x: Node, axis: int, reverse: bool = False) -> Node:
    """For each element the product of those before it; with `reverse` of those behind it."""
    return cumprod(shift(x, axis, 1, reverse), axis=axis, reverse=reverse)


def _turned(xp: Any, x: Any, axis: int, reverse: bool) -> Any:
    return xp.flip(x, axis) if reverse else x


def _same_shape(dtype_of: Callable[[DType], DType]) -> Rule:
    def infer(x: Any, *, axis: int, reverse: bool) -> Aval:
        check_axis(axis, len(x.shape))
        return Aval(x.shape, dtype_of(x.dtype))

    return infer


def _samples(truth: Callable[..., Any], smooth: bool = True) -> Samples:
    """`truth` gives the running values of an array along its first dimension; `smooth` says that
    equal elements are no kink."""

    def samples(rng: np.random.Generator) -> list[Sample | Bad]:
        x = rng.permutation(np.linspace(-1.0, 2.0, 24)).reshape(2, 4, 3)
        zeros = np.where(np.array([1, 0, 1, 0])[:, None], x, 0)
        turned = np.flip(np.moveaxis(truth(np.moveaxis(x[:, ::-1], 1, 0)), 0, 1), 1)
        return [
            Sample((x,), {"axis": 0, "reverse": False}, expected=truth(x)),
            Sample((x,), {"axis": 1, "reverse": True}, expected=turned),
            Sample((x.T,), {"axis": 2, "reverse": False}),
            Sample((zeros,), {"axis": 1, "reverse": False}, grad=smooth),
            Sample((x[:1],), {"axis": 0, "reverse": True}),
            Sample((x[:, :0],), {"axis": 1, "reverse": False}),
            Sample((x[:, :0],), {"axis": 0, "reverse": True}),
            Sample((x.astype("float32"),), {"axis": 1, "reverse": False}, grad=False),
            Sample((np.arange(6, dtype="int16"),), {"axis": 0, "reverse": True}),
            Bad((x,), {"axis": 3, "reverse": False}, ShapeError, "axis 3 is out of range"),
            Bad((np.array(1.0),), {"axis": 0, "reverse": False}, ShapeError, "0 dimensions"),
        ]

    return samples


# -------------------------------------------------------------------- sums and products


def _accumulate(name: str) -> Rule:
    def evaluate(xp: Any, x: Any, *, axis: int, reverse: bool) -> Any:
        x = _turned(xp, x, axis, reverse)
        total = getattr(xp, name)(x, axis=axis, dtype=working(x.dtype))
        return _turned(xp, total.astype(accumulator(x.dtype), copy=False), axis, reverse)

    return evaluate


cumsum: Op = register(Op(
    name="cumsum", kind="cumulative", infer=_same_shape(accumulator), eval=_accumulate("cumsum"),
    vjp=(lambda g, out, x, *, axis, reverse: cumsum(g, axis=axis, reverse=not reverse),),
    samples=_samples(lambda x: np.stack([np.sum(x[: t + 1], 0) for t in range(len(x))])),
    doc="The running sum along a dimension. Integers are summed in 64 bits, bool is counted.",
))  # fmt: skip


def _cumprod_vjp(g: Node, out: Node, x: Node, *, axis: int, reverse: bool) -> Node:
    # with P_i = x_1 ... x_i: sum over j >= i of g_j dP_j/dx_i = P_(i-1) S_i, where
    # S_i = g_i + x_(i+1) S_(i+1). Nothing is divided, so zeros need no case of their own
    before = shift(out, axis, 1, reverse)
    behind = shift(x, axis, 0, not reverse)
    return before * linear_recurrence(behind, g, axis=axis, reverse=not reverse)


cumprod: Op = register(Op(
    name="cumprod", kind="cumulative", infer=_same_shape(accumulator),
    eval=_accumulate("cumprod"), vjp=(_cumprod_vjp,),
    samples=_samples(lambda x: np.stack([np.prod(x[: t + 1], 0) for t in range(len(x))])),
    doc="The running product along a dimension. Integers are multiplied in 64 bits. The gradient "
    "is exact where there are zeros, too.",
))  # fmt: skip

# -------------------------------------------------------------------- maximum and minimum


def _running_max(x: Any) -> Any:
    return np.stack([np.max(x[: t + 1], 0) for t in range(len(x))])


def _running_min(x: Any) -> Any:
    return np.stack([np.min(x[: t + 1], 0) for t in range(len(x))])


def _extremes(name: str) -> Rule:
    def evaluate(xp: Any, x: Any, *, axis: int, reverse: bool) -> Any:
        x = _turned(xp, x, axis, reverse)
        return _turned(xp, getattr(xp, name).accumulate(x, axis=axis), axis, reverse)

    return evaluate


def _setter(out: Node, axis: int, reverse: bool) -> Node:
    """For each running value the position that set it, the first one at ties (int64)."""
    size = out.shape[axis]
    column = tuple(size if i == axis else 1 for i in range(out.ndim))
    position = broadcast_to(reshape(iota(size=size, dtype=int64), shape=column), shape=out.shape)
    changed = not_equal(out, shift(out, axis, 0, reverse))
    if reverse:
        last = const(size - 1, int64)
        return cummin(where(changed, position, last), axis=axis, reverse=True)
    return cummax(where(changed, position, 0), axis=axis, reverse=False)


def _extreme_vjp(g: Node, out: Node, x: Node, *, axis: int, reverse: bool) -> Node:
    setter = _setter(out, axis, reverse)
    return scatter_along_axis(zeros_like(x), setter, g, axis=axis, mode="add")


cummax: Op = register(Op(
    name="cummax", kind="cumulative", infer=_same_shape(lambda dtype: dtype),
    eval=_extremes("maximum"), vjp=(_extreme_vjp,), samples=_samples(_running_max, smooth=False),
    doc="The running maximum along a dimension; NaN stays. The gradient goes to the position "
    "that set the running value, the first one at ties.",
))  # fmt: skip
cummin: Op = register(Op(
    name="cummin", kind="cumulative", infer=_same_shape(lambda dtype: dtype),
    eval=_extremes("minimum"), vjp=(_extreme_vjp,), samples=_samples(_running_min, smooth=False),
    doc="The running minimum along a dimension; NaN stays. The gradient goes to the position "
    "that set the running value, the first one at ties.",
))  # fmt: skip

# ----------------------------------------------------------------------- linear recurrence


def _recurrence_infer(a: Any, b: Any, *, axis: int, reverse: bool) -> Aval:
    check_axis(axis, len(b.shape))
    if a.shape != b.shape and is_known(*a.shape, *b.shape):
        raise ShapeError(
            f"the factors have shape {show_shape(a.shape)}, the terms {show_shape(b.shape)}; they "
            "must be equal"
        )
    if is_bool(b.dtype):
        raise DTypeError("is not defined on bool")
    return Aval(b.shape, b.dtype)


def _recurrence_eval(xp: Any, a: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    result = xp.empty(b.shape, b.dtype)
    factors, terms, values = (
        xp.moveaxis(_turned(xp, array, axis, reverse), axis, 0) for array in (a, b, result)
    )
    work = working(b.dtype) if is_float(b.dtype) else b.dtype
    value = None
    for t in range(len(terms)):  # one step after another, each over all other dimensions
        term = terms[t].astype(work)
        value = term if value is None else factors[t] * value + term
        values[t] = value
    return result


def _recurrence_vjp(
    g: Node, out: Node, a: Node, b: Node, *, axis: int, reverse: bool
) -> tuple[Node, Node]:
    # the sensitivity to b_t is l_t = g_t + a_(t+1) l_(t+1): a recurrence the other way round
    behind = shift(a, axis, 0, not reverse)
    sensitivity = linear_recurrence(behind, g, axis=axis, reverse=not reverse)
    return sensitivity * shift(out, axis, 0, reverse), sensitivity


def _recurrence_truth(a: Any, b: Any) -> Any:
    """h_t as the sum over s <= t of b_s a_(s+1) ... a_t, along the first dimension."""
    return np.stack([
        np.sum([b[s] * np.prod(a[s + 1 : t + 1], axis=0) for s in range(t + 1)], axis=0)
        for t in range(len(b))
    ])  # fmt: skip


def _recurrence_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    forward, backward = {"axis": 0, "reverse": False}, {"axis": 1, "reverse": True}
    return [
        Sample((a, b), forward, expected=_recurrence_truth(a, b)),
        Sample((a, b), backward, expected=_recurrence_truth(a.T[::-1], b.T[::-1])[::-1].T),
        Sample((a[0], b[0]), forward),
        Sample((a[:0], b[:0]), forward),
        Sample((a[:0], b[:0]), backward),
        Sample((a.astype("float32"), b.astype("float32")), backward, grad=False),
        Sample((np.array([2, 3, 4]), np.array([1, 1, 1])), forward, expected=np.array([1, 4, 17])),
        Bad((a, b[:2]), forward, ShapeError, "the factors have shape (4, 3), the terms (2, 3)"),
        Bad((a, b), {"axis": 2, "reverse": False}, ShapeError, "axis 2 is out of range"),
        Bad((a > 0, b > 0), forward, DTypeError, "is not defined on bool"),
    ]


linear_recurrence: Op = register(Op(
    name="linear_recurrence", kind="cumulative", infer=_recurrence_infer, eval=_recurrence_eval,
    vjp=_recurrence_vjp, samples=_recurrence_samples, promote=slice(None),
    doc="h_t = a_t h_(t-1) + b_t along a dimension, with h_0 = b_0 (a_0 is not used). Discounted "
    "returns and moving averages are of this form, and so is the gradient of cumprod.",
))  # fmt: skip
