"""GradientAccumulation: the gradients of several small batches make one step."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygraph.array.elementwise import where
from tinygraph.errors import StateError
from tinygraph.graph.node import STATE
from tinygraph.optim.check import whole
from tinygraph.optim.optimizer import Gradients, Optimizer
from tinygraph.optim.slot import Slot, slots
from tinygraph.optim.wrapper import Updates, Wrapper, chosen
from tinygraph.tensor import Tensor

__all__ = ["GradientAccumulation"]


class GradientAccumulation(Wrapper):
    """Gradient accumulation: every k calls of `step` one step with the mean of the k gradients.

        a ← a + g / k;  at every k-th call the optimizer's step with a, and a ← 0

    The calls in between change no parameter and none of the optimizer's state: batches of size n
    train as one of size k * n would, in the memory of n. Each call is the same tape, compiled
    once; which of the calls it is, is an input.

    Clear the gradients after each call, `optimizer.zero_grad()`, as always: it is `a` that adds
    them up. A parameter without a gradient in one of the k calls counts there as 0. (Defined
    graphs of different parameters each need an accumulation of their own: the step of one graph
    leaves out what another has added.)

    optimizer: the one that makes the step. steps: k. mean: False for the sum of the gradients.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([0.0])
    >>> optimizer = tg.optim.GradientAccumulation(tg.optim.SGD([w], lr=1.0), steps=2)
    >>> for slope in (1.0, 3.0):
    ...     tg.sum(w * slope).backward()
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    ...     print(w.item())
    0.0
    -2.0
    """

    counters = ("calls",)

    def __init__(self, optimizer: Optimizer, steps: int, mean: bool = True) -> None:
        whole("GradientAccumulation", {"steps": steps}, 1, "steps")
        self.steps, self.mean = int(steps), bool(mean)
        self._seen: set[Tensor] = set()  # the parameters that have had a gradient
        super().__init__(optimizer)

    def own_slots(self, param: Tensor) -> Mapping[str, Slot]:
        return slots("sum")

    def around(self, grads: Gradients) -> Updates:
        calls = (self.counts["calls"] + 1) % self.steps
        self._seen.update(grads)
        if STATE.trace is not None:
            STATE.trace.guards.append(self._same_seen())
        totals = {p: self._total(p, grads.get(p)) for p in self.ordered() if p in self._seen}
        updates = chosen(calls == 0, self.optimizer.updates(totals))
        for param, total in totals.items():
            updates[self.kept[param]["sum"]] = where(calls == 0, 0.0, total)
        return {**updates, self.counts["calls"]: calls}

    def _total(self, param: Tensor, grad: Tensor | None) -> Tensor:
        before = self.kept[param]["sum"]
        if grad is None:
            return before
        total: Tensor = before + grad.astype(before.dtype) / (self.steps if self.mean else 1)
        return total

    def _places(self) -> list[int]:
        """The numbers of the parameters that have had a gradient."""
        return [number for number, param in enumerate(self.ordered()) if param in self._seen]

    def _same_seen(self) -> Callable[[], bool]:
        """The condition under which a traced step holds: no other parameter has had a gradient
        since, whose sum it would leave out."""
        owner, places = weakref.ref(self), self._places()

        def holds() -> bool:
            present = owner()
            return present is not None and present._places() == places

        return holds

    def state_dict(self) -> dict[str, Any]:
        """As of every wrapper; "seen" are the parameters that have had a gradient."""
        return {**super().state_dict(), "seen": self._places()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        params = self.ordered()
        self._seen = {params[number] for number in state_dict["seen"]}

    def _fitting(self, state_dict: Any) -> list[tuple[Tensor, np.ndarray]]:
        found = super()._fitting(state_dict)
        seen, places = state_dict.get("seen"), range(len(self.ordered()))
        if not isinstance(seen, (list, tuple)) or not all(
            isinstance(n, int) and n in places for n in seen
        ):
            raise StateError(
                f"{self.kind}.load_state_dict: expected the numbers of parameters as 'seen', got "
                f"{seen!r}"
            )
        return found
