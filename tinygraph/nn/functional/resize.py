"""Resizing: images and signals with more or fewer elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.reduce import in_dtype, widened
from tinygraph.array.sizes import as_size, known
from tinygraph.dtypes import DType
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.nn.functional.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from tinygraph.nn.functional.pooling import float_node
from tinygraph.nn.functional.resample import MOST_SLICES, Neighbours, summed
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["interpolate"]


class Filter(NamedTuple):
    """What an element contributes at a distance; nothing from `reach` on."""

    reach: float
    weight: Callable[[np.ndarray], np.ndarray]


def _triangle(distance: np.ndarray) -> np.ndarray:
    weight: np.ndarray = np.maximum(1 - np.abs(distance), 0)
    return weight


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    """The cubic convolution kernel with the slope `a` at distance 1.

    Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981).
    """

    def weight(distance: np.ndarray) -> np.ndarray:
        d = np.abs(distance)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((d - 5) * d + 8) * d * a - 4 * a
        return np.where(d <= 1, near, np.where(d < 2, far, 0))

    return weight


def _lanczos(distance: np.ndarray) -> np.ndarray:
    """sinc(x) sinc(x / 3) up to 3."""
    return np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)


_LINEAR = Filter(1, _triangle)
_FILTERS = {  # for each mode without and with antialias
    "linear": (_LINEAR, _LINEAR),
    "bilinear": (_LINEAR, _LINEAR),
    "trilinear": (_LINEAR, _LINEAR),
    "bicubic": (Filter(2, _cubic(-0.75)), Filter(2, _cubic(-0.5))),
    "lanczos": (Filter(3, _lanczos), Filter(3, _lanczos)),
}
_DIMS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2, "lanczos": 2}
_NEAREST = ("nearest", "nearest-exact")
MODES = (*_NEAREST, "area", *_FILTERS)


@api
def interpolate(
    input: TensorLike,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """x at other places: out[i] = sum_j w(s (i + 1/2) - 1/2 - j) x[j], s = old size / new size.

    input: (batch, channel, *size), with one to three dimensions of space. size: the new size, or
    scale_factor: what it is multiplied with and rounded down; one number for all dimensions or
    one for each. mode, with the weight w:

        "nearest"        x[floor(s i)]
        "nearest-exact"  x[floor(s (i + 1/2))]
        "linear", "bilinear", "trilinear" (1, 2, 3 dimensions)  w(d) = max(1 - |d|, 0)
        "bicubic" (2 dimensions)  the cubic convolution with a = -3/4; with antialias a = -1/2
        "lanczos" (2 dimensions, with antialias)  w(d) = sinc(d) sinc(d / 3) for |d| < 3
        "area"           the means of parts: `adaptive_avg_pool2d`

    align_corners: the outermost elements stay where they are, and s = (old size - 1) / (new size
    - 1), out[i] = sum_j w(s i - j) x[j]. Outside of x its outermost elements count.
    recompute_scale_factor: s comes from the sizes, even where a scale_factor is given, which
    need not be the same after rounding. antialias: where the size shrinks the weights are spread
    over s elements, w(d / s), and divided by their sum; with align_corners, too, they are taken
    about s (i + 1/2) - 1/2.

    Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981).

    >>> import tinygraph as tg
    >>> x = tg.tensor([[[0.0, 4.0]]])
    >>> tg.nn.functional.interpolate(x, scale_factor=2, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    >>> tg.nn.functional.interpolate(x, scale_factor=2)
    tensor([[[0., 0., 4., 4.]]])
    """
    x = as_node(input)
    _check_mode(x, mode, align_corners, antialias)
    sizes, scales = _new_sizes(x, size, scale_factor)
    if recompute_scale_factor and scale_factor is None:
        raise ValueError("recompute_scale_factor needs a scale_factor, got a size")
    if recompute_scale_factor:
        scales = (None,) * len(sizes)
    if mode == "area":
        pool = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[len(sizes) - 1]
        return pool(input, tuple(map(known, sizes)))
    places = [
        _places(*numbers, bool(align_corners), antialias)
        for numbers in zip(x.shape[2:], sizes, scales, strict=True)
    ]
    if mode in _NEAREST:
        rounding = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
        picked = [_nearest(each, mode == "nearest-exact", rounding) for each in places]
        return Tensor(_resized(x, places, picked))
    neighbours = [_filtered(each, _FILTERS[mode][antialias]) for each in places]
    return Tensor(in_dtype(_resized(widened(float_node(input)), places, neighbours), x.dtype))


def _check_mode(x: Node, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in MODES:
        raise NotImplementedError(f"interpolate: mode {mode!r} is none of {', '.join(MODES)}")
    if not 3 <= x.ndim <= 5:
        raise NotImplementedError(
            f"interpolate: expected (batch, channel, *size) with one to three dimensions of "
            f"space, got shape {show_shape(x.shape)}"
        )
    if _DIMS.get(mode, x.ndim - 2) != x.ndim - 2:
        raise NotImplementedError(
            f"interpolate: mode {mode!r} is for {_DIMS[mode]} dimensions of space, got shape "
            f"{show_shape(x.shape)}"
        )
    if mode not in _FILTERS and align_corners is not None:
        raise ValueError(f"align_corners is for the modes {', '.join(_FILTERS)}, got {mode!r}")
    if antialias and mode not in ("bilinear", "bicubic", "lanczos"):
        raise ValueError(f"antialias is for bilinear, bicubic and lanczos, got mode {mode!r}")
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("mode 'lanczos' needs antialias, and no align_corners")


Scales = tuple[float | None, ...]


def _new_sizes(x: Node, size: Any, scale_factor: Any) -> tuple[tuple[Size, ...], Scales]:
    """The size of the result, and the scale factors where they are given."""
    dims = x.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError(f"expected either size or scale_factor, got {size!r} and {scale_factor!r}")
    name, given = ("size", size) if scale_factor is None else ("scale_factor", scale_factor)
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * dims
    if len(values) != dims:
        raise ValueError(f"expected {name} to be a number or {dims} of them, got {given!r}")
    scales: Scales = (None,) * dims
    if size is not None:
        sizes = tuple(as_size(value) for value in values)
    else:
        scales = tuple(float(value) for value in values)
        sizes = tuple(
            _scaled(old, float(value)) for old, value in zip(x.shape[2:], values, strict=True)
        )
    if any(is_known(count) and count < 1 for count in (*sizes, *x.shape[2:])):
        raise ShapeError(
            f"expected sizes of at least 1, got {show_shape(x.shape[2:])} for the input and "
            f"{show_shape(sizes)} for the result"
        )
    return sizes, scales


def _scaled(size: Size, scale: float) -> Size:
    """size * scale, rounded down. A size that is not known can be scaled by simple ratios."""
    if isinstance(size, int):
        return math.floor(size * scale)
    ratio = _simple(scale, size)
    return size * ratio.numerator // ratio.denominator


def _simple(scale: float, size: Size) -> Fraction:
    """The scale factor of a size that is not known. TraceError if it is no simple ratio."""
    ratio = Fraction(scale).limit_denominator(MOST_SLICES)
    if float(ratio) != scale:
        known(size)
    return ratio


@dataclass(frozen=True)
class _Places:
    """Where the elements of a resized dimension lie in the old one: the i-th at step * i + shift.

    size, count: the old and the new size. antialias: each is made of `step` old elements, where
    there are fewer new ones.
    """

    size: Size
    count: Size
    step: float
    shift: float
    antialias: bool

    @property
    def are_the_same(self) -> bool:
        """Whether the new elements are the old ones."""
        return self.step == 1 and self.size == self.count

    def turn(self) -> tuple[int, int | None]:
        """All places; of a number that is not known so many after which they repeat, so many
        elements further on."""
        if isinstance(self.count, int):
            return self.count, None
        ratio = _simple(1 / self.step, self.size)
        return ratio.numerator, ratio.denominator


def _places(size: Size, count: Size, scale: float | None, align: bool, antialias: bool) -> _Places:
    """scale: the factor between the sizes that counts, if it is not to be had from them. align:
    the outermost elements stay where they are."""
    if align:
        step = (known(size) - 1) / (known(count) - 1) if count != 1 else 0.0
    else:
        step = known(size) / known(count) if scale is None else 1 / scale
    # with antialias PyTorch takes the middles of elements all the same
    shift = 0.0 if align and not antialias else (step - 1) / 2
    return _Places(size, count, step, shift, antialias)


@lru_cache(maxsize=256)
def _filtered(places: _Places, filter: Filter) -> Neighbours:
    """The neighbours and their weights under a filter, spread where elements are left out."""
    spread = max(places.step, 1.0) if places.antialias else 1.0
    period, stride = (known(places.count), None) if places.antialias else places.turn()
    # rounded, so that multiples of a third have all the same fractions
    at = np.round(np.arange(period) * places.step + places.shift, 10)
    first = np.floor(at - filter.reach * spread).astype(np.int64) + 1
    index = first[:, None] + np.arange(math.ceil(2 * filter.reach * spread))
    weights = filter.weight((index - at[:, None]) / spread)
    if places.antialias:
        weights = weights * ((index >= 0) & (index < known(places.size)))
        weights /= weights.sum(axis=1, keepdims=True)
    return Neighbours(first, weights, stride)


@lru_cache(maxsize=256)
def _nearest(places: _Places, exact: bool, rounding: DType) -> Neighbours:
    """The one old element that each new one is: with `exact` that at its middle, else that at
    its beginning."""
    period, stride = places.turn()
    number, step = np.arange(period), float(rounding.type(places.step))
    if exact:
        at = np.maximum((number + 0.5) * step - 0.5, 0).astype(rounding) + rounding.type(0.5)
    else:
        at = (number * step).astype(rounding)
    index = np.floor(at.astype(np.float32)).astype(np.int64)
    if stride is None:
        index = np.minimum(index, known(places.size) - 1)
    return Neighbours(index, np.ones((period, 1)), stride)


def _resized(x: Node, places: Sequence[_Places], neighbours: Sequence[Neighbours]) -> Node:
    """x with one dimension of space resized after the other: those that shrink first, and those
    that grow from the last one on, whose elements take most time, while they are few."""
    axes = [axis for axis, each in enumerate(places) if not each.are_the_same]
    axes.sort(key=lambda axis: (places[axis].step < 1, -axis if places[axis].step < 1 else axis))
    for axis in axes:
        x = summed(x, axis + 2, places[axis].count, neighbours[axis])
    return x
