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

LETTER = 0.0066  # the width of a letter of a label, as a part of the picture's
LOWEST_LABEL = 0.03  # the part of its height that a rectangle must fill to be named


def draw_memory(tape: Tape, path: str | PathLike[str] | None = None) -> Figure:
    """Draw the arena of `tape`: instructions from left to right, bytes from bottom to top.

    Each rectangle is the result of one instruction, from when it is written to its last use; or
    until another is written onto it, in place.
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
    found = _in_arena(tape)
    begins = {(storage.offset, storage.first) for storage in found}
    for storage in found:
        name, kind = names[id(storage)]
        over = (storage.offset, storage.last) in begins and storage.last > storage.first
        width = storage.last - storage.first + (0 if over else 1)
        wide = width / max(steps, 1) >= LETTER * (len(name) + 1)
        high = storage.nbytes / max(peak, 1) >= LOWEST_LABEL
        _draw_storage(axes, storage, width, name if wide and high else "", colour(kind))
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


def _draw_storage(axes: Axes, storage: Storage, width: int, label: str, shade: str) -> None:
    from matplotlib.patches import Rectangle

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
