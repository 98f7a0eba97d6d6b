"""Draw the pictures of docs/how-it-works.md from the example on that page, by running its code."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tinygraph.compiler.tape import size_text
from tinygraph.graph.analyse import as_graph
from tinygraph.viz import draw_graph, draw_memory

PAGE = Path(__file__).parent / "how-it-works.md"
BLOCK = re.compile(r'^```python title="[^"]+"\n(.*?)^```$', re.MULTILINE | re.DOTALL)

BOX = (1.3, 0.9)  # inches
GAP = 0.36
FILLS = ("#ffffff", "#fff2cc", "#fce5cd", "#d9ead3", "#d9d2e9", "#cfe2f3", "#eeeeee")


def example() -> dict[str, Any]:
    """The names that the page's code defines."""
    names: dict[str, Any] = {"__name__": "__page__"}
    code = "".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    with redirect_stdout(io.StringIO()):
        exec(compile(code, "logistic.py", "exec"), names)
    return names


def stages(names: dict[str, Any]) -> list[tuple[str, str, str]]:
    """For each stage of the example: its name, what there is of it, and what makes the next."""
    tape, loss = names["tape"], names["loss"]
    return [
        ("formula", "w1 x1 + w2 x2", "record"),
        ("graph", f"{len(as_graph(loss))} nodes", "grad"),
        ("step", f"{len(names['step'].graph)} nodes", "passes"),
        ("rewritten", f"{len(names['graph'])} nodes", "lower"),
        ("kernels", f"{len(tape.kernels)} kernels", "plan"),
        ("arena", size_text(tape.memory.peak), "link"),
        ("tape", f"{len(tape)} instructions", ""),
    ]


def draw_way(names: dict[str, Any], path: Path) -> None:
    """Draw the stages from left to right."""
    found = stages(names)
    width, height = len(found) * (BOX[0] + GAP) + GAP, BOX[1] + 2 * GAP
    figure = Figure(figsize=(width, height), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    for index, (stage, fill) in enumerate(zip(found, FILLS, strict=True)):
        _draw_stage(axes, stage, fill, GAP + index * (BOX[0] + GAP))
    figure.savefig(path)


def _draw_stage(axes: Axes, stage: tuple[str, str, str], fill: str, left: float) -> None:
    name, amount, onward = stage
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch((left, GAP), *BOX, boxstyle=style, fc=fill, ec="#333333"))
    middle = left + BOX[0] / 2
    axes.text(middle, GAP + 0.6 * BOX[1], name, ha="center", weight="bold", size=12)
    axes.text(middle, GAP + 0.25 * BOX[1], amount, ha="center", size=10)
    if onward:
        start, height = left + BOX[0], GAP + BOX[1] / 2
        axes.annotate(
            "",
            (start + GAP, height),
            (start, height),
            arrowprops={"arrowstyle": "-|>", "color": "#333333"},
        )
        axes.text(start + GAP / 2, GAP / 2, onward, ha="center", size=10, style="italic")


def draw(folder: Path) -> None:
    """Write all pictures to `folder`."""
    names = example()
    draw_way(names, folder / "way.svg")
    draw_graph([names["loss"], names["w1"].grad, names["w2"].grad], folder / "graph.svg")
    draw_memory(names["plain"], folder / "memory.svg")


if __name__ == "__main__":
    draw(Path(__file__).parent / "reference")
