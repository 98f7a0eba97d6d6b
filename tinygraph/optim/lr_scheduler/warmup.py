"""Warm-up: small rates first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygraph.optim.lr_scheduler.base import FromStart, LRScheduler, above_zero, reset
from tinygraph.optim.lr_scheduler.combine import check_part
from tinygraph.optim.lr_scheduler.cosine import cosine
from tinygraph.optim.optimizer import Optimizer

__all__ = ["CosineWithWarmup", "WarmupLR"]


class WarmupLR(FromStart):
    """Warm-up: lr(t) = lr0 * t / warmup_steps for t < warmup_steps, then lr0 or another schedule.

    The first rate is 0, so that the first step of the optimizer changes nothing; `start_factor`
    is the share of lr0 to start from instead:

        lr(t) = lr0 * (start_factor + (1 - start_factor) * t / warmup_steps)

    With `mode="constant"` it is lr0 * start_factor through all of the warm-up. The rate is set,
    not multiplied: chain it by `after`, or `SequentialLR`, not by `ChainedScheduler`.

    optimizer: whose rates are set. warmup_steps: how many steps are below lr0. after: the
    schedule that begins then, at lr0, made on the same optimizer. start_factor, mode: as above.
    last_epoch: see `LRScheduler`.

    Raises ValueError for wrong options, or where `after` is of another optimizer or is a
    `ReduceLROnPlateau`: call that one's step yourself, once the warm-up is over.

    Sources: Goyal et al., "Accurate, Large Minibatch SGD" (2017), section 2.2, has both modes;
    Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> from tinygraph.optim import lr_scheduler
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> decay = lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = lr_scheduler.WarmupLR(optimizer, warmup_steps=2, after=decay)
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [0.0]
    [0.5]
    [1.0]
    [0.5]
    """

    progress = (*LRScheduler.progress, "after")
    unsaved = (*LRScheduler.unsaved, "after")

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int,
        after: LRScheduler | None = None,
        start_factor: float = 0.0,
        mode: str = "linear",
        last_epoch: int = -1,
    ) -> None:
        if mode not in ("linear", "constant"):
            raise ValueError(f"WarmupLR: expected mode 'linear' or 'constant', got {mode!r}")
        if mode == "constant":
            above_zero(self, start_factor=start_factor)
        self.warmup_steps = warmup_steps
        self.start_factor = start_factor
        self.mode = mode
        self.after = after
        if after is not None:
            check_part(self, after, optimizer)
            after._rewind()
            reset(optimizer)
        super().__init__(optimizer, last_epoch)

    def rate(self, start: float, t: int) -> float:
        if t >= self.warmup_steps:
            return start
        share = t / self.warmup_steps if self.mode == "linear" else 0.0
        return start * (self.start_factor + (1.0 - self.start_factor) * share)

    def _update_lr(self, epoch: int | None = None) -> None:
        since = (self.last_epoch + 1 if epoch is None else epoch) - self.warmup_steps
        if self.after is None or since < 0:
            super()._update_lr(epoch)
            return
        self.last_epoch = since + self.warmup_steps
        if epoch is None and since > 0:
            self.after.step()
        else:
            self.after._update_lr(since)
        self._last_lr = self.after.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """As of every schedule, with the state of the one after."""
        after = None if self.after is None else self.after.state_dict()
        return {**super().state_dict(), "after": after}

    def _check_state(self, state_dict: Any) -> None:
        super()._check_state(state_dict)
        if self.after is not None:
            self.after._check_state(state_dict["after"])

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        if self.after is not None:
            self.after.load_state_dict(state_dict["after"])


class CosineWithWarmup(FromStart):
    """lr0 * t / warmup_steps at first, then a cosine from lr0 down to min_lr at total_steps.

        lr(t) = lr0 * t / warmup_steps                                              t < warmup_steps
        lr(t) = min_lr + (lr0 - min_lr) * (1 + cos(pi * s)) / 2,  after which it is min_lr
        s = (t - warmup_steps) / (total_steps - warmup_steps)

    This is how transformers are trained. Some texts call it one cycle; Smith's is `OneCycleLR`.

    optimizer: whose rates are set; lr0 is the maximum. warmup_steps: the steps of the rise, 0 for
    none. total_steps: those of rise and fall together. min_lr: the last rate. last_epoch: see
    `LRScheduler`.

    Raises ValueError unless 0 <= warmup_steps < total_steps.

    Source: Radford et al., "Improving Language Understanding by Generative Pre-Training" (2018).

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = tg.optim.lr_scheduler.CosineWithWarmup(optimizer, 2, 4)
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
        warmup_steps: int,
        total_steps: int,
        min_lr: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                "CosineWithWarmup: expected warmup_steps from 0 to below total_steps, got "
                f"{warmup_steps} and {total_steps}"
            )
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.min_lr = min_lr
        super().__init__(optimizer, last_epoch)

    def rate(self, start: float, t: int) -> float:
        if t < self.warmup_steps:
            return start * t / self.warmup_steps
        length = self.total_steps - self.warmup_steps
        return cosine(start, self.min_lr, min(t - self.warmup_steps, length), length)
