"""Sums of exponentials that neither overflow nor lose what is small, and the probabilities that
are made of them. The sums are made in 32 bits at least: those of many 16-bit floats would
overflow."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike
from tinygraph.array.reduce import Axis, as_float_node, in_dtype, widened
from tinygraph.graph.node import Node
from tinygraph.ops import elementwise as e
from tinygraph.ops import reduce as r
from tinygraph.ops.movement import reshape, stop_gradient
from tinygraph.ops.registry import const
from tinygraph.ops.rules import Axes, full, normalize_axes
from tinygraph.tensor import Tensor


def _largest(x: Node, axes: Axes) -> Node:
    """The maximum over `axes`, kept as dimensions of size 1; constant for the gradient, because
    what it is subtracted from does not depend on it."""
    return stop_gradient(r.max(x, axis=axes, keepdims=True))


def _none_along(x: Node, axes: Axes) -> bool:
    """Whether there is no element over `axes`, hence no largest one."""
    return any(x.shape[i] == 0 for i in axes)


@api
def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis`, without overflow; -inf where every element is -inf, and of no
    elements.

    >>> import tinygraph as tg
    >>> tg.logsumexp(tg.tensor([1000.0, 0.0])).item()
    1000.0
    """
    node = as_float_node(x)
    axes = normalize_axes(axis, node.ndim)
    shape = r.reduced_shape(node.shape, axes, bool(keepdims))
    if _none_along(node, axes):
        return Tensor(full(shape, float("-inf"), node.dtype))
    return Tensor(reshape(logsumexp_node(node, axes), shape=shape))


def logsumexp_node(x: Node, axes: Axes) -> Node:
    """logsumexp with the reduced dimensions kept."""
    wide = widened(x)
    top = _largest(wide, axes)
    top = e.where(e.isfinite(top), top, 0)  # inf - inf is NaN
    total = r.sum(e.exp(wide - top), axis=axes, keepdims=True)
    # a sum of 0 has no slope: the inner `where` keeps 1 / 0 out of the gradient
    none = e.equal(total, 0)
    log = e.log(e.where(none, 1, total)) + top
    return in_dtype(e.where(none, const(float("-inf"), wide.dtype), log), x.dtype)


@api
def softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """exp(x) / sum(exp(x)) over `axis`: positive numbers that sum to 1. NaN where every element is
    -inf, because then there is nothing to choose from.

    >>> import tinygraph as tg
    >>> tg.softmax(tg.tensor([0.0, 0.0, -float("inf")]))
    tensor([0.5, 0.5, 0. ])
    """
    node = as_float_node(x)
    axes = normalize_axes(axis, node.ndim)
    if _none_along(node, axes):
        return Tensor(node)
    wide = widened(node)
    powers = e.exp(wide - _largest(wide, axes))
    return Tensor(in_dtype(powers / r.sum(powers, axis=axes, keepdims=True), node.dtype))


@api
def log_softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """log(softmax(x)) over `axis`, exact where a probability is too small to be written down.

    >>> import tinygraph as tg
    >>> tg.log_softmax(tg.tensor([0.0, 1000.0]))
    tensor([-1000.,     0.])
    """
    node = as_float_node(x)
    axes = normalize_axes(axis, node.ndim)
    if _none_along(node, axes):
        return Tensor(node)
    wide = widened(node)
    shifted = wide - _largest(wide, axes)
    result = shifted - e.log(r.sum(e.exp(shifted), axis=axes, keepdims=True))
    return Tensor(in_dtype(result, node.dtype))
