"""Between Tensors, nodes and what users pass: numbers and NumPy arrays."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygraph.dtypes import DEFAULT_FLOAT, DEFAULT_INT, DType, Scalar, canonical, is_float
from tinygraph.errors import DTypeError, TinygraphError
from tinygraph.graph.dim import Dim
from tinygraph.graph.node import Node
from tinygraph.ops.registry import Op, cast, const, located
from tinygraph.tensor import Tensor, tensor

TensorLike = Tensor | np.ndarray | Scalar | Dim
OPERANDS = (Tensor, bool, int, float, np.ndarray, np.generic, Dim)


def as_operand(value: Any) -> Node | Scalar:
    """A node, or a Python number as it is (numbers are weakly typed). DTypeError for the rest."""
    if isinstance(value, Tensor):
        return value.node
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return tensor(value).node
    if isinstance(value, Dim):  # a size that is not known yet
        return const(value, DEFAULT_INT)
    raise DTypeError(
        f"expected a Tensor, a number or a NumPy array, got {_kind(value)}; make a Tensor with "
        "tg.tensor"
    )


def _kind(value: Any) -> str:
    """The name of its type; where another library has a Tensor too, that of the library before."""
    name = type(value).__name__
    return f"{type(value).__module__.partition('.')[0]}.{name}" if name == "Tensor" else name


def as_node(value: Any, dtype: DType | None = None) -> Node:
    """A node; a number becomes a constant of `dtype`, or of its own type."""
    operand = as_operand(value)
    if isinstance(operand, Node):
        return operand
    return const(operand, dtype or canonical(type(operand)))


def to_tensor(value: Any, dtype: DType | None = None) -> Tensor:
    """A Tensor of `value`, cast to `dtype` where that is given."""
    result = value if isinstance(value, Tensor) else Tensor(as_node(value, dtype))
    if dtype is not None and result.dtype != dtype:
        result = Tensor(cast(result.node, dtype=dtype))
    return result


def as_float(value: Any) -> Node | Scalar:
    """As `as_operand`; integers and bool are cast to the default float."""
    operand = as_operand(value)
    if isinstance(operand, Node):
        return operand if is_float(operand.dtype) else cast(operand, dtype=DEFAULT_FLOAT)
    return float(operand)


def lift(op: Op, floats: bool = False) -> Callable[..., Tensor]:
    """The function on Tensors for `op`, which is elementwise and has one input or two. With
    `floats`, integers are cast to float first."""
    convert = as_float if floats else as_operand

    def unary(x: TensorLike) -> Tensor:
        try:
            return Tensor(op(convert(x)))
        except TinygraphError as error:
            raise located(op.name, error) from None

    def binary(x1: TensorLike, x2: TensorLike) -> Tensor:
        try:
            return Tensor(op(convert(x1), convert(x2)))
        except TinygraphError as error:
            raise located(op.name, error) from None

    two = re.search(r"\bb\b", op.scalar or "")  # the formula's inputs are called a and b
    function: Callable[..., Tensor] = binary if two else unary
    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.doc
    return function
