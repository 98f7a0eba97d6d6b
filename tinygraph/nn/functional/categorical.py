"""Cross-entropies as in Keras: of probabilities or of logits, the classes along the last axis.

By position the input comes first, as in all losses here; as keywords `y_true` and `y_pred` work
too. Probabilities are taken as they are and their logarithm is from -100; Keras divides them by
their sum and bounds them by 1e-7 and 1 - 1e-7 first.
"""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import log, maximum, where
from tinygraph.array.shape import moveaxis
from tinygraph.array.softmax import log_softmax
from tinygraph.nn.functional.binary import LEAST_LOG
from tinygraph.nn.functional.classification import (
    class_axis,
    of_classes,
    of_probabilities,
)
from tinygraph.nn.functional.loss import check_smoothing, operands, reduced
from tinygraph.tensor import Tensor
from tinygraph.transforms import stop_gradient

__all__ = [
    "categorical_cross_entropy", "categorical_crossentropy", "sparse_categorical_cross_entropy",
    "sparse_categorical_crossentropy",
]  # fmt: skip

LEAST = 1e-12  # a probability, whose inverse is the steepest slope of its logarithm


@api(y_pred="input", y_true="target")
def categorical_cross_entropy(
    input: TensorLike,
    target: TensorLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
    reduction: str = "mean",
) -> Tensor:
    """-sum_c y_c log(p_c), from probabilities p or, with `from_logits`, from logits.

    input: probabilities (..., class). target: y of the same shape, one-hot or probabilities.
    label_smoothing: the share e of each target that is spread evenly over all classes,
    (1 - e) y + e / classes. axis: that of the classes. reduction: "mean", "sum" or "none".

    A probability of 0 for the right class costs 100.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.categorical_cross_entropy
    >>> loss(tg.tensor([[0.5, 0.5], [1.0, 0.0]]), tg.tensor([[1.0, 0.0], [0.0, 1.0]]),
    ...      reduction="none")
    tensor([  0.6931472, 100.       ])
    """
    check_smoothing(label_smoothing)
    dtype, (x, y) = operands(input, target)
    log_p = _log_probabilities(x, axis, from_logits)
    if y.ndim == x.ndim:
        y = moveaxis(y, axis, class_axis(x))
    return reduced(of_probabilities(log_p, y, None, label_smoothing), reduction, dtype)


@api(y_pred="input", y_true="target", ignore_index="ignore_class")
def sparse_categorical_cross_entropy(
    input: TensorLike,
    target: TensorLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
    reduction: str = "mean",
) -> Tensor:
    """-log(p_t) at the target class t, from probabilities p or, with `from_logits`, from logits.

    input: probabilities (..., class). target: class numbers (...). ignore_class: a number that
    does not count. axis: that of the classes. reduction: "sum", "none" or "mean", over the
    samples that count.

    >>> import tinygraph as tg
    >>> loss = tg.nn.functional.sparse_categorical_cross_entropy
    >>> loss(tg.tensor([[0.5, 0.5], [1.0, 0.0]]), tg.tensor([0, 1]), reduction="none")
    tensor([  0.6931472, 100.       ])
    """
    dtype, (x,) = operands(input)
    log_p = _log_probabilities(x, axis, from_logits)
    ignored = -100 if ignore_class is None else ignore_class
    return of_classes(log_p, to_tensor(target), None, ignored, reduction, 0.0, dtype)


def _log_probabilities(x: Tensor, axis: int, from_logits: bool) -> Tensor:
    """The logarithms of the probabilities, the classes where `cross_entropy` has them."""
    classes = class_axis(x)
    x = moveaxis(x, axis, classes)
    return log_softmax(x, axis=classes) if from_logits else _log(x)


def _log(p: Tensor) -> Tensor:
    """log(p) from -100, whose slope is 1e12 at most."""
    edge = p < LEAST
    line = p * (1.0 / LEAST)
    slope = where(edge, line - stop_gradient(line), 0.0)
    return slope + maximum(log(where(edge, stop_gradient(p), p)), LEAST_LOG)


categorical_crossentropy = categorical_cross_entropy
sparse_categorical_crossentropy = sparse_categorical_cross_entropy
