"""Adam and AdamW: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinygraph.array.elementwise import expm1, maximum, sqrt
from tinygraph.optim.check import at_least, fractions
from tinygraph.optim.group import Options, ParamGroup
from tinygraph.optim.optimizer import Optimizer, Params, State
from tinygraph.tensor import Tensor

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: the step is the mean of the gradient over the root of its mean square.

        g ← gradient + weight_decay * w
        m ← beta1 * m + (1 - beta1) * g
        v ← beta2 * v + (1 - beta2) * g²
        w ← w - lr * m̂ / (sqrt(v̂) + eps),  m̂ = m / (1 - beta1^t),  v̂ = v / (1 - beta2^t)

    params: the parameters, or groups of them. lr: the step size. betas: how much of the old
    moments is kept. eps: keeps the division finite. weight_decay: the factor of the penalty's
    slope, weight_decay / 2 * sum(w²). amsgrad: divide by the largest v so far. maximize: climb
    instead of descending.

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
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize,
        })  # fmt: skip

    def _check(self, options: Options) -> None:
        at_least(self._name, options, 0.0, "lr", "eps", "weight_decay")
        fractions(self._name, options, "betas", 2)

    def _numbers(self, options: Options) -> Mapping[str, float]:
        # 1 - beta and log(beta) are made here, in double precision: in single precision
        # 1 - 0.999 would be wrong in the fifth digit, and so would the first steps.
        numbers = {name: float(options[name]) for name in ("lr", "eps", "weight_decay")}
        for number, beta in enumerate(map(float, options["betas"]), 1):
            numbers[f"beta{number}"] = beta
            numbers[f"1 - beta{number}"] = 1.0 - beta
            numbers[f"log beta{number}"] = math.log(beta) if beta else -math.inf
        return numbers

    def _buffers(self, options: Options) -> tuple[str, ...]:
        most = ("max_exp_avg_sq",) if options["amsgrad"] else ()
        return ("exp_avg", "exp_avg_sq", *most)

    def _counts(self, options: Options) -> bool:
        return True

    def _update(
        self, group: ParamGroup, param: Tensor, grad: Tensor, state: State
    ) -> tuple[Tensor, dict[str, Tensor]]:
        n = group.numbers
        if group["maximize"]:
            grad = -grad
        grad, param = self._decay(group, grad, param)
        step = state["step"] + 1
        mean = n["beta1"] * state["exp_avg"] + n["1 - beta1"] * grad
        square = n["beta2"] * state["exp_avg_sq"] + n["1 - beta2"] * (grad * grad)
        new = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
        if group["amsgrad"]:
            square = new["max_exp_avg_sq"] = maximum(state["max_exp_avg_sq"], square)
        # 1 - beta^t = -expm1(t log beta), exact where beta^t is near 1
        rate = n["lr"] / -expm1(step * n["log beta1"])
        scale = sqrt(-expm1(step * n["log beta2"]))
        return param - rate * (mean / (sqrt(square) / scale + n["eps"])), new

    def _decay(self, group: ParamGroup, grad: Tensor, param: Tensor) -> tuple[Tensor, Tensor]:
        """Weight decay as a part of the gradient."""
        if group["weight_decay"]:
            grad = grad + group.numbers["weight_decay"] * param
        return grad, param


class AdamW(Adam):
    """Adam with weight decay apart from the gradient.

        w ← w - lr * weight_decay * w, then a step of Adam without weight decay

    The arguments are those of `Adam`.

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
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def _decay(self, group: ParamGroup, grad: Tensor, param: Tensor) -> tuple[Tensor, Tensor]:
        """Weight decay as a step of its own."""
        if group["weight_decay"]:
            param = param - group.numbers["lr"] * group.numbers["weight_decay"] * param
        return grad, param
