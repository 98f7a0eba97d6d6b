"""Activations made of pieces, as layers. The formulas' sources stand in `nn.functional`.

`inplace` is taken where PyTorch has it, and ignored: results are always new.
"""

from __future__ import annotations

from typing import Any

from tinygraph import init as initializers
from tinygraph.nn import functional as F
from tinygraph.nn.layers.activation import Shown
from tinygraph.nn.layers.linear import at_least, empty
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = [
    "BipolarStep", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "PReLU",
    "RReLU", "ReLU", "ReLU6", "Softshrink", "Step", "Threshold",
]  # fmt: skip


class Step(Module):
    """1 where x >= 0, else 0: the Heaviside function, 1 at exactly 0. Its slope is 0.

    >>> import tinygraph as tg
    >>> tg.nn.Step()(tg.tensor([-2.0, 0.0, 3.0]))
    tensor([0., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.step(input)


class BipolarStep(Module):
    """1 where x >= 0, else -1: 1 at exactly 0. Its slope is 0.

    >>> import tinygraph as tg
    >>> tg.nn.BipolarStep()(tg.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  1.,  1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.bipolar_step(input)


class ReLU(Module):
    """max(x, 0); its slope at 0 is 0.

    >>> import tinygraph as tg
    >>> tg.nn.ReLU()(tg.tensor([-2.0, 3.0]))
    tensor([0., 3.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input)


class ReLU6(Module):
    """min(max(x, 0), 6).

    >>> import tinygraph as tg
    >>> tg.nn.ReLU6()(tg.tensor([-2.0, 3.0, 10.0]))
    tensor([0., 3., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return F.relu6(input)


class LeakyReLU(Shown):
    """x where x > 0, else negative_slope * x.

    >>> import tinygraph as tg
    >>> tg.nn.LeakyReLU(0.1)(tg.tensor([-2.0, 3.0]))
    tensor([-0.2,  3. ])
    """

    shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)


class PReLU(Module):
    """x where x > 0, else weight * x, with a learned weight.

    num_parameters: 1, or the number of channels (dimension 1 of the input) for a weight of each.
    init: the value of the weights at first.

    weight: (num_parameters,).

    >>> import tinygraph as tg
    >>> tg.nn.PReLU()(tg.tensor([-2.0, 3.0])).tolist()
    [-0.5, 3.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = None) -> None:
        super().__init__()
        self.init = init
        self.weight = empty((at_least("PReLU", "num_parameters", num_parameters, 0),), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Let the weights be what they were at first."""
        initializers.constant(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.weight.shape[0]}"


class RReLU(Shown):
    """x where x > 0, else a * x, a drawn evenly from [lower, upper) while training, else its mean.

    >>> import tinygraph as tg
    >>> tg.nn.RReLU(0.0, 0.5).eval()(tg.tensor([-2.0, 3.0]))
    tensor([-0.5,  3. ])
    """

    shown = ("lower", "upper")

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training)


class Hardtanh(Shown):
    """min(max(x, min_val), max_val); its slope at both bounds is 0.

    >>> import tinygraph as tg
    >>> tg.nn.Hardtanh()(tg.tensor([-2.0, 0.5, 3.0]))
    tensor([-1. ,  0.5,  1. ])
    """

    shown = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: expected min_val < max_val, got {min_val} and {max_val}")
        self.min_val, self.max_val = min_val, max_val

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val)


class Hardsigmoid(Module):
    """min(max(x + 3, 0), 6) / 6.

    >>> import tinygraph as tg
    >>> tg.nn.Hardsigmoid()(tg.tensor([-4.0, 0.0, 4.0]))
    tensor([0. , 0.5, 1. ])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input)


class Hardswish(Module):
    """x * min(max(x + 3, 0), 6) / 6.

    >>> import tinygraph as tg
    >>> tg.nn.Hardswish()(tg.tensor([-4.0, 1.5, 4.0]))
    tensor([0.   , 1.125, 4.   ])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input)


class Hardshrink(Module):
    """x where |x| > lambd, else 0.

    >>> import tinygraph as tg
    >>> tg.nn.Hardshrink()(tg.tensor([-2.0, 0.3, 3.0]))
    tensor([-2.,  0.,  3.])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """sign(x) * max(|x| - lambd, 0): x drawn nearer to 0 by lambd.

    >>> import tinygraph as tg
    >>> tg.nn.Softshrink()(tg.tensor([-2.0, 0.3, 3.0]))
    tensor([-1.5,  0. ,  2.5])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Threshold(Shown):
    """x where x > threshold, else value.

    >>> import tinygraph as tg
    >>> tg.nn.Threshold(1.0, 7.0)(tg.tensor([-2.0, 0.5, 3.0]))
    tensor([7., 7., 3.])
    """

    shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value = threshold, value

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value)
