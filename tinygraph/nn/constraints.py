"""Constraints: what a weight is brought back to after each update.

    constraints.register(layer.weight, constraints.MaxNorm(3.0))

Every optimizer applies the constraint of a parameter to what it is about to become, in every
mode. A constraint is any function from a Tensor to one of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tinygraph.array.elementwise import clip, maximum
from tinygraph.autodiff.mode import no_grad
from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.linalg import vector_norm
from tinygraph.nn.parameter import Parameter
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor, realize

__all__ = ["Clip", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "apply", "register"]

Constraint = Callable[[Tensor], Tensor]
Dims = int | Sequence[int] | None


def register(parameters: Parameter | Iterable[Parameter], constraint: Constraint | None) -> None:
    """Let `constraint` be applied to each of `parameters` after each update; None for none.

    The values that they have now stay until then; `apply` brings them in at once.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([0.5])
    >>> tg.nn.constraints.register(w, tg.nn.constraints.NonNeg())
    >>> optimizer = tg.optim.SGD([w], lr=1.0)
    >>> (w * 3).sum().backward()
    >>> optimizer.step()
    >>> w.item()
    0.0
    """
    if constraint is not None and not callable(constraint):
        raise TypeError(f"expected a function as constraint, got a {type(constraint).__name__}")
    for parameter in _listed(parameters):
        parameter.constraint = constraint


def apply(parameters: Parameter | Iterable[Parameter]) -> None:
    """Bring `parameters` within their constraints now.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([-2.0, 2.0])
    >>> tg.nn.constraints.register(w, tg.nn.constraints.Clip(-1.0, 1.0))
    >>> tg.nn.constraints.apply(w)
    >>> w.tolist()
    [-1.0, 1.0]
    """
    bound = [p for p in _listed(parameters) if p.constraint is not None]
    with no_grad():
        for parameter in bound:
            parameter.assign(constrained(parameter, parameter))
    realize(*bound)


def constrained(parameter: Tensor, value: Tensor) -> Tensor:
    """What the constraint of `parameter` makes of `value`, a next value of it; `value` where
    there is none. TypeError, ShapeError or DTypeError if that cannot be its value."""
    constraint = getattr(parameter, "constraint", None)
    if constraint is None:
        return value
    found = constraint(value)
    expected = f"the constraint of a parameter of shape {show_shape(parameter.shape)}"
    if not isinstance(found, Tensor):
        raise TypeError(f"{expected} made no Tensor of it, but a {type(found).__name__}")
    if found.shape != parameter.shape:
        raise ShapeError(f"{expected} made a value of shape {show_shape(found.shape)} of it")
    if is_float(found.dtype) != is_float(parameter.dtype):
        raise DTypeError(f"{expected} made {found.dtype.name} of {parameter.dtype.name}")
    value = found.astype(parameter.dtype)
    return value


def _listed(parameters: Parameter | Iterable[Parameter]) -> list[Parameter]:
    several = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for parameter in several:
        if not isinstance(parameter, Parameter):
            raise TypeError(f"expected Parameters, got a {type(parameter).__name__}")
    return several


class NonNeg:
    """max(w, 0): no weight is negative.

    >>> import tinygraph as tg
    >>> tg.nn.constraints.NonNeg()(tg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __call__(self, weight: Tensor) -> Tensor:
        return maximum(weight, 0.0)


class Clip:
    """min(max(w, low), high): each weight stays between two bounds.

    >>> import tinygraph as tg
    >>> tg.nn.constraints.Clip(-1.0, 1.0)(tg.tensor([-3.0, 0.5]))
    tensor([-1. ,  0.5])
    """

    def __init__(self, low: float, high: float) -> None:
        if not low <= high:
            raise ValueError(f"Clip: expected low <= high, got {low} and {high}")
        self.low, self.high = low, high

    def __call__(self, weight: Tensor) -> Tensor:
        return clip(weight, self.low, self.high)


class _OfNorm:
    """Constraints on the norm over `dim`."""

    def __init__(self, dim: Dims) -> None:
        self.dim = dim

    def norm(self, weight: Tensor) -> Tensor:
        """The norm over the dimensions, which are kept; by default that of each unit's weights."""
        dim = self.dim
        if dim is None:
            dim = tuple(range(1, weight.ndim)) if weight.ndim > 1 else 0
        return vector_norm(weight, dim if isinstance(dim, int) else tuple(dim), keepdims=True)


class MaxNorm(_OfNorm):
    """w * min(1, max_value / ‖w‖): the norm of the weights of a unit is at most `max_value`.

    dim: the dimensions over which the norm is taken; by default all but the first, so that it is
    that of the weights (out, in, ...) which enter a unit. (Keras, whose weights are (in, out), has
    axis=0 for that.)

    Source: Srivastava et al., "Dropout" (2014).

    >>> import tinygraph as tg
    >>> tg.nn.constraints.MaxNorm(1.0)(tg.tensor([[3.0, 4.0], [0.0, 0.5]]))
    tensor([[0.6, 0.8],
            [0. , 0.5]])
    """

    def __init__(self, max_value: float = 2.0, dim: Dims = None) -> None:
        super().__init__(dim)
        if not max_value >= 0:
            raise ValueError(f"MaxNorm: expected max_value from 0, got {max_value}")
        self.max_value = max_value

    def __call__(self, weight: Tensor) -> Tensor:
        if self.max_value == 0:
            return weight * 0.0
        return weight * (self.max_value / maximum(self.norm(weight), self.max_value))


class UnitNorm(_OfNorm):
    """w / ‖w‖: the weights of a unit have the norm 1. dim: see `MaxNorm`.

    >>> import tinygraph as tg
    >>> tg.nn.constraints.UnitNorm()(tg.tensor([[3.0, 4.0], [0.0, 0.5]]))
    tensor([[0.6, 0.8],
            [0. , 1. ]])
    """

    def __init__(self, dim: Dims = None) -> None:
        super().__init__(dim)

    def __call__(self, weight: Tensor) -> Tensor:
        return weight / maximum(self.norm(weight), 1e-7)


class MinMaxNorm(_OfNorm):
    """w * (rate * clip(‖w‖, min_value, max_value) / ‖w‖ + 1 - rate): a norm between two bounds.

    rate: how much of the way is gone in one update. dim: see `MaxNorm`.

    >>> import tinygraph as tg
    >>> tg.nn.constraints.MinMaxNorm(1.0, 2.0)(tg.tensor([[3.0, 4.0], [0.0, 0.5]]))
    tensor([[1.2, 1.6],
            [0. , 1. ]])
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        dim: Dims = None,
    ) -> None:
        super().__init__(dim)
        if not 0 <= min_value <= max_value:
            raise ValueError(
                f"MinMaxNorm: expected 0 <= min_value <= max_value, got {min_value}, {max_value}"
            )
        if not 0 < rate <= 1:
            raise ValueError(f"MinMaxNorm: expected rate above 0, at most 1, got {rate}")
        self.min_value, self.max_value, self.rate = min_value, max_value, rate

    def __call__(self, weight: Tensor) -> Tensor:
        norm = self.norm(weight)
        wanted = clip(norm, self.min_value, self.max_value)
        factor = wanted / maximum(norm, 1e-7)
        return weight * (self.rate * factor + (1.0 - self.rate))
