"""ReduceLROnPlateau: a smaller rate when a measure gets no better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinygraph.optim.lr_scheduler.base import LRScheduler, per_group, rate_of, rates_of
from tinygraph.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Reduce on a plateau: lr ← max(lr * factor, min_lr) after more than `patience` bad steps.

    A step is bad if its measure is not better than the best so far: `mode="min"` asks for less
    than best * (1 - threshold), or with `threshold_mode="abs"` than best - threshold; "max" for
    more than best * (1 + threshold), or than best + threshold. NaN is bad. Call
    `scheduler.step(validation_loss)` after each epoch.

    optimizer: whose rates are set. mode: "min" or "max". factor: below 1. patience: how many bad
    steps in a row do no harm; textbooks that count one less reduce at that many. threshold,
    threshold_mode: as above, "rel" or "abs". cooldown: the steps after a reduction in which none
    counts as bad. min_lr: the lowest rate, or a list with one for each group. eps: a reduction by
    no more than this is not made.

    Raises ValueError for wrong options.

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (0.9, 0.8, 0.8, 0.8):
    ...     scheduler.step(loss)
    ...     print(scheduler.get_last_lr())
    [1.0]
    [1.0]
    [1.0]
    [0.5]
    """

    progress = (*LRScheduler.progress, "best", "num_bad_epochs", "cooldown_counter")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        self.optimizer = self._checked(optimizer)
        if factor >= 1.0:
            raise ValueError(f"{self.kind}: expected a factor below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"{self.kind}: expected mode 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"{self.kind}: expected threshold_mode 'rel' or 'abs', got {threshold_mode!r}"
            )
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = per_group(self, "min_lr", min_lr)
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = rates_of(optimizer)
        self._reset()

    def _reset(self) -> None:
        """Forget the steps made so far."""
        self.best = math.inf if self.mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether steps do not count as bad, since the last reduction is too near."""
        return self.cooldown_counter > 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take the measure `metrics` of an epoch, a number or a Tensor, and reduce at need.

        Raises GraphError in a function that is being traced.
        """
        self._refuse_traces()
        measure = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(measure):
            self.best = measure
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = rates_of(self.optimizer)

    def _is_better(self, measure: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            bound = self.best * (1.0 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return measure > bound if self.mode == "max" else measure < bound

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(self.min_lrs) != len(groups) and self.default_min_lr is not None:
            self.min_lrs = [self.default_min_lr] * len(groups)
        if len(self.min_lrs) != len(groups):
            raise ValueError(
                f"{self.kind}: expected a min_lr for each of the {len(groups)} groups of the "
                f"optimizer, got {len(self.min_lrs)}; set min_lrs after add_param_group"
            )
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            old = rate_of(group)
            new = max(old * self.factor, lowest)
            if old - new > self.eps:
                group["lr"] = new
