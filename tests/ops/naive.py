"""Slow, obvious references: plain loops over elements, one line of mathematics in the middle."""

import math
from itertools import product

import numpy as np


def grid(*sizes):
    """Every index into an array of shape `sizes`."""
    return product(*map(range, sizes))


def window_count(size, kernel, stride, dilation, padding):
    """Counted by trying each start."""
    low, high = padding
    starts = range(-low, size + high, stride)
    return sum(start + dilation * (kernel - 1) < size + high for start in starts)


def counts(size, kernel, stride, dilation, padding):
    return tuple(map(window_count, size, kernel, stride, dilation, padding))


def position(window, place, stride, dilation, padding):
    """Where the place of a window lies in the input, dimension by dimension."""
    return tuple(
        w * s + k * d - low
        for w, k, s, d, (low, _) in zip(window, place, stride, dilation, padding, strict=True)
    )


def inside(where, size):
    return all(0 <= at < n for at, n in zip(where, size, strict=True))


def products(x_shape, w_shape, stride, padding, dilation, groups):
    """Every multiplication of a convolution: indices into its result, its input, its weight."""
    out_channels, per_group, *kernel = w_shape
    count = counts(x_shape[2:], kernel, stride, dilation, padding)
    for n, o, c, *rest in grid(x_shape[0], out_channels, per_group, *count, *kernel):
        window, place = tuple(rest[: len(count)]), tuple(rest[len(count) :])
        where = position(window, place, stride, dilation, padding)
        if inside(where, x_shape[2:]):
            group = o // (out_channels // groups)
            yield (n, o, *window), (n, group * per_group + c, *where), (o, c, *place)


def conv(x, w, stride, padding, dilation, groups):
    count = counts(x.shape[2:], w.shape[2:], stride, dilation, padding)
    out = np.zeros((len(x), len(w), *count))
    for at_out, at_x, at_w in products(x.shape, w.shape, stride, padding, dilation, groups):
        out[at_out] += x[at_x] * w[at_w]
    return out


def conv_input(g, w, size, stride, padding, dilation, groups):
    out = np.zeros((len(g), w.shape[1] * groups, *size))
    for at_out, at_x, at_w in products(out.shape, w.shape, stride, padding, dilation, groups):
        out[at_x] += g[at_out] * w[at_w]
    return out


def conv_weight(x, g, size, stride, padding, dilation, groups):
    out = np.zeros((g.shape[1], x.shape[1] // groups, *size))
    for at_out, at_x, at_w in products(x.shape, out.shape, stride, padding, dilation, groups):
        out[at_w] += x[at_x] * g[at_out]
    return out


def windows(x, kernel, stride, dilation):
    """For x with one leading dimension."""
    nothing = ((0, 0),) * len(kernel)
    count = counts(x.shape[1:], kernel, stride, dilation, nothing)
    out = np.zeros((len(x), *count, *kernel))
    for n, *rest in grid(*out.shape):
        window, place = rest[: len(count)], rest[len(count) :]
        out[(n, *rest)] = x[(n, *position(window, place, stride, dilation, nothing))]
    return out


def fold(g, size, stride, dilation):
    """For g with one leading dimension."""
    dims = len(size)
    out = np.zeros((len(g), *size))
    for n, *rest in grid(*g.shape):
        where = position(rest[:dims], rest[dims:], stride, dilation, ((0, 0),) * dims)
        out[(n, *where)] += g[(n, *rest)]
    return out


def window_argmax(x, kernel, stride, dilation, padding):
    """For x with one leading dimension. The first NaN, else the first maximum."""
    count = counts(x.shape[1:], kernel, stride, dilation, padding)
    out = np.full((len(x), *count), -1)
    for n, *window in grid(*out.shape):
        best = None
        for place in grid(*kernel):
            where = position(window, place, stride, dilation, padding)
            if not inside(where, x.shape[1:]):
                continue
            value = x[(n, *where)]
            if best is None or value > best or (math.isnan(value) and not math.isnan(best)):
                best = value
                out[(n, *window)] = np.ravel_multi_index(where, x.shape[1:])
    return out


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., 2011) of four 32-bit words under a key of two."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def random_bits(seed, draw, count):
    """The first `count` words of a draw."""
    words = []
    for block in range(-(-count // 4)):
        counter = (block % 2**32, block >> 32, draw % 2**32, draw >> 32)
        words += philox(counter, (seed % 2**32, seed >> 32))
    return np.array(words[:count], np.uint32)
