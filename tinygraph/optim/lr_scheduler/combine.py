"""Several schedules on one optimizer: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from tinygraph.errors import StateError
from tinygraph.optim.lr_scheduler.base import LRScheduler, rates_of, reset
from tinygraph.optim.lr_scheduler.plateau import ReduceLROnPlateau
from tinygraph.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class Composite(LRScheduler):
    """A schedule that is made of others."""

    progress: tuple[str, ...] = ("_schedulers", "_last_lr")
    unsaved = (*LRScheduler.unsaved, "_schedulers")

    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        """Check the parts; without an optimizer it is that of the first."""
        self._schedulers = list(schedulers)
        if not self._schedulers:
            raise ValueError(f"{self.kind}: expected at least one schedule, got none")
        found = optimizer or getattr(schedulers[0], "optimizer", None)
        for scheduler in self._schedulers:
            check_part(self, scheduler, found)
        self.optimizer = self._checked(found)

    def _rewind(self) -> None:
        for scheduler in self._schedulers:
            scheduler._rewind()

    def _update_lr(self, epoch: int | None = None) -> None:
        # another schedule calls this, when it is this one's turn: it begins
        if epoch != 0:
            raise ValueError(
                f"{self.kind}: its parts go step by step, it cannot begin at step {epoch}"
            )
        reset(self.optimizer)
        self._initial_step()

    def state_dict(self) -> dict[str, Any]:
        """As of every schedule, with the states of the parts."""
        parts = [part.state_dict() for part in self._schedulers]
        return {**super().state_dict(), "_schedulers": parts}

    def _check_state(self, state_dict: Any) -> None:
        super()._check_state(state_dict)
        saved = state_dict["_schedulers"]
        found = len(saved) if isinstance(saved, (list, tuple)) else f"a {type(saved).__name__}"
        if found != len(self._schedulers):
            raise StateError(
                f"{self.kind}.load_state_dict: expected the states of {len(self._schedulers)} "
                f"schedules, got {found}"
            )
        for part, state in zip(self._schedulers, saved, strict=True):
            part._check_state(state)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for part, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            part.load_state_dict(state)


class SequentialLR(Composite):
    """One schedule after the other: the i-th from step milestones[i - 1] on, from its own step 0.

    Each begins at the first rate of the optimizer, whatever the one before has left, unless it
    has no closed form, as `MultiplicativeLR`. A part may be made of parts itself.

    optimizer: whose rates are set. schedulers: the parts, made on that optimizer. milestones: the
    steps at which the second, third, ... begins. last_epoch: see `LRScheduler`.

    Raises ValueError if there is not one milestone less than parts, or for a part of another
    optimizer, or one that `ReduceLROnPlateau` is: its step takes a measure.

    >>> import tinygraph as tg
    >>> from tinygraph.optim import lr_scheduler
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> first = lr_scheduler.ConstantLR(optimizer, factor=0.25, total_iters=10)
    >>> second = lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = lr_scheduler.SequentialLR(optimizer, [first, second], milestones=[2])
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [0.25]
    [0.25]
    [1.0]
    [0.5]
    """

    progress = (*Composite.progress, "last_epoch")

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected one milestone less than schedules, got {len(schedulers)} "
                f"schedules and {len(milestones)} milestones"
            )
        self._milestones = list(milestones)
        self.last_epoch = last_epoch
        reset(optimizer)
        super()._rewind()
        self._initial_step()

    def _rewind(self) -> None:
        super()._rewind()
        self.last_epoch -= 1

    def _initial_step(self) -> None:
        self.last_epoch += 1
        part = self._schedulers[bisect_right(self._milestones, 0)]
        part._initial_step()
        self._last_lr = part.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Make a step of the part whose turn it is.

        Raises GraphError in a function that is being traced.
        """
        self._refuse_traces()
        self.last_epoch += 1
        place = bisect_right(self._milestones, self.last_epoch)
        part = self._schedulers[place]
        if place > 0 and self._milestones[place - 1] == self.last_epoch:
            part._update_lr(0)
        else:
            part.step()
        self._last_lr = part.get_last_lr()


class ChainedScheduler(Composite):
    """Several schedules at once: a step of it is a step of each, in order.

    Those that multiply the rate make a product: constant, linear, step, multi-step, exponential,
    polynomial and multiplicative ones. The others set it.

    schedulers: the parts, made on the same optimizer. optimizer: theirs.

    Raises ValueError for a part of another optimizer, or one that `ReduceLROnPlateau` is.

    >>> import tinygraph as tg
    >>> from tinygraph.optim import lr_scheduler
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> halved = lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=10)
    >>> decay = lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = lr_scheduler.ChainedScheduler([halved, decay])
    >>> for _ in range(3):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [0.5]
    [0.25]
    [0.125]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self._take(schedulers, optimizer)
        self._last_lr = rates_of(self.optimizer)

    def _initial_step(self) -> None:
        for part in self._schedulers:
            part._initial_step()
        self._last_lr = rates_of(self.optimizer)

    def step(self) -> None:  # type: ignore[override]
        """Make a step of each part.

        Raises GraphError in a function that is being traced.
        """
        self._refuse_traces()
        for part in self._schedulers:
            part.step()
        self._last_lr = rates_of(self.optimizer)


def check_part(owner: LRScheduler, part: Any, optimizer: Optimizer | None) -> None:
    """TypeError or ValueError unless `part` is a schedule that steps by itself, on `optimizer`."""
    if not hasattr(part, "optimizer"):
        raise TypeError(f"{owner.kind}: expected schedules, got a {type(part).__name__}")
    if isinstance(part, ReduceLROnPlateau):
        raise ValueError(
            f"{owner.kind}: ReduceLROnPlateau cannot be a part, since its step takes a measure: "
            "call its step yourself"
        )
    if part.optimizer is not optimizer:
        raise ValueError(f"{owner.kind}: the {type(part).__name__} is of another optimizer")
