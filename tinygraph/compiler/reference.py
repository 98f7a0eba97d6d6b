"""What a `loops` kernel means: its steps one after another, each over the whole space.

Slow and obvious. Compiled kernels are held against it, and a backend without code of its own
for such kernels runs them by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygraph.compiler.kernel import Kernel, Step, View


def run_loops(
    kernel: Kernel, extents: Sequence[int], inputs: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The results of a kernel of kind "loops" over a space of these extents.

    inputs: views over the whole space (`index_numbers` makes those of an index input). A result
    has size 1 along the dimensions that it does not vary with: it broadcasts to the space.
    """
    values = list(inputs)
    with np.errstate(all="ignore"):
        for step in kernel.steps:
            args = [values[ref] for ref in step.args]
            values.append(_evaluate(step, args, extents, kernel.roles))
    return [values[ref] for ref in kernel.results]


def reduced_axes(roles: str) -> tuple[int, ...]:
    """The dimensions that the reductions of a kernel with these roles run over."""
    role = "r" if "r" in roles else "i"
    return tuple(axis for axis, each in enumerate(roles) if each == role)


def _evaluate(step: Step, args: list[np.ndarray], extents: Sequence[int], roles: str) -> np.ndarray:
    if step.op.kind != "reduce":
        return np.asarray(step.op.eval(np, *args, **dict(step.params)))
    # what does not vary with a dimension still counts once for each of its indices
    (whole,) = (np.broadcast_to(arg, extents) for arg in args)
    axes = reduced_axes(roles)
    if step.params:  # over all rows, each of which has one value
        whole = whole[
            tuple(slice(1) if axis in axes else slice(None) for axis in range(whole.ndim))
        ]
        axes = tuple(axis for axis in range(whole.ndim) if axis not in axes)
    return np.asarray(step.op.eval(np, whole, axis=axes, keepdims=True))


def index_numbers(view: View) -> np.ndarray:
    """The elements of an index input: the places, in elements, that `view` looks at."""
    numbers = np.full(view.shape, view.offset, np.int64)
    for axis, (size, stride) in enumerate(zip(view.shape, view.strides, strict=True)):
        steps = np.arange(size, dtype=np.int64) * stride
        numbers += steps.reshape((-1,) + (1,) * (len(view.shape) - axis - 1))
    return numbers
