"""Draw what ten layers make of a signal, and of its gradient, under each initialization."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import tinygraph as tg
from tinygraph import init

DEPTH = 10
WIDTH = 256
BATCH = 256

Fill = Callable[[tg.Tensor], tg.Tensor]
Activation = Callable[[tg.Tensor], tg.Tensor]

FILLS: dict[str, Fill] = {
    "naive, 0.01": lambda w: init.naive(w, 0.01),
    "naive, 0.2": lambda w: init.naive(w, 0.2),
    "naive, 1": lambda w: init.naive(w, 1.0),
    "LeCun": init.lecun_normal,
    "Xavier": init.xavier_normal,
    "Xavier, gain 5/3": lambda w: init.xavier_normal(w, init.calculate_gain("tanh")),
    "He": lambda w: init.he_normal(w, nonlinearity="relu"),
    "orthogonal": init.orthogonal,
    "zeros": init.zeros,
    "constant, 0.01": lambda w: init.constant(w, 0.01),
}
ACTIVATIONS: dict[str, Activation] = {"tanh": tg.tanh, "ReLU": tg.relu, "sigmoid": tg.sigmoid}
SHOWN = ("naive, 0.01", "naive, 1", "Xavier, gain 5/3", "constant, 0.01")  # as histograms
LOWEST = 1e-12  # what is drawn as 0


class Signals(NamedTuple):
    """For each layer its activations, and the gradients that arrive at them."""

    activations: list[np.ndarray]
    gradients: list[np.ndarray]


def run(fill: Fill, activation: Activation) -> Signals:
    """Send normal numbers through ten layers without biases, and a random gradient back."""
    tg.manual_seed(0)
    weights = [fill(tg.nn.Parameter(tg.zeros((WIDTH, WIDTH)))).detach() for _ in range(DEPTH)]
    x = tg.randn((BATCH, WIDTH))
    target = tg.randn((BATCH, WIDTH))
    probes = [tg.zeros((BATCH, WIDTH)) for _ in range(DEPTH)]

    def forward(*probes: tg.Tensor) -> tuple[tg.Tensor, list[tg.Tensor]]:
        signal, seen = x, []
        for weight, probe in zip(weights, probes, strict=True):
            # the gradient of a probe, which is 0, is that of the layer's activations
            signal = activation(signal @ weight.T) + probe
            seen.append(signal)
        return tg.sum(signal * target), seen

    gradients = tg.grad(lambda *p: forward(*p)[0], tuple(range(DEPTH)))(*probes)
    seen = forward(*probes)[1]
    return Signals([a.numpy() for a in seen], [g.numpy() for g in gradients])


def spread(array: np.ndarray) -> float:
    """The root of the mean square, which is 0 only where everything is."""
    return max(float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))), LOWEST)


def draw_spreads(path: Path) -> None:
    """For each activation the size of signal and gradient, layer by layer."""
    figure = Figure(figsize=(10, 3.1 * len(ACTIVATIONS)), facecolor="white")
    axes = figure.subplots(len(ACTIVATIONS), 2, sharex=True)
    layers = np.arange(1, DEPTH + 1)
    for row, (name, activation) in zip(axes, ACTIVATIONS.items(), strict=True):
        for number, (label, fill) in enumerate(FILLS.items()):
            signals = run(fill, activation)
            style = {"color": f"C{number}", "ls": "-" if number < 5 else "--", "label": label}
            row[0].plot(layers, list(map(spread, signals.activations)), **style)
            row[1].plot(layers, list(map(spread, signals.gradients)), **style)
        for side, what in zip(row, ("activations", "gradients"), strict=True):
            _prepare(side, f"{name}: size of the {what}")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, ncols=5, loc="lower center")
    figure.tight_layout(rect=(0.0, 0.05, 1.0, 1.0))
    figure.savefig(path)


def _prepare(axes: Axes, title: str) -> None:
    axes.set_yscale("log")
    axes.set_ylim(LOWEST / 2, 1e12)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("layer", fontsize=8)
    axes.grid(alpha=0.3)


def draw_histograms(path: Path) -> None:
    """The activations of tanh layers under a few of the initializations."""
    layers = (1, 2, 4, 7, 10)
    figure = Figure(figsize=(10, 1.9 * len(SHOWN)), facecolor="white")
    axes = figure.subplots(len(SHOWN), len(layers), sharex=True)
    for row, name in zip(axes, SHOWN, strict=True):
        signals = run(FILLS[name], tg.tanh)
        for side, layer in zip(row, layers, strict=True):
            side.hist(signals.activations[layer - 1].ravel(), bins=41, range=(-1, 1), color="C0")
            side.set_yticks([])
            side.set_title(f"{name}: layer {layer}", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def draw_distributions(path: Path) -> None:
    """The values that each initializer puts into a layer of 256 inputs and outputs."""
    kinds: dict[str, Fill] = {
        "uniform": lambda w: init.uniform(w, -0.1, 0.1),
        "normal": lambda w: init.normal(w, 0.0, 0.1),
        "trunc_normal": lambda w: init.trunc_normal(w, 0.0, 0.1, -0.15, 0.15),
        "xavier_uniform": init.xavier_uniform,
        "xavier_normal": init.xavier_normal,
        "kaiming_uniform": init.kaiming_uniform,
        "kaiming_normal": init.kaiming_normal,
        "lecun_uniform": init.lecun_uniform,
        "lecun_normal": init.lecun_normal,
        "variance_scaling": init.variance_scaling,
        "orthogonal": init.orthogonal,
        "sparse": lambda w: init.sparse(w, 0.5, std=0.1),
    }
    figure = Figure(figsize=(10, 5.5), facecolor="white")
    columns = 4
    axes = figure.subplots(math.ceil(len(kinds) / columns), columns, sharex=True)
    tg.manual_seed(0)
    for side, (name, fill) in zip(axes.flat, kinds.items(), strict=True):
        values = fill(tg.nn.Parameter(tg.zeros((WIDTH, WIDTH)))).numpy()
        side.hist(values.ravel(), bins=61, range=(-0.3, 0.3), color="C2")
        side.set_yticks([])
        side.set_title(name, fontsize=9)
    figure.tight_layout()
    figure.savefig(path)


def draw(folder: Path) -> None:
    """Write the pictures of docs/initialization.md into `folder`."""
    draw_spreads(folder / "initialization.svg")
    draw_histograms(folder / "initialization-histograms.svg")
    draw_distributions(folder / "initialization-values.svg")
