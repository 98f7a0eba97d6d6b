"""Normalization: activations brought to mean 0 and variance 1, and vectors to length 1.

Which elements share a mean and a variance, of an input (batch, channel, ...):

    batch norm     those of a channel, over the whole batch
    layer norm     the last dimensions of a sample
    group norm     some channels of a sample
    instance norm  one channel of a sample

All add eps to the variance, inside the root, and take the variance as the mean of the squared
deviations: no large mean cancels it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.elementwise import maximum, where
from tinygraph.array.info import finfo
from tinygraph.array.reduce import count_of, in_dtype, mean_node, widened
from tinygraph.array.sizes import as_shape
from tinygraph.autodiff.mode import no_grad
from tinygraph.dtypes import DType, int64, is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node, Shape
from tinygraph.linalg import vector_norm
from tinygraph.nn.functional.pad import pad_last
from tinygraph.ops import elementwise as e
from tinygraph.ops.call import custom_vjp_nodes
from tinygraph.ops.movement import permute, reshape
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import const
from tinygraph.ops.rules import Axes, product, show_shape
from tinygraph.ops.windows import windows
from tinygraph.tensor import Tensor

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize",
    "rms_norm",
]  # fmt: skip


# ------------------------------------------------------------------------- of a sample


@api
def layer_norm(
    input: TensorLike,
    normalized_shape: int | Sequence[int],
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last dimensions of each sample.

    normalized_shape: the sizes of those dimensions, also the shape of weight and bias. The
    variance is that of the population (divided by n).

    Source: Ba et al., "Layer Normalization" (2016).

    >>> import tinygraph as tg
    >>> tg.nn.functional.layer_norm(tg.tensor([[1.0, 3.0], [5.0, 5.0]]), (2,), eps=1e-12)
    tensor([[-1.,  1.],
            [ 0.,  0.]])
    """
    x, sizes = _floats(input), as_shape((normalized_shape,))
    normal = _standard(x, _last_axes(x, sizes), eps)
    return _affine(normal, x.dtype, weight, bias, sizes)


@api
def rms_norm(
    input: TensorLike,
    normalized_shape: int | Sequence[int],
    weight: TensorLike | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight, over the last dimensions of each sample.

    Layer norm without the mean and the bias. normalized_shape: the sizes of those dimensions,
    also the shape of weight. eps: None for the distance from 1 to the next float (of 32 bits for
    16-bit floats, for that is how they are computed).

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).

    >>> import tinygraph as tg
    >>> tg.nn.functional.rms_norm(tg.tensor([[3.0, -3.0], [5.0, 5.0]]), (2,))
    tensor([[ 1., -1.],
            [ 1.,  1.]])
    """
    x, sizes = _floats(input), as_shape((normalized_shape,))
    axes, wide = _last_axes(x, sizes), widened(x)
    smallest = finfo(wide.dtype).eps if eps is None else eps
    normal = wide * e.rsqrt(mean_node(e.square(wide), axes, True) + smallest)
    return _affine(normal, x.dtype, weight, None, sizes)


@api
def group_norm(
    input: TensorLike,
    num_groups: int,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, over groups of channels of each sample.

    input: (batch, channel, ...). num_groups: into how many parts of equal size the channels are
    split. weight, bias: (channel,).

    Source: Wu and He, "Group Normalization" (2018).

    >>> import tinygraph as tg
    >>> x = tg.tensor([[1.0, 3.0, 10.0, 30.0]])
    >>> tg.nn.functional.group_norm(x, 2, eps=1e-12)
    tensor([[-1.,  1., -1.,  1.]])
    """
    x = _floats(input)
    channels = _channels(x)
    if num_groups < 1 or (is_known(channels) and channels % num_groups):
        raise ShapeError(
            f"expected a number of channels that num_groups={num_groups} divides, got an input of "
            f"shape {show_shape(x.shape)}"
        )
    grouped = reshape(x, shape=(x.shape[0], num_groups, channels // num_groups, *x.shape[2:]))
    axes = tuple(range(2, grouped.ndim))
    _check_more_than_one(x, x.shape[0] * count_of(grouped, axes))
    laid = (*grouped.shape[1:3], *(1,) * (x.ndim - 2))
    result = _affine(_standard(grouped, axes, eps), x.dtype, weight, bias, (channels,), laid)
    return Tensor(reshape(result.node, shape=x.shape))


def _last_axes(x: Node, sizes: Shape) -> Axes:
    """The last dimensions of x, which have these sizes."""
    lead = x.ndim - len(sizes)
    last = x.shape[max(lead, 0) :]
    if not sizes or (last != sizes and is_known(*last)):
        raise ShapeError(
            f"expected an input whose last dimensions are {show_shape(sizes)}, got "
            f"shape {show_shape(x.shape)}"
        )
    return tuple(range(lead, x.ndim))


# ---------------------------------------------------------------- with running averages


@api
def batch_norm(
    input: TensorLike,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel over the batch.

    input: (batch, channel, ...). weight, bias, running_mean, running_var: (channel,). training:
    take mean and variance from the batch, and let the running ones follow,
    running ← (1 - momentum) * running + momentum * of the batch (the variance unbiased, divided
    by n - 1); else take the running ones. momentum: the share of the new value, a number or a
    Tensor of no dimensions; what Keras calls momentum is 1 minus this.

    eps stands inside the root, as published. The form of some textbooks, with sigma + eps, is
    (x - tg.mean(x, 0)) / (tg.std(x, 0) + eps) * weight + bias.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015).

    >>> import tinygraph as tg
    >>> x = tg.tensor([[1.0], [3.0]])
    >>> tg.nn.functional.batch_norm(x, None, None, training=True, eps=1e-12)
    tensor([[-1.],
            [ 1.]])
    """
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm: expected eps above 0, got {eps}")
    x = _floats(input)
    axes = (0, *range(2, x.ndim))
    averages = _Averages(running_mean, running_var, momentum)
    return _tracked(x, axes, averages, training, eps, weight, bias)


@api
def instance_norm(
    input: TensorLike,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    use_input_stats: bool = True,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel of each sample.

    input: (batch, channel, ...). weight, bias, running_mean, running_var: (channel,).
    use_input_stats: take mean and variance from the input, and let the running ones, where there
    are any, follow their means over the batch; else take the running ones. momentum: the share
    of the new value.

    Source: Ulyanov et al., "Instance Normalization: The Missing Ingredient for Fast Stylization"
    (2016).

    >>> import tinygraph as tg
    >>> x = tg.tensor([[[1.0, 3.0], [10.0, 30.0]]])
    >>> tg.nn.functional.instance_norm(x, eps=1e-12)
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    x = _floats(input)
    axes = tuple(range(2, x.ndim))
    averages = _Averages(running_mean, running_var, momentum)
    return _tracked(x, axes, averages, use_input_stats, eps, weight, bias)


class _Averages(NamedTuple):
    """Mean and variance of each channel, (channel,), which follow those of the inputs."""

    mean: Tensor | None
    var: Tensor | None
    momentum: Any

    def check(self, channels: Size, needed: bool) -> None:
        """An error unless they fit, and both are there or, where not `needed`, neither."""
        for name, kept in (("running_mean", self.mean), ("running_var", self.var)):
            if kept is not None and not isinstance(kept, Tensor):
                raise DTypeError(
                    f"expected {name} to be a Tensor, since it changes, got {type(kept).__name__}"
                )
        if (self.mean is None) != (self.var is None) or (needed and self.mean is None):
            which = "where those of the input are not taken" if needed else "or neither"
            given = ("None" if x is None else "a Tensor" for x in (self.mean, self.var))
            raise ShapeError(
                f"expected running_mean and running_var {which}, got {' and '.join(given)}"
            )
        _check_shape("running_mean", self.mean, (channels,))
        _check_shape("running_var", self.var, (channels,))

    def follow(self, mean: Node, variance: Node, count: Size) -> None:
        """Move towards mean and variance, (samples, channel, ...), of `count` elements each.

        What has no variance leaves the averages as they are, or NaN would stay for good.
        """
        samples = mean.shape[0]
        if self.mean is None or self.var is None or samples == 0 or count in (0, 1):
            return
        with no_grad():
            n = const(count, variance.dtype)
            for running, new in ((self.mean, mean), (self.var, variance * (n / (n - 1)))):
                common = new if samples == 1 else mean_node(new, 0, True)
                value = Tensor(reshape(common, shape=running.shape))
                moved = running * (1 - self.momentum) + value * self.momentum
                if not is_known(count, samples):
                    enough = e.logical_and(e.greater(n, 1), e.greater(const(samples, int64), 0))
                    moved = where(Tensor(enough), moved, running)
                running.assign(moved)


def _tracked(
    x: Node,
    axes: Axes,
    averages: _Averages,
    from_input: bool,
    eps: float,
    weight: TensorLike | None,
    bias: TensorLike | None,
) -> Tensor:
    """x by mean and variance of each channel over `axes`, which the averages follow; or by the
    averages themselves."""
    channels = _channels(x)
    averages.check(channels, needed=not from_input)
    laid = (channels, *(1,) * (x.ndim - 2))
    if averages.mean is not None and averages.var is not None and not from_input:
        centred = widened(x) - reshape(averages.mean.node, shape=laid)
        variance = reshape(averages.var.node, shape=laid)
    else:
        count = count_of(x, axes)
        _check_more_than_one(x, count)
        mean, centred, variance = _moments(x, axes)
        averages.follow(mean, variance, count)
    normal = centred * e.rsqrt(variance + eps)
    return _affine(normal, x.dtype, weight, bias, (channels,), laid)


# ----------------------------------------------------------------------- what they are made of


def _floats(input: TensorLike) -> Node:
    x = as_node(input)
    if not is_float(x.dtype):
        raise DTypeError(f"needs a float, got {x.dtype.name}; cast it with astype")
    return x


def _channels(x: Node) -> Size:
    if x.ndim < 2:
        raise ShapeError(f"expected an input (batch, channel, ...), got {show_shape(x.shape)}")
    return x.shape[1]


def _check_more_than_one(x: Node, count: Size) -> None:
    """ShapeError where a mean would be taken of one value: nothing of it would be left."""
    if count == 1:
        raise ShapeError(
            "expected more than one value in each channel to train with, got an input of shape "
            f"{show_shape(x.shape)}"
        )


def _check_shape(name: str, value: TensorLike | None, shape: Shape) -> None:
    found = shape if value is None else as_node(value).shape
    if found != shape and is_known(*shape):
        raise ShapeError(f"expected {name} of shape {show_shape(shape)}, got {show_shape(found)}")


def _moments(x: Node, axes: Axes) -> tuple[Node, Node, Node]:
    """The mean of x over `axes`, x less the mean, and its variance; in 32 bits at least."""
    wide = widened(x)
    mean = mean_node(wide, axes, True)
    return mean, wide - mean, _variance(wide, axes)


def _variance(x: Node, axes: Axes) -> Node:
    """The mean of (x - mean)^2 over `axes`.

    Its gradient is 2 (x - mean) / n: the mean moves too, but the deviations from it sum up to 0.
    That is spared here, where it would be summed up once more.
    """

    def forward(nodes: list[Node]) -> tuple[list[Node], list[Node]]:
        centred = nodes[0] - mean_node(nodes[0], axes, True)
        return [mean_node(e.square(centred), axes, True)], [centred]

    def backward(read: Sequence[Node], g: Sequence[Node]) -> list[Node]:
        return [read[0] * (g[0] * 2 / const(count_of(x, axes), x.dtype))]

    (variance,) = custom_vjp_nodes(forward, backward, [x])
    return variance


def _standard(x: Node, axes: Axes, eps: float) -> Node:
    """(x - mean) / sqrt(variance + eps) over `axes`, in 32 bits at least."""
    _, centred, variance = _moments(x, axes)
    return centred * e.rsqrt(variance + eps)


def _affine(
    x: Node,
    dtype: DType,
    weight: TensorLike | None,
    bias: TensorLike | None,
    shape: Shape,
    laid: Shape | None = None,
) -> Tensor:
    """x * weight + bias in `dtype`. Both have `shape`, and are laid out as `laid` along x."""
    _check_shape("weight", weight, shape)
    _check_shape("bias", bias, shape)
    if weight is not None:
        x = x * reshape(as_node(weight), shape=laid or shape)
    if bias is not None:
        x = x + reshape(as_node(bias), shape=laid or shape)
    return Tensor(in_dtype(x, dtype))


# ------------------------------------------------------------------------- other measures


@api
def local_response_norm(
    input: TensorLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean(x^2))^beta, the mean over `size` neighbouring channels.

    input: (batch, channel, ...) with three dimensions at least. The window of channel c begins
    at c - size // 2; what lies beyond the first and the last channel counts as 0. The paper
    writes the sum in place of the mean: its alpha is this one divided by size.

    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks"
    (2012).

    >>> import tinygraph as tg
    >>> x = tg.tensor([[[1.0], [2.0], [3.0]]])
    >>> tg.nn.functional.local_response_norm(x, 2, alpha=2.0, beta=1.0).tolist()
    [[[0.5], [0.3333333432674408], [0.2142857164144516]]]
    """
    x = _floats(input)
    if x.ndim < 3:
        raise ShapeError(
            "expected an input (batch, channel, ...) of three dimensions at least, got "
            f"{show_shape(x.shape)}"
        )
    if size < 1:
        raise ShapeError(f"expected a size from 1, got {size}")
    wide = widened(x)
    total = _sum_over_channels(e.square(wide), size)
    return Tensor(in_dtype(wide / e.pow(k + (alpha / size) * total, beta), x.dtype))


def _sum_over_channels(x: Node, size: int) -> Node:
    """The sum of `size` neighbouring channels of x, (batch, channel, ...), 0 beyond them."""
    batch, channels, places = x.shape[0], x.shape[1], product(x.shape[2:])
    lines = reshape(x, shape=(batch, channels, places))
    padded = pad_last(lines, ((size // 2, (size - 1) // 2), (0, 0)))
    seen = windows(padded, kernel=(size, 1), stride=(1, 1), dilation=(1, 1))
    # places last: they are the elements that lie side by side
    rows = reshape(permute(seen, axes=(0, 1, 3, 2, 4)), shape=(batch, channels, size, places))
    return reshape(reduce_sum(rows, axis=(2,), keepdims=False), shape=x.shape)


@api
def normalize(input: TensorLike, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(norm, eps), the norm of order p over `dim`: vectors of length 1.

    >>> import tinygraph as tg
    >>> tg.nn.functional.normalize(tg.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6, 0.8],
            [0. , 0. ]])
    """
    x = _floats(input)
    wide = Tensor(widened(x))  # in 16 bits the usual eps would be 0
    result = wide / maximum(vector_norm(wide, dim, True, p), eps)
    return Tensor(in_dtype(result.node, x.dtype))
