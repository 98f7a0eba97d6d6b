"""A picture of a memory plan: what lies where in the arena, and for how long."""

from __future__ import annotations

import math
from os import PathLike
from typing import TYPE_CHECKING

from tinygraph.compiler.kernel import Storage
from tinygraph.compiler.tape import Tape, size_text
from tinygraph.graph.show import colour
from tinygraph.viz.figure import INK, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALLEST_LABEL = (0.06, 0.03)  # parts of the picture that a rectangle must fill to be named


def draw_memory(tape: Tape, path: str | PathLike[str] | None = None) -> Figure:
    """Draw the arena of `tape`: instructions from left to right, bytes from bottom to top.

    Each rectangle is the result of one instruction, from when it is written to its last use.
    The dashed line is the most that is alive at one time: no plan can be lower. path: a file to
    write. Returns the matplotlib figure.
    """
    figure = new_figure(9.0, 4.8)
    axes = figure.add_subplot()
    names = {
        id(slot.storage): (instruction.kernel.name, instruction.kernel.kind)
        for instruction in tape.instructions
        for slot in instruction.outputs
    }
    steps, peak = len(tape.instructions), tape.memory.peak
    for storage in _in_arena(tape):
        name, kind = names[id(storage)]
        large = _is_large(storage, steps, peak)
        _draw_storage(axes, storage, name if large else "", colour(kind))
    axes.set_xlim(0, max(steps, 1))
    axes.set_ylim(0, max(peak, 1) * 1.04)
    axes.axhline(tape.memory.lower_bound, color=INK, linewidth=0.8, linestyle="--")
    _dress(axes, tape)
    figure.tight_layout()
    return finish(figure, path)


def _in_arena(tape: Tape) -> list[Storage]:
    found = {
        id(slot.storage): slot.storage
        for instruction in tape.instructions
        for slot in instruction.outputs
        if slot.storage.place == "arena"
    }
    return list(found.values())


def _is_large(storage: Storage, steps: int, peak: int) -> bool:
    wide = (storage.last - storage.first + 1) / max(steps, 1) >= SMALLEST_LABEL[0]
    return wide and storage.nbytes / max(peak, 1) >= SMALLEST_LABEL[1]


def _draw_storage(axes: Axes, storage: Storage, label: str, shade: str) -> None:
    from matplotlib.patches import Rectangle

    width = storage.last - storage.first + 1
    corner = (storage.first, storage.offset)
    axes.add_patch(
        Rectangle(corner, width, storage.nbytes, facecolor=shade, edgecolor=INK, linewidth=0.5)
    )
    if label:
        centre = (storage.first + width / 2, storage.offset + storage.nbytes / 2)
        axes.text(*centre, label, ha="center", va="center", fontsize=7, color=INK, clip_on=True)


def _dress(axes: Axes, tape: Tape) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    memory = tape.memory
    axes.set_title(
        f"arena of {size_text(memory.peak)}; at least {size_text(memory.lower_bound)} are alive "
        f"at one time; {memory.in_place} results in place",
        fontsize=10, color=INK,
    )  # fmt: skip
    axes.set_xlabel("instruction", fontsize=9, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    step = 2 ** math.ceil(math.log2(max(memory.peak, 8) / 8))  # so that ticks are round in bytes
    axes.yaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: size_text(int(value))))
    axes.tick_params(colors=INK, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
