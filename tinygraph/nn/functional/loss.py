"""What the losses have in common: which inputs fit together, and how their elements become one."""

from __future__ import annotations

from functools import reduce

from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import astype
from tinygraph.array.reduce import mean, sum
from tinygraph.dtypes import DEFAULT_FLOAT, DType, Scalar, float32, is_float, promote
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction: str, known: tuple[str, ...] = REDUCTIONS) -> None:
    """ValueError where `reduction` is none of those that the loss has."""
    if reduction not in known:
        raise ValueError(f"expected reduction out of {', '.join(known)}, got {reduction!r}")


def check_smoothing(label_smoothing: float) -> None:
    """ValueError where `label_smoothing` is no share."""
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"expected label_smoothing from 0 to 1, got {label_smoothing}")


def operands(*values: TensorLike) -> tuple[DType, list[Tensor]]:
    """The dtype of a loss of `values`, the one that they promote to, and all of them as floats.

    Those have 32 bits at least: the squares and the sums of 16-bit floats would overflow. A number
    takes the dtype of the others; a loss of integers is a float32.
    """
    tensors = [to_tensor(value) for value in values]
    typed = [x for x, given in zip(tensors, values, strict=True) if not isinstance(given, Scalar)]
    dtype = reduce(promote, [x.dtype for x in typed or tensors])
    if not is_float(dtype):
        dtype = DEFAULT_FLOAT
    wide = dtype if dtype.itemsize >= 4 else float32
    return dtype, [astype(x, wide) for x in tensors]


def alike(input: TensorLike, target: TensorLike) -> tuple[DType, Tensor, Tensor]:
    """As `operands`, of two that must have the same shape."""
    dtype, (x, y) = operands(input, target)
    check_same_shape(x, y)
    return dtype, x, y


def check_same_shape(x: Tensor, y: Tensor, what: str = "target") -> None:
    """Broadcasting is refused: (n,) against (n, 1) would compare all with all."""
    if x.shape != y.shape and is_known(*x.shape, *y.shape):
        raise ShapeError(
            f"expected a {what} of the shape of the input, {show_shape(x.shape)}, got "
            f"{show_shape(y.shape)}"
        )
    if len(x.shape) != len(y.shape):
        raise ShapeError(f"expected a {what} with {x.ndim} dimensions, got {y.ndim}")


def weighted(loss: Tensor, weight: TensorLike | None) -> Tensor:
    """Each element of `loss` times its weight, which broadcasts; None leaves them as they are."""
    if weight is None:
        return loss
    factors = to_tensor(weight, loss.dtype)
    result = loss * factors
    if result.shape != loss.shape and is_known(*result.shape, *loss.shape):
        raise ShapeError(
            f"expected a weight that broadcasts to {show_shape(loss.shape)}, got "
            f"{show_shape(factors.shape)}"
        )
    return result


def reduced(loss: Tensor, reduction: str, dtype: DType) -> Tensor:
    """The elements of a loss as they are ("none"), their "sum" or their "mean", in `dtype`."""
    check_reduction(reduction)
    if reduction != "none":
        loss = mean(loss) if reduction == "mean" else sum(loss)
    return astype(loss, dtype)
