"""SM3: of the sums of squares, one number for each row, column and so on is kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from tinygraph.array.elementwise import minimum, rsqrt, where
from tinygraph.array.reduce import max
from tinygraph.optim.check import at_least, fractions
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.moments import penalised
from tinygraph.optim.optimizer import Optimizer, Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["SM3"]


class SM3(Optimizer):
    """SM3: w ← w - lr * g / sqrt(s), with s ← g² + the least bound of the entry's row and column.

        s = g² + min over the axes r of a_r        (0 / sqrt(0) counts as 0)
        a_r ← the maximum of s over all axes but r
        w ← w - lr * g / sqrt(s)

    A matrix of n rows and m columns needs n + m numbers of state. With momentum, the step is
    m ← momentum * m + (1 - momentum) * g / sqrt(s). For vectors this is Adagrad.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. momentum:
    how much of the old mean step is kept. weight_decay: the factor of the penalty's slope.
    maximize: climb instead of descending.

    Source: Anil et al., "Memory-Efficient Adaptive Optimization" (2019), algorithm SM3-II.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([[1.0, -2.0], [0.0, 1.0]])
    >>> optimizer = tg.optim.SM3([w], lr=0.5)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [[0.5, -1.5], [0.0, 0.5]]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-1,
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
        kept = slots("momentum_buffer") if options["momentum"] else {}
        for axis in range(param.ndim or 1):
            shape = tuple(size if a == axis else 1 for a, size in enumerate(param.shape))
            kept[f"accumulator_{axis}"] = Slot(shape)
        return kept

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        if not param.size:  # there is no maximum of nothing
            return param, {}
        n = group.numbers
        grad = penalised(group, grad, param)
        bounds = {name: kept for name, kept in state.items() if name.startswith("accumulator")}
        total = grad * grad + reduce(minimum, bounds.values())
        new = {name: _outer_maximum(total, axis) for axis, name in enumerate(bounds)}
        change = where(total > 0, grad * rsqrt(where(total > 0, total, 1.0)), 0.0)
        if group["momentum"]:
            change = n["momentum"] * state["momentum_buffer"] + n["1 - momentum"] * change
            new["momentum_buffer"] = change
        return param - n["lr"] * change, new


def _outer_maximum(total: Tensor, axis: int) -> Tensor:
    """The maximum over all axes but `axis`."""
    others = tuple(other for other in range(total.ndim) if other != axis)
    return max(total, axis=others, keepdims=True) if others else total
