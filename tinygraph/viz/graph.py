"""A picture of a graph: forward computations lead down, their gradients up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from os import PathLike
from typing import TYPE_CHECKING, Any

from tinygraph.errors import GraphError
from tinygraph.graph.analyse import as_graph
from tinygraph.graph.show import colour
from tinygraph.viz.blocks import AFTER, BACKWARD, FORWARD, HIDDEN, Block, blocks
from tinygraph.viz.figure import FAINT, INK, finish, new_figure
from tinygraph.viz.layout import Box, Layout, Point, layered

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALL = 40  # boxes up to which each operation has its own
FONT = 8.0  # points
LINE = 0.15  # inches from one line of a label to the next
PADDING = (0.12, 0.07)  # inches between a label and the border of its box
GAP = (0.22, 0.32)  # inches between boxes, and between rows
MARGIN = 0.3
LEGEND = (0.75, 0.3)  # inches: the width of an entry, and the height below the graph
GRADIENT = "#c0392b"  # the border of what belongs to the gradient
ROUND = ("input", "parameter", "state", "data", "constant")


def draw_graph(
    value: Any,
    path: str | PathLike[str] | None = None,
    *,
    hidden: Sequence[str] = HIDDEN,
    merge: bool | None = None,
    max_blocks: int = 500,
) -> Figure:
    """Draw a Graph, or what lies behind a Tensor, a Node, or a list of these.

    path: a file to write, such as graph.png, .svg or .pdf. hidden: which roles are left out
    ("view", "constant", "state"); () shows everything. merge: draw a chain of elementwise
    operations as one box; None does so in a large graph. Returns the matplotlib figure.

    Inputs and parameters are round, outputs have a heavy border, gradients a red one.
    Raises GraphError if more than `max_blocks` boxes would have to be drawn, ImportError if
    matplotlib is missing.
    """
    graph = as_graph(value)
    found = blocks(graph, hidden, merge=bool(merge))
    if merge is None and len(found) > SMALL:
        found = blocks(graph, hidden, merge=True)
    if len(found) > max_blocks:
        raise GraphError(
            f"the picture would have {len(found)} boxes, more than max_blocks={max_blocks}; draw "
            "a smaller part, or write graph.to_dot() to a file for Graphviz"
        )
    layout = _arrange(found)
    legend = {block.role: colour(block.role) for block in found}
    figure, axes = _canvas(layout, LEGEND[0] * (len(legend) + 1))
    _draw_edges(axes, found, layout)
    for block, centre in zip(found, layout.centres, strict=True):
        _draw_box(axes, block, centre)
    _draw_legend(axes, legend, any(block.part == BACKWARD for block in found))
    return finish(figure, path)


def _canvas(layout: Layout, least: float) -> tuple[Figure, Axes]:
    """A figure, at least so wide, in which one unit is one inch; y grows downwards."""
    inner = max(layout.width, least)
    width, height = inner + 2 * MARGIN, layout.height + 2 * MARGIN + LEGEND[1]
    figure = new_figure(width, height)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    left = -MARGIN - (inner - layout.width) / 2
    axes.set_xlim(left, left + width)
    axes.set_ylim(height - MARGIN, -MARGIN)
    return figure, axes


# ------------------------------------------------------------------------------ arrangement


def _arrange(found: Sequence[Block]) -> Layout:
    """Rows and places. An edge between gradients is turned over, so that they lead upwards,
    and each stands beside what it is the gradient of."""
    number = {id(block): index for index, block in enumerate(found)}
    pairs = [(source, block) for block in found for source in block.inputs]
    upwards = _can_turn(pairs)
    edges = []
    for source, block in pairs:
        edge = (number[id(source)], number[id(block)])
        both = source.part == block.part == BACKWARD and bool(source.inputs)
        edges.append(edge[::-1] if upwards and both else edge)
    layout = layered(_boxes(found), edges, GAP)
    for (source, block), way in zip(pairs, layout.routes, strict=True):
        if upwards and source.part == block.part == BACKWARD and source.inputs:
            way.reverse()
    return layout


def _boxes(found: Sequence[Block]) -> list[Box]:
    return [
        Box(*_size(block), _weight(block), block.part, late=block.part == AFTER) for block in found
    ]


def _can_turn(pairs: Sequence[tuple[Block, Block]]) -> bool:
    """Not where a gradient is computed from what was computed with gradients."""
    return not any(
        block.part == BACKWARD and source.part > BACKWARD and source.inputs
        for source, block in pairs
    )


def _weight(block: Block) -> float:
    """What leads through a network stands straight; parameters make room for it."""
    return 0.001 if block.role in ROUND and block.role != "input" else 1.0


def _size(block: Block) -> tuple[float, float]:
    lines = block.label.split("\n")
    widest = max(_text_width(line) for line in lines)
    return widest + 2 * PADDING[0], len(lines) * LINE + 2 * PADDING[1]


@cache
def _text_width(line: str) -> float:
    """The width of a line in inches."""
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), line, size=FONT).get_extents().width) / 72 if line else 0.0


# ---------------------------------------------------------------------------------- drawing


def _draw_box(axes: Axes, block: Block, centre: Point) -> None:
    from matplotlib.patches import FancyBboxPatch

    width, height = _size(block)
    rounding = height / 2 if block.role in ROUND else 0.06
    axes.add_patch(FancyBboxPatch(
        (centre[0] - width / 2, centre[1] - height / 2), width, height,
        boxstyle=f"round,pad=0,rounding_size={rounding}", facecolor=colour(block.role),
        edgecolor=_border(block), linewidth=2.2 if block.is_output else 0.9, zorder=3,
    ))  # fmt: skip
    axes.text(*centre, block.label, fontsize=FONT, color=INK, ha="center", va="center", zorder=4)


def _border(block: Block) -> str:
    return GRADIENT if block.part == BACKWARD and block.inputs else INK


def _draw_edges(axes: Axes, found: Sequence[Block], layout: Layout) -> None:
    pairs = [(source, block) for block in found for source in block.inputs]
    for (source, block), way in zip(pairs, layout.routes, strict=True):
        down = way[-1][1] > way[0][1]
        start, end = _size(source)[1] / 2, _size(block)[1] / 2
        way = list(way)
        way[0] = (way[0][0], way[0][1] + (start if down else -start))
        way[-1] = (way[-1][0], way[-1][1] - (end if down else -end))
        kept = source.part == FORWARD and block.part == BACKWARD
        _draw_edge(axes, way, FAINT if kept else "#777777")


def _draw_edge(axes: Axes, way: Sequence[Point], shade: str) -> None:
    """A smooth line through the points, that leaves and arrives upright, with an arrow head."""
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    down = 1.0 if way[-1][1] > way[0][1] else -1.0
    tip = way[-1]
    points = [*way[:-1], (tip[0], tip[1] - 0.07 * down)]
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Path.CURVE4] * 3
    axes.add_patch(
        PathPatch(Path(vertices, codes), fill=False, edgecolor=shade, linewidth=0.8, zorder=1)
    )
    base = tip[1] - 0.08 * down
    corners = [(tip[0] - 0.035, base), (tip[0] + 0.035, base), tip]
    axes.add_patch(Polygon(corners, closed=True, color=shade, linewidth=0, zorder=2))


def _draw_legend(axes: Axes, legend: Mapping[str, str], gradients: bool) -> None:
    from matplotlib.patches import Patch

    entries = [
        Patch(facecolor=shade, edgecolor=INK, linewidth=0.8, label=name)
        for name, shade in legend.items()
    ]
    if gradients:
        entries.append(Patch(facecolor="white", edgecolor=GRADIENT, label="gradient"))
    axes.legend(
        handles=entries, loc="lower center", ncols=len(entries), fontsize=FONT - 1, frameon=False,
        handlelength=1.2, columnspacing=1.2, borderaxespad=0.4,
    )  # fmt: skip
