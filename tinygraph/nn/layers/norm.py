"""Normalization layers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygraph import init
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.shape import expand_dims, squeeze
from tinygraph.autodiff.mode import no_grad
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.layers.linear import at_least, empty
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.ops.movement import barrier
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "LocalResponseNorm", "RMSNorm",
]  # fmt: skip


class _Norm(Module):
    """What layers with a scale and a shift have in common."""

    weight: Parameter | None
    bias: Parameter | None

    def _add_affine(
        self, shape: tuple[int, ...], affine: bool, bias: bool = True, dtype: Any = None
    ) -> None:
        self.weight = empty(shape, dtype) if affine else None
        self.bias = empty(shape, dtype) if affine and bias else None

    def reset_parameters(self) -> None:
        """Scale by 1 and shift by 0."""
        if self.weight is not None:
            init.ones(self.weight)
        if self.bias is not None:
            init.zeros(self.bias)


class _TrackedNorm(_Norm):
    """Normalization of channels that may keep running averages of their mean and variance.

    Inputs have a number of dimensions out of `ndims`.
    """

    ndims: ClassVar[tuple[int, ...]]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.num_features = at_least(type(self).__name__, "num_features", num_features, 0)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        shape = (self.num_features,)
        self._add_affine(shape, affine, bias, dtype)
        kept = np.zeros(shape, empty(shape, dtype).dtype) if track_running_stats else None
        count = np.array(0, np.int64) if track_running_stats else None
        self.register_buffer("running_mean", kept)
        self.register_buffer("running_var", kept)
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget all batches: mean 0, variance 1."""
        for kept, start in (
            (self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)
        ):  # fmt: skip
            if kept is not None:
                kept.set(np.full(kept.shape, start))

    def reset_parameters(self) -> None:
        """Scale by 1, shift by 0, and forget all batches."""
        super().reset_parameters()
        self.reset_running_stats()

    def _checked(self, input: TensorLike) -> Tensor:
        x = to_tensor(input)
        if x.ndim not in self.ndims:
            raise ShapeError(
                f"{type(self).__name__}: expected an input with "
                f"{' or '.join(map(str, self.ndims))} dimensions, got shape {show_shape(x.shape)}"
            )
        return x

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_TrackedNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def forward(self, input: Tensor) -> Tensor:
        x = self._checked(input)
        momentum = self._share(x)
        kept = self.track_running_stats or not self.training
        mean = self.running_mean if kept else None
        var = self.running_var if kept else None
        from_batch = self.training or (mean is None and var is None)
        return F.batch_norm(x, mean, var, self.weight, self.bias, from_batch, momentum, self.eps)

    def _share(self, input: Tensor) -> Any:
        """What the new batch counts in the running averages; without momentum, an equal part."""
        if not (self.training and self.track_running_stats) or self.num_batches_tracked is None:
            return self.momentum or 0.0
        with no_grad():
            # counted when the batch is computed: in a defined graph at each call
            counted = barrier((self.num_batches_tracked + 1).node, input.node)
            self.num_batches_tracked.assign(Tensor(counted))
            if self.momentum is not None:
                return self.momentum
            return 1.0 / self.num_batches_tracked.astype("float64")


class BatchNorm1d(_BatchNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias by channel of (batch, channel[, length]);
    see `BatchNorm2d`."""

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel over batch and places.

    In training mean and variance are those of the batch, and running averages follow them; in
    evaluation they are the running ones.

    num_features: the channels. eps: added to the variance, inside the root, as published; for
    the form of some textbooks with sigma + eps see `functional.batch_norm`. momentum: the share
    of the new batch in the running averages (in Keras it is that of the old ones: its 0.99 is
    0.01 here); None for the plain mean over all batches. affine: whether weight and bias are
    there. track_running_stats: whether running averages are kept; without them the batch counts
    always. bias: whether the bias is there.

    weight (ones), bias (zeros), and the buffers running_mean, running_var (unbiased) and
    num_batches_tracked. Input: (batch, channel, height, width). Before it a linear or convolution
    layer needs no bias of its own.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015).

    >>> import tinygraph as tg
    >>> tg.nn.BatchNorm2d(3)(tg.randn((5, 3, 4, 4))).shape
    (5, 3, 4, 4)
    """

    ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias by channel of (batch, channel, *size); see
    `BatchNorm2d`."""

    ndims = (5,)


class _InstanceNorm(_TrackedNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def forward(self, input: Tensor) -> Tensor:
        x = self._checked(input)
        alone = x.ndim == min(self.ndims)
        batch = expand_dims(x, 0) if alone else x
        self._check_channels(batch.shape[1], x)
        result = F.instance_norm(
            batch, self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats, self.momentum or 0.0, self.eps,
        )  # fmt: skip
        return squeeze(result, 0) if alone else result

    def _check_channels(self, channels: Any, input: Tensor) -> None:
        if channels == self.num_features or not isinstance(channels, int):
            return
        text = (
            f"{type(self).__name__}: expected {self.num_features} channels, got an input of shape "
            f"{show_shape(input.shape)}"
        )
        if self.affine or self.track_running_stats:
            raise ShapeError(text)
        warnings.warn(f"{text}; without weights it does as well", stacklevel=4)


class InstanceNorm1d(_InstanceNorm):
    """(x - mean) / sqrt(variance + eps) over the length of ([batch,] channel, length); see
    `InstanceNorm2d`."""

    ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel of each sample.

    num_features: the channels. eps: added to the variance. affine: whether weight and bias are
    there; by default they are not. track_running_stats: whether averages are kept of mean and
    variance, which take their place in evaluation; by default a sample is normalized by its own.
    momentum: the share of the new batch in these averages. bias: whether the bias is there.

    Input: (batch, channel, height, width), or without a batch.

    Source: Ulyanov et al., "Instance Normalization: The Missing Ingredient for Fast Stylization"
    (2016).

    >>> import tinygraph as tg
    >>> tg.nn.InstanceNorm2d(3)(tg.randn((3, 4, 4))).shape
    (3, 4, 4)
    """

    ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """(x - mean) / sqrt(variance + eps) over the places of ([batch,] channel, *size); see
    `InstanceNorm2d`."""

    ndims = (4, 5)


class GroupNorm(_Norm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over groups of channels of each sample.

    num_groups: into how many parts of equal size the channels are split; 1 normalizes a sample as
    a whole, num_channels is instance norm. num_channels: the channels. eps: added to the
    variance. affine: whether weight and bias are there. bias: whether the bias is.

    weight (ones) and bias (zeros): (num_channels,). Input: (batch, channel, ...).

    Source: Wu and He, "Group Normalization" (2018).

    >>> import tinygraph as tg
    >>> tg.nn.GroupNorm(2, 6)(tg.randn((5, 6, 4, 4))).shape
    (5, 6, 4, 4)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_groups = at_least("GroupNorm", "num_groups", num_groups, 1)
        self.num_channels = at_least("GroupNorm", "num_channels", num_channels, 0)
        if num_channels % num_groups:
            raise ShapeError(
                f"GroupNorm: expected num_channels that num_groups={num_groups} divides, got "
                f"{num_channels}"
            )
        self.eps, self.affine = eps, affine
        self._add_affine((self.num_channels,), affine, bias, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LayerNorm(_Norm):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last dimensions of each sample.

    normalized_shape: the sizes of those dimensions. eps: added to the variance, inside the root.
    elementwise_affine: whether weight and bias are there. bias: whether the bias is.

    weight (ones) and bias (zeros) of `normalized_shape`. It is the same in training and in
    evaluation, and for a batch of one.

    Source: Ba et al., "Layer Normalization" (2016).

    >>> import tinygraph as tg
    >>> tg.nn.LayerNorm(4)(tg.randn((5, 3, 4))).shape
    (5, 3, 4)
    """

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
        self.normalized_shape = _sizes("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._add_affine(self.normalized_shape, elementwise_affine, bias, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(_Norm):
    """x / sqrt(mean(x^2) + eps) * weight, over the last dimensions of each sample.

    normalized_shape: the sizes of those dimensions. eps: None for the distance from 1 to the next
    float. elementwise_affine: whether the weight is there.

    weight (ones) of `normalized_shape`.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).

    >>> import tinygraph as tg
    >>> tg.nn.RMSNorm(4)(tg.randn((5, 3, 4))).shape
    (5, 3, 4)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes("RMSNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._add_affine(self.normalized_shape, elementwise_affine, False, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


def _sizes(layer: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if not sizes:
        raise ShapeError(f"{layer}: expected normalized_shape to have one size at least, got ()")
    return tuple(at_least(layer, "normalized_shape", size, 0) for size in sizes)


class LocalResponseNorm(Module):
    """x / (k + alpha * mean(x^2))^beta, the mean over `size` neighbouring channels.

    size, alpha, beta, k: see `functional.local_response_norm`, which also says what differs from
    the paper. Input: (batch, channel, ...) with three dimensions at least.

    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks"
    (2012).

    >>> import tinygraph as tg
    >>> tg.nn.LocalResponseNorm(2)(tg.randn((5, 6, 4, 4))).shape
    (5, 6, 4, 4)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = at_least("LocalResponseNorm", "size", size, 1)
        self.alpha, self.beta, self.k = alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
