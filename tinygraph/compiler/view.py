"""Views: which part of its input's storage a view op looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygraph.compiler.kernel import View
from tinygraph.ops.registry import Op

_ELEMENT = np.dtype("int8")  # one byte, so that NumPy's byte strides are strides in elements


def view_of(
    op: Op, view: View, size: int, params: Mapping[str, Any], inputs: int = 1
) -> View | None:
    """What `op` makes of `view` of a storage of `size` elements; None where it has to copy.

    A view op looks at the first of its inputs; there may be others, which order it.

    The op's own meaning is asked: it is run on an array that was laid out like the storage but
    is never touched.
    """
    room = np.empty(max(size, 1), _ELEMENT)
    array = np.ndarray(view.shape, _ELEMENT, room, view.offset, view.strides)
    result = op.eval(np, *([array] * inputs), **params)
    if result.size == 0:
        return View(0, result.shape, (0,) * result.ndim)
    offset = result.ctypes.data - room.ctypes.data
    if not (0 <= offset < room.size and np.may_share_memory(result, room)):
        return None
    return View(offset, result.shape, result.strides)
