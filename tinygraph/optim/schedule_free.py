"""ScheduleFreeAdamW: an average of the weights takes the place of a schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tinygraph.array.elementwise import maximum, minimum, pow, sqrt, where
from tinygraph.autodiff.mode import no_grad
from tinygraph.optim.check import at_least, number
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.moments import MomentRule, averaged, correction
from tinygraph.optim.optimizer import Params, State, Updated, settled
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["ScheduleFreeAdamW"]


class ScheduleFreeAdamW(MomentRule):
    """Schedule-free AdamW: z ← z - lr * u,  x ← (1 - c) * x + c * z,  w = (1 - beta1) z + beta1 x.

        v ← beta2 * v + (1 - beta2) * g²,  v̂ = v / (1 - beta2^t)
        u = g / (sqrt(v̂) + eps) + weight_decay * w
        c = s / (the sum of all s so far),  s = t^r * (the largest lr so far)^weight_lr_power

    The gradient is taken at w, and x, the average, is what has been learned: call `eval()` before
    the weights are used or saved, and `train()` before the next step. lr rises to its value over
    `warmup_steps`, and stays.

    params: the parameters, or groups of them. lr: the step size, a number or a Tensor. betas: the
    share of x in w, above 0, and how much of the old mean square is kept. eps: keeps the division
    finite. weight_decay, warmup_steps, r, weight_lr_power: as above. foreach: ignored. maximize:
    climb instead of descending.

    Source: Defazio et al., "The Road Less Scheduled" (2024).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0])
    >>> optimizer = tg.optim.ScheduleFreeAdamW([w], lr=0.25)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> optimizer.eval()
    >>> round(w.item(), 6)
    0.75
    """

    def __init__(
        self,
        params: Params,
        lr: Number = 0.0025,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "warmup_steps": warmup_steps, "r": r, "weight_lr_power": weight_lr_power,
            "maximize": maximize, "train_mode": True,
        })  # fmt: skip

    def check(self, options: Options) -> None:
        super().check(options)
        at_least(self.kind, options, 0.0, "warmup_steps")
        number(self.kind, options, "r", "weight_lr_power")
        if options["betas"][0] <= 0:
            raise ValueError(f"{self.kind}: expected a first beta above 0, got {options['betas']}")

    def derive(self, options: Options) -> Mapping[str, Number]:
        extra = plain(options, "warmup_steps", "r", "weight_lr_power")
        return {**super().derive(options), **extra}

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return {**slots("step", "z", "exp_avg_sq"), "lr_max": Slot(()), "weight_sum": Slot(())}

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        if not group["train_mode"]:
            raise RuntimeError(f"{self.kind}: a step needs the training mode; call train() first")
        n = group.numbers
        step = (state["step"] + 1).astype(param.dtype)
        square = averaged(n, 2, state["exp_avg_sq"], grad * grad)
        change = grad / (sqrt(square) / sqrt(correction(n, 2, step)) + n["eps"])
        change = change + n["weight_decay"] * param
        rate = n["lr"]
        if group.has("warmup_steps"):
            rate = rate * minimum(step / n["warmup_steps"], 1.0)
        most = maximum(state["lr_max"], rate)
        weight = pow(step, n["r"]) * pow(most, n["weight_lr_power"])
        total = state["weight_sum"] + weight
        share = where(total > 0, weight / where(total > 0, total, 1.0), 0.0)
        fast = where(state["step"] > 0, state["z"], param)
        pull = rate * (n["beta1"] * (1 - share) - 1)
        value = param + share * (fast - param) + pull * change
        return value, {
            "step": step, "z": fast - rate * change, "exp_avg_sq": square, "lr_max": most,
            "weight_sum": total,
        }  # fmt: skip

    def eval(self) -> None:
        """Let the parameters be x, the average: what is to be used, measured and saved."""
        self._turn(False, lambda beta: 1.0 - 1.0 / beta)

    def train(self) -> None:
        """Let the parameters be w, where the gradient is to be taken."""
        self._turn(True, lambda beta: 1.0 - beta)

    def _turn(self, mode: bool, share_of_z: Callable[[float], float]) -> None:
        """Go over to `mode`, by mixing that share of z into the parameters that have one."""
        updates: dict[Tensor, Tensor] = {}
        with no_grad():
            for group in self.param_groups:
                if group["train_mode"] == mode:
                    continue
                group["train_mode"] = mode
                share = share_of_z(float(group["betas"][0]))
                for param in group.params:
                    updates.update(self._mixed(param, share))
        self.commit(updates, [])

    def _mixed(self, param: Tensor, share: float) -> dict[Tensor, Tensor]:
        state = self.state[param]
        wide = param.astype(state["z"].dtype)
        value = where(state["step"] > 0, wide + share * (state["z"] - wide), wide)
        return {param: settled(param, value)}
