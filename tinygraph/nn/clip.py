"""Gradient clipping, between `backward()` and `optimizer.step()`. Also reached as `nn.utils`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tinygraph.array.elementwise import abs, clip, maximum, minimum, pow, sqrt
from tinygraph.array.reduce import max, sum, widened
from tinygraph.autodiff.mode import no_grad
from tinygraph.errors import NonFiniteError
from tinygraph.graph.node import STATE
from tinygraph.runtime import lazy
from tinygraph.tensor import Tensor, tensor


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale the gradients so that their norm, over all of them together, is at most `max_norm`.

    g ← g * min(1, max_norm / (norm + 1e-6))

    norm_type: the p of the norm; `float("inf")` for the largest entry. error_if_nonfinite: raise
    NonFiniteError where the norm is NaN or infinite, which has to compute it at once. Returns
    the norm before. Parameters without a gradient are passed over.

    Source: Pascanu et al., "On the difficulty of training recurrent neural networks" (2013).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, 1.0])
    >>> (w * tg.tensor([3.0, 4.0])).sum().backward()
    >>> tg.nn.utils.clip_grad_norm_([w], 1.0).item()
    5.0
    >>> w.grad
    tensor([0.5999999 , 0.79999983])
    """
    owners = _with_grad(parameters)
    if not owners:
        return tensor(0.0)
    with no_grad():
        total = _norm([_grad(p) for p in owners], float(norm_type))
        if error_if_nonfinite and not math.isfinite(float(total)):
            raise NonFiniteError(
                f"clip_grad_norm_: the norm of order {norm_type} of the gradients is "
                f"{float(total)}, so they cannot be scaled"
            )
        factor = minimum(max_norm / (total + 1e-6), 1.0)
        for parameter in owners:
            grad = _grad(parameter)
            parameter.grad = grad * factor.astype(grad.dtype)
    if STATE.trace is None:
        lazy.note(total)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Keep every entry of the gradients between -clip_value and clip_value.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, 1.0])
    >>> (w * tg.tensor([3.0, 0.5])).sum().backward()
    >>> tg.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([1. , 0.5])
    """
    if clip_value < 0:
        raise ValueError(f"clip_grad_value_: expected a value from 0, got {clip_value}")
    with no_grad():
        for parameter in _with_grad(parameters):
            parameter.grad = clip(_grad(parameter), -clip_value, clip_value)


def _with_grad(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    return [parameter for parameter in parameters if parameter.grad is not None]


def _grad(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def _norm(grads: list[Tensor], order: float) -> Tensor:
    """The norm of all the entries of `grads`, as of one vector."""
    if order <= 0:
        raise ValueError(f"clip_grad_norm_: expected a norm_type above 0, got {order:g}")
    parts = [_part(grad, order) for grad in grads]
    total = parts[0]
    for part in parts[1:]:
        total = maximum(total, part) if math.isinf(order) else total + part
    if math.isinf(order):
        return total
    return sqrt(total) if order == 2.0 else pow(total, 1.0 / order)


def _part(grad: Tensor, order: float) -> Tensor:
    grad = Tensor(widened(grad.node))  # squares of 16-bit floats would overflow
    if math.isinf(order):
        return max(abs(grad))
    return sum(grad * grad) if order == 2.0 else sum(pow(abs(grad), order))
