"""Adan: momentum of the gradient and of its change."""

from __future__ import annotations

from tinygraph.array.elementwise import sqrt, where
from tinygraph.optim.group import Number, Options, ParamGroup
from tinygraph.optim.moments import MomentRule, averaged, correction, shrunk
from tinygraph.optim.optimizer import Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["Adan"]


class Adan(MomentRule):
    """Adan: w ← (w - lr * (m̂ + beta2 * d̂) / (sqrt(n̂) + eps)) / (1 + lr * weight_decay).

        c = g - the last g        (0 in the first step)
        m ← beta1 * m + (1 - beta1) * g
        d ← beta2 * d + (1 - beta2) * c
        n ← beta3 * n + (1 - beta3) * (g + beta2 * c)²
        m̂ = m / (1 - beta1^t),  d̂ = d / (1 - beta2^t),  n̂ = n / (1 - beta3^t)

    The betas say how much is kept; those of the paper say how much is new.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas:
    three, as above. eps: keeps the division finite. weight_decay: as above. no_prox: decay the
    weights as AdamW does, by w ← w - lr * weight_decay * w before the step, in place of the
    division. maximize: climb instead of descending.

    Source: Xie et al., "Adan: Adaptive Nesterov Momentum Algorithm" (2022).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.Adan([w], lr=0.25)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.75
    """

    beta_count = 3

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        no_prox: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "no_prox": no_prox, "maximize": maximize,
        })  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("step", "exp_avg", "exp_avg_diff", "exp_avg_sq", "neg_pre_grad")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        step = state["step"] + 1
        change = where(state["step"] > 0, grad + state["neg_pre_grad"], 0.0)
        ahead = grad + n["beta2"] * change
        mean = averaged(n, 1, state["exp_avg"], grad)
        slope = averaged(n, 2, state["exp_avg_diff"], change)
        square = averaged(n, 3, state["exp_avg_sq"], ahead * ahead)
        direction = mean / correction(n, 1, step) + n["beta2"] / correction(n, 2, step) * slope
        root = sqrt(square) / sqrt(correction(n, 3, step)) + n["eps"]
        before = shrunk(group, param) if group["no_prox"] else param
        value = before - n["lr"] * (direction / root)
        if group.has("weight_decay") and not group["no_prox"]:
            value = value / (1 + n["lr"] * n["weight_decay"])
        return value, {
            "step": step, "exp_avg": mean, "exp_avg_diff": slope, "exp_avg_sq": square,
            "neg_pre_grad": -grad,  # not grad itself, which would only be copied, by itself
        }  # fmt: skip
