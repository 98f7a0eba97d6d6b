"""Adagrad, Adadelta, RMSprop: each entry of a parameter has a rate of its own."""

from __future__ import annotations

from collections.abc import Mapping

from tinygraph.array.elementwise import maximum, sqrt
from tinygraph.optim.check import at_least, between
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.moments import penalised
from tinygraph.optim.optimizer import Optimizer, Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Adagrad: w ← w - lr * g / (sqrt(G) + eps), with the sum G of all squared gradients.

        g ← gradient + weight_decay * w
        G ← G + g²
        w ← w - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(G) + eps)

    Some textbooks have the epsilon inside of the root; where it is small, both agree.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. lr_decay:
    how fast the rate falls. weight_decay: the factor of the penalty's slope,
    weight_decay / 2 * sum(w²). initial_accumulator_value: where G starts. eps: keeps the division
    finite. maximize: climb instead of descending. foreach, differentiable, fused: ignored.

    Source: Duchi et al., "Adaptive Subgradient Methods" (2011).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, -2.0])
    >>> optimizer = tg.optim.Adagrad([w], lr=0.5)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "lr_decay", "weight_decay",
                 "initial_accumulator_value", "eps")  # fmt: skip

    def derive(self, options: Options) -> Mapping[str, Number]:
        return plain(options, "lr", "lr_decay", "weight_decay", "eps")

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        start = float(options["initial_accumulator_value"])
        return {**slots("step"), "sum": Slot(start=start)}

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad = penalised(group, grad, param)
        total = state["sum"] + grad * grad
        rate = n["lr"] / (1 + state["step"] * n["lr_decay"])
        new = {"step": state["step"] + 1, "sum": total}
        return param - rate * (grad / (sqrt(total) + n["eps"])), new


class Adadelta(Optimizer):
    """Adadelta: w ← w - lr * sqrt(D + eps) / sqrt(G + eps) * g, with mean squares G and D.

        g ← gradient + weight_decay * w
        G ← rho * G + (1 - rho) * g²
        d = sqrt(D + eps) / sqrt(G + eps) * g
        D ← rho * D + (1 - rho) * d²
        w ← w - lr * d

    params: the parameters, or groups of them. lr: a factor of the step, a number or a Tensor; 1
    as published. rho: how much of the old means is kept. eps: keeps the division finite, and the
    first steps above 0. weight_decay: the factor of the penalty's slope. maximize: climb instead
    of descending. foreach, capturable, differentiable: ignored.

    Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.Adadelta([w], rho=0.75, eps=0.25)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> round(w.item(), 6)  # 1 - sqrt(0.25) / sqrt(0.25 * 4 + 0.25) * 2
    0.105573
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "eps", "weight_decay")
        between(self.kind, options, 0.0, 1.0, "rho")

    def derive(self, options: Options) -> Mapping[str, Number]:
        rest = 1.0 - float(options["rho"])
        return {**plain(options, "lr", "rho", "eps", "weight_decay"), "1 - rho": rest}

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("step", "square_avg", "acc_delta")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad = penalised(group, grad, param)
        square = n["rho"] * state["square_avg"] + n["1 - rho"] * (grad * grad)
        delta = sqrt(state["acc_delta"] + n["eps"]) / sqrt(square + n["eps"]) * grad
        moved = n["rho"] * state["acc_delta"] + n["1 - rho"] * (delta * delta)
        new = {"step": state["step"] + 1, "square_avg": square, "acc_delta": moved}
        return param - n["lr"] * delta, new


class RMSprop(Optimizer):
    """RMSprop: w ← w - lr * g / (sqrt(V) + eps), with the mean V of squared gradients.

        g ← gradient + weight_decay * w
        V ← alpha * V + (1 - alpha) * g²
        with centered: a ← alpha * a + (1 - alpha) * g, and V - a² in place of V
        v ← momentum * v + g / (sqrt(V) + eps)
        w ← w - lr * v

    Some textbooks, and Keras, have the epsilon inside of the root; where it is small, all agree.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. alpha: how
    much of the old mean is kept (Keras' rho). eps: keeps the division finite. weight_decay: the
    factor of the penalty's slope. momentum: the share of the last velocity that is kept. centered:
    divide by the standard deviation. maximize: climb instead of descending. capturable, foreach,
    differentiable: ignored.

    Sources: Hinton's lecture 6e (2012); Graves (2013) for centered.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, -2.0])
    >>> optimizer = tg.optim.RMSprop([w], lr=0.25, alpha=0.75)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.numpy().round(6).tolist()
    [0.5, -1.5]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "eps", "momentum", "weight_decay", "alpha")

    def derive(self, options: Options) -> Mapping[str, Number]:
        rest = 1.0 - float(options["alpha"])
        return {
            **plain(options, "lr", "momentum", "alpha", "eps", "weight_decay"), "1 - alpha": rest,
        }  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        velocity = ["momentum_buffer"] if options["momentum"] else []
        mean = ["grad_avg"] if options["centered"] else []
        return slots("step", "square_avg", *velocity, *mean)

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad = penalised(group, grad, param)
        square = n["alpha"] * state["square_avg"] + n["1 - alpha"] * (grad * grad)
        new = {"step": state["step"] + 1, "square_avg": square}
        if group["centered"]:
            mean = n["alpha"] * state["grad_avg"] + n["1 - alpha"] * grad
            new["grad_avg"] = mean
            square = maximum(square - mean * mean, 0.0)  # of equal gradients, rounding is left
        change = grad / (sqrt(square) + n["eps"])
        if group["momentum"]:
            change = n["momentum"] * state["momentum_buffer"] + change
            new["momentum_buffer"] = change
        return param - n["lr"] * change, new
