"""Sorting along one dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph.dtypes import int64, is_float
from tinygraph.errors import ShapeError
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.index import scatter_along_axis
from tinygraph.ops.registry import Bad, Op, Sample, register
from tinygraph.ops.rules import check_axis, zeros_like


def _argsort_infer(x: Any, *, axis: int, descending: bool) -> Aval:
    check_axis(axis, len(x.shape))
    return Aval(x.shape, int64)


def _sort_infer(x: Any, *, axis: int, descending: bool) -> Aval:
    check_axis(axis, len(x.shape))
    return Aval(x.shape, x.dtype)


def _reversed_order(xp: Any, x: Any) -> Any:
    """Numbers in the opposite order of those of x, with NaN where x has it; its own inverse.

    Sorting these upwards is a stable sort of x downwards. Every bit of an integer is turned over,
    because the smallest one has no negative.
    """
    return -x if is_float(x.dtype) else ~x


def _argsort_eval(xp: Any, x: Any, *, axis: int, descending: bool) -> Any:
    if x.dtype.itemsize < 4 and is_float(x.dtype):
        x = x.astype("float32")  # which holds each of them, and knows where NaN belongs
    keys = _reversed_order(xp, x) if descending else x
    return xp.argsort(keys, axis=axis, kind="stable").astype("int64", copy=False)


def _sort_eval(xp: Any, x: Any, *, axis: int, descending: bool) -> Any:
    wide = x.astype("float32") if x.dtype.itemsize < 4 and is_float(x.dtype) else x
    if descending:
        result = _reversed_order(xp, xp.sort(_reversed_order(xp, wide), axis=axis))
    else:
        result = xp.sort(wide, axis=axis)
    return result.astype(x.dtype, copy=False)


def _sort_vjp(g: Node, out: Node, x: Node, *, axis: int, descending: bool) -> Node:
    order = argsort(x, axis=axis, descending=descending)
    return scatter_along_axis(zeros_like(x), order, g, axis=axis, mode="add")


def _samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.permutation(np.linspace(-1, 1, 24)).reshape(2, 3, 4)
    return [
        Sample((x,), {"axis": 1, "descending": False}),
        Sample((x.T,), {"axis": 0, "descending": True}),
        Sample((x[0, 0],), {"axis": 0, "descending": True}),
        Sample((x[:, :0],), {"axis": 1, "descending": False}),
        Sample((x[:, :0],), {"axis": 2, "descending": True}),
        Sample((x.astype("float32"),), {"axis": 2, "descending": True}, grad=False),
    ]


def _bad_samples() -> list[Bad]:
    return [
        Bad((np.zeros((2, 3)),), {"axis": 2, "descending": False}, ShapeError, "out of range"),
        Bad((np.array(1.0),), {"axis": 0, "descending": True}, ShapeError, "0 dimensions"),
    ]


_STRANGE = np.array([np.nan, 1.0, -np.inf, np.inf, 1.0, np.nan, 0.0])
_EXTREME = np.array([-128, 5, 127, 5, -1], "int8")
_UP, _DOWN = {"axis": 0, "descending": False}, {"axis": 0, "descending": True}


def _argsort_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    return [
        *_samples(rng),
        Sample((_STRANGE,), _UP, expected=[2, 6, 1, 4, 3, 0, 5]),
        Sample((_STRANGE,), _DOWN, expected=[3, 1, 4, 6, 2, 0, 5]),
        Sample((_EXTREME,), _DOWN, expected=[2, 1, 3, 4, 0]),
        Sample((_EXTREME.astype("uint8"),), _DOWN, expected=[4, 0, 2, 1, 3]),
        Sample((np.array([True, False, True]),), _DOWN, expected=[0, 2, 1]),
        *_bad_samples(),
    ]


def _sort_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    nan, inf = np.nan, np.inf
    return [
        *_samples(rng),
        Sample((_STRANGE,), _UP, grad=False, expected=[-inf, 0, 1, 1, inf, nan, nan]),
        Sample((_STRANGE,), _DOWN, grad=False, expected=[inf, 1, 1, 0, -inf, nan, nan]),
        Sample((_EXTREME,), _DOWN, expected=[127, 5, 5, -1, -128]),
        Sample((np.array([True, False, True]),), _DOWN, expected=[True, True, False]),
        *_bad_samples(),
    ]


argsort: Op = register(Op(
    name="argsort", kind="sort", infer=_argsort_infer, eval=_argsort_eval,
    samples=_argsort_samples, differentiable=False,
    doc="The indices (int64) that sort x along a dimension, upwards or downwards. Stable both "
    "ways: equal elements keep their order. NaN comes last both ways.",
))  # fmt: skip
sort: Op = register(Op(
    name="sort", kind="sort", infer=_sort_infer, eval=_sort_eval, vjp=(_sort_vjp,),
    samples=_sort_samples,
    doc="x sorted along a dimension, upwards or downwards; NaN comes last both ways. The gradient "
    "of each element returns to where it was; of equal ones in the order of `argsort`.",
))  # fmt: skip
