"""Gradient descent, with and without momentum."""

from __future__ import annotations

from collections.abc import Mapping

from tinygraph.array.elementwise import where
from tinygraph.optim.check import at_least, fractions, number
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.moments import penalised
from tinygraph.optim.optimizer import Optimizer, Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["SGD", "Momentum"]


class SGD(Optimizer):
    """Gradient descent with momentum: v ← momentum * v + g, w ← w - lr * v, as PyTorch has it.

        g ← gradient + weight_decay * w
        v ← momentum * v + (1 - dampening) * g        (the first v is g)
        w ← w - lr * v,  with nesterov  w ← w - lr * (g + momentum * v)

    Without momentum, w ← w - lr * g. The learning rate stands outside of the velocity here: a
    new rate changes the whole of the next step. `Momentum` has it inside.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor.
    momentum: the share of the last velocity that is kept. dampening: the share of a gradient
    that is left out of it. weight_decay: the factor of the penalty's slope,
    weight_decay / 2 * sum(w²). nesterov: look ahead along the velocity. maximize: climb instead
    of descending. foreach, differentiable, fused: ignored.

    Sources: Polyak (1964), Nesterov (1983); Sutskever et al. (2013) for this form of both.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, -2.0])
    >>> optimizer = tg.optim.SGD([w], lr=0.25)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.0]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: Number = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening,
            "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "momentum", "weight_decay")
        number(self.kind, options, "dampening")
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs momentum above 0 and dampening 0, got momentum "
                f"{options['momentum']} and dampening {options['dampening']}"
            )

    def derive(self, options: Options) -> Mapping[str, Number]:
        share = 1.0 - float(options["dampening"])
        return {**plain(options, "lr", "momentum", "weight_decay"), "1 - dampening": share}

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        if not options["momentum"]:
            return {}
        return slots("momentum_buffer", *(["step"] if options["dampening"] else []))

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad = penalised(group, grad, param)
        if not group["momentum"]:
            return param - n["lr"] * grad, {}
        new = {}
        velocity = n["momentum"] * state["momentum_buffer"]
        if group["dampening"]:
            velocity = where(state["step"] > 0, velocity + n["1 - dampening"] * grad, grad)
            new["step"] = state["step"] + 1
        else:
            velocity = velocity + grad
        new["momentum_buffer"] = velocity
        direction = grad + n["momentum"] * velocity if group["nesterov"] else velocity
        return param - n["lr"] * direction, new


class Momentum(Optimizer):
    """Gradient descent with the rate inside the velocity: v ← momentum * v + lr * g, w ← w - v.

        g ← gradient + weight_decay * w
        v ← momentum * v + lr * g
        w ← w - v,  with nesterov  w ← w - (momentum * v + lr * g)

    While the rate is constant this is `SGD`, which is PyTorch's form; after a change of it the
    steps made before still count at their old rate. This is Keras' form, but for the sign of v.

    With `ewma`, the velocity is a moving average of the gradients, and the rate outside of it:

        v ← momentum * v + (1 - momentum) * g
        w ← w - lr * v,  with nesterov  w ← w - lr * (momentum * v + (1 - momentum) * g)

    It starts from 0; `SGD(dampening=momentum)` is the average that starts from the first g.

    params: the parameters, or groups of them. lr: the step size. momentum: the share of the last
    velocity that is kept; with 0, this is plain gradient descent. nesterov: look ahead along the
    velocity; the parameters are those at the look-ahead point. weight_decay: the factor of the
    penalty's slope. ewma: as above. maximize: climb instead of descending.

    Sources: Polyak (1964), Nesterov (1983).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, -2.0])
    >>> optimizer = tg.optim.Momentum([w], lr=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     tg.sum(w).backward()
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    >>> w.tolist()
    [0.375, -2.625]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-2,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: Number = 0.0,
        *,
        ewma: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "nesterov": nesterov,
            "weight_decay": weight_decay, "ewma": ewma, "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "momentum", "weight_decay")
        if options["ewma"]:
            fractions(self.kind, {"momentum": (options["momentum"],)}, "momentum", 1)

    def derive(self, options: Options) -> Mapping[str, Number]:
        rest = 1.0 - float(options["momentum"])
        return {**plain(options, "lr", "momentum", "weight_decay"), "1 - momentum": rest}

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("velocity")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        grad = penalised(group, grad, param)
        part = (n["1 - momentum"] if group["ewma"] else n["lr"]) * grad
        velocity = n["momentum"] * state["velocity"] + part
        change = n["momentum"] * velocity + part if group["nesterov"] else velocity
        if group["ewma"]:
            change = n["lr"] * change
        return param - change, {"velocity": velocity}
