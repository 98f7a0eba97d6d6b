"""Rprop: steps that look at the sign of the gradient alone."""

from __future__ import annotations

from collections.abc import Mapping

from tinygraph.array.elementwise import maximum, minimum, sign, where
from tinygraph.optim.check import at_least, several
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.optimizer import Optimizer, Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Resilient backpropagation: w ← w - s * sign(g), with a step size s of each entry's own.

    Where the gradient g has the sign that it had before, s grows by the second of `etas`; where
    it has the other one, s shrinks by the first and the entry stays once (g counts as 0). Each s
    starts at lr, and stays within `step_sizes`. It is for whole batches: the noise of small ones
    turns signs.

    params: the parameters, or groups of them. lr: the first step size, a number or a Tensor.
    etas: the factor below 1 and the one above. step_sizes: the least and the greatest step.
    maximize: climb instead of descending. capturable, foreach, differentiable: ignored.

    Source: Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation" (1993).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, -2.0])
    >>> optimizer = tg.optim.Rprop([w], lr=0.5)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, -1.5]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr")
        several(self.kind, options, "step_sizes", 2)
        low, high = several(self.kind, options, "etas", 2)
        if not 0.0 < low < 1.0 < high:
            raise ValueError(
                f"{self.kind}: expected etas of one factor from 0 to 1 and one above 1, got "
                f"{options['etas']}"
            )

    def derive(self, options: Options) -> Mapping[str, Number]:
        return {
            **plain(options, "lr"),
            "less": float(options["etas"][0]), "more": float(options["etas"][1]),
            "least": float(options["step_sizes"][0]), "most": float(options["step_sizes"][1]),
        }  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("step", "prev", "step_size")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        size = where(state["step"] > 0, state["step_size"], n["lr"])
        agreement = sign(grad) * sign(state["prev"])  # of the gradients alone, it could underflow
        factor = where(agreement > 0, n["more"], where(agreement < 0, n["less"], 1.0))
        size = minimum(maximum(size * factor, n["least"]), n["most"])
        grad = where(agreement < 0, 0.0, grad)
        new = {"step": state["step"] + 1, "prev": grad, "step_size": size}
        # NaN has no sign: such an entry stays where it is, and is as new at the next step
        return param - size * where(grad > 0, 1.0, where(grad < 0, -1.0, 0.0)), new
