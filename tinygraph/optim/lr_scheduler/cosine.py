"""Cosine annealing, once or with warm restarts."""

from __future__ import annotations

import math

from tinygraph.optim.lr_scheduler.base import LRScheduler, above_zero, rates_of
from tinygraph.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


def cosine(start: float, end: float, t: float, period: float = 1.0) -> float:
    """Half a wave: from `start`, where `t` is 0, to `end`, where it is `period`."""
    return end + (start - end) * (1 + math.cos(math.pi * t / period)) / 2


class CosineAnnealingLR(LRScheduler):
    """Cosine annealing: lr(t) = eta_min + (lr0 - eta_min) * (1 + cos(pi * t / T_max)) / 2.

    After T_max steps the wave goes on, up again. The rate follows from the one before, so that
    another schedule can be chained to it; alone, it is the formula.

    optimizer: whose rates are set. T_max: the steps from lr0 to eta_min. eta_min: the lowest
    rate. last_epoch: see `LRScheduler`. `CosineWithWarmup` has a warm-up before it.

    Raises ValueError if T_max is not above 0.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017).

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [1.0]
    [0.5]
    [0.0]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        above_zero(self, T_max=T_max)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rates = rates_of(self.optimizer)
        if self._is_initial:
            return rates
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # it was at the minimum
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [
                rate + (start - self.eta_min) * rise
                for rate, start in zip(rates, self.base_lrs, strict=True)
            ]
        ratio = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return [ratio * (rate - self.eta_min) + self.eta_min for rate in rates]

    def _height(self, t: int) -> float:
        return 1 + math.cos(math.pi * t / self.T_max)

    def _get_closed_form_lr(self) -> list[float]:
        t = self.last_epoch
        return [cosine(start, self.eta_min, t, self.T_max) for start in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine annealing with restarts: lr = eta_min + (lr0 - eta_min) (1 + cos(pi c / T)) / 2.

    Here c is the number of steps since the last restart, and T the length of the present period:
    T_0, and T_mult times longer from one period to the next. `step` takes parts of an epoch too:
    `scheduler.step(epoch + batch / batches)` after each batch.

    optimizer: whose rates are set. T_0: the steps of the first period. T_mult: by how much each
    period is longer. eta_min: the lowest rate. last_epoch: see `LRScheduler`.

    Raises ValueError if T_0 or T_mult is no integer of at least 1.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017).

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for t in (0, 0.5, 1, 2):
    ...     scheduler.step(t)
    ...     print(round(scheduler.get_last_lr()[0], 3))
    1.0
    0.854
    0.5
    1.0
    """

    progress = (*LRScheduler.progress, "T_cur", "T_i")

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"{self.kind}: expected {name} to be an integer of at least 1, got {value!r}"
                )
        if not isinstance(eta_min, (int, float)):
            raise ValueError(f"{self.kind}: expected eta_min to be a number, got {eta_min!r}")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [cosine(start, self.eta_min, self.T_cur, self.T_i) for start in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Set the rates of the next step, or those at `epoch`, which may be a fraction.

        Raises ValueError if `epoch` is below 0, GraphError in a function that is being traced.
        """
        self._refuse_traces()
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"{self.kind}.step: expected an epoch of at least 0, got {epoch}")
        else:
            self.T_cur, self.T_i = self._placed(epoch)
        self.last_epoch = math.floor(epoch)
        self._assign(self.get_lr())

    def _placed(self, epoch: float) -> tuple[float, int]:
        """How far `epoch` is into its period, and how long that is."""
        if epoch < self.T_0:
            return epoch, self.T_0
        if self.T_mult == 1:
            return epoch % self.T_0, self.T_i
        # n periods are over after T_0 * (T_mult^n - 1) / (T_mult - 1) steps
        number = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
        scale = self.T_mult**number
        return epoch - self.T_0 * (scale - 1) / (self.T_mult - 1), self.T_0 * scale
