"""NAdam and NAdamW: Adam that looks ahead along its momentum."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinygraph.array.elementwise import exp, sqrt
from tinygraph.optim.check import at_least
from tinygraph.optim.group import Number, Options, ParamGroup
from tinygraph.optim.moments import MomentRule, averaged, correction, decayed
from tinygraph.optim.optimizer import Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["NAdam", "NAdamW", "Nadam"]


class NAdam(MomentRule):
    """NAdam: Adam with Nesterov's look-ahead, w ← w - lr * m̄ / (sqrt(v̂) + eps).

        g ← gradient + weight_decay * w
        μ_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        m ← beta1 * m + (1 - beta1) * g
        v ← beta2 * v + (1 - beta2) * g²,  v̂ = v / (1 - beta2^t)
        m̄ = (1 - μ_t) / (1 - μ_1 … μ_t) * g + μ_(t+1) / (1 - μ_1 … μ_(t+1)) * m
        w ← w - lr * m̄ / (sqrt(v̂) + eps)

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas:
    how much of the old moments is kept. eps: keeps the division finite. weight_decay: the factor
    of the penalty's slope. momentum_decay: how fast μ comes up to beta1. decoupled_weight_decay:
    shrink the weights instead, as AdamW does. maximize: climb instead of descending. foreach,
    capturable, differentiable: ignored.

    Source: Dozat, "Incorporating Nesterov Momentum into Adam" (2016).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.NAdam([w], lr=0.5)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.item() < 0.6
    True
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        super().check(options)
        at_least(self.kind, options, 0.0, "momentum_decay")

    def derive(self, options: Options) -> Mapping[str, Number]:
        rise = float(options["momentum_decay"]) * math.log(0.96)
        return {**super().derive(options), "rise": rise}

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return {**slots("step", "exp_avg", "exp_avg_sq"), "mu_product": Slot((), 1.0)}

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad, param = decayed(group, grad, param)
        step = state["step"] + 1
        mean = averaged(n, 1, state["exp_avg"], grad)
        square = averaged(n, 2, state["exp_avg_sq"], grad * grad)
        now = n["beta1"] * (1 - 0.5 * exp(step * n["rise"]))
        ahead = n["beta1"] * (1 - 0.5 * exp((step + 1) * n["rise"]))
        product = state["mu_product"] * now
        of_grad = n["lr"] * (1 - now) / (1 - product)
        of_mean = n["lr"] * ahead / (1 - product * ahead)
        root = sqrt(square) / sqrt(correction(n, 2, step)) + n["eps"]
        new = {"step": step, "exp_avg": mean, "exp_avg_sq": square, "mu_product": product}
        return param - (of_grad * grad + of_mean * mean) / root, new


Nadam = NAdam


class NAdamW(NAdam):
    """NAdamW: w ← w - lr * weight_decay * w, then a step of NAdam without weight decay.

    The arguments are those of `NAdam`, where `decoupled_weight_decay=True` is the same.

    Sources: those of `NAdam` and of `AdamW`.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> tg.optim.NAdamW([w]).param_groups[0]["decoupled_weight_decay"]
    True
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        momentum_decay: float = 4e-3,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, momentum_decay, True,
                         maximize=maximize)  # fmt: skip
