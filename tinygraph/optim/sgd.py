"""Gradient descent, with and without momentum."""

from __future__ import annotations

from collections.abc import Mapping

from tinygraph.array.elementwise import where
from tinygraph.optim.check import at_least, number
from tinygraph.optim.group import Options, ParamGroup
from tinygraph.optim.optimizer import Optimizer, Params, State
from tinygraph.tensor import Tensor

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent with momentum, as PyTorch has it.

        g ← gradient + weight_decay * w
        v ← momentum * v + (1 - dampening) * g        (the first v is g)
        w ← w - lr * v,  with nesterov  w ← w - lr * (g + momentum * v)

    Without momentum, w ← w - lr * g.

    params: the parameters, or groups of them. lr: the step size. momentum: the share of the last
    velocity that is kept. dampening: the share of a gradient that is left out of it.
    weight_decay: the factor of the penalty's slope, weight_decay / 2 * sum(w²). nesterov: look
    ahead along the velocity. maximize: climb instead of descending.

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
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening,
            "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize,
        })  # fmt: skip

    def _check(self, options: Options) -> None:
        at_least(self._name, options, 0.0, "lr", "momentum", "weight_decay")
        number(self._name, options, "dampening")
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs momentum above 0 and dampening 0, got momentum "
                f"{options['momentum']} and dampening {options['dampening']}"
            )

    def _numbers(self, options: Options) -> Mapping[str, float]:
        return {
            "lr": float(options["lr"]),
            "momentum": float(options["momentum"]),
            "share": 1.0 - float(options["dampening"]),
            "weight_decay": float(options["weight_decay"]),
        }

    def _buffers(self, options: Options) -> tuple[str, ...]:
        return ("momentum_buffer",) if options["momentum"] else ()

    def _counts(self, options: Options) -> bool:
        return bool(options["momentum"] and options["dampening"])

    def _update(
        self, group: ParamGroup, param: Tensor, grad: Tensor, state: State
    ) -> tuple[Tensor, dict[str, Tensor]]:
        n = group.numbers
        if group["maximize"]:
            grad = -grad
        if group["weight_decay"]:
            grad = grad + n["weight_decay"] * param
        if not group["momentum"]:
            return param - n["lr"] * grad, {}
        new = {}
        velocity = n["momentum"] * state["momentum_buffer"]
        if group["dampening"]:
            velocity = where(state["step"] > 0, velocity + n["share"] * grad, grad)
            new["step"] = state["step"] + 1
        else:
            velocity = velocity + grad
        new["momentum_buffer"] = velocity
        direction = grad + n["momentum"] * velocity if group["nesterov"] else velocity
        return param - n["lr"] * direction, new
