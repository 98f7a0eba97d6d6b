"""Reductions: many numbers to one, and running ones along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph.dtypes import bool_, int64, is_bool, is_float, is_integer, uint64, UNSIGNED
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size
from tinygraph.graph.node import Aval, Node, Shape
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import broadcast_to, reshape
from tinygraph.ops.registry import Bad, Op, Sample, cast, register
from tinygraph.ops.rules import Axes


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


def _sum_infer(x: Any, *, axis: Axes, keepdims: bool) -> Aval:
    dtype = x.dtype
    if is_bool(dtype):
        dtype = int64
    elif is_integer(dtype):
        dtype = uint64 if dtype in UNSIGNED else int64
    return Aval(reduced_shape(x.shape, axis, keepdims), dtype)


def _sum_eval(
    xp: Any, x: Any, *, axis: Axes, keepdims: bool, out: Any = None
) -> Any:
    dtype = None if x.dtype.kind not in "iub" else ("uint64" if x.dtype.kind == "u" else "int64")
    return xp.sum(x, axis=axis, keepdims=keepdims, dtype=dtype, out=out)


def reduce_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.permutation(np.linspace(0.5, 2.0, 24)).reshape(2, 3, 4)
    return [
        Sample((x,), {"axis": (1,), "keepdims": False}),
        Sample((x,), {"axis": (0, 2), "keepdims": True}),
        Sample((x.T,), {"axis": (0, 1, 2), "keepdims": False}),
        Sample((x,), {"axis": (), "keepdims": False}),
        Sample((np.array(1.5),), {"axis": (), "keepdims": False}),
        Sample((x[:, :0],), {"axis": (0,), "keepdims": False}),
        Sample((x.astype("float32"),), {"axis": (2,), "keepdims": False}, grad=False),
    ]


sum = register(Op(  # noqa: A001 - the Array API's name
    name="sum", kind="reduce", infer=_sum_infer, eval=_sum_eval, into=True,
    vjp=(lambda g, out, x, *, axis, keepdims: restore(g, x.shape, axis, keepdims),),
    samples=reduce_samples,
    doc="The sum over the dimensions `axis`. Integers are summed in 64 bits, bool is counted.",
))  # fmt: skip
