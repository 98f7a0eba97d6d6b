"""Linear layers, and the change of shape between them and others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygraph import init
from tinygraph.array.shape import flatten, unflatten
from tinygraph.array.sizes import as_sizes
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.tensor import Tensor

__all__ = ["Bilinear", "Dense", "Flatten", "Identity", "Linear", "Unflatten"]


class Identity(Module):
    """The input as it is. Takes any arguments and ignores them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """x @ weight.T + bias, also called a dense or fully connected layer.

    in_features, out_features: the last size of input and result. bias: whether there is one.

    weight: (out, in), bias: (out,), both drawn evenly from ±1 / sqrt(in_features).

    >>> import tinygraph as tg
    >>> tg.nn.Linear(3, 2)(tg.ones((5, 3))).shape
    (5, 2)
    """

    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = at_least("Linear", "in_features", in_features, 0)
        self.out_features = at_least("Linear", "out_features", out_features, 0)
        self.weight = empty((out_features, in_features), dtype)
        self.bias = empty((out_features,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        fill_evenly(self.in_features, self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


Dense = Linear


class Bilinear(Module):
    """out[k] = x1ᵀ weight[k] x2 + bias[k]: how each element of x1 goes with each of x2.

    in1_features, in2_features, out_features: the last size of both inputs and of the result.
    bias: whether there is one.

    weight: (out, in1, in2), bias: (out,), both drawn evenly from ±1 / sqrt(in1_features).

    >>> import tinygraph as tg
    >>> tg.nn.Bilinear(3, 4, 2)(tg.ones((5, 3)), tg.ones((5, 4))).shape
    (5, 2)
    """

    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = at_least("Bilinear", "in1_features", in1_features, 1)
        self.in2_features = at_least("Bilinear", "in2_features", in2_features, 0)
        self.out_features = at_least("Bilinear", "out_features", out_features, 0)
        self.weight = empty((out_features, in1_features, in2_features), dtype)
        self.bias = empty((out_features,), dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        fill_evenly(self.in1_features, self.weight, self.bias)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """The dimensions from `start_dim` to `end_dim` as one.

    >>> import tinygraph as tg
    >>> tg.nn.Flatten()(tg.ones((5, 3, 2, 2))).shape
    (5, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """The dimension `dim` taken apart into `unflattened_size`, of which one may be -1.

    >>> import tinygraph as tg
    >>> tg.nn.Unflatten(1, (3, 2, -1))(tg.ones((5, 12))).shape
    (5, 3, 2, 2)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise DTypeError(
                f"Unflatten: expected unflattened_size to be a tuple, got {unflattened_size!r}"
            )
        self.dim, self.unflattened_size = dim, as_sizes(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


def at_least(layer: str, name: str, value: Any, low: int) -> int:
    """`value` as an integer. ShapeError, which names layer and argument, if it is below `low`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < low:
        raise ShapeError(f"{layer}: expected {name} to be an integer from {low}, got {value!r}")
    return int(value.__index__())  # not int(value): a Tensor of a float would be cut off


def empty(shape: tuple[int, ...], dtype: Any = None) -> Parameter:
    """A parameter of zeros, to be filled by an initializer."""
    return Parameter(np.zeros(shape, np.float32), dtype=dtype)


def fill_evenly(fan_in: int, *parameters: Parameter | None) -> None:
    """Fill from ±1 / sqrt(fan_in), PyTorch's default for layers with weights."""
    bound = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
    for parameter in parameters:
        if parameter is not None:
            init.uniform(parameter, -bound, bound)
