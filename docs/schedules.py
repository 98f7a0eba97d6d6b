"""Draw every learning-rate schedule, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

import tinygraph as tg
from tinygraph.optim import lr_scheduler as schedules

STEPS = 80
COLUMNS = 4

Make = Callable[[tg.optim.Optimizer], Any]


def sequence(optimizer: tg.optim.Optimizer) -> Any:
    """A constant rate, then an exponential decay."""
    first = schedules.ConstantLR(optimizer, factor=0.5, total_iters=STEPS)
    return schedules.SequentialLR(
        optimizer, [first, schedules.ExponentialLR(optimizer, 0.95)], milestones=[20]
    )


def chain(optimizer: tg.optim.Optimizer) -> Any:
    """A warm-up and an exponential decay at once."""
    warm = schedules.LinearLR(optimizer, start_factor=0.1, total_iters=20)
    return schedules.ChainedScheduler([warm, schedules.ExponentialLR(optimizer, 0.97)])


# The first rate is 1.
SCHEDULES: dict[str, Make] = {
    "ConstantLR": lambda o: schedules.ConstantLR(o, factor=0.5, total_iters=20),
    "LinearLR": lambda o: schedules.LinearLR(o, 0.1, 1.0, total_iters=30),
    "StepLR": lambda o: schedules.StepLR(o, step_size=20, gamma=0.5),
    "MultiStepLR": lambda o: schedules.MultiStepLR(o, [15, 50], gamma=0.4),
    "ExponentialLR": lambda o: schedules.ExponentialLR(o, gamma=0.95),
    "PolynomialLR": lambda o: schedules.PolynomialLR(o, total_iters=70, power=2.0),
    "InverseTimeLR": lambda o: schedules.InverseTimeLR(o, rate=0.1),
    "InverseSquareRootLR": lambda o: schedules.InverseSquareRootLR(o, warmup_steps=10),
    "NoamLR": lambda o: schedules.NoamLR(o, d_model=1, warmup_steps=10),
    "WarmupLR": lambda o: schedules.WarmupLR(o, 15, schedules.ExponentialLR(o, 0.97)),
    "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, T_max=STEPS - 1),
    "CosineAnnealingWarmRestarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 12, 2),
    "CosineWithWarmup": lambda o: schedules.CosineWithWarmup(o, 15, STEPS - 1, min_lr=0.1),
    "OneCycleLR": lambda o: schedules.OneCycleLR(o, max_lr=1.0, total_steps=STEPS),
    'OneCycleLR, "linear"': lambda o: schedules.OneCycleLR(
        o, max_lr=1.0, total_steps=STEPS, anneal_strategy="linear", three_phase=True
    ),
    'CyclicLR, "triangular"': lambda o: schedules.CyclicLR(o, 0.1, 1.0, 10),
    'CyclicLR, "triangular2"': lambda o: schedules.CyclicLR(o, 0.1, 1.0, 10, mode="triangular2"),
    'CyclicLR, "exp_range"': lambda o: schedules.CyclicLR(
        o, 0.1, 1.0, 10, mode="exp_range", gamma=0.97
    ),
    "LambdaLR": lambda o: schedules.LambdaLR(o, lambda t: 0.5 + 0.5 * math.cos(t / 5)),
    "MultiplicativeLR": lambda o: schedules.MultiplicativeLR(o, lambda t: 0.98 if t < 40 else 0.9),
    "ReduceLROnPlateau": lambda o: schedules.ReduceLROnPlateau(o, factor=0.4, patience=10),
    "SequentialLR": sequence,
    "ChainedScheduler": chain,
    "CosineDecay": lambda o: schedules.CosineDecay(o, 60, alpha=0.2),
    "CosineDecayRestarts": lambda o: schedules.CosineDecayRestarts(o, 12, m_mul=0.8),
    "ExponentialDecay": lambda o: schedules.ExponentialDecay(o, 20, 0.5, staircase=True),
    "InverseTimeDecay": lambda o: schedules.InverseTimeDecay(o, 20, 2.0, staircase=True),
    "PiecewiseConstantDecay": lambda o: schedules.PiecewiseConstantDecay(
        o, [15, 45], [0.4, 1.0, 0.2]
    ),
    "PolynomialDecay": lambda o: schedules.PolynomialDecay(o, 25, 0.1, power=2.0, cycle=True),
}


def run(make: Make) -> tuple[list[float], list[float]]:
    """The rate and the momentum at each step. To a plateau, a loss is told that stops falling."""
    optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0, momentum=0.9)
    scheduler = make(optimizer)
    rates, momenta = [], []
    for step in range(STEPS):
        group = optimizer.param_groups[0]
        rates.append(float(group["lr"]))
        momenta.append(float(group["momentum"]))
        if isinstance(scheduler, schedules.ReduceLROnPlateau):
            scheduler.step(max(1.0 - step / 20, 0.0))
        elif step + 1 < STEPS:
            scheduler.step()
    return rates, momenta


def draw(folder: Path) -> None:
    """Write the picture of docs/optimizers.md into `folder`."""
    rows = -(-len(SCHEDULES) // COLUMNS)
    figure = Figure(figsize=(10, 1.6 * rows + 0.4), facecolor="white")
    axes = figure.subplots(rows, COLUMNS, sharex=True, sharey=True).ravel()
    for side, (name, make) in zip(axes, SCHEDULES.items(), strict=False):
        rates, momenta = run(make)
        side.plot(rates, color="C0", label="learning rate")
        if len(set(momenta)) > 1:
            side.plot(momenta, color="C1", ls="--", label="momentum")
            figure.legends = []
            figure.legend(*side.get_legend_handles_labels(), loc="lower right", ncols=2)
        side.set_title(name, fontsize=8.5)
        side.set_ylim(0.0, 1.08)
        side.grid(alpha=0.25)
        side.tick_params(labelsize=8)
    for side in axes[len(SCHEDULES) :]:
        side.set_axis_off()
    figure.tight_layout()
    figure.savefig(folder / "schedules.svg")
