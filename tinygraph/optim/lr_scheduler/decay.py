"""Schedules that multiply the rate by a factor from step to step, and so go together."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tinygraph.optim.lr_scheduler.base import LRScheduler, above_zero, rates_of
from tinygraph.optim.optimizer import Optimizer

__all__ = ["ConstantLR", "ExponentialLR", "LinearLR", "MultiStepLR", "PolynomialLR", "StepLR"]


class ByRatio(LRScheduler):
    """A schedule that multiplies whatever the rate is, so that several can be chained."""

    def ratio(self, t: int) -> float:
        """The rate at step `t` over that at the step before."""
        raise NotImplementedError

    def share(self, t: int) -> float:
        """The rate at step `t` over the first rate."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        ratio = self.ratio(self.last_epoch)
        return [rate * ratio for rate in rates_of(self.optimizer)]

    def _get_closed_form_lr(self) -> list[float]:
        share = self.share(self.last_epoch)
        return [start * share for start in self.base_lrs]


class ConstantLR(ByRatio):
    """A smaller rate at first: lr(t) = lr0 * factor for t < total_iters, then lr0.

    optimizer: whose rates are set. factor: from 0 to 1. total_iters: for how many steps.
    last_epoch: see `LRScheduler`.

    Raises ValueError if the factor is not from 0 to 1.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [0.5]
    [0.5]
    [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        _check_fraction(self, factor=factor)
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == self.total_iters and self.factor == 0:
            return self.base_lrs  # no factor leads back from 0
        return super().get_lr()

    def ratio(self, t: int) -> float:
        if t == 0:
            return self.factor
        return 1.0 / self.factor if t == self.total_iters else 1.0

    def share(self, t: int) -> float:
        return self.factor + (t >= self.total_iters) * (1.0 - self.factor)


class LinearLR(ByRatio):
    """A straight line: lr(t) = lr0 * (start + (end - start) * min(t, total_iters) / total_iters).

    It cannot start at 0; `WarmupLR` can.

    optimizer: whose rates are set. start_factor: the first share of lr0, above 0 and up to 1.
    end_factor: the last, from 0 to 1. total_iters: the steps from one to the other. last_epoch:
    see `LRScheduler`.

    Raises ValueError if a factor is not as said.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [0.5]
    [0.75]
    [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        _check_fraction(self, start_factor=start_factor, end_factor=end_factor)
        above_zero(self, start_factor=start_factor)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def ratio(self, t: int) -> float:
        if t == 0:
            return self.start_factor
        if self._is_initial or t > self.total_iters:
            return 1.0
        rise = self.end_factor - self.start_factor
        ratio = 1.0 + rise / (self.total_iters * self.start_factor + (t - 1) * rise)
        return max(ratio, 0.0)  # at the end of a line to 0 it may be a rounding error below

    def share(self, t: int) -> float:
        rise = self.end_factor - self.start_factor
        return self.start_factor + rise * min(self.total_iters, t) / self.total_iters


class StepLR(ByRatio):
    """Step decay: lr(t) = lr0 * gamma^floor(t / step_size).

    Some textbooks leave out the floor, which makes the decay smooth: that is
    `ExponentialDecay(optimizer, step_size, gamma)`.

    optimizer: whose rates are set. step_size: the steps with one rate. gamma: the factor to the
    next rate. last_epoch: see `LRScheduler`.

    Raises ValueError if step_size is not above 0.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [1.0]
    [1.0]
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        above_zero(self, step_size=step_size)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def ratio(self, t: int) -> float:
        return 1.0 if t == 0 or t % self.step_size else self.gamma

    def share(self, t: int) -> float:
        return self.gamma ** (t // self.step_size)


class MultiStepLR(ByRatio):
    """Step decay at chosen steps: lr(t) = lr0 * gamma^(how many milestones are at most t).

    optimizer: whose rates are set. milestones: numbers of steps; one that stands there twice
    counts twice. gamma: the factor at each. last_epoch: see `LRScheduler`.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 2], gamma=0.5)
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [1.0]
    [0.5]
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def ratio(self, t: int) -> float:
        return self.gamma ** self.milestones[t]

    def share(self, t: int) -> float:
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), t)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.milestones = Counter(self.milestones)  # a file has a plain mapping


class ExponentialLR(ByRatio):
    """Exponential decay: lr(t) = lr0 * gamma^t, or with `rate` lr(t) = lr0 * e^(-rate * t).

    Both are the same with gamma = e^-rate; textbooks have either. `ExponentialDecay` has Keras'
    form, lr0 * decay_rate^(t / decay_steps).

    optimizer: whose rates are set. gamma: the factor from step to step. last_epoch: see
    `LRScheduler`. rate: what to give instead of gamma.

    Raises TypeError unless there is one of gamma and rate.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [1.0]
    [0.5]
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        gamma: float | None = None,
        last_epoch: int = -1,
        *,
        rate: float | None = None,
    ) -> None:
        if gamma is not None and rate is None:
            self.gamma = gamma
        elif gamma is None and rate is not None:
            self.gamma = math.exp(-rate)
        else:
            raise TypeError(
                f"ExponentialLR: expected either gamma or rate, got gamma={gamma} and rate={rate}"
            )
        super().__init__(optimizer, last_epoch)

    def ratio(self, t: int) -> float:
        return 1.0 if self._is_initial else self.gamma

    def share(self, t: int) -> float:
        return self.gamma**t


class PolynomialLR(ByRatio):
    """Polynomial decay to 0: lr(t) = lr0 * (1 - min(t, total_iters) / total_iters)^power.

    `PolynomialDecay` has Keras' form, which ends at a rate above 0.

    optimizer: whose rates are set. total_iters: the steps down to 0. power: 1 for a straight
    line. last_epoch: see `LRScheduler`.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=2, power=2.0)
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [1.0]
    [0.25]
    [0.0]
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def ratio(self, t: int) -> float:
        if self._is_initial or t > self.total_iters:
            return 1.0
        left, before = 1.0 - t / self.total_iters, 1.0 - (t - 1) / self.total_iters
        return float((left / before) ** self.power)

    def share(self, t: int) -> float:
        return float((1.0 - min(self.total_iters, t) / self.total_iters) ** self.power)


def _check_fraction(scheduler: LRScheduler, **options: float) -> None:
    """ValueError unless the options are from 0 to 1."""
    for name, value in options.items():
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{scheduler.kind}: expected {name} from 0 to 1, got {value}")
