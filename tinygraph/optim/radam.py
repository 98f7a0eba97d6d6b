"""RAdam: Adam that knows how little its first steps have seen."""

from __future__ import annotations

from collections.abc import Mapping

from tinygraph.array.elementwise import expm1, sqrt, where
from tinygraph.optim.group import Number, Options, ParamGroup
from tinygraph.optim.moments import MomentRule, averaged, correction, decayed
from tinygraph.optim.optimizer import Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["RAdam"]


class RAdam(MomentRule):
    """Rectified Adam: w ← w - lr * r * m̂ / (sqrt(v̂) + eps), where r grows from step to step.

        g ← gradient + weight_decay * w
        m, v, m̂, v̂ as in Adam, but that eps is added to sqrt(v) before v's correction
        k = K - 2 t beta2^t / (1 - beta2^t),  K = 2 / (1 - beta2) - 1
        r = sqrt((k - 4) (k - 2) K / ((K - 4) (K - 2) k)) where k > 5; before, w - lr * m̂

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas:
    how much of the old moments is kept. eps: keeps the division finite. weight_decay: the factor
    of the penalty's slope. decoupled_weight_decay: shrink the weights instead, as AdamW does.
    maximize: climb instead of descending. foreach, capturable, differentiable: ignored.

    Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond" (2020).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.RAdam([w], lr=0.25)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.5
    """

    # k is a small difference of large numbers at first: it is taken in double precision.
    exact = ("most", "log beta2 for k")

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        })  # fmt: skip

    def derive(self, options: Options) -> Mapping[str, Number]:
        numbers = super().derive(options)
        most = 2.0 / (1.0 - float(options["betas"][1])) - 1.0
        return {**numbers, "most": most, "log beta2 for k": numbers["log beta2"]}

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("step", "exp_avg", "exp_avg_sq")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad, param = decayed(group, grad, param)
        step = state["step"] + 1
        mean = averaged(n, 1, state["exp_avg"], grad)
        square = averaged(n, 2, state["exp_avg_sq"], grad * grad)
        scale = sqrt(correction(n, 2, step)) / (sqrt(square) + n["eps"])
        sure, factor = _rectified(n["most"], step * n["log beta2 for k"], step)
        rate = n["lr"] / correction(n, 1, step)
        change = mean * where(sure, factor.astype(param.dtype) * scale, 1.0)
        return param - rate * change, {"step": step, "exp_avg": mean, "exp_avg_sq": square}


def _rectified(most: Tensor, log_power: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Whether enough has been seen to divide by it, and the factor r where that is so."""
    length = most - 2 * step / expm1(-log_power)  # k, as x / (1 - x) = 1 / expm1(-log x)
    sure = length > 5.0
    k = where(sure, length, 5.0)
    full = where(sure, most, 5.0)
    return sure, sqrt((k - 4) * (k - 2) * full / ((full - 4) * (full - 2) * k))
