"""Arrays that lie in memory in all ways that a slot may: for tests of native kernels."""

import numpy as np


def laid_out(rng, array):
    """The same array with its dimensions in any order in memory, forwards or backwards, with
    gaps between the elements or without."""
    order = rng.permutation(array.ndim)
    steps = rng.choice([-2, -1, 1, 1, 2], array.ndim)
    room = np.zeros([array.shape[axis] * abs(steps[axis]) for axis in order], array.dtype)
    view = room.transpose(np.argsort(order))[(..., *(slice(None, None, step) for step in steps))]
    view[...] = array
    return view


def broadcast_along(rng, array):
    """An array of the same shape that repeats itself along some dimensions, with strides 0."""
    keep = rng.random(array.ndim) < 0.6
    return np.broadcast_to(array[tuple(slice(None if k else 1) for k in keep)], array.shape)
