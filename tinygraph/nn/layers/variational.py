"""The loss of a variational autoencoder, and the two things it is made of, as modules."""

from __future__ import annotations

from tinygraph import random
from tinygraph.array.convert import to_tensor
from tinygraph.nn import functional as F
from tinygraph.nn.functional.variational import check_reconstruction
from tinygraph.nn.layers.loss import _Loss
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["GaussianKLLoss", "Reparametrize", "VAELoss"]


class Reparametrize(Module):
    """mu + sigma z, z from N(0, 1): see `nn.functional.reparametrize`. In evaluation it is mu.

    generator: where the numbers come from; None for the default one.

    >>> import tinygraph as tg
    >>> tg.nn.Reparametrize().eval()(tg.tensor([1.0]), tg.tensor([0.0]))
    tensor([1.])
    """

    def __init__(self, generator: random.Generator | None = None) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, mu: Tensor, log_var: Tensor) -> Tensor:
        return F.reparametrize(mu, log_var, self.generator) if self.training else to_tensor(mu)


class GaussianKLLoss(_Loss):
    """-1/2 sum(1 + log(sigma²) - mu² - sigma²), of each sample; see `nn.functional.gaussian_kl`.

    >>> import tinygraph as tg
    >>> tg.nn.GaussianKLLoss()(tg.tensor([[0.0, 2.0]]), tg.zeros((1, 2))).item()
    2.0
    """

    def forward(self, mu: Tensor, log_var: Tensor) -> Tensor:
        return F.gaussian_kl(mu, log_var, self.reduction)


class VAELoss(_Loss):
    """sum(reconstruction error) + beta * KL(N(mu, sigma²) || N(0, 1)), of each sample; see
    `nn.functional.vae_loss`.

    beta: the weight of the divergence. reconstruction: "mse", "bce" or "bce_with_logits".

    >>> import tinygraph as tg
    >>> x, mu = tg.tensor([[1.0, 0.0]]), tg.tensor([[2.0]])
    >>> tg.nn.VAELoss(beta=0.5)(x, tg.zeros((1, 2)), mu, tg.zeros((1, 1))).item()
    2.0
    """

    def __init__(
        self, beta: float = 1.0, reconstruction: str = "mse", reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        check_reconstruction(reconstruction)
        self.beta, self.reconstruction = beta, reconstruction

    def forward(self, input: Tensor, target: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
        return F.vae_loss(
            input, target, mu, log_var, self.beta, self.reconstruction, self.reduction
        )
