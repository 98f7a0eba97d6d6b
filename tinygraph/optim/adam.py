"""Adam and its nearest kin: steps scaled by running moments of the gradient."""

from __future__ import annotations

from tinygraph.array.elementwise import abs, maximum, sqrt
from tinygraph.optim.group import Number, Options, ParamGroup
from tinygraph.optim.moments import MomentRule, averaged, correction, decayed, penalised
from tinygraph.optim.optimizer import Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["AMSGrad", "Adam", "AdamW", "Adamax"]


class Adam(MomentRule):
    """Adam: w ← w - lr * m̂ / (sqrt(v̂) + eps), with the mean m and mean square v of gradients.

        g ← gradient + weight_decay * w
        m ← beta1 * m + (1 - beta1) * g
        v ← beta2 * v + (1 - beta2) * g²
        w ← w - lr * m̂ / (sqrt(v̂) + eps),  m̂ = m / (1 - beta1^t),  v̂ = v / (1 - beta2^t)

    The epsilon stands outside of the root, as published; some textbooks have it inside, which
    agrees where it is small beside v.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas:
    how much of the old moments is kept. eps: keeps the division finite. weight_decay: the factor
    of the penalty's slope, weight_decay / 2 * sum(w²). amsgrad: divide by the largest v so far.
    maximize: climb instead of descending. decoupled_weight_decay: shrink the weights instead, as
    `AdamW` does. foreach, capturable, differentiable, fused: ignored.

    Sources: Kingma and Ba, "Adam" (2015); Reddi et al. (2018) for amsgrad.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, -2.0])
    >>> optimizer = tg.optim.Adam([w], lr=0.5)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.numpy().round(6).tolist()
    [0.5, -1.5]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        })  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        most = ["max_exp_avg_sq"] if options["amsgrad"] else []
        return slots("step", "exp_avg", "exp_avg_sq", *most)

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad, param = decayed(group, grad, param)
        step = state["step"] + 1
        mean = averaged(n, 1, state["exp_avg"], grad)
        square = averaged(n, 2, state["exp_avg_sq"], grad * grad)
        new = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
        if group["amsgrad"]:
            square = new["max_exp_avg_sq"] = maximum(state["max_exp_avg_sq"], square)
        rate = n["lr"] / correction(n, 1, step)
        scale = sqrt(correction(n, 2, step))
        return param - rate * (mean / (sqrt(square) / scale + n["eps"])), new


class AMSGrad(Adam):
    """AMSGrad: w ← w - lr * m̂ / (sqrt(max v̂) + eps), Adam with the largest mean square so far.

    The arguments are those of `Adam`, where `amsgrad=True` is the same.

    Source: Reddi et al., "On the Convergence of Adam and Beyond" (2018).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([2.0])
    >>> tg.optim.AMSGrad([w]).param_groups[0]["amsgrad"]
    True
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, True, maximize=maximize)


class AdamW(Adam):
    """AdamW: w ← w - lr * weight_decay * w, then a step of Adam without weight decay.

    The arguments are those of `Adam`; foreach, capturable, differentiable and fused are ignored.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([2.0])
    >>> optimizer = tg.optim.AdamW([w], lr=0.5, weight_decay=0.5)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.numpy().round(6).tolist()
    [1.0]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad,
            maximize=maximize, decoupled_weight_decay=True,
        )  # fmt: skip


class Adamax(MomentRule):
    """Adamax: w ← w - lr / (1 - beta1^t) * m / u, with the decaying maximum u of gradients.

        g ← gradient + weight_decay * w
        m ← beta1 * m + (1 - beta1) * g
        u ← max(beta2 * u, |g| + eps)
        w ← w - lr / (1 - beta1^t) * m / u

    The arguments are those of `Adam`; foreach, differentiable and capturable are ignored.

    Source: Kingma and Ba, "Adam" (2015), section 7.1.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, -2.0])
    >>> optimizer = tg.optim.Adamax([w], lr=0.5)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.numpy().round(6).tolist()
    [0.5, -1.5]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize,
        })  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("step", "exp_avg", "exp_inf")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad = penalised(group, grad, param)
        step = state["step"] + 1
        mean = averaged(n, 1, state["exp_avg"], grad)
        most = maximum(n["beta2"] * state["exp_inf"], abs(grad) + n["eps"])
        rate = n["lr"] / correction(n, 1, step)
        return param - rate * (mean / most), {"step": step, "exp_avg": mean, "exp_inf": most}
