"""Averages of the weights on their way: EMA and SWA."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tinygraph.array.elementwise import isnan, where
from tinygraph.optim.check import between, whole
from tinygraph.optim.optimizer import Gradients, Optimizer
from tinygraph.optim.slot import Slot
from tinygraph.optim.wrapper import Updates, Wrapper
from tinygraph.tensor import Tensor, realize

__all__ = ["EMA", "SWA", "WeightAverage"]

# the average so far, the present value, how many values are in the average -> the next average
AverageFunction = Callable[[Any, Any, Any], Any]


def get_ema_avg_fn(decay: float = 0.999) -> AverageFunction:
    """The function average ← decay * average + (1 - decay) * w, for one parameter.

    Raises ValueError if decay is not from 0 to 1.

    >>> from tinygraph.optim import swa_utils
    >>> swa_utils.get_ema_avg_fn(0.75)(1.0, 5.0, 0)
    2.0
    """
    between("get_ema_avg_fn", {"decay": decay}, 0.0, 1.0, "decay")

    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> AverageFunction:
    """The function average ← average + (w - average) / (n + 1), for one parameter: the mean.

    >>> from tinygraph.optim import swa_utils
    >>> swa_utils.get_swa_avg_fn()(1.0, 5.0, 3)
    2.0
    """

    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class WeightAverage(Wrapper):
    """An optimizer that keeps an average of the weights: after each step, a ← avg_fn(a, w, n).

    The first average is the weights themselves. Training is not changed by it; `applied` puts
    the average in the place of the weights for a while. `EMA` and `SWA` are such.

    optimizer: the one that changes the weights. avg_fn: the next average, from the average, the
    weights and the number n of weights that it holds. start: so many steps are made before the
    first average. every: how many steps lie between two of the averaged weights. Buffers, as
    of batch norm, are not averaged: see `swa_utils.update_bn`, and `swa_utils.AveragedModel`,
    which can.

    kept[w]["average"] is the average of the parameter w; counts["n_averaged"] is n.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([8.0])
    >>> optimizer = tg.optim.SGD([w], lr=0.25)
    >>> optimizer = tg.optim.WeightAverage(optimizer, lambda a, w, n: tg.maximum(a, w))
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     tg.sum(w * w).backward()
    ...     optimizer.step()
    >>> w.item(), optimizer.kept[w]["average"].item()
    (1.0, 4.0)
    """

    counters = ("step", "n_averaged")

    def __init__(
        self, optimizer: Optimizer, avg_fn: AverageFunction, start: int = 0, every: int = 1
    ) -> None:
        whole(self.kind, {"start": start}, 0, "start")
        whole(self.kind, {"every": every}, 1, "every")
        self.avg_fn, self.start, self.every = avg_fn, int(start), int(every)
        super().__init__(optimizer)

    def own_slots(self, param: Tensor) -> Mapping[str, Slot]:
        return {"average": Slot(start=math.nan)}  # of nothing yet

    def around(self, grads: Gradients) -> Updates:
        updates = self.optimizer.updates(grads)
        step, count = self.counts["step"], self.counts["n_averaged"]
        due = (step >= self.start) & ((step - self.start) % self.every == 0)
        for param in self.ordered():
            average = self.kept[param]["average"]
            value = updates.get(param, param).astype(average.dtype)
            begins = (count == 0) | isnan(average)  # a parameter may come in later
            held = where(begins, value, average)
            new = where(begins, value, self.avg_fn(held, value, count))
            updates[average] = where(due, new, average).astype(average.dtype)
        return {**updates, step: step + 1, count: count + due}

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the parameters be their averages within the `with` block; afterwards they are what
        they were, bit by bit. Before anything has been averaged, they stay as they are.

        >>> import tinygraph as tg
        >>> w = tg.nn.Parameter([8.0])
        >>> optimizer = tg.optim.SWA(tg.optim.SGD([w], lr=0.25))
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     tg.sum(w * w).backward()
        ...     optimizer.step()
        >>> with optimizer.applied():
        ...     print(w.item())
        3.0
        >>> w.item()
        2.0
        """
        params = self.ordered()
        realize(*params)
        before = [(param, param.node) for param in params]
        self.apply()
        try:
            yield
        finally:
            for param, node in before:
                param.node = node

    def apply(self) -> None:
        """Let the parameters be their averages from now on; nothing, if there are none yet."""
        if self.counts["n_averaged"].item() == 0:
            return
        self.keep()
        for param in self.ordered():
            average = self.kept[param]["average"]
            param.set(where(isnan(average), param.astype(average.dtype), average).numpy())


class EMA(WeightAverage):
    """Exponential moving average of the weights: a ← decay * a + (1 - decay) * w.

    The arguments are those of `WeightAverage`. decay: how much of the old average is kept: it
    looks back over about 1 / (1 - decay) steps. The first average is the first weights, so no
    correction of its start is needed.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992);
    Tarvainen and Valpola, "Mean teachers are better role models" (2017).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([8.0])
    >>> optimizer = tg.optim.EMA(tg.optim.SGD([w], lr=0.25), decay=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     tg.sum(w * w).backward()
    ...     optimizer.step()
    >>> with optimizer.applied():  # of 4 and 2
    ...     print(w.item())
    3.0
    """

    def __init__(
        self, optimizer: Optimizer, decay: float = 0.999, start: int = 0, every: int = 1
    ) -> None:
        between("EMA", {"decay": decay}, 0.0, 1.0, "decay")
        self.decay = float(decay)
        super().__init__(optimizer, get_ema_avg_fn(decay), start, every)


class SWA(WeightAverage):
    """Stochastic weight averaging: a ← a + (w - a) / (n + 1), the mean of the weights on the way.

    The arguments are those of `WeightAverage`: weights are averaged from step `start` on, every
    so many steps. The rate is best held high and constant then: see `swa_utils.SWALR`. Batch norm
    needs its statistics anew for the averaged weights: see `swa_utils.update_bn`.

    Source: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization"
    (2018).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([8.0])
    >>> optimizer = tg.optim.SWA(tg.optim.SGD([w], lr=0.25), start=1)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     tg.sum(w * w).backward()
    ...     optimizer.step()
    >>> optimizer.apply()
    >>> w.item()  # of 2 and 1, without the 4 of the first step
    1.5
    """

    def __init__(self, optimizer: Optimizer, start: int = 0, every: int = 1) -> None:
        super().__init__(optimizer, get_swa_avg_fn(), start, every)
