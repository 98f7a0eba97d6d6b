"""Range tests of learning rates."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from tinygraph.viz.curves import SHADES, dress
from tinygraph.viz.figure import finish, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinygraph.optim.find_lr import RangeTest

SIZE = (6.0, 3.6)  # inches


def plot_range_test(test: RangeTest, path: str | PathLike[str] | None = None) -> Figure:
    """Draw the losses of a range test over the rates that were tried, and what it suggests.

    test: what `tg.optim.find_lr` returned. path: a file to write. Returns the matplotlib figure.

    The losses are drawn pale, their running mean over them; the axis ends a little above the
    first loss, or what blew up would hide the rest. Raises ValueError if nothing was recorded.
    """
    if not test.rates:
        raise ValueError("plot_range_test: the first loss was not finite, there is nothing to draw")
    figure = new_figure(*SIZE)
    axes = figure.add_subplot()
    axes.plot(test.rates, test.losses, color=SHADES[0], alpha=0.3, linewidth=0.8)
    axes.plot(test.rates, test.smoothed, color=SHADES[0], label="loss, smoothed")
    for (name, find), shade in zip(
        {"steepest": test.steepest, "valley": test.valley}.items(), SHADES[1:], strict=False
    ):
        try:
            rate = find()
        except ValueError:  # the loss fell nowhere: there is nothing to mark
            continue
        axes.axvline(rate, color=shade, linestyle="--", linewidth=1.0, label=f"{name}: {rate:.2g}")
    axes.set_xscale("log")
    low, first = min(test.losses), test.losses[0]
    margin = 0.2 * (first - low) or 0.2 * abs(first) or 1.0
    axes.set_ylim(low - margin, first + margin)
    dress(axes, "range test", "learning rate", legend=True)
    figure.tight_layout()
    return finish(figure, path)
