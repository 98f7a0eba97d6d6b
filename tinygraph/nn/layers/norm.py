"""Normalization layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygraph import init
from tinygraph.autodiff.mode import no_grad
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.layers.linear import at_least, empty
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.ops.movement import barrier
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LayerNorm"]


class _BatchNorm(Module):
    """Batch normalization for inputs with a number of dimensions out of `ndims`."""

    ndims: ClassVar[tuple[int, ...]]
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_features = at_least(type(self).__name__, "num_features", num_features, 0)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        shape = (self.num_features,)
        self.weight = init.ones(empty(shape, dtype)) if affine else None
        self.bias = empty(shape, dtype) if affine else None
        kept = np.zeros(shape, empty(shape, dtype).dtype)
        self.register_buffer("running_mean", kept if track_running_stats else None)
        self.register_buffer("running_var", kept + 1 if track_running_stats else None)
        count = np.array(0, np.int64)
        self.register_buffer("num_batches_tracked", count if track_running_stats else None)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in self.ndims:
            raise ShapeError(
                f"{type(self).__name__}: expected an input with "
                f"{' or '.join(map(str, self.ndims))} dimensions, got shape "
                f"{show_shape(input.shape)}"
            )
        from_batch = self.training or self.running_mean is None
        momentum = self._share(input) if self.training else 0.0
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, from_batch,
            momentum, self.eps,
        )  # fmt: skip

    def _share(self, input: Tensor) -> Any:
        """What the new batch counts in the running averages; without momentum, an equal part."""
        if self.num_batches_tracked is None:
            return 0.0
        with no_grad():
            # counted when the batch is computed: in a defined graph at each call
            counted = barrier((self.num_batches_tracked + 1).node, input.node)
            self.num_batches_tracked.assign(Tensor(counted))
            if self.momentum is not None:
                return self.momentum
            return 1.0 / self.num_batches_tracked.astype("float64")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalization of (batch, channel) or (batch, channel, length); see `BatchNorm2d`."""

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted.

    (x - mean) / sqrt(variance + eps) * weight + bias. In training mean and variance are those of
    the batch, and running averages follow them; in evaluation they are the running ones.

    num_features: the channels. momentum: the part of the new batch in the running averages; None
    for the plain mean over all batches. affine: whether weight and bias are there.
    track_running_stats: whether running averages are kept; without them the batch counts always.

    weight (ones), bias (zeros), and the buffers running_mean, running_var (unbiased) and
    num_batches_tracked. Input: (batch, channel, height, width).

    >>> import tinygraph as tg
    >>> tg.nn.BatchNorm2d(3)(tg.randn((5, 3, 4, 4))).shape
    (5, 3, 4, 4)
    """

    ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalization of (batch, channel, *size); see `BatchNorm2d`."""

    ndims = (5,)


class LayerNorm(Module):
    """The last dimensions of each sample brought to mean 0 and variance 1, scaled and shifted.

    normalized_shape: the sizes of those dimensions. elementwise_affine: whether weight and bias
    are there. bias: whether the bias is.

    weight (ones) and bias (zeros) of `normalized_shape`.

    >>> import tinygraph as tg
    >>> tg.nn.LayerNorm(4)(tg.randn((5, 3, 4))).shape
    (5, 3, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        single = not isinstance(normalized_shape, Sequence)
        sizes: Any = (normalized_shape,) if single else normalized_shape
        self.normalized_shape = tuple(
            at_least("LayerNorm", "normalized_shape", size, 1) for size in sizes
        )
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = self.bias = None
        if elementwise_affine:
            self.weight = init.ones(empty(self.normalized_shape, dtype))
            self.bias = empty(self.normalized_shape, dtype) if bias else None

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )
