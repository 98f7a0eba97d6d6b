"""Samples mixed with others of their batch, and targets that are softened: against overfitting."""

from __future__ import annotations

from typing import Any

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange, one_hot
from tinygraph.array.elementwise import astype, floor, logical_and, maximum, minimum, sqrt, where
from tinygraph.array.select import take
from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.ops.bounds import within
from tinygraph.ops.registry import const
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["cutmix", "mixup", "smooth_labels"]


@api
def smooth_labels(
    target: TensorLike, smoothing: float = 0.1, num_classes: int | None = None
) -> Tensor:
    """(1 - smoothing) y + smoothing / classes: targets that leave every class some probability.

    target: probabilities (..., class), one-hot or not, or class numbers (...) with `num_classes`.
    Returns (..., class). `cross_entropy` does the same by its option `label_smoothing`.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016).

    >>> import tinygraph as tg
    >>> tg.nn.functional.smooth_labels(tg.tensor([1]), 0.2, num_classes=4)
    tensor([[0.05, 0.85, 0.05, 0.05]])
    """
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"smooth_labels: expected smoothing from 0 to 1, got {smoothing}")
    y = _probabilities(target, num_classes)
    return y * (1.0 - smoothing) + smoothing / _number(y.shape[-1], y)


@api
def mixup(
    input: TensorLike,
    target: TensorLike,
    alpha: float = 1.0,
    num_classes: int | None = None,
    generator: random.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """w x + (1 - w) x' and w y + (1 - w) y', each sample with another one of its batch.

    input: (batch, ...). target: class numbers (batch,) with `num_classes`, or probabilities
    (batch, class). alpha: w comes from Beta(alpha, alpha), once for the batch. Returns the mixed
    inputs and probabilities, of the shapes of input and (batch, class).

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2018).

    >>> import tinygraph as tg
    >>> x, y = tg.nn.functional.mixup(tg.ones((4, 3)), tg.tensor([0, 1, 0, 1]), num_classes=2)
    >>> x.shape, y.shape
    ((4, 3), (4, 2))
    """
    x, y = _pair(input, target, num_classes)
    weight = _weight(alpha, generator)
    order = random.permutation(x.shape[0], generator=generator)
    return _mixed(x, take(x, order, 0), weight), _mixed(y, take(y, order, 0), weight)


@api
def cutmix(
    input: TensorLike,
    target: TensorLike,
    alpha: float = 1.0,
    num_classes: int | None = None,
    generator: random.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Images with a box out of another one of the batch; targets mixed by the share of the area.

    input: (batch, ..., height, width). The box, the same for all, has a share 1 - w of the area,
    w from Beta(alpha, alpha), and its middle anywhere, so that a part may fall outside. The other
    arguments and the results are those of `mixup`.

    Source: Yun et al., "CutMix" (2019).

    >>> import tinygraph as tg
    >>> images = tg.ones((4, 3, 8, 8))
    >>> x, y = tg.nn.functional.cutmix(images, tg.tensor([0, 1, 0, 1]), num_classes=2)
    >>> x.shape, y.shape
    ((4, 3, 8, 8), (4, 2))
    """
    x, y = _pair(input, target, num_classes)
    if x.ndim < 3:
        raise ShapeError(f"expected images (batch, ..., height, width), got {show_shape(x.shape)}")
    share = sqrt(1.0 - _weight(alpha, generator))  # of the box in each direction
    middle = random.rand(2, generator=generator)
    order = random.permutation(x.shape[0], generator=generator)
    rows, height = _stretch(x.shape[-2], share, middle[0])
    columns, width = _stretch(x.shape[-1], share, middle[1])
    inside = logical_and(rows[:, None], columns)
    area = height * width / (_number(x.shape[-2], height) * _number(x.shape[-1], height))
    mixed = where(inside, take(x, order, 0), x)
    return mixed, _mixed(y, take(y, order, 0), astype(1.0 - area, y.dtype))


def _stretch(size: Size, share: Tensor, middle: Tensor) -> tuple[Tensor, Tensor]:
    """Which of `size` places lie within a part around `middle`, and how many they are."""
    whole = _number(size, share)
    half = floor(floor(whole * share) * 0.5)
    centre = floor(middle * whole)
    low, high = maximum(centre - half, 0.0), minimum(centre + half, whole)
    places = astype(arange(size), share.dtype)
    return logical_and(places >= low, places < high), high - low


def _pair(input: TensorLike, target: TensorLike, num_classes: int | None) -> tuple[Tensor, Tensor]:
    x = to_tensor(input)
    if not is_float(x.dtype):
        raise DTypeError(f"expected floats as input, got {x.dtype.name}")
    y = _probabilities(target, num_classes, x.dtype)
    if y.ndim != 2 or not x.ndim or _differ(x.shape[0], y.shape[0]):
        raise ShapeError(
            f"expected as many targets as samples, got an input of shape {show_shape(x.shape)} "
            f"and probabilities of shape {show_shape(y.shape)}"
        )
    return x, y


def _differ(size: Size, other: Size) -> bool:
    """Whether two sizes are known to be different: an open one may be any."""
    return is_known(size, other) and size != other


def _probabilities(target: TensorLike, num_classes: int | None, dtype: Any = "float32") -> Tensor:
    y = to_tensor(target)
    if is_float(y.dtype):
        return y
    if num_classes is None or num_classes < 1:
        raise ValueError(
            f"class numbers need num_classes, to become probabilities; got {num_classes}"
        )
    classes = Tensor(within(y.node, size=num_classes, what="class"))
    return one_hot(classes, num_classes, dtype=dtype)


def _weight(alpha: float, generator: random.Generator | None) -> Tensor:
    if not alpha > 0:
        raise ValueError(f"expected alpha above 0, got {alpha}")
    return random.beta(alpha, alpha, generator=generator)


def _mixed(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    w = astype(weight, one.dtype)
    return one * w + other * (1.0 - w)


def _number(size: Size, like: Tensor) -> Tensor:
    return Tensor(const(size, like.dtype))
