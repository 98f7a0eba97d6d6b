"""Linear maps."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.reduce import in_dtype, widened
from tinygraph.dtypes import promote
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node, Shape
from tinygraph.ops.contract import dot_general
from tinygraph.ops.einsum import einsum
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["bilinear", "linear"]


@api
def linear(input: TensorLike, weight: TensorLike, bias: TensorLike | None = None) -> Tensor:
    """x @ weight.T + bias.

    input: (..., in). weight: (out, in), or (in,) for one output without a dimension. bias:
    (out,). Returns (..., out).

    >>> import tinygraph as tg
    >>> tg.nn.functional.linear(tg.tensor([1.0, 2.0]), tg.tensor([[1.0, 1.0]]), tg.tensor([5.0]))
    tensor([8.])
    """
    x, w = as_node(input), as_node(weight)
    features = w.shape[-1] if w.shape else 0
    if not x.shape or w.ndim not in (1, 2) or _differ(x.shape[-1], features):
        raise ShapeError(
            f"expected an input of shape (..., in) and a weight of shape (out, in), got "
            f"{show_shape(x.shape)} and {show_shape(w.shape)}"
        )
    none: tuple[int, ...] = ()
    result = dot_general(x, w, contract=((x.ndim - 1,), (w.ndim - 1,)), batch=(none, none))
    return Tensor(_plus(result, bias, w.shape[:-1]))


@api
def bilinear(
    input1: TensorLike, input2: TensorLike, weight: TensorLike, bias: TensorLike | None = None
) -> Tensor:
    """out[k] = x1ᵀ weight[k] x2 + bias[k]: how each element of x1 goes with each of x2.

    input1: (..., in1). input2: (..., in2), with the same dimensions before the last. weight:
    (out, in1, in2). bias: (out,). Returns (..., out).

    >>> import tinygraph as tg
    >>> x, y = tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0])
    >>> tg.nn.functional.bilinear(x, y, tg.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
    tensor([11.])
    """
    x, y, w = as_node(input1), as_node(input2), as_node(weight)
    lead = x.shape[:-1], y.shape[:-1]
    if (
        not x.shape or not y.shape or w.ndim != 3
        or _differ(x.shape[-1], w.shape[1]) or _differ(y.shape[-1], w.shape[2])
        or len(lead[0]) != len(lead[1]) or any(map(_differ, *lead))
    ):  # fmt: skip
        raise ShapeError(
            f"expected inputs of shape (..., in1) and (..., in2) and a weight of shape "
            f"(out, in1, in2), got {show_shape(x.shape)}, {show_shape(y.shape)} and "
            f"{show_shape(w.shape)}"
        )
    wide = einsum("...i,kij,...j->...k", widened(x), widened(w), widened(y))
    result = in_dtype(wide, promote(promote(x.dtype, w.dtype), y.dtype))
    return Tensor(_plus(result, bias, w.shape[:1]))


def _plus(result: Node, bias: TensorLike | None, shape: Shape) -> Node:
    """result + bias, where a bias is given: of `shape`, or one number for all."""
    if bias is None:
        return result
    b = as_node(bias)
    if len(b.shape) > len(shape) or any(_differ(n, m) for n, m in zip(b.shape, shape) if n != 1):
        raise ShapeError(f"expected a bias of shape {show_shape(shape)}, got {show_shape(b.shape)}")
    return result + b


def _differ(a: Size, b: Size) -> bool:
    return a != b and is_known(a, b)
