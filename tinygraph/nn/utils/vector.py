"""All parameters of a model as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from tinygraph.array.join import concat
from tinygraph.array.shape import reshape
from tinygraph.errors import ShapeError
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All the elements of `parameters`, one after another, as one vector.

    Gradients run back through it to the parameters. Raises ShapeError without any parameter.

    >>> from tinygraph import nn
    >>> nn.utils.parameters_to_vector([nn.Parameter([[1.0, 2.0]]), nn.Parameter([3.0])]).tolist()
    [1.0, 2.0, 3.0]
    """
    return concat([reshape(parameter, (-1,)) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let `parameters` have the elements of `vec`, in the order of `parameters_to_vector`.

    Raises ShapeError, and changes nothing, if the vector has another number of elements (PyTorch
    passes over what is too much).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([[0.0, 0.0]])
    >>> tg.nn.utils.vector_to_parameters(tg.tensor([1.0, 2.0]), [w])
    >>> w.tolist()
    [[1.0, 2.0]]
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, got a {type(vec).__name__}")
    targets = list(parameters)
    needed = sum(int(parameter.size) for parameter in targets)
    if vec.shape != (needed,):
        raise ShapeError(
            f"vector_to_parameters: expected a vector of shape ({needed},) for these parameters, "
            f"got {show_shape(vec.shape)}"
        )
    start = 0
    for parameter in targets:
        end = start + int(parameter.size)
        parameter.assign(reshape(vec[start:end], parameter.shape))
        start = end
