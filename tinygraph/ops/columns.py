"""The NumPy meaning of convolution: windows laid out as the columns of a matrix.

The convolution is then a product of matrices, which BLAS does. One spatial dimension after the
other is unfolded, the last first, with the batch next to it: each step copies long runs of
memory, and only the first copies short ones. A batch is done in parts that fit in the cache.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tinygraph.ops.rules import widen
from tinygraph.ops.windows import Ints, Pads, no_padding, window_counts

Params = dict[str, Any]

BLOCK_BYTES = 4 << 20  # the columns of so much of a batch at once stay in the cache


class _Scratch(threading.local):
    """Buffers that a thread keeps from call to call: fresh memory costs more than the work."""

    def __init__(self) -> None:
        self.buffers: dict[str, np.ndarray] = {}

    def take(self, xp: Any, role: str, shape: Ints, dtype: Any) -> Any:
        """An array of any content, valid until `role` is asked for again."""
        nbytes = prod(shape) * dtype.itemsize
        if xp is not np or nbytes > 2 * BLOCK_BYTES:
            return xp.empty(shape, dtype)
        if role not in self.buffers or self.buffers[role].nbytes < nbytes:
            self.buffers[role] = np.empty(nbytes, np.uint8)
        return self.buffers[role][:nbytes].view(dtype).reshape(shape)


_scratch = _Scratch()


@dataclass(frozen=True, slots=True)
class _Geometry:
    """Where the windows lie. All of one entry for each spatial dimension."""

    size: Ints
    kernel: Ints
    count: Ints
    stride: Ints
    padding: Pads
    dilation: Ints
    channels: int

    @staticmethod
    def of(size: Ints, kernel: Ints, channels: int, params: Params) -> _Geometry:
        stride, padding, dilation = params["stride"], params["padding"], params["dilation"]
        count: Any = window_counts(size, kernel, stride, dilation, padding)
        return _Geometry(size, kernel, count, stride, padding, dilation, channels)

    @property
    def padded(self) -> Ints:
        return tuple(n + low + high for n, (low, high) in zip(self.size, self.padding, strict=True))

    @property
    def inner(self) -> tuple[slice, ...]:
        """The part of the padded input that is not padding."""
        return tuple(
            slice(low, low + n) for n, (low, _) in zip(self.size, self.padding, strict=True)
        )

    @property
    def pointwise(self) -> bool:
        """Whether each window is one element of the input: no columns are needed then."""
        return set(self.kernel) == {1} and self.padding == no_padding(len(self.kernel))

    def mirrors(self, out_channels: int) -> bool:
        """Whether the adjoint is to be computed as a convolution with the kernel turned round.

        It can where windows are next to each other, and then saves adding up overlaps; but its
        columns are of the output's channels, so those must not be more.
        """
        return (
            set(self.stride) == {1} and out_channels <= self.channels and not self.pointwise
            and all(max(pads) <= d * (k - 1) for pads, d, k in
                    zip(self.padding, self.dilation, self.kernel, strict=True))
        )  # fmt: skip

    @property
    def starts(self) -> tuple[Any, ...]:
        """The first elements of the windows in an input without padding."""
        return (..., *(
            slice(0, s * (n - 1) + 1, s) for s, n in zip(self.stride, self.count, strict=True)
        ))  # fmt: skip

    def blocks(self, xp: Any, batch: int, itemsize: int) -> Iterator[slice]:
        """Parts of the batch, about equal, whose columns fit in a block."""
        each = self.channels * prod(self.kernel) * prod(self.count) * itemsize
        room = BLOCK_BYTES if xp is np else 64 * BLOCK_BYTES
        parts = -(-batch // max(1, room // max(1, each)))
        for part in range(parts):
            yield slice(part * batch // parts, (part + 1) * batch // parts)

    def steps(self, batch: int) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
        """For each spatial dimension, the last first: its number, and the shape of what is to be
        unfolded along it as (rows, dimensions before, the dimension, columns after)."""
        rows, after = self.channels, 1
        for axis in reversed(range(len(self.size))):
            last = axis == len(self.size) - 1
            before = prod(self.padded[:axis]) * (batch if last else 1)
            yield axis, (rows, before, self.padded[axis], after)
            rows *= self.kernel[axis]
            after *= self.count[axis] * (batch if last else 1)


def _columns(xp: Any, x: Any, at: _Geometry) -> Any:
    """x (batch, channel, *size) as a matrix: (channel * kernel places, windows).

    Rows run over (channel, kernel from the last dimension to the first), columns over
    (*count but the last, batch, last count).
    """
    batch = len(x)
    columns = _scratch.take(
        xp, "padded", (at.channels, *at.padded[:-1], batch, at.padded[-1]), x.dtype
    )
    columns[...] = 0
    columns[(slice(None), *at.inner[:-1], slice(None), at.inner[-1])] = xp.moveaxis(x, 0, -2)
    for axis, shape in at.steps(batch):
        columns = _unfold(xp, columns.reshape(shape), axis, at)
    return columns.reshape(at.channels * prod(at.kernel), -1)


def _unfold(xp: Any, x: Any, axis: int, at: _Geometry) -> Any:
    """(rows, before, size, after) to (rows * kernel, before, count, after)."""
    rows, before, size, after = x.shape
    kernel, count, stride = at.kernel[axis], at.count[axis], at.stride[axis]
    if kernel == 1 and count == size:
        return x
    row, outer, step, inner = x.strides
    view = xp.lib.stride_tricks.as_strided(
        x,
        (rows, kernel, before, count, after),
        (row, step * at.dilation[axis], outer, step * stride, inner),
    )
    result = _scratch.take(xp, f"unfolded {axis}", view.shape, x.dtype)
    result[...] = view
    return result.reshape(rows * kernel, before, count, after)


def _fold(xp: Any, columns: Any, batch: int, at: _Geometry) -> Any:
    """The adjoint of `_columns`: overlaps are added up, and padding is cut off."""
    for axis, (rows, before, size, after) in reversed(list(at.steps(batch))):
        kernel, count = at.kernel[axis], at.count[axis]
        if kernel == 1 and count == size:
            continue
        parts = columns.reshape(rows, kernel, before, count, after)
        columns = _scratch.take(xp, f"folded {axis}", (rows, before, size, after), parts.dtype)
        columns[...] = 0
        for place in range(kernel):
            start = place * at.dilation[axis]
            stop = start + at.stride[axis] * (count - 1) + 1
            columns[:, :, start : stop : at.stride[axis]] += parts[:, place]
    x = columns.reshape(at.channels, *at.padded[:-1], batch, at.padded[-1])
    return xp.moveaxis(x[(slice(None), *at.inner[:-1], slice(None), at.inner[-1])], -2, 0)


def _kernel_rows(w: Any, groups: int) -> Any:
    """w as (groups, out channels of a group, rows of `_columns` of a group)."""
    w = w.transpose(0, 1, *range(w.ndim - 1, 1, -1))
    return w.reshape(groups, w.shape[0] // groups, -1)


def _turned(w: Any, groups: int) -> Any:
    """w with input and output channels exchanged and each kernel turned round."""
    out_channels, per_group, *kernel = w.shape
    grouped = w.reshape(groups, out_channels // groups, per_group, *kernel).swapaxes(1, 2)
    turned = grouped.reshape(groups * per_group, out_channels // groups, *kernel)
    return turned[(..., *(slice(None, None, -1) for _ in kernel))]


def _as_product(xp: Any, g: Any, groups: int) -> Any:
    """g (batch, out channel, *count) as (groups, out channels of a group, windows)."""
    g = xp.moveaxis(g, 0, -2)
    result = _scratch.take(xp, "product", g.shape, g.dtype)
    result[...] = g
    return result.reshape(groups, len(g) // groups, -1)


def _by_sample(x: Any, groups: int) -> Any:
    """x (batch, channel, *size) as (batch, groups, channels of a group, elements)."""
    return x.reshape(len(x), groups, x.shape[1] // groups, prod(x.shape[2:]))


def _multiply(xp: Any, a: Any, b: Any, out: Any) -> Any:
    """a @ b in `out`, whose elements stand in the same order."""
    if out.flags.c_contiguous and out.dtype == a.dtype:
        xp.matmul(a, b, out=out.reshape(*b.shape[:-2], a.shape[-2], b.shape[-1]))
    else:
        out[...] = xp.matmul(a, b).reshape(out.shape)
    return out


def eval_conv(xp: Any, x: Any, w: Any, *, groups: int, out: Any = None, **params: Any) -> Any:
    at = _Geometry.of(x.shape[2:], w.shape[2:], x.shape[1], params)
    if out is None:
        out = xp.empty((len(x), len(w), *at.count), x.dtype)
    x, w = widen(x), widen(w)
    kernel = _kernel_rows(w, groups)
    if at.pointwise:
        return _multiply(xp, kernel, _by_sample(x[at.starts], groups), out)
    for part in at.blocks(xp, len(x), x.itemsize):
        columns = _columns(xp, x[part], at).reshape(groups, kernel.shape[2], -1)
        result = _scratch.take(xp, "product", (*kernel.shape[:2], columns.shape[2]), x.dtype)
        xp.matmul(kernel, columns, out=result)
        result = result.reshape(len(w), *at.count[:-1], -1, at.count[-1])
        out[part] = xp.moveaxis(result, -2, 0)
    return out


def eval_input(
    xp: Any, g: Any, w: Any, *, size: Ints, groups: int, out: Any = None, **params: Any
) -> Any:
    at = _Geometry.of(size, w.shape[2:], w.shape[1] * groups, params)
    if out is None:
        out = xp.empty((len(g), at.channels, *size), g.dtype)
    g, w = widen(g), widen(w)
    if at.mirrors(len(w)):
        padding = tuple(
            (d * (k - 1) - low, d * (k - 1) - high)
            for d, k, (low, high) in zip(at.dilation, at.kernel, at.padding, strict=True)
        )
        turned = _turned(w, groups)
        return eval_conv(xp, g, turned, groups=groups, out=out, **{**params, "padding": padding})
    kernel = _kernel_rows(w, groups).swapaxes(1, 2)
    if at.pointwise:
        columns = _by_sample(g, groups)
        if at.count == size:
            return _multiply(xp, kernel, columns, out)
        out[...] = 0
        out[at.starts] = xp.matmul(kernel, columns).reshape(*out.shape[:2], *at.count)
        return out
    for part in at.blocks(xp, len(g), g.itemsize):
        product = _as_product(xp, g[part], groups)
        columns = _scratch.take(xp, "columns", (*kernel.shape[:2], product.shape[2]), g.dtype)
        if kernel.shape[2] == 1:  # one channel a group: BLAS is slow at outer products
            xp.multiply(kernel, product, out=columns)
        else:
            xp.matmul(kernel, product, out=columns)
        out[part] = _fold(xp, columns, len(g[part]), at)
    return out


def eval_weight(
    xp: Any, x: Any, g: Any, *, size: Ints, groups: int, out: Any = None, **params: Any
) -> Any:
    at = _Geometry.of(x.shape[2:], size, x.shape[1], params)
    shape = (g.shape[1], x.shape[1] // groups, *size)
    if out is None:
        out = xp.empty(shape, x.dtype)
    x, g = widen(x), widen(g)
    rows = prod(shape[1:])
    total = xp.zeros((groups, rows, shape[0] // groups), x.dtype)
    # sample by sample only where the sum over the windows is long, else its results fill memory
    direct = at.pointwise and prod(at.count) >= shape[0] // groups
    for part in at.blocks(xp, len(x), x.itemsize):
        if direct:
            columns, product = _by_sample(x[part][at.starts], groups), _by_sample(g[part], groups)
            total += xp.matmul(columns, product.swapaxes(2, 3)).sum(axis=0)
        else:
            columns = _columns(xp, x[part], at).reshape(groups, rows, -1)
            # this way round, the many rows first, BLAS is up to twice as fast
            total += xp.matmul(columns, _as_product(xp, g[part], groups).swapaxes(1, 2))
    total = total.swapaxes(1, 2).reshape(*shape[:2], *reversed(size))
    out[...] = total.transpose(0, 1, *range(total.ndim - 1, 1, -1))
    return out
