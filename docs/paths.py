"""Draw the ways that optimizers take down a valley."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tinygraph as tg
from tinygraph import optim

STEPS = 300
START = (-1.5, 1.2)
LEAST = (1.0, 1.0)
ACROSS, UP = (-2.0, 2.0), (-1.0, 2.5)  # what is shown

Make = Callable[[tg.nn.Parameter], optim.Optimizer]

OPTIMIZERS: dict[str, Make] = {
    "SGD, lr 0.002": lambda w: optim.SGD([w], lr=0.002),
    "SGD, momentum 0.9": lambda w: optim.SGD([w], lr=0.001, momentum=0.9),
    "SGD, nesterov": lambda w: optim.SGD([w], lr=0.001, momentum=0.9, nesterov=True),
    "Adagrad, lr 0.5": lambda w: optim.Adagrad([w], lr=0.5),
    "RMSprop, lr 0.02": lambda w: optim.RMSprop([w], lr=0.02),
    "Adam, lr 0.1": lambda w: optim.Adam([w], lr=0.1),
    "AdamW, lr 0.1": lambda w: optim.AdamW([w], lr=0.1, weight_decay=0.1),
    "NAdam, lr 0.1": lambda w: optim.NAdam([w], lr=0.1),
    "Lion, lr 0.02": lambda w: optim.Lion([w], lr=0.02),
    "Adan, lr 0.1": lambda w: optim.Adan([w], lr=0.1),
    "Rprop": lambda w: optim.Rprop([w], lr=0.01),
    "LBFGS": lambda w: optim.LBFGS([w], max_iter=4, line_search_fn="strong_wolfe"),
}


def valley(w: tg.Tensor) -> tg.Tensor:
    """Rosenbrock's function of the points (..., 2): a bent valley, least at (1, 1)."""
    x, y = w[..., 0], w[..., 1]
    return (1.0 - x) ** 2 + 20.0 * (y - x**2) ** 2


def path_of(make: Make) -> np.ndarray:
    """The points that an optimizer comes to."""
    w = tg.nn.Parameter(START)
    optimizer = make(w)

    def closure() -> tg.Tensor:
        optimizer.zero_grad()
        loss = valley(w)
        loss.backward()
        return loss

    points = [w.numpy()]
    for _ in range(STEPS):
        optimizer.step(closure)
        points.append(w.numpy())
    return np.array(points)


def draw(folder: Path) -> None:
    """Write the picture of docs/optimizers.md into `folder`."""
    columns = 4
    rows = -(-len(OPTIMIZERS) // columns)
    figure = Figure(figsize=(10, 2.1 * rows + 0.3), facecolor="white")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True).ravel()
    x, y = np.meshgrid(np.linspace(*ACROSS, 121), np.linspace(*UP, 106))
    height = np.log(0.1 + valley(tg.tensor(np.stack([x, y], axis=-1))).numpy())
    for side, (name, make) in zip(axes, OPTIMIZERS.items(), strict=False):
        points = path_of(make)
        side.imshow(height, cmap="Blues", extent=(*ACROSS, *UP), origin="lower", aspect="auto")
        side.plot(*points.T, color="C1", lw=1.3)
        side.plot(*START, "o", color="black", ms=4)
        side.plot(*LEAST, "*", color="C3", ms=9)
        side.set_title(f"{name}: f = {float(valley(tg.tensor(points[-1]))):.1g}", fontsize=8.5)
        side.set_xlim(ACROSS)
        side.set_ylim(UP)
        side.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(folder / "paths.svg", dpi=36)  # of the twelve images
