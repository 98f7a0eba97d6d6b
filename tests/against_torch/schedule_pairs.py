"""A schedule of either library on an optimizer of its own, stepped side by side."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from tinygraph import nn, optim
from tinygraph.optim import lr_scheduler as ours

theirs = torch.optim.lr_scheduler
STEPS = 50
RATES = (0.1, 0.7, 0.03)


def grid(**options):
    """All combinations of the options' values."""
    return [
        dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())
    ]


def named(cases):
    """The cases with names to choose them by."""
    return [
        pytest.param(name, options, id=f"{name}-{i}")
        for name, found in cases.items()
        for i, options in enumerate(found)
    ]


def my_optimizer(kind="SGD", rates=RATES, **options):
    groups = [{"params": [nn.Parameter([1.0])], "lr": rate} for rate in rates]
    return getattr(optim, kind)(groups, **options)


def their_optimizer(kind="SGD", rates=RATES, **options):
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates]
    return getattr(torch.optim, kind)(groups, **options)


def both(kind="SGD", rates=RATES, **options):
    """An optimizer of either library, each with the schedules of its own."""
    mine, yours = my_optimizer(kind, rates, **options), their_optimizer(kind, rates, **options)
    return [SimpleNamespace(optimizer=mine, lib=ours), SimpleNamespace(optimizer=yours, lib=theirs)]


def numbers(side):
    """What a schedule may have changed in each group."""
    names = ("lr", "initial_lr", "momentum", "betas", "max_lr", "min_lr")
    return [
        [group[name] for name in names if name in group] for group in side.optimizer.param_groups
    ]


def same(sides):
    """The same rates, to the last digit, in the groups and as the schedules report them."""
    mine, yours = sides
    assert numbers(mine) == numbers(yours)
    assert mine.scheduler.get_last_lr() == yours.scheduler.get_last_lr()
    assert getattr(mine.scheduler, "last_epoch", 0) == getattr(yours.scheduler, "last_epoch", 0)


def start(sides, make):
    for side in sides:
        side.scheduler = make(side.lib, side.optimizer)
    same(sides)


def follow(sides, steps=STEPS, arguments=None):
    """Step both, with the arguments of each step if there are any."""
    for step in range(steps):
        for side in sides:
            side.scheduler.step(*(arguments[step] if arguments else ()))
        same(sides)


def halve(step):
    return 0.5 if step % 3 else 1.5


def inverse(step):
    return 1 / (1 + step)


PLAIN = {
    "ConstantLR": grid(factor=[0.25, 1 / 3, 1.0], total_iters=[0, 1, 5, 100]) + [{}],
    "LinearLR": [
        {},
        *grid(start_factor=[0.1, 1 / 3, 1.0], end_factor=[0.3, 1.0], total_iters=[1, 7, 60]),
    ],
    "StepLR": grid(step_size=[1, 7, 100], gamma=[0.1, 0.9, 1.5]),
    "MultiStepLR": grid(milestones=[[], [3], [30, 5, 5, 17], (0, 1)], gamma=[0.1, 0.9]),
    "ExponentialLR": grid(gamma=[0.1, 0.97, 1.0, 1.1]),
    "PolynomialLR": [{}, *grid(total_iters=[1, 20, 50, 80], power=[0.5, 1.0, 2.0, 3])],
    "CosineAnnealingLR": grid(T_max=[1, 2, 10, 17, 49, 70], eta_min=[0.0, 0.01]),
    "CosineAnnealingWarmRestarts": grid(T_0=[1, 5, 17, 60], T_mult=[1, 2, 3], eta_min=[0, 0.01]),
    "LambdaLR": grid(lr_lambda=[inverse, halve, [inverse, halve, float]]),
    "MultiplicativeLR": grid(lr_lambda=[inverse, halve, (halve, inverse, halve)]),
}

CYCLES = {
    "CyclicLR": [
        {"base_lr": 0.01, "max_lr": 0.5},
        *grid(
            base_lr=[0.0, [0.01, 0.1, 0.02]],
            max_lr=[0.5, (0.3, 0.2, 0.1)],
            step_size_up=[1, 7, 20],
            step_size_down=[None, 5],
            mode=["triangular", "triangular2", "exp_range"],
            gamma=[0.9],
        ),
        *grid(
            base_lr=[0.1],
            max_lr=[1.0],
            step_size_up=[4],
            scale_fn=[inverse],
            scale_mode=["cycle", "iterations"],
            base_momentum=[0.5, [0.1, 0.2, 0.3]],
            max_momentum=[0.99, [0.7, 0.8, 0.9]],
        ),
    ],
    "OneCycleLR": [
        *grid(
            max_lr=[0.5, [0.3, 0.2, 0.1]],
            total_steps=[50, 61],
            pct_start=[0.0, 0.3, 0.5],
            anneal_strategy=["cos", "linear"],
            three_phase=[False, True],
        ),
        *grid(
            max_lr=[1.0],
            epochs=[10],
            steps_per_epoch=[5],
            div_factor=[25.0, 4],
            final_div_factor=[1e4, 10],
            base_momentum=[0.85, [0.1, 0.2, 0.3]],
            max_momentum=[0.95, [0.7, 0.8, 0.9]],
        ),
    ],
}
