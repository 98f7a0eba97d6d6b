"""Running averages: of numbers, and of the weights on their way (ASGD)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygraph.array.elementwise import maximum, pow, where
from tinygraph.optim.check import at_least, number
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.moments import penalised
from tinygraph.optim.optimizer import Optimizer, Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["ASGD", "ewma"]


def ewma(value: Any, average: Any, beta: float = 0.9) -> Any:
    """The next exponentially weighted moving average: V ← beta * V + (1 - beta) * x.

    value: the new x, a number, array or Tensor. average: V so far, 0 at the start; what it lacks
    in its first t steps is the factor 1 - beta^t, which is not made up for here. beta: how much
    of the old average is kept: V looks back over about 1 / (1 - beta) values. Returns the new V.

    Raises ValueError if beta is not from 0 to 1.

    >>> average = 0.0
    >>> for x in (4.0, 8.0):
    ...     average = ewma(x, average, beta=0.5)
    >>> average
    5.0
    """
    if not 0.0 <= beta <= 1.0:
        raise ValueError(f"ewma: expected beta from 0 to 1, got {beta}")
    return beta * average + (1.0 - beta) * value


class ASGD(Optimizer):
    """Averaged gradient descent: w ← w - η * g, and the average of w along the way is kept.

        g ← gradient + weight_decay * w
        w ← (1 - lambd * η) * w - η * g,  η = lr / (1 + lambd * lr * t)^alpha
        a ← a + (w - a) / max(1, t - t0)

    where t steps have been made before. The average is `optimizer.state[w]["ax"]`: the last w up
    to step t0.

    params: the parameters, or groups of them. lr: the first step size, a number or a Tensor.
    lambd: how fast it falls, and a decay of the weights. alpha: the power of its fall. t0: the
    step from which on w is averaged. weight_decay: the factor of the penalty's slope. maximize:
    climb instead of descending. foreach, differentiable, capturable: ignored.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging" (1992).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.ASGD([w], lr=0.25, lambd=0.0, t0=0)
    >>> for _ in range(3):
    ...     tg.sum(w * w).backward()
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    >>> w.item(), optimizer.state[w]["ax"].item()  # the mean of 0.25 and 0.125
    (0.125, 0.1875)
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
            "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "weight_decay")
        number(self.kind, options, "lambd", "alpha", "t0")

    def derive(self, options: Options) -> Mapping[str, Number]:
        return plain(options, "lr", "lambd", "alpha", "t0", "weight_decay")

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return {**slots("step", "ax"), "eta": Slot(()), "mu": Slot((), 1.0)}

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad = penalised(group, grad, param)
        step = (state["step"] + 1).astype(param.dtype)
        eta = where(state["step"] > 0, state["eta"], n["lr"])
        value = (1 - n["lambd"] * eta) * param - eta * grad
        share, before = state["mu"], state["ax"]
        average = where(share == 1.0, value, before + (value - before) * share)
        return value, {
            "step": step,
            "ax": average,
            "eta": n["lr"] / pow(1 + n["lambd"] * n["lr"] * step, n["alpha"]),
            "mu": 1 / maximum(step - n["t0"], 1.0),
        }
