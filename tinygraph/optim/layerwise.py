"""LARS, LAMB, NovoGrad: each parameter has a rate by its norm, or by that of its gradient."""

from __future__ import annotations

from collections.abc import Mapping

from tinygraph.array.elementwise import sqrt, where
from tinygraph.array.reduce import sum
from tinygraph.optim.check import at_least
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.moments import MomentRule, averaged, correction
from tinygraph.optim.optimizer import Optimizer, Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["LAMB", "LARS", "Lamb", "NovoGrad"]


class LARS(Optimizer):
    """LARS: momentum with the rate lr * trust * |w| / (|g| + weight_decay * |w|) of each layer.

        r = trust_coefficient * |w| / (|g| + weight_decay * |w| + eps), or 1 where |w| or |g| is 0
        v ← momentum * v + lr * r * (g + weight_decay * w)
        w ← w - v,  with nesterov  w ← w - (momentum * v + lr * r * (g + weight_decay * w))

    For batches of thousands of samples. Biases and the weights of normalisation layers are best
    given to another optimizer, or to a group with trust_coefficient 0, which leaves r out.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. momentum:
    the share of the last velocity that is kept. weight_decay: the factor of the penalty's slope.
    trust_coefficient, eps: as above. nesterov: look ahead along the velocity. maximize: climb
    instead of descending.

    Source: You et al., "Large Batch Training of Convolutional Networks" (2017).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([3.0, 4.0])
    >>> optimizer = tg.optim.LARS([w], lr=1.0, trust_coefficient=0.5)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.tolist()
    [1.5, 2.0]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-2,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
        eps: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient, "eps": eps, "nesterov": nesterov,
            "maximize": maximize,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "momentum", "weight_decay",
                 "trust_coefficient", "eps")  # fmt: skip

    def derive(self, options: Options) -> Mapping[str, Number]:
        return plain(options, "lr", "momentum", "weight_decay", "trust_coefficient", "eps")

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("momentum_buffer")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        part = n["lr"] * (grad + n["weight_decay"] * param)
        if group.has("trust_coefficient"):
            size, slope = _norm(param), _norm(grad)
            below = slope + n["weight_decay"] * size + n["eps"]
            part = _ratio(n["trust_coefficient"] * size, below, (size > 0) & (slope > 0)) * part
        velocity = n["momentum"] * state["momentum_buffer"] + part
        change = n["momentum"] * velocity + part if group["nesterov"] else velocity
        return param - change, {"momentum_buffer": velocity}


class LAMB(MomentRule):
    """LAMB: w ← w - lr * |w| / |u| * u, with Adam's direction u and the norms of each layer.

        m, v, m̂, v̂ as in Adam
        u = m̂ / (sqrt(v̂) + eps) + weight_decay * w
        w ← w - lr * |w| / |u| * u, or w - lr * u where |w| or |u| is 0

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas: how
    much of the old moments is kept. eps: keeps the division finite. weight_decay: as above.
    bias_correction: with False, m and v stand in place of m̂ and v̂. maximize: climb instead of
    descending.

    Source: You et al., "Large Batch Optimization for Deep Learning" (2020).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, 1.0])
    >>> optimizer = tg.optim.LAMB([w], lr=0.25)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.numpy().round(6).tolist()
    [0.75, 0.75]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        bias_correction: bool = True,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "bias_correction": bias_correction, "maximize": maximize,
        })  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("step", "exp_avg", "exp_avg_sq")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        step = state["step"] + 1
        mean = averaged(n, 1, state["exp_avg"], grad)
        square = averaged(n, 2, state["exp_avg_sq"], grad * grad)
        new = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
        if group["bias_correction"]:
            mean = mean / correction(n, 1, step)
            square = square / correction(n, 2, step)
        direction = mean / (sqrt(square) + n["eps"]) + n["weight_decay"] * param
        size, length = _norm(param), _norm(direction)
        trust = _ratio(size, length, (size > 0) & (length > 0))
        return param - n["lr"] * trust * direction, new


Lamb = LAMB


class NovoGrad(MomentRule):
    """NovoGrad: momentum of g / (sqrt(v) + eps), with v the mean square of the gradient's norm.

        v ← beta2 * v + (1 - beta2) * |g|²        (the first v is |g|²)
        m ← beta1 * m + (g / (sqrt(v) + eps) + weight_decay * w)
        w ← w - lr * m

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas: how
    much of the old moments is kept. eps: keeps the division finite. weight_decay: as above.
    grad_averaging: what is added to m has the factor 1 - beta1. maximize: climb instead of
    descending.

    Source: Ginsburg et al., "Stochastic Gradient Methods with Layer-wise Adaptive Moments" (2019).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([3.0, 4.0])
    >>> optimizer = tg.optim.NovoGrad([w], lr=5.0)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.numpy().round(6).tolist()
    [0.0, 0.0]
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        betas: tuple[float, float] = (0.95, 0.98),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        grad_averaging: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "grad_averaging": grad_averaging, "maximize": maximize,
        })  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return {**slots("step", "exp_avg"), "exp_avg_sq": Slot(())}

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        now = sum(grad * grad)
        square = where(state["step"] > 0, averaged(n, 2, state["exp_avg_sq"], now), now)
        direction = grad / (sqrt(square) + n["eps"]) + n["weight_decay"] * param
        if group["grad_averaging"]:
            direction = n["1 - beta1"] * direction
        mean = n["beta1"] * state["exp_avg"] + direction
        new = {"step": state["step"] + 1, "exp_avg": mean, "exp_avg_sq": square}
        return param - n["lr"] * mean, new


def _norm(x: Tensor) -> Tensor:
    return sqrt(sum(x * x))


def _ratio(above: Tensor, below: Tensor, known: Tensor) -> Tensor:
    """above / below where it is `known`, else 1."""
    return where(known, above / where(known, below, 1.0), 1.0)
