"""Learning curves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

from tinygraph.viz.figure import FAINT, INK, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHADES = ("#1f77b4", "#d95f02", "#2ca02c", "#9467bd", "#8c564b", "#17becf")
PANEL = (4.6, 3.2)  # inches


def plot_curves(
    history: Mapping[str, Sequence[float]],
    path: str | PathLike[str] | None = None,
    xlabel: str = "epoch",
) -> Figure:
    """Plot how numbers changed while a model was trained.

    history: a list of numbers for each name. Names with the same last word share a panel: "train
    loss" and "test loss" one, "test accuracy" another. path: a file to write. Returns the
    matplotlib figure. Raises ValueError if there is nothing to plot.

    A curve that is noisy and long is drawn pale, with its moving mean over it.
    """
    if not history:
        raise ValueError("plot_curves: the history is empty")
    panels: dict[str, list[str]] = {}
    for name in history:
        panels.setdefault(re.split(r"[\s_/]+", name.strip())[-1], []).append(name)
    figure = new_figure(PANEL[0] * len(panels), PANEL[1])
    for place, (title, names) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(1, len(panels), place)
        for name, shade in zip(names, _shades(len(names)), strict=True):
            _draw_curve(axes, name, history[name], shade)
        dress(axes, title if len(names) > 1 else names[0], xlabel, len(names) > 1)
        _count_in_whole_steps(axes)
    figure.tight_layout()
    return finish(figure, path)


def _shades(count: int) -> list[str]:
    return [SHADES[index % len(SHADES)] for index in range(count)]


def _draw_curve(axes: Axes, name: str, values: Sequence[float], shade: str) -> None:
    steps = range(1, len(values) + 1)
    marker = "o" if len(values) <= 30 else ""
    if len(values) <= 100:
        axes.plot(steps, values, color=shade, label=name, marker=marker, markersize=3.5)
        return
    window = len(values) // 25
    axes.plot(steps, values, color=shade, alpha=0.25, linewidth=0.8)
    means = moving_mean(values, window)
    first = (window + 1) // 2  # a mean stands in the middle of what it is the mean of
    axes.plot(range(first, first + len(means)), means, color=shade, label=name)


def moving_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean of each run of `window` values."""
    return [
        sum(values[start : start + window]) / window
        for start in range(len(values) - window + 1)
    ]  # fmt: skip


def _count_in_whole_steps(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def dress(axes: Axes, title: str, xlabel: str, legend: bool) -> None:
    """Give a panel its title, grid and legend."""
    axes.set_title(title, fontsize=11, color=INK)
    axes.set_xlabel(xlabel, fontsize=9, color=INK)
    axes.grid(color=FAINT, alpha=0.4, linewidth=0.6)
    axes.tick_params(colors=INK, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if legend:
        axes.legend(frameon=False, fontsize=8)
