"""Normalization: activations brought to mean 0 and variance 1, and vectors to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.elementwise import maximum, where
from tinygraph.array.reduce import in_dtype, mean_node, widened
from tinygraph.array.sizes import as_shape
from tinygraph.autodiff.mode import no_grad
from tinygraph.dtypes import int64, is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.linalg import vector_norm
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import reshape
from tinygraph.ops.registry import const
from tinygraph.ops.rules import Axes, product, show_shape
from tinygraph.tensor import Tensor

__all__ = ["batch_norm", "layer_norm", "normalize"]


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
    x = _floats(input)
    sizes = as_shape((normalized_shape,))
    lead = x.ndim - len(sizes)
    last = x.shape[max(lead, 0) :]
    if not sizes or (last != sizes and is_known(*last)):
        raise ShapeError(
            f"expected an input whose last dimensions are {show_shape(sizes)}, got "
            f"shape {show_shape(x.shape)}"
        )
    centred, variance = _moments(x, tuple(range(lead, x.ndim)))
    normal = in_dtype(centred * e.rsqrt(variance + eps), x.dtype)
    return Tensor(_affine(normal, weight, bias, sizes))


def _floats(input: TensorLike) -> Node:
    x = as_node(input)
    if not is_float(x.dtype):
        raise DTypeError(f"needs a float, got {x.dtype.name}; cast it with astype")
    return x


def _moments(x: Node, axes: Axes) -> tuple[Node, Node]:
    """x less its mean over `axes`, and its variance; in 32 bits at least."""
    wide = widened(x)
    centred = wide - mean_node(wide, axes, True)
    return centred, mean_node(e.square(centred), axes, True)


def _affine(
    x: Node, weight: TensorLike | None, bias: TensorLike | None, shape: tuple[Size, ...]
) -> Node:
    """x * weight + bias, which are laid out as `shape`."""
    if weight is not None:
        x = x * reshape(as_node(weight), shape=shape)
    return x if bias is None else x + reshape(as_node(bias), shape=shape)


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
    """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel.

    input: (batch, channel, ...). weight, bias, running_mean, running_var: (channel,). training:
    take mean and variance from the batch, and let the running ones follow,
    running ← (1 - momentum) * running + momentum * of the batch (the variance unbiased, divided
    by n - 1); else take the running ones. momentum: a number, or a Tensor of no dimensions.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015).

    >>> import tinygraph as tg
    >>> x = tg.tensor([[1.0], [3.0]])
    >>> tg.nn.functional.batch_norm(x, None, None, training=True, eps=1e-12)
    tensor([[-1.],
            [ 1.]])
    """
    x = _floats(input)
    if x.ndim < 2:
        raise ShapeError(f"expected an input (batch, channel, ...), got {show_shape(x.shape)}")
    _check_channels(x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    shape = (1, x.shape[1], *(1,) * (x.ndim - 2))
    if training:
        axes = (0, *range(2, x.ndim))
        centred, variance = _moments(x, axes)
        _follow(x, axes, variance, running_mean, running_var, momentum)
    elif running_mean is None or running_var is None:
        raise ShapeError("expected running_mean and running_var where training is False, got None")
    else:
        centred = widened(x) - reshape(running_mean.node, shape=shape)
        variance = reshape(running_var.node, shape=shape)
    normal = in_dtype(centred * e.rsqrt(variance + eps), x.dtype)
    return Tensor(_affine(normal, weight, bias, shape))


def _check_channels(x: Node, **vectors: TensorLike | None) -> None:
    for name, vector in vectors.items():
        if vector is not None and as_node(vector).shape != (x.shape[1],) and is_known(x.shape[1]):
            raise ShapeError(
                f"expected {name} of shape ({x.shape[1]},) for an input of shape "
                f"{show_shape(x.shape)}, got {show_shape(as_node(vector).shape)}"
            )


def _follow(
    x: Node,
    axes: Axes,
    variance: Node,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: Any,
) -> None:
    """Let the running averages follow those of the batch."""
    count = product([x.shape[axis] for axis in axes])
    if is_known(count) and count < 2:
        raise ShapeError(
            "expected more than one value in each channel to train with, got an input "
            f"of shape {show_shape(x.shape)}"
        )
    with no_grad():
        if running_mean is not None:
            flat = reshape(mean_node(widened(x), axes, True), shape=running_mean.shape)
            _move(running_mean, Tensor(flat), momentum, count)
        if running_var is not None:
            flat = reshape(variance, shape=running_var.shape)
            n = const(count, flat.dtype)
            _move(running_var, Tensor(flat * (n / (n - 1))), momentum, count)


def _move(running: Tensor, new: Tensor, momentum: Any, count: Size) -> None:
    moved = running * (1 - momentum) + new * momentum
    if not is_known(count):  # one value has no variance: it would leave NaN behind for good
        moved = where(Tensor(const(count, int64)) > 1, moved, running)
    running.assign(moved)


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
