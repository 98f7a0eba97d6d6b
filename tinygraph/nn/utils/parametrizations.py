"""Weights that are normalized or orthogonal, as parametrizations; see `parametrize`."""

from __future__ import annotations

from tinygraph.array.linear import matmul, vecdot
from tinygraph.array.shape import permute_dims, reshape
from tinygraph.autodiff.mode import no_grad
from tinygraph.linalg import vector_norm
from tinygraph.nn import functional as F
from tinygraph.nn.layers.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from tinygraph.nn.module import Module
from tinygraph.nn.utils.orthogonal import orthogonal
from tinygraph.nn.utils.parametrize import at_each_call, register_parametrization
from tinygraph.random import randn
from tinygraph.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

FIRST = 15  # iterations with which the singular vectors begin


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """weight = g v / |v|: the length g and the direction v of weights are learned separately.

    module: what has a parameter called `name`; it is changed, and returned. dim: the dimension
    that keeps a length of each own: 0 for one for each output; None for one length in all.

    The new parameters are `parametrizations.weight.original0`, g, with sizes of 1 but for `dim`,
    and `parametrizations.weight.original1`, v, of the shape of the weight.

    Source: Salimans and Kingma, "Weight Normalization: A Simple Reparameterization to Accelerate
    Training of Deep Neural Networks" (2016).

    >>> import tinygraph as tg
    >>> layer = tg.nn.utils.parametrizations.weight_norm(tg.nn.Linear(3, 2))
    >>> {name: p.shape for name, p in layer.named_parameters() if name != "bias"}
    {'parametrizations.weight.original0': (2, 1), 'parametrizations.weight.original1': (2, 3)}
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        return with_length(direction, length, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return length_along(weight, self.dim), weight


def with_length(direction: Tensor, length: Tensor, dim: int | None) -> Tensor:
    """g v / |v|; see `weight_norm`."""
    return direction * (length / length_along(direction, dim))


def length_along(weight: Tensor, dim: int | None) -> Tensor:
    """The length of what belongs to each element of dimension `dim`; None or -1 for all of it."""
    if dim is None or dim == -1:
        return vector_norm(weight)
    kept = dim % weight.ndim
    return vector_norm(weight, tuple(i for i in range(weight.ndim) if i != kept), keepdims=True)


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """weight / sigma(weight), its largest singular value: the layer stretches nothing.

    module: what has a parameter called `name`; it is changed, and returned. n_power_iterations:
    how often, at each use in training, u ← W v / |W v| and v ← Wᵀ u / |Wᵀ u| bring the vectors
    behind sigma = uᵀ W v nearer to the true ones. eps: the least length to divide by. dim: the
    dimension of the outputs, which are the rows of W; 1 for transposed convolutions, else 0.

    The new parameter is `parametrizations.weight.original`; u and v are the buffers
    `parametrizations.weight.0._u` and `_v`, which begin after 15 iterations.

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks" (2018).

    >>> import tinygraph as tg
    >>> layer = tg.nn.utils.parametrizations.spectral_norm(tg.nn.Linear(3, 2))
    >>> round(float(tg.linalg.matrix_norm(layer.weight, ord=2)), 3)
    1.0
    """
    weight = getattr(module, name)
    rows = output_dim(module, weight, dim)
    made = _SpectralNorm(weight, n_power_iterations, rows, eps)
    return register_parametrization(module, name, made)


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        check_iterations(n_power_iterations)
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps
        if weight.ndim > 1:
            with no_grad():
                matrix = as_matrix(weight, dim)
                u, v = power_iterations(matrix, *random_directions(matrix, eps), FIRST, eps)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:  # a row, whose singular value is its length
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        u, v = self._u, self._v
        if self.training:
            with no_grad():
                u, v = power_iterations(matrix, u, v, self.n_power_iterations, self.eps)
                self._u.assign(at_each_call(u))
                self._v.assign(at_each_call(v))
        return weight / singular_value(matrix, u, v)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


def check_iterations(count: int) -> None:
    """ValueError unless a number of power iterations is positive."""
    if count < 1:
        raise ValueError(f"spectral_norm: expected n_power_iterations from 1, got {count}")


def output_dim(module: Module, weight: Tensor, dim: int | None) -> int:
    """The dimension of a module's weight that is that of its outputs, unless `dim` says it."""
    if dim is None:
        return int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    if not -weight.ndim <= dim < weight.ndim:
        raise IndexError(f"spectral_norm: expected a dim of shape {weight.shape}, got {dim}")
    return dim % weight.ndim


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight with dimension `dim` as rows and all others as columns."""
    others = [axis for axis in range(weight.ndim) if axis != dim]
    return reshape(permute_dims(weight, dim, *others), weight.shape[dim], -1)


def random_directions(matrix: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Random vectors of length 1 with as many elements as the matrix has rows and columns."""
    rows, columns = matrix.shape
    u, v = randn(rows, dtype=matrix.dtype), randn(columns, dtype=matrix.dtype)
    return F.normalize(u, dim=0, eps=eps), F.normalize(v, dim=0, eps=eps)


def power_iterations(
    matrix: Tensor, u: Tensor, v: Tensor, times: int, eps: float
) -> tuple[Tensor, Tensor]:
    """u and v, so many steps nearer to the vectors of the largest singular value."""
    for _ in range(times):
        u = F.normalize(matmul(matrix, v), dim=0, eps=eps)
        v = F.normalize(matmul(matrix.T, u), dim=0, eps=eps)
    return u, v


def singular_value(matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """uᵀ W v, the largest singular value where u and v are its vectors."""
    return vecdot(u, matmul(matrix, v))
