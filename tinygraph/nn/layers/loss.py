"""What losses are as modules: options and, for some, weights. The formulas stand in
`nn.functional`, with the shapes of inputs and targets."""

from __future__ import annotations

from typing import Any

from tinygraph.nn.functional.loss import REDUCTIONS, check_reduction
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor


class _Loss(Module):
    """A loss with a reduction: "mean", "sum" or "none", unless `reductions` says otherwise."""

    reductions: tuple[str, ...] = REDUCTIONS

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(reduction, self.reductions)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with a reduction, and factors that are kept as a buffer."""

    weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
