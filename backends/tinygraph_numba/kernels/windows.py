"""Sliding windows: `window_sum`, `fold` and `window_argmax`. The kernels stand in `sliding.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from tinygraph.compiler.kernel import Instruction, Slot
from tinygraph.compiler.sources import is_dense
from tinygraph_numba.kernels import sliding
from tinygraph_numba.kernels.generic import specialised, type_name, work_name
from tinygraph_numba.kernels.spaces import Space
from tinygraph_numba.plan import Plan

DIMS = 3  # the kernels have so many spatial dimensions
CHUNK = 1 << 16  # elements that make up for starting a thread on them

Ints = Sequence[int]


def plan(instruction: Instruction) -> Plan | None:
    """The plan of an op on windows; None if it is empty, of more than three dimensions, of more
    elements than 32 bits count, or if the images of the result have gaps."""
    dims = len(instruction.params["stride"])
    slots = (*instruction.inputs, *instruction.outputs)
    if dims > DIMS or any(not 0 < prod(slot.view.shape[-dims:]) < 1 << 31 for slot in slots):
        return None
    view = instruction.outputs[0].view
    if prod(view.shape) == 0 or not is_dense(view, len(view.shape) - dims):
        return None
    return PLANS[instruction.kernel.name](instruction)


def plan_sum(instruction: Instruction) -> Plan:
    """The plan of a `window_sum`."""
    (x,), (out,) = instruction.inputs, instruction.outputs
    return _plan(instruction, sliding.add_windows, x, out, instruction.params["kernel"])


def plan_fold(instruction: Instruction) -> Plan:
    """The plan of a `fold`: its input has the windows, then the kernel."""
    (windows,), (out,) = instruction.inputs, instruction.outputs
    dims = len(instruction.params["stride"])
    return _plan(instruction, sliding.lay_back, windows, out, windows.view.shape[-dims:], dims)


def plan_argmax(instruction: Instruction) -> Plan:
    """The plan of a `window_argmax`."""
    (x,), (out,) = instruction.inputs, instruction.outputs
    return _plan(instruction, sliding.find_maxima, x, out, instruction.params["kernel"])


PLANS = {"window_sum": plan_sum, "fold": plan_fold, "window_argmax": plan_argmax}


def _plan(
    instruction: Instruction, entry: Callable[..., int], x: Slot, out: Slot, kernel: Ints,
    kernel_dims: int = 0,
) -> Plan:  # fmt: skip
    """kernel_dims: how many dimensions of x are places of the kernel; they are its last."""
    params = instruction.params
    dims = len(kernel)
    rank = len(x.view.shape) - kernel_dims
    lead = rank - dims
    steps, places = x.view.strides[lead:rank], x.view.strides[rank:]
    sizes, counts = x.view.shape[lead:rank], out.view.shape[lead:]
    if kernel_dims:
        sizes, counts = counts, sizes
    lows = [low for low, _ in params.get("padding", ())]
    images = Space(x.view.shape[:lead], (out.view.strides[:lead], x.view.strides[:lead]))
    space = images.collapsed().args()
    work = prod(counts) * prod(kernel)
    return Plan(
        kernel=specialised(entry, Value=type_name(x.dtype), Work=work_name(x.dtype)),
        args=(
            out, x, *_three(steps, 0), *_three(sizes, 1), *_three(counts, 1), *_three(kernel, 1),
            *_three(params["stride"], 1), *_three(params["dilation"], 1), *_three(lows, 0),
            *_three(places, 0), sliding.SPACE + len(space), *space,
            *_runs(sizes[-1], counts[-1], kernel[-1], instruction),
        ),
        extent=images.size,
        grain=max(1, CHUNK // work),
        scratch=max(sizes[-1], counts[-1]) * 16,
    )  # fmt: skip


def _runs(size: int, count: int, kernel: int, instruction: Instruction) -> list[int]:
    """For each place along the last dimension, the windows for which it is not padding."""
    params = instruction.params
    stride, apart = params["stride"][-1], params["dilation"][-1]
    low = params["padding"][-1][0] if "padding" in params else 0
    runs = []
    for start in range(-low, kernel * apart - low, apart):
        runs += [max(0, -(start // stride)), min(count, -((start - size) // stride))]
    return runs


def _three(numbers: Ints, missing: int) -> tuple[int, ...]:
    """Numbers for three dimensions; those before the given ones have `missing`."""
    return (*[missing] * (DIMS - len(numbers)), *numbers)
