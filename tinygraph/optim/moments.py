"""What many rules have in common: running means of the gradient, and the decay of weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tinygraph.array.elementwise import expm1
from tinygraph.optim.check import at_least, fractions
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.optimizer import Optimizer
from tinygraph.tensor import Tensor


class MomentRule(Optimizer):
    """A rule with the options lr, betas, eps and weight_decay, as Adam and its kin have them."""

    beta_count = 2

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "eps", "weight_decay")
        fractions(self.kind, options, "betas", self.beta_count)

    def derive(self, options: Options) -> Mapping[str, Number]:
        return {**plain(options, "lr", "eps", "weight_decay"), **beta_numbers(options)}


def beta_numbers(options: Options) -> dict[str, Number]:
    """What the rules need of the option `betas`, for the first one `beta1` and so on.

    1 - beta and log(beta) are made here, in double precision: in single precision 1 - 0.999
    would be wrong in the fifth digit, and so would the first steps.
    """
    numbers: dict[str, Number] = {}
    for number, beta in enumerate(map(float, options["betas"]), 1):
        numbers[f"beta{number}"] = beta
        numbers[f"1 - beta{number}"] = 1.0 - beta
        numbers[f"log beta{number}"] = math.log(beta) if beta else -math.inf
    return numbers


def averaged(n: Mapping[str, Tensor], number: int, old: Tensor, new: Tensor) -> Tensor:
    """beta * old + (1 - beta) * new, with the beta of that number."""
    return n[f"beta{number}"] * old + n[f"1 - beta{number}"] * new


def correction(n: Mapping[str, Tensor], number: int, step: Tensor) -> Tensor:
    """1 - beta^step: the share of what it has seen in a running mean that began at 0."""
    return -expm1(step * n[f"log beta{number}"])  # exact where beta^step is near 1


def penalised(group: ParamGroup, grad: Tensor, param: Tensor) -> Tensor:
    """The gradient with the slope of the penalty weight_decay / 2 * sum(w²)."""
    if not group.has("weight_decay"):
        return grad
    return grad + group.numbers["weight_decay"] * param


def shrunk(group: ParamGroup, param: Tensor) -> Tensor:
    """The parameter after a step of weight decay apart from the gradient."""
    if not group.has("weight_decay"):
        return param
    n = group.numbers
    return param - n["lr"] * n["weight_decay"] * param


def decayed(group: ParamGroup, grad: Tensor, param: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient and parameter after weight decay in the one or in the other, as the option
    `decoupled_weight_decay` says."""
    if group["decoupled_weight_decay"]:
        return grad, shrunk(group, param)
    return penalised(group, grad, param), param
