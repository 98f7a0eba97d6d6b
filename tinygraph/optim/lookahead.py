"""Lookahead: slow weights that follow fast ones every few steps."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinygraph.array.elementwise import isnan, where
from tinygraph.optim.check import between, whole
from tinygraph.optim.optimizer import Gradients, Optimizer, settled
from tinygraph.optim.slot import Slot
from tinygraph.optim.wrapper import Updates, Wrapper
from tinygraph.tensor import Tensor

__all__ = ["Lookahead"]


class Lookahead(Wrapper):
    """Lookahead: every k steps of the optimizer, φ ← φ + alpha * (θ - φ), θ ← φ.

    θ, the fast weights, are the parameters; φ, the slow ones, begin where a parameter is at its
    first step. The state of the optimizer goes on as it is when θ goes back to φ (the paper
    tries to reset it too; its own experiments with Adam do as here).

    optimizer: the one that changes the fast weights. k: so many of its steps, then one of the
    slow weights. alpha: how far that goes, from 0 to 1.

    Source: Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back" (2019).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.Lookahead(tg.optim.SGD([w], lr=0.25), k=2, alpha=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     tg.sum(w * w).backward()
    ...     optimizer.step()
    >>> w.item()  # fast: 1, 0.5, 0.25; slow: 1 + (0.25 - 1) / 2
    0.625
    """

    counters = ("step",)

    def __init__(self, optimizer: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        whole("Lookahead", {"k": k}, 1, "k")
        between("Lookahead", {"alpha": alpha}, 0.0, 1.0, "alpha")
        self.k, self.alpha = int(k), float(alpha)
        super().__init__(optimizer)

    def own_slots(self, param: Tensor) -> Mapping[str, Slot]:
        return {"slow": Slot(start=math.nan)}  # not begun: a parameter may come in later

    def around(self, grads: Gradients) -> Updates:
        updates = self.optimizer.updates(grads)
        step = self.counts["step"]
        meet = (step + 1) % self.k == 0
        for param in self.ordered():
            if param not in updates:
                continue
            kept, fast = self.kept[param]["slow"], updates[param]
            slow = where(isnan(kept), param, kept)
            slow = where(meet, slow + self.alpha * (fast - slow), slow)
            updates[kept] = slow.astype(kept.dtype)
            updates[param] = settled(param, where(meet, slow, fast))
        return {**updates, step: step + 1}
