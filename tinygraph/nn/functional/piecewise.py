"""Activation functions made of pieces, most of them straight.

Where two pieces meet, the slope is PyTorch's. Integers are cast to float32 where a slope or a
bound is a float; `relu`, `relu6` and `threshold` leave them integers.
"""

from __future__ import annotations

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import logical_and, where
from tinygraph.array.elementwise import relu as relu_of
from tinygraph.array.shape import reshape
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.functional.activation import floats
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "bipolar_step", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "prelu",
    "relu", "relu6", "rrelu", "softshrink", "step", "threshold",
]  # fmt: skip


@api
def step(input: TensorLike) -> Tensor:
    """1 where x >= 0, else 0: the Heaviside function, 1 at exactly 0. Slope 0; NaN stays NaN.

    Source: Rosenblatt, "The Perceptron" (1958).

    >>> import tinygraph as tg
    >>> tg.nn.functional.step(tg.tensor([-2.0, 0.0, 3.0]))
    tensor([0., 1., 1.])
    """
    return _two_valued(floats(input), 0.0)


@api
def bipolar_step(input: TensorLike) -> Tensor:
    """1 where x >= 0, else -1: 1 at exactly 0, where `sign` gives 0. Slope 0; NaN stays NaN.

    >>> import tinygraph as tg
    >>> tg.nn.functional.bipolar_step(tg.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  1.,  1.])
    """
    return _two_valued(floats(input), -1.0)


def _two_valued(x: Tensor, below: float) -> Tensor:
    return where(x >= 0, 1.0, where(x < 0, below, x))


@api
def relu(input: TensorLike, inplace: bool = False) -> Tensor:
    """max(x, 0), the rectified linear unit; its slope at 0 is 0.

    inplace: ignored, results are always new.

    Source: Nair and Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines"
    (2010).

    >>> import tinygraph as tg
    >>> tg.nn.functional.relu(tg.tensor([-2.0, 3.0]))
    tensor([0., 3.])
    """
    return relu_of(input)


@api
def leaky_relu(input: TensorLike, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x, which is the slope at 0 too.

    inplace: ignored, results are always new.

    Source: Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models" (2013).

    >>> import tinygraph as tg
    >>> tg.nn.functional.leaky_relu(tg.tensor([-2.0, 3.0]), 0.1)
    tensor([-0.2,  3. ])
    """
    return _bent(floats(input), negative_slope)


def _bent(x: Tensor, slope: TensorLike) -> Tensor:
    """x where it is positive, else slope * x."""
    return where(x > 0, x, slope * x)


@api
def prelu(input: TensorLike, weight: TensorLike) -> Tensor:
    """x where x > 0, else weight * x: a leaky ReLU whose slope is learned.

    input: (batch, channel, ...). weight: one number, or (channel,) for one of each channel.
    Raises ShapeError where it has as many numbers as there are channels neither.

    Source: He et al., "Delving Deep into Rectifiers" (2015).

    >>> import tinygraph as tg
    >>> tg.nn.functional.prelu(tg.tensor([[-1.0, -1.0]]), tg.tensor([0.1, 0.2]))
    tensor([[-0.1, -0.2]])
    """
    x, slopes = floats(input), to_tensor(weight)
    if slopes.ndim > 1:
        raise ShapeError(
            f"expected a weight of at most one dimension, got shape {show_shape(slopes.shape)}"
        )
    channels = x.shape[1] if x.ndim > 1 else 1
    if slopes.ndim == 1 and slopes.shape[0] != 1:
        if slopes.shape[0] != channels and is_known(slopes.shape[0], channels):
            raise ShapeError(
                f"expected one weight, or one for each of the {channels} channels (dimension 1) of "
                f"{show_shape(x.shape)}, got {slopes.shape[0]}"
            )
        slopes = reshape(slopes, (slopes.shape[0],) + (1,) * (x.ndim - 2))
    elif x.ndim == 0:
        slopes = reshape(slopes, ())
    return _bent(x, slopes)


@api
def rrelu(
    input: TensorLike,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where x > 0, else a * x with a drawn evenly from [lower, upper) for each element.

    training: without it a = (lower + upper) / 2. inplace: ignored, results are always new. The
    numbers come from the default generator. Raises ValueError where lower is above upper.

    Source: Xu et al., "Empirical Evaluation of Rectified Activations in Convolutional Network"
    (2015).

    >>> import tinygraph as tg
    >>> tg.nn.functional.rrelu(tg.tensor([-2.0, 3.0]), 0.0, 0.5)
    tensor([-0.5,  3. ])
    """
    if not lower <= upper:
        raise ValueError(f"rrelu: expected lower <= upper, got {lower} and {upper}")
    x = floats(input)
    if not training:
        return _bent(x, (lower + upper) / 2)
    return _bent(x, random.uniform(x.shape, lower, upper, dtype=x.dtype))


@api
def hardtanh(
    input: TensorLike, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """min(max(x, min_val), max_val): a tanh of straight pieces; its slope at both bounds is 0.

    inplace: ignored, results are always new. Raises ValueError where min_val is above max_val.

    Source: Collobert, "Large Scale Machine Learning" (2004).

    >>> import tinygraph as tg
    >>> tg.nn.functional.hardtanh(tg.tensor([-2.0, 0.5, 3.0]))
    tensor([-1. ,  0.5,  1. ])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: expected min_val <= max_val, got {min_val} and {max_val}")
    return _between(to_tensor(input), min_val, max_val)


def _between(x: Tensor, low: float, high: float) -> Tensor:
    # not `clip`, whose slope at the bounds is 1
    return where(x <= low, low, where(x >= high, high, x))


@api
def relu6(input: TensorLike, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6): a ReLU whose results fit in few bits.

    inplace: ignored, results are always new.

    Source: Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10" (2010).

    >>> import tinygraph as tg
    >>> tg.nn.functional.relu6(tg.tensor([-2.0, 3.0, 10.0]))
    tensor([0., 3., 6.])
    """
    return _between(to_tensor(input), 0, 6)


@api
def hardsigmoid(input: TensorLike, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6: a sigmoid of straight pieces.

    That is PyTorch's and Keras 3's; Keras 2 had min(max(0.2 x + 0.5, 0), 1). inplace: ignored,
    results are always new.

    Source: Howard et al., "Searching for MobileNetV3" (2019).

    >>> import tinygraph as tg
    >>> tg.nn.functional.hardsigmoid(tg.tensor([-4.0, 0.0, 4.0]))
    tensor([0. , 0.5, 1. ])
    """
    return _between(floats(input) + 3.0, 0.0, 6.0) / 6.0


@api
def hardswish(input: TensorLike, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x): 0 up to -3, x from 3 on, and x * (x + 3) / 6 between.

    inplace: ignored, results are always new.

    Source: Howard et al., "Searching for MobileNetV3" (2019).

    >>> import tinygraph as tg
    >>> tg.nn.functional.hardswish(tg.tensor([-4.0, 1.5, 4.0]))
    tensor([0.   , 1.125, 4.   ])
    """
    x = floats(input)
    middle = _between(x, -3.0, 3.0)  # an infinity in what is not used would have the slope 0 * inf
    return where(x <= -3.0, 0.0, where(x >= 3.0, x, middle * ((middle + 3.0) / 6.0)))


@api
def hardshrink(input: TensorLike, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0.

    Source: Donoho and Johnstone, "Ideal Spatial Adaptation by Wavelet Shrinkage" (1994).

    >>> import tinygraph as tg
    >>> tg.nn.functional.hardshrink(tg.tensor([-2.0, 0.3, 3.0]))
    tensor([-2.,  0.,  3.])
    """
    x = floats(input)
    return where(logical_and(x >= -lambd, x <= lambd), 0.0, x)


@api
def softshrink(input: TensorLike, lambd: float = 0.5) -> Tensor:
    """sign(x) * max(|x| - lambd, 0): x drawn nearer to 0 by lambd. The step of the lasso.

    Raises ValueError for a lambd below 0.

    Source: Donoho and Johnstone, "Ideal Spatial Adaptation by Wavelet Shrinkage" (1994).

    >>> import tinygraph as tg
    >>> tg.nn.functional.softshrink(tg.tensor([-2.0, 0.3, 3.0]))
    tensor([-1.5,  0. ,  2.5])
    """
    if lambd < 0:
        raise ValueError(f"softshrink: expected lambd from 0, got {lambd}")
    x = floats(input)
    small = logical_and(x >= -lambd, x <= lambd)
    return where(small, 0.0, where(x > 0, x - lambd, x + lambd))


@api
def threshold(input: TensorLike, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value.

    inplace: ignored, results are always new.

    >>> import tinygraph as tg
    >>> tg.nn.functional.threshold(tg.tensor([-2.0, 0.5, 3.0]), 1.0, 7.0)
    tensor([7., 7., 3.])
    """
    x = to_tensor(input)
    return where(x <= threshold, value, x)
