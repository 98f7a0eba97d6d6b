"""Muon: momentum, made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tinygraph.array.elementwise import maximum, sqrt
from tinygraph.array.linear import matmul
from tinygraph.array.reduce import sum
from tinygraph.errors import ShapeError
from tinygraph.ops.rules import show_shape
from tinygraph.optim.check import at_least, several
from tinygraph.optim.group import Number, Options, ParamGroup, plain
from tinygraph.optim.moments import shrunk
from tinygraph.optim.optimizer import Optimizer, Params, State, Updated
from tinygraph.optim.slot import Slot, slots
from tinygraph.tensor import Tensor

__all__ = ["Muon"]

ADJUSTMENTS = (None, "original", "match_rms_adamw")


class Muon(Optimizer):
    """Muon: w ← w - lr * c * U V^T, of the momentum's singular value decomposition U S V^T.

        m ← momentum * m + (1 - momentum) * g
        u = momentum * m + (1 - momentum) * g with nesterov, else m
        x = u / |u|, then ns_steps times  x ← a x + (b x xᵀ + c (x xᵀ)²) x
        w ← w - lr * weight_decay * w - lr * c * x

    The polynomial brings all singular values near to 1 (Newton and Schulz's iteration). It is for
    matrices between hidden layers; biases, embeddings and the last layer want AdamW. The iteration
    runs in the precision of the parameter; PyTorch rounds it to bfloat16.

    params: matrices, or groups of them. lr: the step size, a number or a Tensor. weight_decay: the
    share lr * weight_decay of the weights that each step takes off. momentum: how much of the old
    mean is kept. nesterov: as above. ns_coefficients: a, b, c of the polynomial. eps: the least
    |u| to divide by. ns_steps: iterations, below 100. adjust_lr_fn: c for a matrix of A rows and B
    columns: "original" or None for sqrt(max(1, A / B)), "match_rms_adamw" for
    0.2 * sqrt(max(A, B)). maximize: climb instead of descending.

    Raises ShapeError, a ValueError, for a parameter that is no matrix.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([[3.0, 0.0], [0.0, 1.0]])
    >>> optimizer = tg.optim.Muon([w], lr=1.0, weight_decay=0.0)
    >>> tg.sum(w * w).backward()
    >>> optimizer.step()
    >>> 0.6 < 3.0 - w[0, 0].item() < 1.3  # all directions change by about the same
    True
    """

    structural = ("ns_steps",)

    def __init__(
        self,
        params: Params,
        lr: Number = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn, "maximize": maximize,
        })  # fmt: skip

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        super().add_param_group(param_group)
        for param in self.param_groups[-1].params:
            if param.ndim != 2:
                raise ShapeError(
                    f"{self.kind}: expected matrices, got a parameter of shape "
                    f"{show_shape(param.shape)}; give it to another optimizer, such as AdamW"
                )

    def check(self, options: Options) -> None:
        at_least(self.kind, options, 0.0, "lr", "weight_decay", "momentum", "eps")
        several(self.kind, options, "ns_coefficients", 3)
        if not 0 <= options["ns_steps"] < 100:
            raise ValueError(
                f"{self.kind}: expected ns_steps from 0 to 99, got {options['ns_steps']}"
            )
        if options["adjust_lr_fn"] not in ADJUSTMENTS:
            raise ValueError(
                f"{self.kind}: expected adjust_lr_fn out of {', '.join(map(str, ADJUSTMENTS))}, "
                f"got {options['adjust_lr_fn']!r}"
            )

    def derive(self, options: Options) -> Mapping[str, Number]:
        rest = 1.0 - float(options["momentum"])
        coefficients = map(float, options["ns_coefficients"])
        return {
            **plain(options, "lr", "weight_decay", "momentum", "eps"), "1 - momentum": rest,
            **dict(zip("abc", coefficients, strict=True)),
        }  # fmt: skip

    def slots(self, options: Options, param: Tensor) -> dict[str, Slot]:
        return slots("momentum_buffer")

    def rule(self, group: ParamGroup, param: Tensor, grad: Tensor, state: State) -> Updated:
        n = group.numbers
        mean = n["momentum"] * state["momentum_buffer"] + n["1 - momentum"] * grad
        change = n["momentum"] * mean + n["1 - momentum"] * grad if group["nesterov"] else mean
        change = _orthogonal(change, n, group["ns_steps"])
        rate = n["lr"] * _adjustment(group["adjust_lr_fn"], *map(int, param.shape))
        return shrunk(group, param) - rate * change, {"momentum_buffer": mean}


def _orthogonal(u: Tensor, n: Mapping[str, Tensor], steps: int) -> Tensor:
    """U V^T, nearly, of the matrix u = U S V^T: its singular values are all near 1."""
    tall = u.shape[0] > u.shape[1]
    x = u.T if tall else u  # the products x x^T are the smaller ones then
    x = x / maximum(sqrt(sum(x * x)), n["eps"])
    for _ in range(steps):
        gram = matmul(x, x.T)
        x = n["a"] * x + matmul(n["b"] * gram + n["c"] * matmul(gram, gram), x)
    return x.T if tall else x


def _adjustment(name: str | None, rows: int, columns: int) -> float:
    """The factor of the rate for a matrix of that shape."""
    if name == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))
