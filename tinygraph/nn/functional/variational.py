"""What a variational autoencoder learns by: a draw that gradients pass, and the two parts of its
loss."""

from __future__ import annotations

from collections.abc import Callable

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike
from tinygraph.array.elementwise import exp, expm1, square
from tinygraph.array.reduce import sum
from tinygraph.nn.functional.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from tinygraph.nn.functional.loss import check_same_shape, operands, reduced
from tinygraph.nn.functional.regression import mse_loss
from tinygraph.tensor import Tensor

__all__ = ["gaussian_kl", "reparametrize", "vae_loss"]

# How far a reconstruction is from its target, element by element.
RECONSTRUCTIONS: dict[str, Callable[..., Tensor]] = {
    "mse": mse_loss,
    "bce": binary_cross_entropy,
    "bce_with_logits": binary_cross_entropy_with_logits,
}


@api
def gaussian_kl(mu: TensorLike, log_var: TensorLike, reduction: str = "mean") -> Tensor:
    """-1/2 sum(1 + log(sigma²) - mu² - sigma²): how far N(mu, sigma²) is from N(0, 1).

    That is the Kullback-Leibler divergence. mu: (batch, ...), or of one dimension for a single
    sample. log_var: log(sigma²), of the same shape. The sum is over all elements of a sample.
    reduction: "mean" over the samples, "sum", or "none": (batch,).

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2014), appendix B.

    >>> import tinygraph as tg
    >>> tg.nn.functional.gaussian_kl(tg.tensor([[0.0, 2.0]]), tg.zeros((1, 2))).item()
    2.0
    """
    dtype, (m, v) = operands(mu, log_var)
    check_same_shape(m, v, "log_var")
    return reduced(_divergence(m, v), reduction, dtype)


def _divergence(mu: Tensor, log_var: Tensor) -> Tensor:
    # expm1: sigma² - 1 loses its digits where sigma is near 1
    return 0.5 * _of_samples(square(mu) + (expm1(log_var) - log_var))


def _of_samples(x: Tensor) -> Tensor:
    """The sum of the elements of each sample, (batch,)."""
    return sum(x, axis=tuple(range(min(1, x.ndim - 1), x.ndim)))


@api
def reparametrize(
    mu: TensorLike, log_var: TensorLike, generator: random.Generator | None = None
) -> Tensor:
    """mu + sigma z, z from N(0, 1): a draw from N(mu, sigma²) with gradients for mu and sigma.

    mu: of any shape. log_var: log(sigma²), of the same shape. generator: where the numbers come
    from; None for the default one.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2014).

    >>> import tinygraph as tg
    >>> sure = tg.tensor([-1e9, -1e9])
    >>> tg.nn.functional.reparametrize(tg.tensor([1.0, 2.0]), sure)
    tensor([1., 2.])
    """
    dtype, (m, v) = operands(mu, log_var)
    check_same_shape(m, v, "log_var")
    noise = random.randn_like(m, generator=generator)
    return reduced(m + exp(0.5 * v) * noise, "none", dtype)


@api
def vae_loss(
    input: TensorLike,
    target: TensorLike,
    mu: TensorLike,
    log_var: TensorLike,
    beta: float = 1.0,
    reconstruction: str = "mse",
    reduction: str = "mean",
) -> Tensor:
    """sum(reconstruction error) + beta * KL(N(mu, sigma²) || N(0, 1)), of each sample.

    input: what the decoder made, (batch, ...). target: what went into the encoder, of the same
    shape. mu, log_var: mu and log(sigma²) of the encoder, (batch, ...); see `gaussian_kl`. beta:
    the weight of the divergence; 1 gives the evidence lower bound, more than 1 the beta-VAE.
    reconstruction: "mse", (input - target)²; "bce", the binary cross-entropy of probabilities;
    "bce_with_logits", that of logits. reduction: "mean" over the samples, "sum", or "none":
    (batch,).

    A decoder of Gaussians with variance 1 has (input - target)² / 2: that is half of this loss
    with beta=2.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2014); Higgins et al.,
    "beta-VAE" (2017).

    >>> import tinygraph as tg
    >>> x, mu = tg.tensor([[1.0, 0.0]]), tg.tensor([[2.0]])
    >>> tg.nn.functional.vae_loss(x, tg.zeros((1, 2)), mu, tg.zeros((1, 1))).item()
    3.0
    """
    error = check_reconstruction(reconstruction)
    dtype, (x, y, m, v) = operands(input, target, mu, log_var)
    check_same_shape(m, v, "log_var")
    loss = _of_samples(error(x, y, reduction="none")) + beta * _divergence(m, v)
    return reduced(loss, reduction, dtype)


def check_reconstruction(name: str) -> Callable[..., Tensor]:
    """The error of that name. ValueError where there is none."""
    if name not in RECONSTRUCTIONS:
        known = ", ".join(RECONSTRUCTIONS)
        raise ValueError(f"expected reconstruction out of {known}, got {name!r}")
    return RECONSTRUCTIONS[name]
