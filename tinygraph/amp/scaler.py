"""GradScaler: the loss is scaled up so that float16 gradients are not lost."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tinygraph.array.convert import to_tensor
from tinygraph.array.elementwise import isfinite, logical_and, logical_or, reciprocal, where
from tinygraph.array.reduce import all
from tinygraph.autodiff.mode import no_grad
from tinygraph.dtypes import float16, float32, float64, int32
from tinygraph.errors import StateError
from tinygraph.graph.node import STATE
from tinygraph.optim.check import number, whole
from tinygraph.optim.optimizer import Gradients, Optimizer, Transform
from tinygraph.optim.wrapper import chosen
from tinygraph.tensor import Tensor, state

__all__ = ["GradScaler"]

Updates = dict[Tensor, Tensor]
UNSCALED, STEPPED = "unscale_", "step"


class GradScaler:
    """Scales the loss by s, and the gradients back by 1 / s; s grows until they overflow.

        a step with infinite or NaN gradients changes nothing, and s ← s * backoff_factor;
        after growth_interval steps without one, s ← s * growth_factor

    Gradients below 6e-8 are 0 in float16; scaled up by s they are not. The steps are made as

        scaler.scale(loss).backward();  scaler.step(optimizer);  scaler.update()

    and with `scaler.unscale_(optimizer)` before `step`, if the gradients are to be clipped. All of
    it is part of the graph: whether a step is skipped is decided by `where` as the tape runs, and
    nothing is asked of it in between, so that it works in a function under `tg.jit`. For a
    defined graph see `minimize`.

    device: ignored, so that PyTorch's scripts run. init_scale: s at first. enabled: False for a
    scaler that does nothing.

    Where it differs from PyTorch: `step` takes float16 gradients too and brings them to float32
    before it divides, as `optim.MasterWeights` needs it (`unscale_` refuses them, as there); and
    it returns None, because what the optimizer's step returns is the closure's.

    Source: Micikevicius et al., "Mixed Precision Training" (2018), section 3.2.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer, scaler = tg.optim.SGD([w], lr=0.5), tg.amp.GradScaler(init_scale=4.0)
    >>> for slope in (1.0, float("inf")):
    ...     optimizer.zero_grad()
    ...     scaler.scale(tg.sum(w * slope)).backward()
    ...     scaler.step(optimizer)
    ...     scaler.update()
    ...     print(w.item(), scaler.get_scale())
    0.5 4.0
    0.5 2.0
    """

    def __init__(
        self,
        device: str = "cpu",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if not isinstance(device, str):
            raise TypeError(
                f"GradScaler: expected the name of a device first, got {device!r}; give the scale "
                "by name: GradScaler(init_scale=1024.0)"
            )
        number("GradScaler", {"init_scale": init_scale}, "init_scale")
        if not 0.0 < float(init_scale) < math.inf:
            raise ValueError(f"GradScaler: expected a finite init_scale above 0, got {init_scale}")
        self._enabled = bool(enabled)
        self._scale = state(np.array(init_scale, float32), name="loss scale")
        self._growth_tracker = state(np.zeros((), int32), name="growth tracker")
        # for each optimizer what has been done since the last update, and what was found
        self._stages: WeakKeyDictionary[Optimizer, str] = WeakKeyDictionary()
        self._found: WeakKeyDictionary[Optimizer, Tensor] = WeakKeyDictionary()
        self._observed: int | None = None  # the last trace that was seen, by its number
        self._open = [False]  # whether it ended between unscale_ and step
        self._growth_factor = self._backoff_factor = 1.0
        self._growth_interval = 1
        self.set_growth_factor(growth_factor)
        self.set_backoff_factor(backoff_factor)
        self.set_growth_interval(growth_interval)

    # ---------------------------------------------------------------------------- in a loop

    def scale(self, outputs: Any) -> Any:
        """`outputs`, a Tensor or lists and tuples of them, times s, each in its own dtype."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return (outputs * self._scale).astype(outputs.dtype)
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(map(self.scale, outputs))
        if isinstance(outputs, Iterable):
            return map(self.scale, outputs)
        raise TypeError(f"GradScaler.scale: expected Tensors, got a {type(outputs).__name__}")

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of the optimizer's parameters by s; `step` will not do it again.

        Raises RuntimeError if it has been called since the last `update`, or after `step`;
        ValueError for gradients of float16, which would lose what the scale saved.
        """
        if not self._enabled:
            return
        stage = self._stage(optimizer)
        if stage is not None:
            raise RuntimeError(
                f"GradScaler.unscale_: {stage}() of this optimizer has been called already since "
                "the last update()"
            )
        grads = _gradients(optimizer)
        for grad in grads.values():
            if grad.dtype == float16:
                raise ValueError(
                    "GradScaler.unscale_: expected gradients of float32, got float16: divided, "
                    "they would be 0 again; step() divides them in float32"
                )
        with no_grad():
            found = self._unscaled(grads)
            for param, grad in found.items():
                param.grad = grad.astype(param.dtype)
            self._found_by(optimizer).assign(_overflow(found))
        self._enter(optimizer, UNSCALED)

    def step(self, optimizer: Optimizer) -> None:
        """A step of the optimizer with the gradients divided by s; none, if they are not finite.

        Raises RuntimeError if it has been called since the last `update`.
        """
        if not self._enabled:
            optimizer.step()
            return
        stage = self._stage(optimizer)
        if stage == STEPPED:
            raise RuntimeError("GradScaler.step: called already since the last update()")
        _check_single(optimizer)
        grads = _gradients(optimizer)
        held = list(grads.values())
        with no_grad():
            overflow = self._found_by(optimizer)
            if stage is None:
                grads = self._unscaled(grads)
                overflow = overflow.assign(_overflow(grads))
            updates = chosen(~overflow, optimizer.updates(grads))
        optimizer.commit(updates, held)
        self._enter(optimizer, STEPPED)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Let s grow or fall by what the steps since the last `update` found; or be `new_scale`."""
        if not self._enabled:
            return
        founds = list(self._found.values())
        if new_scale is None and not founds:
            raise RuntimeError("GradScaler.update: call step() or unscale_() before")
        with no_grad():
            if new_scale is None:
                updates = self._next(functools.reduce(logical_or, founds))
            else:
                updates = {self._scale: to_tensor(new_scale, float32)}
            updates |= {found: to_tensor(np.zeros((), bool)) for found in founds}
            for tensor, value in updates.items():
                tensor.assign(value)
        self._observe()
        self._stages.clear()
        if STATE.trace is not None:
            self._open[0] = False

    # ---------------------------------------------------------------------- in a defined graph

    def minimize(
        self,
        optimizer: Optimizer,
        loss: Tensor,
        parameters: Iterable[Tensor] | None = None,
        transform: Transform | None = None,
    ) -> Updates:
        """What `scale`, `step` and `update` do, as the updates of a `tg.function`.

        loss: as it is, not scaled. parameters, transform: as in `Optimizer.minimize`; transform
        gets the gradients divided by s.

        >>> import tinygraph as tg
        >>> w, x = tg.nn.Parameter([1.0]), tg.placeholder((1,), name="x")
        >>> optimizer, scaler = tg.optim.SGD([w], lr=0.5), tg.amp.GradScaler(init_scale=4.0)
        >>> loss = tg.sum(w * x)
        >>> step = tg.function([x], loss, updates=scaler.minimize(optimizer, loss))
        >>> for slope in (1.0, float("inf")):
        ...     _ = step([slope])
        ...     print(w.item(), scaler.get_scale())
        0.5 4.0
        0.5 2.0
        """
        if not self._enabled:
            return optimizer.minimize(loss, parameters, transform)
        _check_single(optimizer)
        grads: Gradients = optimizer.gradients(self.scale(loss), parameters)
        with no_grad():
            grads = self._unscaled(grads)
            overflow = _overflow(grads)
            grads = grads if transform is None else optimizer.transformed(grads, transform)
            return {**chosen(~overflow, optimizer.updates(grads)), **self._next(overflow)}

    # ----------------------------------------------------------------------------- the rules

    def _unscaled(self, grads: Gradients) -> dict[Tensor, Tensor]:
        """The gradients divided by s, in 32 bits at least."""
        inverse = reciprocal(self._scale.astype(float64)).astype(float32)
        return {
            param: (grad.astype(float32) if grad.dtype.itemsize < 4 else grad) * inverse
            for param, grad in grads.items()
        }

    def _next(self, overflow: Tensor) -> Updates:
        """s and the number of steps since it changed, after a step."""
        steps = self._growth_tracker + 1
        grows = steps == self._growth_interval
        larger = self._scale * self._growth_factor
        larger = where(logical_and(grows, isfinite(larger)), larger, self._scale)
        return {
            self._scale: where(overflow, self._scale * self._backoff_factor, larger),
            self._growth_tracker: where(logical_and(~overflow, ~grows), steps, 0).astype(int32),
        }

    def _found_by(self, optimizer: Optimizer) -> Tensor:
        """Whether the gradients of this optimizer overflowed since the last update."""
        if optimizer not in self._found:
            self._found[optimizer] = state(np.zeros((), bool), name="overflow found")
        return self._found[optimizer]

    def _stage(self, optimizer: Optimizer) -> str | None:
        """What has been done since the last update."""
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"GradScaler: expected an optimizer, got a {type(optimizer).__name__}")
        self._observe()
        return self._stages.get(optimizer)

    def _enter(self, optimizer: Optimizer, stage: str) -> None:
        self._observe()
        self._stages[optimizer] = stage
        if STATE.trace is not None:
            self._open[0] = UNSCALED in self._stages.values()

    def _observe(self) -> None:
        """Let a trace hold for the stages that it began with alone, and not at all if it ends with
        gradients unscaled: a step outside asks for that, and only Python says so."""
        if STATE.trace is None or STATE.trace.since == self._observed:
            return
        self._observed, self._open = STATE.trace.since, [False]
        stages, before, opened = self._stages, WeakKeyDictionary(self._stages), self._open
        STATE.trace.guards.append(lambda: not opened[0] and dict(stages) == dict(before))

    # -------------------------------------------------------------------------- what it holds

    def get_scale(self) -> float:
        """s as a number, which is computed for it; 1.0 if the scaler is not enabled."""
        return float(self._scale.item()) if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """By what s grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Let s grow by another factor, above 1. In a graph defined before, by the old one."""
        number("GradScaler", {"growth_factor": new_factor}, "growth_factor")
        if not new_factor > 1.0:
            raise ValueError(f"GradScaler: expected a growth_factor above 1, got {new_factor}")
        self._growth_factor = float(new_factor)

    def get_backoff_factor(self) -> float:
        """By what s falls."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Let s fall by another factor, below 1. In a graph defined before, by the old one."""
        number("GradScaler", {"backoff_factor": new_factor}, "backoff_factor")
        if not 0.0 < new_factor < 1.0:
            raise ValueError(
                f"GradScaler: expected a backoff_factor between 0 and 1, got {new_factor}"
            )
        self._backoff_factor = float(new_factor)

    def get_growth_interval(self) -> int:
        """After how many steps without an overflow s grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Let s grow after another number of steps. In a graph defined before, the old one."""
        whole("GradScaler", {"growth_interval": new_interval}, 1, "growth_interval")
        self._growth_interval = int(new_interval)

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale, the factors, the interval, and the steps since the scale changed, as numbers;
        nothing, if the scaler is not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": int(self._growth_tracker.item()),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, here or in PyTorch. StateError if it does not
        fit; then nothing has been loaded."""
        if not self._enabled:
            return
        expected = "GradScaler.load_state_dict: expected what state_dict() of an enabled scaler"
        if not isinstance(state_dict, Mapping):
            raise StateError(f"{expected} returns, got a {type(state_dict).__name__}")
        names = ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")
        missing = sorted({*names} - {*state_dict})
        if missing:
            raise StateError(f"{expected} returns; missing: {', '.join(missing)}")
        try:
            scale, growth, backoff, interval, steps = (float(state_dict[name]) for name in names)
            GradScaler("cpu", scale, growth, backoff, int(interval))
        except (TypeError, ValueError) as error:
            raise StateError(f"{expected} returns: {error}") from error
        self._scale.set(scale)
        self._growth_factor, self._backoff_factor = growth, backoff
        self._growth_interval = int(interval)
        self._growth_tracker.set(int(steps))


def _check_single(optimizer: Optimizer) -> None:
    """TypeError unless the optimizer makes a step of one gradient."""
    if type(optimizer).step is not Optimizer.step:
        raise TypeError(
            f"GradScaler: {optimizer.kind}.step evaluates the loss itself, which cannot be scaled "
            "there"
        )


def _gradients(optimizer: Optimizer) -> dict[Tensor, Tensor]:
    return {param: grad for param in optimizer.ordered() if (grad := param.grad) is not None}


def _overflow(grads: Gradients) -> Tensor:
    """Whether anything among the gradients is infinite or NaN."""
    if not grads:
        return to_tensor(np.zeros((), bool))
    *others, least = sorted(grads.values(), key=lambda grad: -int(grad.size))
    finite = [all(isfinite(grad)) for grad in others]
    # the last of these sums takes in the others, so that one number is the result, and kept
    return ~all(functools.reduce(logical_and, finite, isfinite(least)))
