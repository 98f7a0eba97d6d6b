"""SignSGD and Lion: steps of one size in every entry."""

from __future__ import annotations

from collections.abc import Mapping

from tinygraph.array.elementwise import sign
from tinygraph.optim.check import at_least, fractions
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.moments import averaged, beta_numbers, penalised, shrunk
from tinygraph.optim.optimizer import Optimizer, Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["Lion", "SignSGD"]


class SignSGD(Optimizer):
    """SignSGD: w ← w - lr * sign(g); with momentum ("Signum") the sign of the mean gradient.

        g ← gradient + weight_decay * w
        m ← momentum * m + (1 - momentum) * g
        w ← w - lr * sign(m)

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. momentum:
    how much of the old mean is kept. weight_decay: the factor of the penalty's slope. maximize:
    climb instead of descending.

    Source: Bernstein et al., "signSGD: Compressed Optimisation for Non-Convex Problems" (2018).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, -2.0, 0.0])
    >>> optimizer = tg.optim.SignSGD([w], lr=0.25)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.75, -1.75, 0.0]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "weight_decay": weight_decay, "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "weight_decay")
        fractions(self.kind, {"momentum": (options["momentum"],)}, "momentum", 1)

    def derive(self, options: Options) -> Mapping[str, Number]:
        rest = 1.0 - float(options["momentum"])
        return {**plain(options, "lr", "momentum", "weight_decay"), "1 - momentum": rest}

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("momentum_buffer") if options["momentum"] else {}

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad = penalised(group, grad, param)
        if not group["momentum"]:
            return param - n["lr"] * sign(grad), {}
        mean = n["momentum"] * state["momentum_buffer"] + n["1 - momentum"] * grad
        return param - n["lr"] * sign(mean), {"momentum_buffer": mean}


class Lion(Optimizer):
    """Lion: w ← w - lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * w).

        then  m ← beta2 * m + (1 - beta2) * g

    Its rate should be three to ten times smaller than Adam's, its weight decay as much larger.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas: how
    much of the old mean is kept, in the step and for the next one. weight_decay: as above.
    maximize: climb instead of descending.

    Source: Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, -2.0])
    >>> optimizer = tg.optim.Lion([w], lr=0.25)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.75, -1.75]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "weight_decay")
        fractions(self.kind, options, "betas", 2)

    def derive(self, options: Options) -> Mapping[str, Number]:
        return {**plain(options, "lr", "weight_decay"), **beta_numbers(options)}

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("exp_avg")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        direction = sign(averaged(n, 1, state["exp_avg"], grad))
        value = shrunk(group, param) - n["lr"] * direction
        return value, {"exp_avg": averaged(n, 2, state["exp_avg"], grad)}
