"""Cyclical schedules: the rate rises and falls, and the momentum against it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tinygraph.optim.lr_scheduler.base import LRScheduler, above_zero, per_group
from tinygraph.optim.lr_scheduler.cosine import cosine
from tinygraph.optim.lr_scheduler.functions import dump_function, load_function
from tinygraph.optim.optimizer import Optimizer

__all__ = ["CyclicLR", "OneCycleLR"]


class Cycle(LRScheduler):
    """A schedule that moves the momentum, or the first beta, against the rate."""

    cycle_momentum: bool

    def momenta(self) -> list[float]:
        """The momentum of each group at step `last_epoch`."""
        raise NotImplementedError

    def _take_momentum(self, lowest: Any, highest: Any, last_epoch: int) -> None:
        """Begin with the highest momentum; ValueError if the optimizer has none."""
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                f"{self.kind}: expected an optimizer with the option momentum or betas, or "
                "cycle_momentum=False"
            )
        self.use_beta1 = "betas" in defaults
        self.base_momentums = per_group(self, "base_momentum", lowest)
        self.max_momentums = per_group(self, "max_momentum", highest)
        if last_epoch == -1:
            self._set_momenta(self.max_momentums)
            ends = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, ends, strict=True):
                group.update(base_momentum=low, max_momentum=high)

    def _set_momenta(self, momenta: Sequence[float]) -> None:
        for group, momentum in zip(self.optimizer.param_groups, momenta, strict=True):
            if self.use_beta1:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum

    def _assign(self, rates: Sequence[float]) -> None:
        super()._assign(rates)
        if self.cycle_momentum:
            self._set_momenta(self.momenta())


class CyclicLR(Cycle):
    """Cyclical rates: lr = base_lr + (max_lr - base_lr) * height, up and down on straight lines.

        lr = base_lr + (max_lr - base_lr) * height * scale

    The height rises from 0 to 1 in step_size_up steps and falls back in step_size_down. The
    momentum falls and rises meanwhile: max_momentum - (max_momentum - base_momentum) * height *
    scale. Call `step` after each batch.

    optimizer: whose rates are set. base_lr, max_lr: the lowest and the highest rate, each a number
    or a list with one for each group. step_size_up, step_size_down: the steps of the two halves;
    the second is as long as the first where it is None. mode: "triangular": scale = 1;
    "triangular2": half as high from cycle to cycle; "exp_range": scale = gamma^t. scale_fn: a
    scale of your own, which overrides `mode`: a function of the cycle's number, from 1, or of
    the step's, as scale_mode says ("cycle" or "iterations"). cycle_momentum: whether the momentum
    (where the optimizer has betas: the first) moves. base_momentum, max_momentum: its lowest and
    highest value. last_epoch: see `LRScheduler`.

    Raises ValueError for an unknown mode, or an optimizer without momentum.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks" (2017).

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], momentum=0.9)
    >>> scheduler = tg.optim.lr_scheduler.CyclicLR(optimizer, 0.0, 1.0, step_size_up=2)
    >>> for _ in range(5):
    ...     print(scheduler.get_last_lr())
    ...     scheduler.step()
    [0.0]
    [0.5]
    [1.0]
    [0.5]
    [0.0]
    """

    unsaved = (*LRScheduler.unsaved, "_scale_fn_custom")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = self._checked(optimizer)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(
                "CyclicLR: expected mode 'triangular', 'triangular2' or 'exp_range', or a "
                f"scale_fn, got {mode!r}"
            )
        base_lrs = per_group(self, "base_lr", base_lr)
        self.max_lrs = per_group(self, "max_lr", max_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = rate
        self._take_sizes(step_size_up, step_size_down)
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        by_step = scale_mode != "cycle" if scale_fn is not None else mode == "exp_range"
        self.scale_mode = "iterations" if by_step else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._take_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _take_sizes(self, up: float, down: float | None) -> None:
        down = up if down is None else down
        above_zero(self, step_size_up=up, step_size_down=down)
        self.total_size = float(up) + float(down)
        self.step_ratio = float(up) / self.total_size

    def scale_fn(self, x: float) -> float:
        """The scale in cycle `x`, or at step `x`, as `scale_mode` says."""
        if self._scale_fn_custom is not None:
            return float(self._scale_fn_custom(x))
        if self.mode == "triangular2":
            return float(0.5 ** (x - 1))
        return float(self.gamma**x) if self.mode == "exp_range" else 1.0

    def _height(self) -> tuple[float, float]:
        """How far up the rate is, from 0 to 1, and the scale of that."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        rising = x <= self.step_ratio
        height = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        return height, self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)

    def get_lr(self) -> list[float]:
        height, scale = self._height()
        return [
            low + (high - low) * height * scale
            for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def momenta(self) -> list[float]:
        height, scale = self._height()
        return [
            high - (high - low) * height * scale
            for low, high in zip(self.base_momentums, self.max_momentums, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """As of every schedule; of a callable object `scale_fn` its attributes, of a function
        nothing."""
        scale = dump_function(self._scale_fn_custom)
        return {**super().state_dict(), "_scale_fn_custom": scale}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        load_function(self._scale_fn_custom, state_dict.get("_scale_fn_custom"))


class Phase(NamedTuple):
    """A part of the one cycle: its last step, and the options between which it leads."""

    end: float
    rates: tuple[str, str]
    momenta: tuple[str, str]


class OneCycleLR(Cycle):
    """One cycle: from max_lr / div_factor up to max_lr, then down to a rate far below the first.

        up:    pct_start * total_steps steps from max_lr / div_factor to max_lr
        down:  the other steps to max_lr / div_factor / final_div_factor

    each along half a cosine wave, or on a straight line. The momentum falls from max_momentum to
    base_momentum meanwhile, and rises again. This is the form of fastai and of PyTorch; the paper
    goes back to the first rate, as fast as up, and only then below it: `three_phase`. What some
    texts call one cycle, a straight line up and half a wave down, is `CosineWithWarmup`. Call
    `step` after each batch; once the cycle is over, a further step raises ValueError.

    optimizer: whose rates are set. max_lr: the highest rate, or a list with one for each group.
    total_steps: the length of the cycle; or epochs and steps_per_epoch, whose product it is.
    pct_start: the share of the rise, from 0.0 to 1.0. anneal_strategy: "cos" or "linear".
    cycle_momentum: whether the momentum (where the optimizer has betas: the first) moves.
    base_momentum, max_momentum: its lowest and highest value, or lists. div_factor,
    final_div_factor, three_phase: as above. last_epoch: see `LRScheduler`.

    Raises ValueError for wrong options, or an optimizer without momentum.

    Source: Smith and Topin, "Super-Convergence" (2018).

    >>> import tinygraph as tg
    >>> optimizer = tg.optim.SGD([tg.nn.Parameter([1.0])], momentum=0.9)
    >>> scheduler = tg.optim.lr_scheduler.OneCycleLR(
    ...     optimizer, max_lr=1.0, total_steps=5, pct_start=0.6, div_factor=10.0
    ... )
    >>> for _ in range(4):
    ...     print(round(scheduler.get_last_lr()[0], 6))
    ...     scheduler.step()
    0.1
    0.55
    1.0
    0.500005
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = self._checked(optimizer)
        self.total_steps = _length(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0.0 <= pct_start <= 1.0:
            raise ValueError(
                f"OneCycleLR: expected pct_start to be a float from 0.0 to 1.0, got {pct_start!r}"
            )
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}"
            )
        self.pct_start = pct_start
        self.three_phase = three_phase
        self._anneal_func_type = anneal_strategy
        rates = per_group(self, "max_lr", max_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                first = rate / div_factor
                group.update(initial_lr=first, max_lr=rate, min_lr=first / final_div_factor)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._take_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _phases(self) -> list[Phase]:
        """The parts of the cycle; steps are counted from 0."""
        up, last = self.pct_start * self.total_steps - 1, self.total_steps - 1
        rise = Phase(up, ("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
        if not self.three_phase:
            fall = Phase(last, ("max_lr", "min_lr"), ("base_momentum", "max_momentum"))
            return [rise, fall]
        back = Phase(2 * up, ("max_lr", "initial_lr"), ("base_momentum", "max_momentum"))
        low = Phase(last, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum"))
        return [rise, back, low]

    def _place(self) -> tuple[Phase, float]:
        """The present phase, and the share of it that is over."""
        phases = self._phases()
        begin = 0.0
        for phase in phases[:-1]:
            if self.last_epoch <= phase.end:
                break
            begin = phase.end
        else:
            phase = phases[-1]
        length = phase.end - begin
        return phase, (self.last_epoch - begin) / length if length else 1.0

    def _between(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "cos":
            return cosine(start, end, share)
        # there is one step more than rates; a line would lead below 0 there
        return start + (end - start) * min(share, 1.0)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: the cycle of {self.total_steps} steps is over, and step "
                f"{self.last_epoch} was asked for"
            )
        (_, (start, end), _), share = self._place()
        groups = self.optimizer.param_groups
        return [self._between(group[start], group[end], share) for group in groups]

    def momenta(self) -> list[float]:
        (_, _, (start, end)), share = self._place()
        groups = self.optimizer.param_groups
        return [self._between(group[start], group[end], share) for group in groups]


def _length(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    """The steps of the one cycle."""
    given = {"total_steps": total_steps}
    if total_steps is None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(
                "OneCycleLR: expected total_steps, or epochs and steps_per_epoch, as integers "
                f"above 0, got {name}={value!r}"
            )
    return math.prod(given.values())
