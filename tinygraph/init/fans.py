"""How many connections a weight has, and how much a nonlinearity shrinks a signal."""

from __future__ import annotations

import math

from tinygraph.errors import ShapeError
from tinygraph.ops.rules import product, show_shape
from tinygraph.tensor import Tensor

__all__ = ["calculate_gain", "fans"]

_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0, "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3,
    "relu": math.sqrt(2), "selu": 3 / 4,
}  # fmt: skip


def fans(tensor: Tensor) -> tuple[int, int]:
    """The connections that enter and that leave a unit: (n_in, n_out) of a weight (out, in, ...).

    For a convolution they are the channels times the size of the kernel.

    >>> import tinygraph as tg
    >>> tg.init.fans(tg.zeros((8, 3, 5, 5)))
    (75, 200)
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"fans: expected a Tensor, got a {type(tensor).__name__}")
    if tensor.ndim < 2:
        raise ShapeError(
            "fans: expected a weight with at least 2 dimensions (out, in, ...), got shape "
            f"{show_shape(tensor.shape)}"
        )
    kernel = product(tensor.shape[2:])
    return int(tensor.shape[1] * kernel), int(tensor.shape[0] * kernel)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What a weight is to be scaled by so that the nonlinearity after it keeps a signal's size.

    nonlinearity: "linear", "sigmoid", "tanh" (5/3), "relu" (sqrt(2)), "leaky_relu"
    (sqrt(2 / (1 + param²)), param its negative slope, 0.01 by default), "selu" (3/4), or a
    convolution ("conv2d": 1).

    >>> from tinygraph import init
    >>> init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: expected one of {', '.join([*_GAINS, 'leaky_relu'])}, got "
            f"{nonlinearity!r}"
        )
    return _GAINS[nonlinearity]
