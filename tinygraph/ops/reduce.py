"""Reductions: many numbers to one. The running ones are in `cumulative`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygraph.dtypes import bool_, int64
from tinygraph.errors import ShapeError
from tinygraph.graph.node import Aval, Node, Shape
from tinygraph.ops.cumulative import accumulator, exclusive_cumprod, working
from tinygraph.ops.logic import equal
from tinygraph.ops.movement import broadcast_to, inverse, permute, reshape
from tinygraph.ops.registry import Bad, Op, Rule, Sample, Samples, cast, register
from tinygraph.ops.rules import Axes, check_axis, product, show_shape


def reduced_shape(shape: Shape, axis: Axes, keepdims: bool) -> Shape:
    """`shape` without the dimensions `axis`, or with them as 1."""
    if keepdims:
        return tuple(1 if i in axis else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in axis)


def restore(x: Node, shape: Shape, axis: Axes, keepdims: bool) -> Node:
    """A reduced array stretched back over `shape`."""
    if not keepdims:
        x = reshape(x, shape=reduced_shape(shape, axis, True))
    return broadcast_to(x, shape=shape)


def _check_axes(shape: Shape, axis: Axes) -> None:
    for a in axis:
        check_axis(a, len(shape))


def _check_elements(shape: Shape, axis: Axes) -> None:
    """ShapeError where a dimension that is reduced is empty: nothing is the largest of none."""
    for a in axis:
        if shape[a] == 0:
            raise ShapeError(
                f"an array of shape {show_shape(shape)} has no elements along axis {a}"
            )


def reduce_samples(
    rng: np.random.Generator, truth: Callable[..., Any] | None = None
) -> list[Sample | Bad]:
    """`truth` reduces a flat array. No two elements are equal, and none is 0."""
    x = rng.permutation(np.linspace(0.5, 2.0, 24)).reshape(2, 3, 4)
    columns, whole = None, None
    if truth is not None:
        columns = [[truth(x[i, :, k]) for k in range(4)] for i in range(2)]
        whole = truth(x.ravel())
    return [
        Sample((x,), {"axis": (1,), "keepdims": False}, expected=columns),
        Sample((x,), {"axis": (0, 2), "keepdims": True}),
        Sample((x.T,), {"axis": (0, 1, 2), "keepdims": False}, expected=whole),
        Sample((x,), {"axis": (), "keepdims": False}),
        Sample((np.array(1.5),), {"axis": (), "keepdims": False}),
        Sample((x[:, :0],), {"axis": (0,), "keepdims": False}),
        Sample((x.astype("float32"),), {"axis": (2,), "keepdims": False}, grad=False),
        Bad((x,), {"axis": (3,), "keepdims": False}, ShapeError, "axis 3 is out of range"),
    ]


# -------------------------------------------------------------------------- sum and product


def _accumulated(x: Any, *, axis: Axes, keepdims: bool) -> Aval:
    _check_axes(x.shape, axis)
    return Aval(reduced_shape(x.shape, axis, keepdims), accumulator(x.dtype))


# From _LONG elements on a dimension is summed in blocks of _BLOCK.
_LONG, _BLOCK = 512, 64


def _in_blocks(xp: Any, x: Any, axis: Axes, work: Any) -> Any:
    """x, in which the floats along each long dimension of `axis` are summed in blocks.

    NumPy adds neighbours in memory in pairs, but one after another what lies further apart, where
    the error grows with n: a million times 0.1 in float32 would be one percent too much.
    """
    for a in axis if x.dtype.kind not in "biu" else ():
        while x.shape[a] >= _LONG and abs(x.strides[a]) > x.itemsize:
            count = x.shape[a] // _BLOCK
            head, rest = xp.split(x, [count * _BLOCK], axis=a)
            blocks = head.reshape(*x.shape[:a], count, _BLOCK, *x.shape[a + 1 :])
            end = rest.sum(axis=a, keepdims=True, dtype=work)
            x = xp.concatenate([blocks.sum(axis=a + 1, dtype=work), end], axis=a)
    return x


def _accumulate(name: str) -> Rule:
    def evaluate(xp: Any, x: Any, *, axis: Axes, keepdims: bool, out: Any = None) -> Any:
        function, work, result = getattr(xp, name), working(x.dtype), accumulator(x.dtype)
        if name == "sum":
            x = _in_blocks(xp, x, axis, work)
        if work == result:
            return function(x, axis=axis, keepdims=keepdims, dtype=work, out=out)
        total = function(x, axis=axis, keepdims=keepdims, dtype=work)
        if out is None:
            return total.astype(result)
        out[...] = total
        return out

    return evaluate


def _sum_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    whole = {"axis": (0,), "keepdims": False}
    return [
        *reduce_samples(rng, math.fsum),
        Sample((np.full(3, 100, "int8"),), whole, expected=np.array(300)),
        Sample((np.array([True, False, True]),), whole, expected=np.array(2)),
        Sample((np.zeros((0, 2)),), whole, expected=np.zeros(2)),
    ]


sum: Op = register(Op(  # the Array API's name
    name="sum", kind="reduce", infer=_accumulated, eval=_accumulate("sum"), into=True,
    vjp=(lambda g, out, x, *, axis, keepdims: restore(g, x.shape, axis, keepdims),),
    samples=_sum_samples,
    doc="The sum over the dimensions `axis`. Integers are summed in 64 bits, bool is counted.",
))  # fmt: skip


def _prod_vjp(g: Node, out: Node, x: Node, *, axis: Axes, keepdims: bool) -> Node:
    # out / x would fail at zeros; the product of all others is that of those before an element
    # times that of those behind it, with the reduced dimensions laid out as one
    kept = tuple(i for i in range(x.ndim) if i not in axis)
    order = (*kept, *axis)
    shape = tuple(x.shape[i] for i in order)
    rows = reshape(permute(x, axes=order), shape=(*shape[: len(kept)], product(shape[len(kept) :])))
    last = len(kept)
    others = exclusive_cumprod(rows, last) * exclusive_cumprod(rows, last, reverse=True)
    others = permute(reshape(others, shape=shape), axes=inverse(order))
    return restore(g, x.shape, axis, keepdims) * others


def _prod_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    one_zero = np.array([[2.0, 0.0, -3.0], [0.5, 1.5, 4.0]])
    return [
        *reduce_samples(rng, math.prod),
        Sample((one_zero,), {"axis": (1,), "keepdims": True}, expected=[[0], [3]]),
        Sample((one_zero * one_zero[:, ::-1],), {"axis": (0, 1), "keepdims": False}),
        Sample((one_zero * 0,), {"axis": (0,), "keepdims": False}),
        Sample((np.full(3, 100, "uint8"),), {"axis": (0,), "keepdims": False}, expected=10**6),
    ]


prod: Op = register(Op(
    name="prod", kind="reduce", infer=_accumulated, eval=_accumulate("prod"), into=True,
    vjp=(_prod_vjp,), samples=_prod_samples,
    doc="The product over the dimensions `axis`; 1 where there are no elements. Integers are "
    "multiplied in 64 bits. The gradient is exact where there are zeros, too.",
))  # fmt: skip

# ---------------------------------------------------------------------- maximum and minimum


def _extreme_infer(x: Any, *, axis: Axes, keepdims: bool) -> Aval:
    _check_axes(x.shape, axis)
    _check_elements(x.shape, axis)
    return Aval(reduced_shape(x.shape, axis, keepdims), x.dtype)


def _extreme(name: str) -> Rule:
    def evaluate(xp: Any, x: Any, *, axis: Axes, keepdims: bool, out: Any = None) -> Any:
        _check_elements(x.shape, axis)  # a size may have been open until now
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims, out=out)

    return evaluate


def _extreme_vjp(g: Node, out: Node, x: Node, *, axis: Axes, keepdims: bool) -> Node:
    # at a tie all that are equal to the result share its gradient equally: a choice among them
    # would depend on their order, and so would the descent
    tied = cast(equal(x, restore(out, x.shape, axis, keepdims)), dtype=g.dtype)
    count = sum(tied, axis=axis, keepdims=keepdims)
    return tied * restore(g / count, x.shape, axis, keepdims)


def _extreme_samples(truth: Callable[..., Any]) -> Samples:
    def samples(rng: np.random.Generator) -> list[Sample | Bad]:
        strange = np.array([[1.0, np.nan, 3.0], [-np.inf, np.inf, 0.0]])
        rows = {"axis": (1,), "keepdims": False}
        return [
            *[case for case in reduce_samples(rng, truth) if 0 not in np.shape(case.args[0])],
            Sample((strange,), rows, grad=False, expected=[np.nan, truth(strange[1])]),
            Sample((np.zeros((0, 3)),), rows),
            Sample((np.array([3, -1, 2], "int8"),), {"axis": (0,), "keepdims": True}),
            Sample((np.array([True, False]),), {"axis": (0,), "keepdims": False}),
            Bad((np.zeros((2, 0)),), rows, ShapeError, "has no elements along axis 1"),
        ]

    return samples


max: Op = register(Op(
    name="max", kind="reduce", infer=_extreme_infer, eval=_extreme("max"), into=True,
    vjp=(_extreme_vjp,), samples=_extreme_samples(lambda row: sorted(row)[-1]),
    doc="The largest element over the dimensions `axis`; NaN if there is one. Equal largest "
    "elements share the gradient equally.",
))  # fmt: skip
min: Op = register(Op(
    name="min", kind="reduce", infer=_extreme_infer, eval=_extreme("min"), into=True,
    vjp=(_extreme_vjp,), samples=_extreme_samples(lambda row: sorted(row)[0]),
    doc="The smallest element over the dimensions `axis`; NaN if there is one. Equal smallest "
    "elements share the gradient equally.",
))  # fmt: skip

# ------------------------------------------------------------------------------------ truth


def _truth_infer(x: Any, *, axis: Axes, keepdims: bool) -> Aval:
    _check_axes(x.shape, axis)
    return Aval(reduced_shape(x.shape, axis, keepdims), bool_)


def _truth(name: str) -> Rule:
    def evaluate(xp: Any, x: Any, *, axis: Axes, keepdims: bool, out: Any = None) -> Any:
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims, out=out)

    return evaluate


def _truth_samples(empty: bool) -> Samples:
    """`empty` is the result over no elements."""

    def samples(rng: np.random.Generator) -> list[Sample | Bad]:
        x = np.array([[True, True], [False, True], [False, False]])
        mixed = [not empty] * 2 if empty else [True, True]
        return [
            Sample((x,), {"axis": (0,), "keepdims": False}, expected=mixed),
            Sample((x * 0.5,), {"axis": (1,), "keepdims": True}),
            Sample((x.T.astype("int8"),), {"axis": (0, 1), "keepdims": False}),
            Sample((x,), {"axis": (), "keepdims": False}, expected=x),
            Sample((np.array(2.0),), {"axis": (), "keepdims": False}, expected=True),
            Sample((x[:0],), {"axis": (0,), "keepdims": False}, expected=[empty] * 2),
            Bad((x,), {"axis": (2,), "keepdims": False}, ShapeError, "axis 2 is out of range"),
        ]

    return samples


any: Op = register(Op(
    name="any", kind="reduce", infer=_truth_infer, eval=_truth("any"), into=True,
    samples=_truth_samples(False), differentiable=False,
    doc="Whether some element over the dimensions `axis` is not zero; NaN is not. Of none: no.",
))  # fmt: skip
all: Op = register(Op(
    name="all", kind="reduce", infer=_truth_infer, eval=_truth("all"), into=True,
    samples=_truth_samples(True), differentiable=False,
    doc="Whether every element over the dimensions `axis` differs from zero. Of none: yes.",
))  # fmt: skip

# ---------------------------------------------------------------------------------- indices


def _place_infer(x: Any, *, axis: int, keepdims: bool) -> Aval:
    return Aval(_extreme_infer(x, axis=(axis,), keepdims=keepdims).shape, int64)


def _place(name: str) -> Rule:
    def evaluate(xp: Any, x: Any, *, axis: int, keepdims: bool, out: Any = None) -> Any:
        _check_elements(x.shape, (axis,))
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims, out=out)

    return evaluate


def _place_samples(sign: int) -> Samples:
    """Samples for argmax (`sign` 1) and argmin (-1)."""

    def samples(rng: np.random.Generator) -> list[Sample | Bad]:
        x = sign * np.array([[1.0, 3.0, 3.0], [np.nan, 9.0, np.nan], [-np.inf, 0.0, -1.0]])
        columns = {"axis": 1, "keepdims": False}
        return [
            Sample((x,), columns, expected=[1, 0, 1]),
            Sample((x.T,), {"axis": 0, "keepdims": True}, expected=[[1, 0, 1]]),
            Sample((x[:0],), columns),
            Sample((x[0].astype("float32"),), {"axis": 0, "keepdims": False}, expected=1),
            Sample((np.array([2, 2, 2], "uint8"),), {"axis": 0, "keepdims": False}, expected=0),
            Bad((x[:, :0],), columns, ShapeError, "has no elements along axis 1"),
            Bad((x,), {"axis": 2, "keepdims": False}, ShapeError, "axis 2 is out of range"),
        ]

    return samples


argmax: Op = register(Op(
    name="argmax", kind="argreduce", infer=_place_infer, eval=_place("argmax"), into=True,
    samples=_place_samples(1), differentiable=False,
    doc="The index (int64) of the largest element along a dimension, the first one at ties; of "
    "the first NaN if there is one.",
))  # fmt: skip
argmin: Op = register(Op(
    name="argmin", kind="argreduce", infer=_place_infer, eval=_place("argmin"), into=True,
    samples=_place_samples(-1), differentiable=False,
    doc="The index (int64) of the smallest element along a dimension, the first one at ties; of "
    "the first NaN if there is one.",
))  # fmt: skip
