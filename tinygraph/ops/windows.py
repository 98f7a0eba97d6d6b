"""Sliding windows: pooling, and the arithmetic of kernels, strides and padding.

A window of kernel size k and dilation d covers the positions 0, d, ..., (k - 1) d after its
start; windows start `stride` apart. `windows` and `fold` are each other's adjoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import product as every
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygraph.dtypes import int64, is_bool, is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Aval, Node, Shape
from tinygraph.ops.movement import broadcast_to, reshape
from tinygraph.ops.registry import Bad, Op, Sample, register
from tinygraph.ops.rules import show_shape

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def no_padding(dims: int) -> Pads:
    """Padding of nothing on both sides of each of `dims` dimensions."""
    return ((0, 0),) * dims


def window_counts(size: Shape, kernel: Shape, stride: Ints, dilation: Ints, padding: Pads) -> Shape:
    """How many windows fit along each dimension: (n + low + high - d (k - 1) - 1) // stride + 1.

    Raises ShapeError if the parameters do not belong together or no window fits.
    """
    dims = len(kernel)
    if not len(size) == len(stride) == len(dilation) == len(padding) == dims or dims == 0:
        raise ShapeError(
            f"needs one size, kernel, stride, dilation and padding for each spatial dimension, "
            f"got {len(size)}, {dims}, {len(stride)}, {len(dilation)} and {len(padding)} of them"
        )
    for name, values in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if any(is_known(value) and value < 1 for value in values):
            raise ShapeError(f"the {name} must be at least 1, got {show_shape(values)}")
    if any(low < 0 or high < 0 for low, high in padding):
        raise ShapeError(f"padding must not be negative, got {padding}")
    return tuple(
        _count(axis, *numbers)
        for axis, numbers in enumerate(zip(size, kernel, stride, dilation, padding, strict=True))
    )


def _count(
    axis: int, size: Size, kernel: Size, stride: int, dilation: int, pads: tuple[int, int]
) -> Size:
    extent = dilation * (kernel - 1) + 1
    padded = size + pads[0] + pads[1]
    if is_known(extent, padded) and extent > padded:
        raise ShapeError(
            f"a window of size {kernel} and dilation {dilation} covers {extent} positions, but "
            f"spatial dimension {axis} of size {size} with padding {pads} has {padded}"
        )
    return (padded - extent) // stride + 1


def _taps(kernel: Ints, stride: Ints, dilation: Ints, count: Ints) -> Iterator[tuple[Ints, Any]]:
    """Each place in the kernel, and the slices that pick that place of every window."""
    for place in every(*map(range, kernel)):
        picked = (
            slice(at * d, at * d + s * (n - 1) + 1, s)
            for at, s, d, n in zip(place, stride, dilation, count, strict=True)
        )
        yield place, (..., *picked)


def _parts(x: Any) -> list[slice]:
    """Runs of the first dimension that are small enough for the cache."""
    each = max(1, (1 << 20) // max(1, x[:1].nbytes))
    return [slice(start, start + each) for start in range(0, len(x), each)]


# ---------------------------------------------------------------------------------- windows


def _leading(x: Any, dims: int) -> int:
    """How many dimensions stand before the spatial ones."""
    if len(x.shape) < dims:
        raise ShapeError(f"a shape of {show_shape(x.shape)} has no {dims} spatial dimensions")
    return len(x.shape) - dims


def _windows_infer(x: Any, *, kernel: Ints, stride: Ints, dilation: Ints) -> Aval:
    dims = len(kernel)
    lead = _leading(x, dims)
    count = window_counts(x.shape[lead:], kernel, stride, dilation, no_padding(dims))
    return Aval((*x.shape[:lead], *count, *kernel), x.dtype)


def _windows_eval(xp: Any, x: Any, *, kernel: Ints, stride: Ints, dilation: Ints) -> Any:
    dims = len(kernel)
    lead = x.ndim - dims
    count = window_counts(x.shape[lead:], kernel, stride, dilation, no_padding(dims))
    steps = x.strides[lead:]
    return xp.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:lead], *count, *kernel),
        (
            *x.strides[:lead],
            *(step * s for step, s in zip(steps, stride, strict=True)),
            *(step * d for step, d in zip(steps, dilation, strict=True)),
        ),
    )


def _windows_vjp(
    g: Node, out: Node, x: Node, *, kernel: Ints, stride: Ints, dilation: Ints
) -> Node:
    return fold(g, size=x.shape[x.ndim - len(kernel) :], stride=stride, dilation=dilation)


def _windows_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.standard_normal((2, 5, 6))
    pairs = np.stack([x[:, :, :-1], x[:, :, 1:]], axis=-1)
    plain = {"stride": (1,), "dilation": (1,)}
    return [
        Sample((x,), {"kernel": (2,), **plain}, expected=pairs),
        Sample((x,), {"kernel": (2, 3), "stride": (2, 1), "dilation": (1, 2)}),
        Sample((x.transpose(2, 0, 1),), {"kernel": (2, 2), "stride": (1, 3), "dilation": (1, 1)}),
        Sample((x,), {"kernel": (1, 2, 2), "stride": (1, 2, 2), "dilation": (1, 1, 1)}),
        Sample((x[:0],), {"kernel": (2,), **plain}),
        Sample((x.astype("float32"),), {"kernel": (6,), **plain}, grad=False),
        Bad((x,), {"kernel": (7,), **plain}, ShapeError, "covers 7 positions"),
        Bad((x,), {"kernel": (0,), **plain}, ShapeError, "the kernel must be at least 1"),
        Bad((x,), {"kernel": (2, 2), **plain}, ShapeError, "for each spatial dimension"),
        Bad((x[0, 0],), {"kernel": (2, 2), **plain}, ShapeError, "has no 2 spatial dimensions"),
    ]  # fmt: skip


windows = register(Op(
    name="windows", kind="view", infer=_windows_infer, eval=_windows_eval, vjp=(_windows_vjp,),
    doc="The last dimensions of x seen through sliding windows: (..., *size) becomes "
    "(..., *window, *kernel). Nothing is copied: windows that overlap share their elements.",
    samples=_windows_samples,
))  # fmt: skip

# ------------------------------------------------------------------------------------- fold


def _fold_infer(g: Any, *, size: Shape, stride: Ints, dilation: Ints) -> Aval:
    dims = len(size)
    lead = len(g.shape) - 2 * dims
    if lead < 0:
        raise ShapeError(
            f"needs {dims} window and {dims} kernel dimensions, got an array of "
            f"shape {show_shape(g.shape)}"
        )
    window, kernel = g.shape[lead : lead + dims], g.shape[lead + dims :]
    count = window_counts(size, kernel, stride, dilation, no_padding(dims))
    if count != window and is_known(*count, *window):
        raise ShapeError(
            f"a spatial size of {show_shape(size)} has {show_shape(count)} windows, "
            f"got {show_shape(window)}"
        )
    return Aval((*g.shape[:lead], *size), g.dtype)


def _fold_eval(
    xp: Any, g: Any, *, size: Ints, stride: Ints, dilation: Ints, out: Any = None
) -> Any:
    dims = len(size)
    lead = g.ndim - 2 * dims
    if out is None:
        out = xp.empty((*g.shape[:lead], *size), g.dtype)
    taps = list(_taps(g.shape[lead + dims :], stride, dilation, g.shape[lead : lead + dims]))
    for part in _parts(out) if lead else [...]:
        here, parts = out[part], g[part]
        here[...] = 0
        for place, picked in taps:
            here[picked] += parts[(..., *place)]
    return out


def _fold_vjp(v: Node, out: Node, g: Node, *, size: Shape, stride: Ints, dilation: Ints) -> Node:
    return windows(v, kernel=g.shape[g.ndim - len(size) :], stride=stride, dilation=dilation)


def _fold_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    g = rng.standard_normal((2, 4, 2))
    pairs = np.zeros((2, 5))
    pairs[:, :-1] += g[..., 0]
    pairs[:, 1:] += g[..., 1]
    plain = {"stride": (1,), "dilation": (1,)}
    return [
        Sample((g,), {"size": (5,), **plain}, expected=pairs),
        Sample((g,), {"size": (11,), "stride": (2,), "dilation": (3,)}),
        Sample((rng.standard_normal((2, 2, 3, 2, 2)),),
               {"size": (5, 5), "stride": (3, 1), "dilation": (1, 2)}),
        Sample((g[:0],), {"size": (5,), **plain}),
        Sample((g.astype("float32"),), {"size": (5,), **plain}, grad=False),
        Bad((g,), {"size": (6,), **plain}, ShapeError, "has (5,) windows, got (4,)"),
        Bad((g[0, 0],), {"size": (5,), **plain}, ShapeError, "needs 1 window and 1 kernel"),
    ]  # fmt: skip


fold = register(Op(
    name="fold", kind="window", infer=_fold_infer, eval=_fold_eval, vjp=(_fold_vjp,),
    extents=("size",), into=True,
    doc="Windows laid back where they came from and added up where they overlap: "
    "(..., *window, *kernel) becomes (..., *size). The adjoint of `windows`.",
    samples=_fold_samples,
))  # fmt: skip

# ------------------------------------------------------------------------------- window_sum


def _sum_infer(x: Any, *, kernel: Ints, stride: Ints, dilation: Ints) -> Aval:
    if not is_float(x.dtype):
        raise DTypeError(f"needs a float, got {x.dtype.name}; cast it with astype")
    dims = len(kernel)
    return Aval(
        _windows_infer(x, kernel=kernel, stride=stride, dilation=dilation).shape[:-dims], x.dtype
    )


def _sum_eval(
    xp: Any, x: Any, *, kernel: Ints, stride: Ints, dilation: Ints, out: Any = None
) -> Any:
    lead = x.ndim - len(kernel)
    count: Any = window_counts(x.shape[lead:], kernel, stride, dilation, no_padding(len(kernel)))
    if out is None:
        out = xp.empty((*x.shape[:lead], *count), x.dtype)
    taps = list(_taps(kernel, stride, dilation, count))
    for part in _parts(x) if lead else [...]:
        here, values = out[part], x[part]
        here[...] = values[taps[0][1]]
        for _, picked in taps[1:]:
            here += values[picked]
    return out


def _sum_vjp(g: Node, out: Node, x: Node, *, kernel: Ints, stride: Ints, dilation: Ints) -> Node:
    dims = len(kernel)
    each = reshape(g, shape=(*g.shape, *(1,) * dims))
    spread = broadcast_to(each, shape=(*g.shape, *kernel))
    return fold(spread, size=x.shape[x.ndim - dims :], stride=stride, dilation=dilation)


def _sum_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.standard_normal((2, 5, 6))
    plain = {"stride": (1,), "dilation": (1,)}
    uneven = {"stride": (2, 1), "dilation": (1, 2)}
    return [
        Sample((x,), {"kernel": (2,), **plain}, expected=x[:, :, :-1] + x[:, :, 1:]),
        Sample((x,), {"kernel": (2, 3), **uneven}),
        Sample((x[0, 0],), {"kernel": (3,), **plain}),
        Sample((x[:0],), {"kernel": (2,), **plain}),
        Sample((x.astype("float32"),), {"kernel": (6,), **plain}, grad=False),
        Bad((x,), {"kernel": (7,), **plain}, ShapeError, "covers 7 positions"),
        Bad((x > 0,), {"kernel": (2,), **plain}, DTypeError, "needs a float, got bool"),
    ]  # fmt: skip


window_sum = register(Op(
    name="window_sum", kind="window", infer=_sum_infer, eval=_sum_eval, vjp=(_sum_vjp,),
    into=True, samples=_sum_samples,
    doc="The sum over each window: (..., *size) becomes (..., *window). The same as the sum of "
    "`windows` over the kernel, but added up place by place, which is faster.",
))  # fmt: skip

# ---------------------------------------------------------------------------- window_argmax


class _Tap(NamedTuple):
    """One place in the kernel: the windows for which it is not padding, what it is of x for
    them, and how far it lies from the start of a window in flattened x."""

    windows: tuple[Any, ...]
    picked: tuple[Any, ...]
    offset: int


def _argmax_infer(x: Any, *, kernel: Ints, stride: Ints, dilation: Ints, padding: Pads) -> Aval:
    if is_bool(x.dtype):
        raise DTypeError("is not defined on bool; cast it with astype")
    lead = _leading(x, len(kernel))
    size = x.shape[lead:]
    count = window_counts(size, kernel, stride, dilation, padding)
    for axis, numbers in enumerate(
        zip(size, kernel, stride, dilation, padding, count, strict=True)
    ):
        if is_known(size[axis]):
            _inside(axis, *numbers)
    return Aval((*x.shape[:lead], *count), int64)


def _inside(
    axis: int, size: Any, kernel: int, stride: int, dilation: int, pads: tuple[int, int], count: Any
) -> list[slice]:
    """For each place in the kernel along one dimension, the windows for which it is inside.

    ShapeError if a window lies wholly in padding.
    """
    starts = np.arange(count) * stride - pads[0]
    positions = starts + np.arange(kernel)[:, None] * dilation
    inside = (positions >= 0) & (positions < size)
    if not inside.any(axis=0).all():
        raise ShapeError(
            f"with padding {pads} a window of size {kernel} and dilation {dilation} lies wholly in "
            f"the padding of spatial dimension {axis} of size {size}; pad less than the window"
        )
    first, number = inside.argmax(axis=1), inside.sum(axis=1)  # the windows are neighbours
    return [slice(int(at), int(at + n)) for at, n in zip(first, number, strict=True)]


def _argmax_eval(
    xp: Any, x: Any, *, kernel: Ints, stride: Ints, dilation: Ints, padding: Pads
) -> Any:
    lead = x.ndim - len(kernel)
    size = x.shape[lead:]
    count = window_counts(size, kernel, stride, dilation, padding)
    numbers = list(zip(size, kernel, stride, dilation, padding, count, strict=True))
    reach = [_inside(axis, *given) for axis, given in enumerate(numbers)]
    steps = [prod(size[axis + 1 :]) for axis in range(len(size))]
    starts = [
        (np.arange(n) * s - low) * step
        for step, (_, _, s, _, (low, _), n) in zip(steps, numbers, strict=True)
    ]
    taps = [_tap(place, reach, numbers, steps) for place in every(*map(range, kernel))]
    base = xp.asarray(reduce(np.add, np.ix_(*starts)))
    index = xp.empty((*x.shape[:lead], *count), int64)
    for part in _parts(x) if lead else [...]:
        index[part] = base + _best_offset(xp, x[part], index[part].shape, taps)
    return index


def _tap(place: Ints, reach: list[list[slice]], numbers: list[Any], steps: list[int]) -> _Tap:
    windows = [along[at] for along, at in zip(reach, place, strict=True)]
    picked = []
    for run, at, (_, _, s, d, (low, _), _) in zip(windows, place, numbers, strict=True):
        start = run.start * s + at * d - low
        length = run.stop - run.start
        picked.append(slice(start, start + (length - 1) * s + 1, s) if length else slice(0, 0))
    offset = sum(at * n[3] * step for at, n, step in zip(place, numbers, steps, strict=True))
    return _Tap((..., *windows), (..., *picked), offset)


def _best_offset(xp: Any, x: Any, shape: Ints, taps: list[_Tap]) -> Any:
    """The offset of the first tap at which each window has its maximum."""
    best = xp.full(shape, np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf, x.dtype)
    for tap in taps:
        xp.maximum(best[tap.windows], x[tap.picked], out=best[tap.windows])
    has_nan = x.dtype.kind not in "iu" and bool(xp.isnan(best).any())
    # earlier taps score higher, in the smallest integers that do: these passes are the fast ones
    score = xp.zeros(shape, np.min_scalar_type(len(taps)))
    for number, tap in enumerate(taps):
        value = x[tap.picked]
        hit = value == best[tap.windows]
        if has_nan:
            hit |= xp.isnan(value)
        here = score[tap.windows]
        xp.maximum(here, hit * score.dtype.type(len(taps) - number), out=here)
    offsets = [0, *(tap.offset for tap in reversed(taps))]
    return xp.asarray(offsets)[score]


def _argmax_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = np.array([[3.0, 1.0, 4.0, 1.0, 5.0], [9.0, np.nan, 6.0, np.nan, 5.0]])
    low = np.full((2, 3), -np.inf)
    plain = {"stride": (1,), "dilation": (1,), "padding": ((0, 0),)}
    square = {"kernel": (2, 2), "stride": (2, 2), "dilation": (1, 1)}
    return [
        Sample((x,), {"kernel": (2,), **plain}, expected=[[0, 2, 2, 4], [1, 1, 3, 3]]),
        Sample((low,), {"kernel": (3,), **plain, "padding": ((2, 2),)},
               expected=[[0, 0, 0, 1, 2]] * 2),
        Sample((rng.integers(-5, 5, (2, 3, 4, 5)),), {**square, "padding": ((1, 0), (1, 1))}),
        Sample((np.array([[1, 1], [1, 1]]),), {**square, "padding": ((0, 0), (0, 0))},
               expected=[[0]]),
        Sample((x[:0],), {"kernel": (2,), **plain}),
        Sample((x.astype("float32"),), {"kernel": (2,), "stride": (3,), "dilation": (2,),
                                        "padding": ((1, 1),)}, expected=[[1, 4], [1, 2]]),
        Bad((x,), {"kernel": (2,), **plain, "padding": ((2, 0),)}, ShapeError,
            "lies wholly in the padding of spatial dimension 0 of size 5"),
        Bad((x > 2,), {"kernel": (2,), **plain}, DTypeError, "is not defined on bool"),
        Bad((x[0, 0],), {"kernel": (2,), **plain}, ShapeError, "has no 1 spatial dimensions"),
    ]  # fmt: skip


window_argmax = register(Op(
    name="window_argmax", kind="window", infer=_argmax_infer, eval=_argmax_eval,
    differentiable=False,
    doc="For each window, the index of its first maximum in the flattened spatial dimensions, "
    "padding not counted: (..., *size) becomes int64 (..., *window). Padding is never chosen, "
    "NaN counts as the maximum. Pads may differ on the two sides, as a rounded-up size needs.",
    samples=_argmax_samples,
))  # fmt: skip
