"""AdaBelief and Yogi: Adam with another second moment."""

from __future__ import annotations

from tinygraph.array.elementwise import maximum, sign, sqrt
from tinygraph.optim.check import at_least
from tinygraph.optim.group import Number, Options, ParamGroup
from tinygraph.optim.moments import MomentRule, averaged, correction, decayed
from tinygraph.optim.optimizer import Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["AdaBelief", "Yogi"]


class AdaBelief(MomentRule):
    """AdaBelief: w ← w - lr * m̂ / (sqrt(ŝ) + eps), with the mean square s of g - m.

        m ← beta1 * m + (1 - beta1) * g
        s ← beta2 * s + (1 - beta2) * (g - m)² + eps
        w ← w - lr * m̂ / (sqrt(ŝ) + eps),  m̂ = m / (1 - beta1^t),  ŝ = s / (1 - beta2^t)

    Where the gradient is what was believed, m, the step is large.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas:
    how much of the old moments is kept. eps: keeps the division finite. weight_decay: the share
    lr * weight_decay of the weights that each step takes off. amsgrad: divide by the largest s so
    far. decoupled_weight_decay: as said; with False, weight decay is a part of the gradient.
    maximize: climb instead of descending.

    Source: Zhuang et al., "AdaBelief Optimizer" (2020).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0], dtype="float64")
    >>> optimizer = tg.optim.AdaBelief([w], lr=0.01)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)  # g - m is 0.9 g, so the step is lr / 0.9
    0.988889
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-16,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        decoupled_weight_decay: bool = True,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        })  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        most = ["max_exp_avg_var"] if options["amsgrad"] else []
        return slots("step", "exp_avg", "exp_avg_var", *most)

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad, param = decayed(group, grad, param)
        step = state["step"] + 1
        mean = averaged(n, 1, state["exp_avg"], grad)
        surprise = grad - mean
        spread = averaged(n, 2, state["exp_avg_var"], surprise * surprise) + n["eps"]
        new = {"step": step, "exp_avg": mean, "exp_avg_var": spread}
        if group["amsgrad"]:
            spread = new["max_exp_avg_var"] = maximum(state["max_exp_avg_var"], spread)
        rate = n["lr"] / correction(n, 1, step)
        root = sqrt(spread) / sqrt(correction(n, 2, step)) + n["eps"]
        return param - rate * (mean / root), new


class Yogi(MomentRule):
    """Yogi: Adam with v ← v - (1 - beta2) * sign(v - g²) * g², which changes little at a time.

        g ← gradient + weight_decay * w
        m ← beta1 * m + (1 - beta1) * g
        v ← v - (1 - beta2) * sign(v - g²) * g²
        w ← w - lr * m̂ / (sqrt(v̂) + eps),  m̂ = m / (1 - beta1^t),  v̂ = v / (1 - beta2^t)

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas:
    how much of the old moments is kept. eps: keeps the division finite. weight_decay: the factor
    of the penalty's slope. initial_accumulator_value: where v starts. decoupled_weight_decay:
    shrink the weights instead, as AdamW does. maximize: climb instead of descending.

    Source: Zaheer et al., "Adaptive Methods for Nonconvex Optimization" (2018).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.Yogi([w], lr=0.25, eps=0.0, initial_accumulator_value=0.0)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)
    0.75
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-3,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 1e-6,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        super().check(options)
        at_least(self.kind, options, 0.0, "initial_accumulator_value")

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        start = float(options["initial_accumulator_value"])
        return {**slots("step", "exp_avg"), "exp_avg_sq": Slot(start=start)}

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad, param = decayed(group, grad, param)
        step = state["step"] + 1
        mean = averaged(n, 1, state["exp_avg"], grad)
        before, now = state["exp_avg_sq"], grad * grad
        square = before - n["1 - beta2"] * sign(before - now) * now
        rate = n["lr"] / correction(n, 1, step)
        root = sqrt(square) / sqrt(correction(n, 2, step)) + n["eps"]
        return param - rate * (mean / root), {"step": step, "exp_avg": mean, "exp_avg_sq": square}
