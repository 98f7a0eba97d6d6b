"""Figures: matplotlib is imported here, when a picture is asked for."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#333333"
FAINT = "#b0b0b0"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches. It belongs to no window and no global state.

    Raises ImportError, with what to install, if matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "pictures need matplotlib, which is not installed: pip install '.[examples]' in a copy "
            "of the repository"
        ) from error
    return Figure(figsize=(width, height), facecolor="white")


def finish(figure: Figure, path: str | PathLike[str] | None, dpi: int = 150) -> Figure:
    """Write `figure` to the file `path`, if one is given; its ending says the format."""
    if path is not None:
        figure.savefig(path, dpi=dpi)
    return figure
