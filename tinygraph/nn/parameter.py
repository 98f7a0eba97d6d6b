"""Parameter: a Tensor that a module learns."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygraph.autodiff.reverse import check_differentiable
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.registry import DATA
from tinygraph.ops.rules import zeros_like
from tinygraph.tensor import Tensor, host_array


class Parameter(Tensor):
    """A Tensor that belongs to a Module and that an optimizer changes.

    data: a number, nested lists, a NumPy array or a Tensor; its values are copied.
    requires_grad: whether `backward` is to reach it. dtype: another one than that of `data`.

    Assigned to an attribute of a Module, it is found by `parameters()` and `state_dict()`.

    constraint: a function that every optimizer applies to what the parameter is about to become,
    or None.

    >>> from tinygraph import nn
    >>> nn.Parameter([[1.0, 2.0]]).shape
    (1, 2)
    """

    __slots__ = ("constraint",)

    def __init__(self, data: Any, requires_grad: bool = True, dtype: Any = None) -> None:
        array = host_array(data.numpy() if isinstance(data, Tensor) else data, dtype)
        aval = Aval(array.shape, array.dtype)
        super().__init__(Node(DATA, (), {}, aval, None, requires_grad, array))
        if requires_grad:
            check_differentiable("a Parameter that requires a gradient", self.node)
        self.is_state = True
        self.node.belong(self)
        self.constraint: Callable[[Tensor], Tensor] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        copied = Parameter(self, self.requires_grad)
        copied.name = self.name
        copied.constraint = copy.deepcopy(self.constraint, memo)
        return copied

    def __repr__(self) -> str:
        return f"Parameter({super().__repr__()})"


def as_array(value: Any) -> np.ndarray:
    """The NumPy array of a Tensor or of anything that NumPy makes an array of."""
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


def clear_grad(parameter: Tensor, set_to_none: bool) -> None:
    """Forget the gradient of `parameter`, or set it to 0 where there is one."""
    if set_to_none:
        parameter.grad = None
    elif parameter.grad is not None:
        parameter.grad = Tensor(zeros_like(parameter.node))
