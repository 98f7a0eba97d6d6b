"""Gradients of values that are there already, as PyTorch asks for them.

Gradients of functions, which need no values yet, are `tg.grad` and its kin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygraph.array.convert import to_tensor
from tinygraph.autodiff.mode import enable_grad, no_grad
from tinygraph.autodiff.reverse import check_differentiable, gradients
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.node import STATE, Node
from tinygraph.ops.rules import ones_like, show_shape, zeros_like
from tinygraph.runtime import lazy
from tinygraph.tensor import Tensor

__all__ = ["grad"]

Tensors = Tensor | Sequence[Tensor]


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradient of the sum of `outputs` by each of `inputs`: sum_i g_i d output_i / d input.

    outputs: values that were computed from the inputs. inputs: leaves that require a gradient, or
    values computed from such. grad_outputs: a weight g of the shape of each output; None for 1,
    which an output of one element allows. create_graph: let the gradients have gradients.
    allow_unused: None for an input that no output depends on, instead of an error.
    materialize_grads: zeros for such an input. retain_graph, only_inputs: ignored, a graph can
    always be used again, and no `.grad` is touched. is_grads_batched: has to be False (`tg.vmap`
    a function, or see `tg.jacobian`).

    Raises GraphError for an input that requires no gradient or that no output depends on,
    ShapeError where a weight is missing or does not fit.

    >>> import tinygraph as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> (slope,) = tg.autograd.grad((x ** 3).sum(), x, create_graph=True)
    >>> slope
    tensor([ 3., 12.], requires_grad=True)
    >>> tg.autograd.grad(slope.sum(), x)
    (tensor([ 6., 12.]),)
    """
    if is_grads_batched:
        raise ValueError("grad: expected is_grads_batched to be False; use tg.vmap or tg.jacobian")
    values, places = _listed(outputs), _listed(inputs)
    for name, tensors in (("an output", values), ("an input", places)):
        _check(name, tensors)
    weights = [None] * len(values) if grad_outputs is None else _listed(grad_outputs)
    seeds = [_seed(value, weight) for value, weight in zip(values, weights, strict=True)]
    with enable_grad() if create_graph else no_grad():
        found = gradients([v.node for v in values], seeds, [x.node for x in places])
    if STATE.trace is None:
        for value in values:
            lazy.note(value)
    unused = materialize_grads if allow_unused is None else allow_unused
    return tuple(_given(x, g, unused, materialize_grads) for x, g in zip(places, found))


def _listed(tensors: Any) -> list[Any]:
    return list(tensors) if isinstance(tensors, (tuple, list)) else [tensors]


def _check(name: str, tensors: Sequence[Tensor]) -> None:
    """GraphError for a Tensor without a gradient, DTypeError for one that is no float."""
    for tensor in tensors:
        check_differentiable(f"{name} of grad()", tensor.node)
        if not tensor.requires_grad:
            raise GraphError(
                f"grad: {name} of shape {show_shape(tensor.shape)} does not require a gradient, "
                f"nor does what it was computed from\n  at {tensor.node.origin.where()}"
            )


def _seed(value: Tensor, weight: Any) -> Node:
    """The weight of an output, which is 1 where it is left out."""
    if weight is None:
        if value.size != 1:
            raise ShapeError(
                f"grad: an output of shape {show_shape(value.shape)} needs its grad_outputs, of "
                "that shape"
            )
        return ones_like(value.node)
    seed = to_tensor(weight, value.dtype).node
    if seed.shape != value.shape:
        raise ShapeError(
            f"grad: grad_outputs has shape {show_shape(seed.shape)}, the output "
            f"{show_shape(value.shape)}"
        )
    return seed


def _given(x: Tensor, g: Node | None, unused: bool, zeros: bool) -> Tensor | None:
    """What is returned for the input x, whose gradient is g."""
    if g is not None:
        return Tensor(g)
    if not unused:
        raise GraphError(
            f"grad: no output depends on an input of shape {show_shape(x.shape)}; with "
            "allow_unused=True its gradient is None"
        )
    return Tensor(zeros_like(x.node)) if zeros else None
