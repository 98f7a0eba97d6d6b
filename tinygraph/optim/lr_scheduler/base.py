"""LRScheduler: what all schedules have in common."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tinygraph.errors import GraphError, StateError
from tinygraph.graph.node import STATE
from tinygraph.optim.group import ParamGroup, has_value
from tinygraph.optim.optimizer import Optimizer
from tinygraph.tensor import Tensor

__all__ = ["LRScheduler"]


class LRScheduler:
    """The base of the schedules: after each `step`, the rate of every group is what `get_lr` says.

    optimizer: whose groups' rates are set. last_epoch: the number of the last step that was made;
    -1 to begin, and then the first rate is set at once. To go on with a run of old, better load
    the state of the optimizer and of the scheduler: `last_epoch` alone needs the "initial_lr" of
    each group, and takes the present rate for that of the step after `last_epoch`.

    base_lrs: the first rate of each group, as the optimizer had it before it was scheduled.
    last_epoch: the number of steps made so far; they are epochs or batches, whichever `step` is
    called after.

    A schedule counts its own steps alone, and does not look whether the optimizer made one: call
    `optimizer.step()` first, `scheduler.step()` after it. In a function that is traced the rate
    would be frozen in the trace: `step` raises GraphError there.

    A subclass defines `get_lr`; where the rates can be had without those of the step before,
    `_get_closed_form_lr` too.

    >>> import tinygraph as tg
    >>> class Halving(tg.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> for _ in range(3):
    ...     scheduler.step()
    >>> optimizer.param_groups[0]["lr"]
    0.125
    """

    _is_initial = False  # while the first rate is set
    # What a saved state must have, its other entries are options; and what this class does not
    # save: an attribute of these names is left out, or a subclass sees to it.
    progress: tuple[str, ...] = ("last_epoch", "_last_lr")
    unsaved: tuple[str, ...] = ("optimizer", "_is_initial")

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = self._checked(optimizer)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", rate_of(group))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{self.kind}: expected 'initial_lr' in group {number} of the optimizer to go "
                    f"on after last_epoch={last_epoch}; with -1 the schedule begins anew"
                )
        self.base_lrs: list[float] = [float(g["initial_lr"]) for g in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    @property
    def kind(self) -> str:
        """The name of the schedule."""
        return type(self).__name__

    def _checked(self, optimizer: Any) -> Optimizer:
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(f"{self.kind}: expected an optimizer, got a {type(optimizer).__name__}")
        found: Optimizer = optimizer
        return found

    # ------------------------------------------------------------------ what a subclass defines

    def get_lr(self) -> list[float]:
        """The rate of each group at step `last_epoch`, where the groups still have the last one.

        It is for `step` to call; `get_last_lr` says what the rates are.
        """
        raise NotImplementedError(f"{self.kind} defines no get_lr()")

    def _get_closed_form_lr(self) -> list[float]:
        """The rates at step `last_epoch`, whichever step was made before."""
        return self.get_lr()

    # -------------------------------------------------------------------------------- steps

    def step(self, epoch: int | None = None) -> None:
        """Set the rates of the next step, or those of step number `epoch`.

        Raises GraphError in a function that is being traced.
        """
        self._refuse_traces()
        self._step_count += 1
        self._update_lr(epoch)

    def get_last_lr(self) -> list[float]:
        """The rate of each group, as this schedule set it last."""
        return list(self._last_lr)

    def _initial_step(self) -> None:
        """Set the first rates."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def _rewind(self) -> None:
        """Be as before the first rates were set: another schedule says when to begin."""
        self.last_epoch -= 1

    def _update_lr(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            self._assign(self.get_lr())
        else:
            self.last_epoch = epoch
            self._assign(self._get_closed_form_lr())

    def _assign(self, rates: Sequence[float]) -> None:
        """Let the groups have these rates."""
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(
                f"{self.kind}: expected a rate for each of the {len(groups)} groups of the "
                f"optimizer, got {len(rates)}; make the schedule after the last add_param_group"
            )
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates_of(self.optimizer)

    def _refuse_traces(self) -> None:
        if STATE.trace is not None or STATE.writes is not None:
            raise GraphError(
                f"{self.kind}.step: the function is being traced, and its steps are not run by "
                "Python again: the rate would stay what it is now. Call scheduler.step() outside, "
                "after the traced function; the rate is an input of it"
            )

    # ------------------------------------------------------------------------- saved state

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the schedule knows, in plain numbers, but for the optimizer.

        To go on later, make the optimizer and the scheduler as before, then load the state of
        both. `tg.io.save` writes it to a file.
        """
        known = {
            name: copy.deepcopy(value) if isinstance(value, (list, dict)) else value
            for name, value in vars(self).items()
            if name not in self.unsaved
        }
        return {"kind": self.kind, **known}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, here or in PyTorch; the rates of the optimizer
        stay as they are.

        Entries that are not known here are passed over. Raises StateError if the state is none of
        such a schedule, or of another number of groups; then nothing has been loaded.
        """
        self._check_state(state_dict)
        known = (vars(self).keys() - set(self.unsaved)) & state_dict.keys()
        vars(self).update({name: copy.deepcopy(state_dict[name]) for name in known})

    def _check_state(self, state_dict: Any) -> None:
        expected = f"{self.kind}.load_state_dict: expected what state_dict() returns"
        if not isinstance(state_dict, Mapping):
            raise StateError(f"{expected}, got a {type(state_dict).__name__}")
        kind = state_dict.get("kind", self.kind)
        if not isinstance(kind, str) or kind != self.kind:
            raise StateError(f"{expected}, got that of a {kind}")
        missing = [name for name in self.progress if name not in state_dict]
        if missing:
            raise StateError(f"{expected}; missing: {', '.join(missing)}")
        for name, held in vars(self).items():
            if name in self.unsaved or name not in state_dict:
                continue
            if not _is_such(held, state_dict[name], optional=name not in self.progress):
                raise StateError(f"{expected}, got {state_dict[name]!r} as {name}")
        groups, saved = len(self.optimizer.param_groups), len(state_dict["_last_lr"])
        if saved != groups:
            raise StateError(f"{expected}, with rates for {groups} groups, got {saved}")


def _is_such(held: Any, value: Any, optional: bool) -> bool:
    """Whether `value` is of the kind of `held`: a number, text, or a list of such."""
    if held is None or (value is None and optional):
        return True
    if isinstance(held, (list, tuple)):
        if not isinstance(value, (list, tuple)):
            return False
        return not held or all(_is_such(held[0], entry, False) for entry in value)
    if hasattr(held, "__float__"):
        return hasattr(value, "__float__") and getattr(value, "size", 1) == 1
    kinds = [kind for kind in (str, Mapping) if isinstance(held, kind)]
    return all(isinstance(value, kind) for kind in kinds)


def rate_of(group: ParamGroup) -> float:
    """The present rate of a group, as a number."""
    rate = group["lr"]
    if not isinstance(rate, Tensor):
        return float(rate)
    if not has_value(rate):
        raise ValueError(
            "a schedule sets the rate, but that of the optimizer is computed from a placeholder: "
            "make it a number or a Tensor with a value"
        )
    return float(rate.item())


def rates_of(optimizer: Optimizer) -> list[float]:
    """The present rate of each group."""
    return [rate_of(group) for group in optimizer.param_groups]


def reset(optimizer: Optimizer) -> None:
    """Let each group have its first rate again."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"]


def per_group(scheduler: LRScheduler, name: str, value: Any) -> list[Any]:
    """The option `name` for each group: from a list of them, or one for all."""
    count = len(scheduler.optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{scheduler.kind}: expected one {name}, or a list with one for each of the {count} "
            f"groups of the optimizer, got {len(value)}"
        )
    return list(value)


def above_zero(scheduler: LRScheduler, **options: Any) -> None:
    """ValueError unless the options are above 0."""
    for name, value in options.items():
        if not hasattr(value, "__float__"):
            raise TypeError(f"{scheduler.kind}: expected a number as {name}, got {value!r}")
        if not value > 0:
            raise ValueError(f"{scheduler.kind}: expected {name} above 0, got {value}")


class FromStart(LRScheduler):
    """A schedule whose rates follow from the first rate and the number of the step."""

    def rate(self, start: float, t: int) -> float:
        """The rate at step `t` of a group that starts with the rate `start`."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        return [self.rate(start, self.last_epoch) for start in self.base_lrs]
