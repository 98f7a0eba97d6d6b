"""Activations as layers, for use in a Sequential. The formulas' sources stand in `nn.functional`.

`inplace` is taken where PyTorch has it, and ignored: results are always new.
"""

from __future__ import annotations

from typing import Any, ClassVar

from tinygraph import init
from tinygraph.nn import functional as F
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.tensor import Tensor

__all__ = [
    "CELU", "ELU", "GELU", "SELU", "LogSigmoid", "Mish", "SiLU", "Sigmoid", "Softplus", "Softsign",
    "Swish", "Tanh", "Tanhshrink",
]  # fmt: skip


class Shown(Module):
    """A module whose text shows the attributes `shown`."""

    shown: ClassVar[tuple[str, ...]] = ()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.shown)


class Sigmoid(Module):
    """1 / (1 + exp(-x)): from 0 to 1, 0.5 at 0; slope s (1 - s), at most 0.25.

    >>> import tinygraph as tg
    >>> tg.nn.Sigmoid()(tg.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0. , 0.5, 1. ])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x))), finite where the sigmoid is too small to be written down.

    >>> import tinygraph as tg
    >>> tg.nn.LogSigmoid()(tg.tensor([-1000.0, 1000.0]))
    tensor([-1000.,    -0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Tanh(Module):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)): from -1 to 1, 0 at 0; slope 1 - tanh^2, at most 1.

    >>> import tinygraph as tg
    >>> tg.nn.Tanh()(tg.tensor([-100.0, 0.0, 100.0]))
    tensor([-1.,  0.,  1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Tanhshrink(Module):
    """x - tanh(x).

    >>> import tinygraph as tg
    >>> tg.nn.Tanhshrink()(tg.tensor([-20.0, 0.0, 20.0]))
    tensor([-19.,   0.,  19.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class Softsign(Module):
    """x / (1 + |x|), which nears -1 and 1 more slowly than tanh.

    >>> import tinygraph as tg
    >>> tg.nn.Softsign()(tg.tensor([-1.0, 0.0, 3.0]))
    tensor([-0.5 ,  0.  ,  0.75])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Softplus(Shown):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above `threshold`.

    >>> import tinygraph as tg
    >>> tg.nn.Softplus()(tg.tensor([-1000.0, 1000.0]))
    tensor([   0., 1000.])
    """

    shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)


class SiLU(Module):
    """x * sigmoid(x); with another beta it is `Swish`.

    >>> import tinygraph as tg
    >>> tg.nn.SiLU()(tg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input)


class Swish(Module):
    """x * sigmoid(beta * x), with a fixed or a learned beta.

    beta: its value, at first. learnable: whether it is a parameter (of no dimensions).

    >>> import tinygraph as tg
    >>> tg.nn.Swish(0.0)(tg.tensor([-2.0, 2.0]))
    tensor([-1.,  1.])
    >>> [name for name, _ in tg.nn.Swish(learnable=True).named_parameters()]
    ['beta']
    """

    def __init__(self, beta: float = 1.0, learnable: bool = False, *, dtype: Any = None) -> None:
        super().__init__()
        self.initial, self.learnable = float(beta), learnable
        self.beta = Parameter(self.initial, dtype=dtype) if learnable else self.initial

    def reset_parameters(self) -> None:
        """Let beta be what it was at first."""
        if isinstance(self.beta, Parameter):
            init.constant(self.beta, self.initial)

    def forward(self, input: Tensor) -> Tensor:
        return F.swish(input, self.beta)

    def extra_repr(self) -> str:
        return f"beta={self.initial}, learnable={self.learnable}"


class Mish(Module):
    """x * tanh(softplus(x)).

    >>> import tinygraph as tg
    >>> tg.nn.Mish()(tg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input)


class GELU(Shown):
    """x * Phi(x), Phi the distribution function of the standard normal distribution.

    approximate: "none" (exact) or "tanh".

    >>> import tinygraph as tg
    >>> tg.nn.GELU()(tg.tensor([0.0, 10.0]))
    tensor([ 0., 10.])
    """

    shown = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, self.approximate)


class ELU(Shown):
    """x where x > 0, else alpha * (exp(x) - 1).

    >>> import tinygraph as tg
    >>> tg.nn.ELU()(tg.tensor([-100.0, 3.0]))
    tensor([-1.,  3.])
    """

    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha)


class CELU(Shown):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)): an ELU with slope 1 at 0 for any alpha.

    >>> import tinygraph as tg
    >>> tg.nn.CELU(2.0)(tg.tensor([-100.0, 3.0]))
    tensor([-2.,  3.])
    """

    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha)


class SELU(Module):
    """1.0507 * elu(x, 1.6733): keeps activations of mean 0 and variance 1 so, layer after layer.

    >>> import tinygraph as tg
    >>> tg.nn.SELU()(tg.tensor([0.0, 1.0]))
    tensor([0.      , 1.050701])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input)
