"""Losses of distributions as modules."""

from __future__ import annotations

from tinygraph.array.convert import TensorLike
from tinygraph.nn import functional as F
from tinygraph.nn.functional.likelihood import DIVERGENCES
from tinygraph.nn.layers.loss import _Loss
from tinygraph.tensor import Tensor

__all__ = ["GaussianNLLLoss", "KLDivLoss", "PoissonNLLLoss"]


class KLDivLoss(_Loss):
    """target (log(target) - input), of log-probabilities; see `nn.functional.kl_div`.

    reduction: "mean", "batchmean", "sum" or "none". log_target: the target is a logarithm too.

    >>> import tinygraph as tg
    >>> half = tg.log(tg.tensor([[0.5, 0.5]]))
    >>> round(tg.nn.KLDivLoss("batchmean")(half, tg.tensor([[1.0, 0.0]])).item(), 4)
    0.6931
    """

    reductions = DIVERGENCES

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, self.reduction, self.log_target)


class GaussianNLLLoss(_Loss):
    """(log(var) + (input - target)² / var) / 2; see `nn.functional.gaussian_nll_loss`.

    full: add log(2 pi) / 2. eps: what a variance is at least.

    >>> import tinygraph as tg
    >>> tg.nn.GaussianNLLLoss()(tg.tensor([1.0]), tg.tensor([3.0]), tg.ones(1)).item()
    2.0
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Tensor, var: TensorLike) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class PoissonNLLLoss(_Loss):
    """exp(input) - target input, of counts; see `nn.functional.poisson_nll_loss`.

    log_input: the input is a logarithm. full: add Stirling's approximation of log(target!).

    >>> import tinygraph as tg
    >>> tg.nn.PoissonNLLLoss()(tg.tensor([0.0]), tg.tensor([5.0])).item()
    1.0
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input, target, self.log_input, self.full, self.eps, self.reduction
        )
