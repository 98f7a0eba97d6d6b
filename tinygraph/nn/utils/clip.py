"""Norms of gradients, and clipping between `backward()` and `optimizer.step()`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tinygraph.array.elementwise import abs, clip, maximum, minimum, sqrt
from tinygraph.array.join import stack
from tinygraph.array.reduce import max, sum, widened
from tinygraph.autodiff.mode import no_grad
from tinygraph.errors import NonFiniteError
from tinygraph.graph.node import STATE
from tinygraph.linalg import vector_norm
from tinygraph.runtime import lazy
from tinygraph.tensor import Tensor, tensor

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """(sum of |x|^p over all elements of all tensors)^(1/p): the norm of them as one vector.

    tensors: one or several. norm_type: p; `float("inf")` for the largest and -inf for the
    smallest absolute value; for 0, the number of tensors that are not all zeros, as in PyTorch.
    error_if_nonfinite: raise NonFiniteError where the norm is NaN or infinite, for which it is
    computed at once. foreach: ignored.

    16-bit floats are summed, and the result is, in 32 bits. Without any tensor it is 0.

    >>> import tinygraph as tg
    >>> tg.nn.utils.get_total_norm([tg.tensor([3.0]), tg.tensor([[4.0]])]).item()
    5.0
    """
    parts = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    order = float(norm_type)
    if math.isnan(order):
        raise ValueError(f"get_total_norm: expected a number as norm_type, got {norm_type}")
    if not parts:
        return tensor(0.0)
    with no_grad():
        total = _norm([Tensor(widened(part.node)) for part in parts], order)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise NonFiniteError(
            f"the norm of order {norm_type} of the gradients is {float(total)}, so they cannot be "
            "scaled"
        )
    return total


def _norm(parts: list[Tensor], order: float) -> Tensor:
    """The norm of all the elements of `parts`, as of one vector."""
    if order in (1.0, 2.0, math.inf):  # without a root of each part, all is one chain of sums
        found = [_part(part, order) for part in parts]
        total = found[0]
        for each in found[1:]:
            total = maximum(total, each) if math.isinf(order) else total + each
        return sqrt(total) if order == 2.0 else total
    return vector_norm(stack([vector_norm(part, ord=order) for part in parts]), ord=order)


def _part(part: Tensor, order: float) -> Tensor:
    if math.isinf(order):
        return max(abs(part)) if part.size else sum(part)
    return sum(part * part) if order == 2.0 else sum(abs(part))


def clip_factor(total: Tensor, max_norm: float) -> Tensor:
    """min(1, max_norm / (total + 1e-6)): what scales gradients with that norm."""
    return minimum(max_norm / (total + 1e-6), 1.0)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """g ← g * min(1, max_norm / (total_norm + 1e-6)), with a norm that is known already.

    With `get_total_norm` of all the gradients this is `clip_grad_norm_`. Parameters without a
    gradient are passed over. foreach: ignored.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, 1.0])
    >>> (w * tg.tensor([3.0, 4.0])).sum().backward()
    >>> tg.nn.utils.clip_grads_with_norm_(w, 1.0, tg.tensor(2.0))
    >>> w.grad
    tensor([1.4999993, 1.999999 ])
    """
    if not float(max_norm) >= 0:
        raise ValueError(f"clip_grad_norm_: expected max_norm from 0, got {max_norm}")
    with no_grad():
        factor = clip_factor(total_norm, float(max_norm))
        for parameter, grad in _gradients(parameters):
            parameter.grad = grad * factor.astype(grad.dtype)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """g ← g * min(1, max_norm / (norm + 1e-6)), with the norm of all gradients as one vector.

    In a defined graph: `optimizer.minimize(loss, transform=optim.clip_by_global_norm(max_norm))`.

    parameters: one or several; those without a gradient are passed over. norm_type,
    error_if_nonfinite: as in `get_total_norm`. foreach: ignored. Returns the norm before. Raises
    ValueError for a negative max_norm or NaN (PyTorch turns the gradients round).

    Source: Pascanu et al., "On the difficulty of training recurrent neural networks" (2013).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, 1.0])
    >>> (w * tg.tensor([3.0, 4.0])).sum().backward()
    >>> tg.nn.utils.clip_grad_norm_([w], 1.0).item()
    5.0
    >>> w.grad
    tensor([0.5999999 , 0.79999983])
    """
    owners = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    grads = [grad for _, grad in _gradients(owners)]
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(owners, max_norm, total)
    if STATE.trace is None:
        lazy.note(total)
    return total


clip_grad_norm = clip_grad_norm_


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """g ← max(-clip_value, min(clip_value, g)), for every entry of the gradients.

    In a defined graph: `optimizer.minimize(loss, transform=optim.clip_by_value(clip_value))`.

    parameters: one or several; those without a gradient are passed over. foreach: ignored. Raises
    ValueError for a negative value.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, 1.0])
    >>> (w * tg.tensor([3.0, 0.5])).sum().backward()
    >>> tg.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([1. , 0.5])
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: expected a value from 0, got {clip_value}")
    with no_grad():
        for parameter, grad in _gradients(parameters):
            parameter.grad = clip(grad, -clip_value, clip_value)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Each parameter that has a gradient, with that."""
    owners = [parameters] if isinstance(parameters, Tensor) else parameters
    return [(owner, grad) for owner in owners if (grad := owner.grad) is not None]
