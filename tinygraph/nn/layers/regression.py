"""Losses of numbers as modules."""

from __future__ import annotations

from tinygraph.nn import functional as F
from tinygraph.nn.layers.loss import _Loss
from tinygraph.tensor import Tensor

__all__ = [
    "HuberLoss", "L1Loss", "LogCoshLoss", "MAELoss", "MAPELoss", "MSELoss", "MSLELoss",
    "SmoothL1Loss",
]  # fmt: skip


class MSELoss(_Loss):
    """(input - target)², the squared error; see `nn.functional.mse_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.MSELoss()(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """|input - target|, the absolute error; see `nn.functional.l1_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.L1Loss()(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0])).item()
    1.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, self.reduction)


MAELoss = L1Loss


class HuberLoss(_Loss):
    """e²/2 for |e| <= delta, else delta (|e| - delta/2); see `nn.functional.huber_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.HuberLoss(delta=2.0)(tg.tensor([10.0]), tg.tensor([0.0])).item()
    18.0
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not isinstance(delta, (int, float)):
            raise TypeError(f"HuberLoss: expected delta to be a number, got {delta!r}")
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(_Loss):
    """e²/(2 beta) for |e| < beta, else |e| - beta/2; see `nn.functional.smooth_l1_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.SmoothL1Loss(beta=2.0)(tg.tensor([10.0]), tg.tensor([0.0])).item()
    9.0
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class LogCoshLoss(_Loss):
    """log(cosh(input - target)); see `nn.functional.log_cosh_loss`.

    >>> import tinygraph as tg
    >>> round(tg.nn.LogCoshLoss()(tg.tensor([1000.0]), tg.tensor([0.0])).item(), 2)
    999.31
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.log_cosh_loss(input, target, self.reduction)


class MAPELoss(_Loss):
    """100 |input - target| / |target|, a percentage; see `nn.functional.mape_loss`.

    >>> import tinygraph as tg
    >>> tg.nn.MAPELoss()(tg.tensor([1.5, 4.0]), tg.tensor([1.0, 4.0])).item()
    25.0
    """

    def __init__(self, reduction: str = "mean", eps: float = 1e-7) -> None:
        super().__init__(reduction)
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mape_loss(input, target, self.reduction, self.eps)


class MSLELoss(_Loss):
    """(log(1 + input) - log(1 + target))²; see `nn.functional.msle_loss`.

    >>> import tinygraph as tg
    >>> round(tg.nn.MSLELoss()(tg.tensor([0.0]), tg.tensor([1.0])).item(), 4)
    0.4805
    """

    def __init__(self, reduction: str = "mean", eps: float = 1e-7) -> None:
        super().__init__(reduction)
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.msle_loss(input, target, self.reduction, self.eps)
