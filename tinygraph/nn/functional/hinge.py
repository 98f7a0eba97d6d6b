"""Losses of signed scores: how far a score is on the wrong side of 0, or of a margin.

Where a loss begins to rise it has the slope of its rise, not 0: a perceptron whose weights are
all 0 learns. `reduction` is "mean", "sum" or "none".
"""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike
from tinygraph.array.elementwise import clip, logaddexp, square, where
from tinygraph.array.reduce import max, sum
from tinygraph.errors import ShapeError
from tinygraph.nn.functional.loss import alike, operands, reduced
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "categorical_hinge_loss", "hinge_embedding_loss", "hinge_loss", "margin_ranking_loss",
    "perceptron_loss", "soft_margin_loss", "squared_hinge_loss",
]  # fmt: skip


def rise(x: Tensor) -> Tensor:
    """max(0, x), whose slope at 0 is 1."""
    return clip(x, 0.0)


@api(y_pred="input", y_true="target")
def perceptron_loss(input: TensorLike, target: TensorLike, reduction: str = "sum") -> Tensor:
    """max(0, -y f), where f is the input and y the target, -1 or 1.

    Its slope is -y where the sign of f is wrong (or f is 0), else 0, so that gradient descent is
    the perceptron's rule. Some textbooks call it the hinge loss, which has a margin: `hinge_loss`.
    input: scores, of any shape. target: of the same shape. reduction: "sum" (the default here, as
    in the rule), "mean" or "none".

    Source: Rosenblatt, "The Perceptron" (1958).

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.perceptron_loss
    >>> loss(tg.tensor([2.0, -3.0, 0.5]), tg.tensor([1.0, 1.0, -1.0])).item()
    3.5
    """
    dtype, f, y = alike(input, target)
    return reduced(rise(-y * f), reduction, dtype)


@api(y_pred="input", y_true="target")
def hinge_loss(input: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """max(0, 1 - y f), where f is the input and y the target, -1 or 1: that of the SVM.

    input: scores, of any shape. target: of the same shape. (Keras takes 0 and 1 as well: here
    that is 2 * target - 1.)

    Source: Cortes and Vapnik, "Support-Vector Networks" (1995).

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.hinge_loss
    >>> loss(tg.tensor([2.0, 0.5, 1.0]), tg.tensor([1.0, 1.0, -1.0]), "none")
    tensor([0. , 0.5, 2. ])
    """
    dtype, f, y = alike(input, target)
    return reduced(rise(1.0 - y * f), reduction, dtype)


@api(y_pred="input", y_true="target")
def squared_hinge_loss(input: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """max(0, 1 - y f)², where f is the input and y the target, -1 or 1; see `hinge_loss`.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.squared_hinge_loss
    >>> loss(tg.tensor([2.0, 0.5, 1.0]), tg.tensor([1.0, 1.0, -1.0]), "none")
    tensor([0.  , 0.25, 4.  ])
    """
    dtype, f, y = alike(input, target)
    return reduced(square(rise(1.0 - y * f)), reduction, dtype)


@api(y_pred="input", y_true="target")
def categorical_hinge_loss(
    input: TensorLike, target: TensorLike, reduction: str = "mean"
) -> Tensor:
    """max(0, 1 + max_c (1 - y_c) f_c - sum_c y_c f_c): the best wrong score against the right one.

    input: scores f (..., class). target: y of the same shape, 1 for the right class, else 0.
    Returns: with reduction "none" (...), one number for each sample.

    Source: Weston and Watkins, "Multi-Class Support Vector Machines" (1998), as in Keras.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.categorical_hinge_loss
    >>> loss(tg.tensor([[3.0, 2.5, 0.0]]), tg.tensor([[1.0, 0.0, 0.0]])).item()
    0.5
    """
    dtype, f, y = alike(input, target)
    if not f.ndim:
        raise ShapeError("expected scores (..., class), got a single number")
    wrong, right = max((1.0 - y) * f, axis=-1), sum(y * f, axis=-1)
    return reduced(rise(1.0 + wrong - right), reduction, dtype)


@api
def soft_margin_loss(input: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-y f)), where f is the input and y the target, -1 or 1; without overflow.

    input: scores, of any shape. target: of the same shape, or one that broadcasts.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.soft_margin_loss
    >>> loss(tg.tensor([0.0, -1000.0]), tg.tensor([1.0, 1.0]), "none")
    tensor([6.931472e-01, 1.000000e+03])
    """
    dtype, (f, y) = operands(input, target)
    return reduced(logaddexp(-y * f, 0.0), reduction, dtype)


@api
def margin_ranking_loss(
    input1: TensorLike,
    input2: TensorLike,
    target: TensorLike,
    margin: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -y (input1 - input2) + margin): 1 as y wants the first higher, -1 the second.

    The three have the same number of dimensions, and broadcast.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.margin_ranking_loss
    >>> loss(tg.tensor([1.0]), tg.tensor([3.0]), tg.tensor([1.0]), margin=0.5).item()
    2.5
    """
    dtype, (a, b, y) = operands(input1, input2, target)
    if not a.ndim == b.ndim == y.ndim:
        raise ShapeError(
            "expected inputs and target with the same number of dimensions, got "
            f"{show_shape(a.shape)}, {show_shape(b.shape)} and {show_shape(y.shape)}"
        )
    return reduced(rise(-y * (a - b) + margin), reduction, dtype)


@api
def hinge_embedding_loss(
    input: TensorLike, target: TensorLike, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """The distance x itself where y is 1, and max(0, margin - x) where y is -1.

    input: distances, of any shape. target: y, of the same shape, or one that broadcasts. (Where
    it is another number, the sum of both, as in PyTorch.)

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.hinge_embedding_loss
    >>> loss(tg.tensor([0.25, 0.25]), tg.tensor([1.0, -1.0]), reduction="none")
    tensor([0.25, 0.75])
    """
    dtype, (x, y) = operands(input, target)
    near, far = where(y == -1.0, 0.0, x), where(y == 1.0, 0.0, rise(margin - x))
    return reduced(near + far, reduction, dtype)
