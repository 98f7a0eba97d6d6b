"""The schedules of Keras. What Keras has as `initial_learning_rate` is the optimizer's rate here.

Keras asks such a schedule at each batch: call `scheduler.step()` after each.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from tinygraph.optim.lr_scheduler.base import FromStart, above_zero
from tinygraph.optim.lr_scheduler.cosine import cosine
from tinygraph.optim.optimizer import Optimizer

__all__ = [
    "CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay",
    "PiecewiseConstantDecay", "PolynomialDecay",
]  # fmt: skip


class ByPeriod(FromStart):
    """A schedule by the number of periods since the start, whole ones alone if `staircase`.

    optimizer: whose rates are set. decay_steps: the length of a period. decay_rate: the change in
    each. last_epoch: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        above_zero(self, decay_steps=decay_steps)
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        super().__init__(optimizer, last_epoch)

    def periods(self, t: int) -> float:
        """How many of them are over at step `t`."""
        number = t / self.decay_steps
        return math.floor(number) if self.staircase else number


class ExponentialDecay(ByPeriod):
    """Exponential decay: lr(t) = lr0 * decay_rate^(t / decay_steps), as Keras has it.

    optimizer: whose rates are set. decay_steps: the steps in which the rate falls by the factor
    decay_rate. staircase: take floor(t / decay_steps), which is `StepLR`. last_epoch: see
    `LRScheduler`.

    Raises ValueError unless decay_steps is above 0.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.ExponentialDecay(optimizer, 2, decay_rate=0.25)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def rate(self, start: float, t: int) -> float:
        return float(start * self.decay_rate ** self.periods(t))


class InverseTimeDecay(ByPeriod):
    """Inverse time decay: lr(t) = lr0 / (1 + decay_rate * t / decay_steps), as Keras has it.

    optimizer: whose rates are set. decay_steps, decay_rate: as above. staircase: take
    floor(t / decay_steps). last_epoch: see `LRScheduler`.

    Raises ValueError unless decay_steps is above 0.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.InverseTimeDecay(optimizer, 2, decay_rate=2.0)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def rate(self, start: float, t: int) -> float:
        return start / (1.0 + self.decay_rate * self.periods(t))


class PolynomialDecay(FromStart):
    """Polynomial decay: lr(t) = end + (lr0 - end) * (1 - t / decay_steps)^power, as Keras has it.

    optimizer: whose rates are set. decay_steps: the steps down to the end; then the rate stays.
    end_learning_rate: the end. power: 1 for a straight line. cycle: instead of staying, go on
    with the next multiple of decay_steps that is at least t in its place. last_epoch: see
    `LRScheduler`.

    Raises ValueError unless decay_steps is above 0.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.PolynomialDecay(optimizer, 2, end_learning_rate=0.5)
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: float,
        end_learning_rate: float = 1e-4,
        power: float = 1.0,
        cycle: bool = False,
        last_epoch: int = -1,
    ) -> None:
        above_zero(self, decay_steps=decay_steps)
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        super().__init__(optimizer, last_epoch)

    def rate(self, start: float, t: int) -> float:
        periods = max(math.ceil(t / self.decay_steps), 1) if self.cycle else 1
        left = 1.0 - min(t / (self.decay_steps * periods), 1.0)
        return float(self.end_learning_rate + (start - self.end_learning_rate) * left**self.power)


class PiecewiseConstantDecay(FromStart):
    """Given rates: values[0] up to step boundaries[0], then values[1], and so on, as Keras has it.

    The rate at a boundary itself is still the old one. It is set for all groups.

    optimizer: whose rates are set. boundaries: rising numbers of steps. values: the rates, one
    more than boundaries. last_epoch: see `LRScheduler`.

    Raises ValueError if there is not one value more than boundaries.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.PiecewiseConstantDecay(optimizer, [1], [1.0, 0.1])
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [1.0]
    [1.0]
    [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        boundaries: Sequence[int],
        values: Sequence[float],
        last_epoch: int = -1,
    ) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                "PiecewiseConstantDecay: expected one value more than boundaries, got "
                f"{len(boundaries)} boundaries and {len(values)} values"
            )
        self.boundaries = list(boundaries)
        self.values = list(values)
        super().__init__(optimizer, last_epoch)

    def rate(self, start: float, t: int) -> float:
        return float(self.values[bisect_left(self.boundaries, t)])


class CosineDecay(FromStart):
    """Cosine decay: lr(t) = lr0 * (alpha + (1 - alpha) * (1 + cos(pi * t / decay_steps)) / 2).

    As Keras has it. With a warmup_target the rate rises on a straight line from lr0 to it first,
    and falls from there to alpha * warmup_target in decay_steps more.

    optimizer: whose rates are set. decay_steps: the steps of the fall; then the rate stays.
    alpha: the last rate as a share of the highest. warmup_target: the highest rate, if it is not
    lr0. warmup_steps: the steps of the rise to it. last_epoch: see `LRScheduler`.

    Raises ValueError unless decay_steps is above 0.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=0.0)
    >>> scheduler = tg.optim.lr_scheduler.CosineDecay(
    ...     optimizer, decay_steps=2, warmup_target=1.0, warmup_steps=2
    ... )
    >>> for _ in range(5):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [0.0]
    [0.5]
    [1.0]
    [0.5]
    [0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        decay_steps: float,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
        last_epoch: int = -1,
    ) -> None:
        above_zero(self, decay_steps=decay_steps)
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps
        super().__init__(optimizer, last_epoch)

    def rate(self, start: float, t: int) -> float:
        if self.warmup_target is not None:
            if t < self.warmup_steps:
                return start + (self.warmup_target - start) * t / self.warmup_steps
            start, t = self.warmup_target, t - self.warmup_steps
        return cosine(start, self.alpha * start, min(t, self.decay_steps), self.decay_steps)


class CosineDecayRestarts(FromStart):
    """Cosine decay with restarts: lr = lr0 * (alpha + (1 - alpha) * m_mul^i * (1 + cos(pi c)) / 2).

    As Keras has it; c is the share of the present period that is over, and i its number from 0.
    Each period is t_mul times as long as the one before. Keras' lr0 * m_mul^i is on the wave
    alone, not on the lowest rate.

    optimizer: whose rates are set. first_decay_steps: the steps of the first period. t_mul,
    m_mul: as above. alpha: the lowest rate as a share of lr0. last_epoch: see `LRScheduler`.

    Raises ValueError unless first_decay_steps is above 0 and t_mul at least 1.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.CosineDecayRestarts(optimizer, 2, m_mul=0.5)
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [1.0]
    [0.5]
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        above_zero(self, first_decay_steps=first_decay_steps)
        if t_mul < 1:
            raise ValueError(f"{self.kind}: expected t_mul of at least 1, got {t_mul}")
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        super().__init__(optimizer, last_epoch)

    def _period(self, t: int) -> tuple[int, float]:
        """The number of the period that step `t` is in, and the share of it that is over."""
        length, left = float(self.first_decay_steps), float(t)
        if self.t_mul == 1:
            return int(left // length), left % length / length
        number = 0
        while left >= length:
            left -= length
            length *= self.t_mul
            number += 1
        return number, left / length

    def rate(self, start: float, t: int) -> float:
        number, share = self._period(t)
        lowest = self.alpha * start
        highest = lowest + (start - lowest) * self.m_mul**number
        return cosine(highest, lowest, share)
