"""Losses of yes or no: how little probability a result gives to the right one of two answers."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import log, log1p, logaddexp, maximum, square, where
from tinygraph.nn.functional.loss import alike, check_smoothing, reduced, weighted
from tinygraph.tensor import Tensor
from tinygraph.transforms import stop_gradient

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "binary_crossentropy",
]  # fmt: skip

LEAST_LOG = -100.0  # of a probability: what is certain and wrong costs 100, not infinity
LEAST_SPREAD = 1e-12  # of p (1 - p), by which the slope is divided


@api
def binary_cross_entropy(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(y log(p) + (1 - y) log(1 - p)), the logarithms from -100.

    input: probabilities p; from logits `binary_cross_entropy_with_logits` is more exact. target:
    probabilities y of the same shape. weight: factors, which broadcast. reduction: "mean", "sum"
    or "none".

    A confident mistake costs much, but at most 100, and its slope is finite:
    (p - y) / max(p (1 - p), 1e-12). The loss of a p that is no probability is NaN, where PyTorch
    raises.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.binary_cross_entropy
    >>> loss(tg.tensor([0.5, 0.0]), tg.tensor([1.0, 1.0]), reduction="none")
    tensor([  0.6931472, 100.       ])
    """
    dtype, p, y = alike(input, target)
    return reduced(weighted(_entropy(p, y), weight), reduction, dtype)


def _entropy(p: Tensor, y: Tensor) -> Tensor:
    edge = p * (1.0 - p) < LEAST_SPREAD
    inner = where(edge, stop_gradient(p), p)
    yes, no = maximum(log(inner), LEAST_LOG), maximum(log1p(-inner), LEAST_LOG)
    # at the edge, where the logarithms have no finite slope, it is that of a parabola
    parabola = square(p - stop_gradient(y)) * (0.5 / LEAST_SPREAD)
    slope = where(edge, parabola - stop_gradient(parabola), 0.0)
    return slope - (y * yes + (1.0 - y) * no)


@api
def binary_cross_entropy_with_logits(
    input: TensorLike,
    target: TensorLike,
    weight: TensorLike | None = None,
    reduction: str = "mean",
    pos_weight: TensorLike | None = None,
) -> Tensor:
    """-(y log s(x) + (1 - y) log(1 - s(x))), s the sigmoid, without overflow.

    input: logits. target: probabilities of the same shape. weight: factors, which broadcast.
    pos_weight: a factor for the part of the positive class. reduction: "mean", "sum" or "none".

    Of a model w.x it is convex in w: the second derivative is x x^T s (1 - s).

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.binary_cross_entropy_with_logits
    >>> loss(tg.tensor([1000.0, -1000.0]), tg.tensor([1.0, 1.0]), reduction="none")
    tensor([   0., 1000.])
    """
    dtype, x, y = alike(input, target)
    loss = entropy_of_logits(x, y, pos_weight)
    return reduced(weighted(loss, weight), reduction, dtype)


def entropy_of_logits(x: Tensor, y: Tensor, pos_weight: TensorLike | None = None) -> Tensor:
    """The binary cross-entropy of each logit x and probability y."""
    softplus = logaddexp(-x, 0.0)  # -log s(x)
    if pos_weight is not None:
        softplus = softplus * (1.0 + (to_tensor(pos_weight, x.dtype) - 1.0) * y)
    return (1.0 - y) * x + softplus


@api(y_pred="input", y_true="target")
def binary_crossentropy(
    input: TensorLike,
    target: TensorLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """-(y log(p) + (1 - y) log(1 - p)): Keras' form, with smooth labels.

    input: probabilities p, or with `from_logits` logits. target: probabilities y of the same
    shape. As keywords `y_true` and `y_pred` work too; by position the input comes first, as in all
    losses here.
    label_smoothing: the share e of each target that is spread evenly, (1 - e) y + e/2.
    reduction: "mean", "sum" or "none".

    The logarithms are bounded as in `binary_cross_entropy`; Keras bounds p from 1e-7 instead.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.binary_crossentropy
    >>> round(loss(y_true=tg.tensor([1.0]), y_pred=tg.tensor([0.0]), from_logits=True).item(), 4)
    0.6931
    """
    check_smoothing(label_smoothing)
    dtype, x, y = alike(input, target)
    if label_smoothing:
        y = (1.0 - label_smoothing) * y + 0.5 * label_smoothing
    return reduced(entropy_of_logits(x, y) if from_logits else _entropy(x, y), reduction, dtype)
