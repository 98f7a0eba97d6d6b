"""Schedules that fall with the inverse of the step, or of its root."""

from __future__ import annotations

import math

from tinygraph.optim.lr_scheduler.base import FromStart, above_zero
from tinygraph.optim.optimizer import Optimizer

__all__ = ["InverseSquareRootLR", "InverseTimeLR", "NoamLR"]


class InverseTimeLR(FromStart):
    """Inverse time decay: lr(t) = lr0 / (1 + rate * t).

    optimizer: whose rates are set. rate: how fast it falls; textbooks call it k, older Keras
    `decay`. last_epoch: see `LRScheduler`. `InverseTimeDecay` has Keras' present arguments.

    Source: Robbins and Monro, "A Stochastic Approximation Method" (1951), ask for such a fall.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.InverseTimeLR(optimizer, rate=1.0)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, rate: float, last_epoch: int = -1) -> None:
        if rate < 0:
            raise ValueError(f"InverseTimeLR: expected a rate of at least 0, got {rate}")
        self.decay_rate = rate
        super().__init__(optimizer, last_epoch)

    def rate(self, start: float, t: int) -> float:
        return start / (1.0 + self.decay_rate * t)


class InverseSquareRootLR(FromStart):
    """Inverse square root: lr(t) = lr0 * sqrt(warmup_steps / t), after a linear warm-up to lr0.

        lr(t) = lr0 * t / warmup_steps           t < warmup_steps
        lr(t) = lr0 * sqrt(warmup_steps / t)     then

    With warmup_steps=0 it is lr0 / sqrt(max(t, 1)). `NoamLR` is the form of the transformer's
    paper, in which the warm-up and the size of the model decide the highest rate.

    optimizer: whose rates are set; lr0 is the highest. warmup_steps: the steps of the warm-up.
    last_epoch: see `LRScheduler`.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.InverseSquareRootLR(optimizer, warmup_steps=2)
    >>> scheduler.step(1)
    >>> scheduler.get_last_lr()
    [0.5]
    >>> scheduler.step(8)
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int, last_epoch: int = -1) -> None:
        if warmup_steps < 0:
            raise ValueError(
                f"InverseSquareRootLR: expected warmup_steps of at least 0, got {warmup_steps}"
            )
        self.warmup_steps = warmup_steps
        super().__init__(optimizer, last_epoch)

    def rate(self, start: float, t: int) -> float:
        if t < self.warmup_steps:
            return start * t / self.warmup_steps
        return start * math.sqrt(max(self.warmup_steps, 1) / max(t, 1))


class NoamLR(FromStart):
    """The transformer's schedule: lr = lr0 * d_model^-0.5 * min(n^-0.5, n * warmup_steps^-1.5).

    Here n = t + 1 counts from 1, as in the paper, whose lr0 is 1. The highest rate is that of
    n = warmup_steps, lr0 / sqrt(d_model * warmup_steps).

    optimizer: whose rates are set. d_model: the width of the model. warmup_steps: the steps of
    the rise. last_epoch: see `LRScheduler`.

    Raises ValueError unless d_model and warmup_steps are above 0.

    Source: Vaswani et al., "Attention Is All You Need" (2017), section 5.3.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.Adam([tg.nn.Parameter([1.0])], lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    >>> scheduler = tg.optim.lr_scheduler.NoamLR(optimizer, d_model=4, warmup_steps=4)
    >>> for _ in range(3):
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, d_model: int, warmup_steps: int = 4000, last_epoch: int = -1
    ) -> None:
        above_zero(self, d_model=d_model, warmup_steps=warmup_steps)
        self.d_model = d_model
        self.warmup_steps = warmup_steps
        super().__init__(optimizer, last_epoch)

    def rate(self, start: float, t: int) -> float:
        n = t + 1
        return float(start * self.d_model**-0.5 * min(n**-0.5, n * self.warmup_steps**-1.5))
