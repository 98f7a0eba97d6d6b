"""Adafactor: of a matrix of second moments, only the means of rows and columns are kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinygraph.array.elementwise import maximum, minimum, pow, rsqrt, sqrt, where
from tinygraph.array.reduce import mean
from tinygraph.optim.check import at_least, between, fractions, several
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.moments import shrunk
from tinygraph.optim.optimizer import Optimizer, Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adafactor: w ← w - a * u / max(1, rms(u) / d),  u = g / sqrt(R C / mean(R)).

        R ← (1 - t^beta2_decay) * R + t^beta2_decay * the mean of g² over each row
        C ← the same with the mean over each column
        V = R C / max(mean(R), eps1), the estimate of g²'s mean; for vectors, the mean itself
        u = g / max(sqrt(V), eps1)
        a = max(eps2, rms(w)) * min(lr, 1 / sqrt(t))
        w ← w - lr * weight_decay * w - a * u / max(1, rms(u) / d)

    Rows and columns are the last two dimensions. This is PyTorch's form. The paper adds its eps1
    to g² and nowhere else (`eps_on_square`), and may keep a running mean of the steps (`beta1`).

    params: the parameters, or groups of them. lr: the greatest relative step, a number or a
    Tensor. beta2_decay: how fast old squares come to count more, below 0. eps: eps1, the machine
    epsilon where it is None, and eps2, the least size of a parameter. d: the greatest rms of u.
    weight_decay: the share lr * weight_decay of the weights that each step takes off. maximize:
    climb instead of descending. beta1: how much of the old mean step is kept. scale_parameter:
    with False, a is not relative to the parameter's size. relative_step: with False, a is lr
    from the first step on. foreach: ignored.

    Source: Shazeer and Stern, "Adafactor" (2018).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([[1.0, 1.0], [1.0, 1.0]])
    >>> optimizer = tg.optim.Adafactor([w], lr=0.25)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.numpy().round(6).tolist()
    [[0.75, 0.75], [0.75, 0.75]]
    >>> sorted((name, kept.shape) for name, kept in optimizer.state[w].items())
    [('col_var', (1, 2)), ('row_var', (2, 1)), ('step', ())]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        beta1: float = 0.0,
        scale_parameter: bool = True,
        relative_step: bool = True,
        eps_on_square: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d,
            "weight_decay": weight_decay, "maximize": maximize, "beta1": beta1,
            "scale_parameter": scale_parameter, "relative_step": relative_step,
            "eps_on_square": eps_on_square,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "weight_decay")
        at_least(self.kind, options, 1.0, "d")
        between(self.kind, options, -np.inf, 0.0, "beta2_decay")
        fractions(self.kind, {"beta1": (options["beta1"],)}, "beta1", 1)
        numbers = tuple(options["eps"])
        pair = {"eps": (0.0 if numbers[:1] == (None,) else numbers[0], *numbers[1:])}
        if not all(value >= 0.0 for value in several(self.kind, pair, "eps", 2)):
            raise ValueError(
                f"{self.kind}: expected eps of two numbers of at least 0, got {options['eps']}"
            )

    def derive(self, options: Options) -> Mapping[str, Number]:
        first, second = options["eps"]
        return {
            **plain(options, "lr", "beta2_decay", "d", "weight_decay", "beta1"),
            "eps1": 0.0 if first is None else float(first), "eps2": float(second),
            "1 - beta1": 1.0 - float(options["beta1"]),
        }  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        kept = slots("step", *(["exp_avg"] if options["beta1"] else []))
        if param.ndim < 2:
            return {**kept, **slots("variance")}
        rows, columns = (*param.shape[:-1], 1), (*param.shape[:-2], 1, param.shape[-1])
        return {**kept, "row_var": Slot(rows), "col_var": Slot(columns)}

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        step = (state["step"] + 1).astype(param.dtype)
        rate = minimum(n["lr"], 1 / sqrt(step)) if group["relative_step"] else n["lr"]
        if group["scale_parameter"]:
            rate = rate * _at_least(n["eps2"], _rms(param))
        eps = n["eps1"] if group["eps"][0] is not None else float(np.finfo(param.dtype).eps)
        square = grad * grad + eps if group["eps_on_square"] else grad * grad
        new = _moments(square, state, pow(step, n["beta2_decay"]))
        root = _inverse_root(new, 0.0 if group["eps_on_square"] else eps)
        change = grad * root
        change = change / _at_least(1.0, _rms(change) / n["d"])
        if group["beta1"]:
            change = n["beta1"] * state["exp_avg"] + n["1 - beta1"] * change
            new["exp_avg"] = change
        return shrunk(group, param) - rate * change, {**new, "step": step}


def _at_least(least: Tensor | float, x: Tensor) -> Tensor:
    """max(least, x), and `least` where x is NaN: one bad entry is not to reach the others."""
    return where(x > least, x, least)


def _rms(x: Tensor) -> Tensor:
    return sqrt(mean(x * x))


def _moments(square: Tensor, state: State, share: Tensor) -> dict[str, Tensor]:
    """The running means, with that `share` of the new squares."""
    if square.ndim < 2:
        means = {"variance": square}
    else:
        means = {"row_var": mean(square, axis=-1, keepdims=True),
                 "col_var": mean(square, axis=-2, keepdims=True)}  # fmt: skip
    return {name: state[name] + share * (new - state[name]) for name, new in means.items()}


def _inverse_root(means: Mapping[str, Tensor], eps: Tensor | float) -> Tensor:
    """1 / sqrt(V), of the V that the running means stand for, with its root at least `eps`."""
    if "variance" in means:
        return rsqrt(maximum(means["variance"], eps * eps))
    rows, columns = means["row_var"], means["col_var"]
    ratio = rows / maximum(mean(rows, axis=-2, keepdims=True), eps)
    return rsqrt(maximum(ratio * columns, eps * eps))
