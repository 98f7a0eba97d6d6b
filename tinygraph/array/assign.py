"""Writing to a part of a Tensor: `x.at[i].set(v)`, which makes a new one, and `x[i] = v`, `x += v`
and the like, which let the name `x` stand for it.

Values are never overwritten. A Tensor that was computed from x before keeps what it was computed
from, and gradients through both are right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import OPERANDS, TensorLike, as_node
from tinygraph.array.creation import filled
from tinygraph.array.index import fitted, pick, put
from tinygraph.autodiff.mode import no_grad
from tinygraph.errors import DTypeError, GraphError, ShapeError
from tinygraph.graph.node import STATE, Node
from tinygraph.ops.movement import broadcast_to, stop_gradient
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor


@api
def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index], by NumPy's rules: integers, slices with any step, None, "...", masks and arrays of
    integers. A slice that an array of integers stands beside is taken whole, as NumPy does.

    The values of a mask must be known, because the shape of the result depends on them.
    Raises IndexError where an integer is out of range.

    >>> import tinygraph as tg
    >>> x = tg.arange(6).reshape(2, 3)
    >>> x[1, ::-1]
    tensor([5, 4, 3])
    >>> x[:, [0, 2]]
    tensor([[0, 2],
            [3, 5]])
    >>> x[x > 3]
    tensor([4, 5])
    """
    return Tensor(pick(x.node, index))


@api
def setitem(x: Tensor, index: Any, value: TensorLike) -> None:
    """x[index] = value: from now on x stands for its values with these in place.

    Other Tensors keep their values, those made from x too; so write `x[0, 1] = v`, not
    `x[0][1] = v`, which changes a Tensor that nobody looks at. Raises GraphError for a leaf that
    requires a gradient, outside of no_grad.

    >>> import tinygraph as tg
    >>> x = tg.zeros(3)
    >>> x[1:] = 5.0
    >>> x
    tensor([0., 5., 5.])
    """
    rebind(x, put(x.node, index, value, "set"))


class At:
    """`x.at`: `x.at[index].set(value)` and its kin return a new Tensor and leave x as it is.

    Where `index` names a place more than once, `set` keeps the last value and the others combine
    them all.

    >>> import tinygraph as tg
    >>> x = tg.tensor([1, 2, 3])
    >>> x.at[[0, 0, 2]].add(10)
    tensor([21,  2, 13])
    """

    __slots__ = ("_x",)

    def __init__(self, x: Tensor) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> Place:
        return Place(self._x, index)


class Place:
    """The elements of a Tensor that an index picks; see `At`."""

    __slots__ = ("_index", "_x")

    def __init__(self, x: Tensor, index: Any) -> None:
        self._x = x
        self._index = index

    def get(self) -> Tensor:
        """x[index]."""
        result: Tensor = getitem(self._x, self._index)
        return result

    def set(self, value: TensorLike) -> Tensor:
        """x with `value` at these places."""
        return self._put(value, "set")

    def add(self, value: TensorLike) -> Tensor:
        """x with `value` added at these places."""
        return self._put(value, "add")

    def multiply(self, value: TensorLike) -> Tensor:
        """x with these places multiplied by `value`."""
        return self._put(value, "multiply")

    mul = multiply

    def max(self, value: TensorLike) -> Tensor:
        """x with the larger of itself and `value` at these places."""
        return self._put(value, "max")

    def min(self, value: TensorLike) -> Tensor:
        """x with the smaller of itself and `value` at these places."""
        return self._put(value, "min")

    def _put(self, value: TensorLike, mode: str) -> Tensor:
        return Tensor(at(self._x.node, self._index, value, mode))


@api
def at(x: Node, index: Any, value: TensorLike, mode: str) -> Node:
    """`put`, with errors that say `at`."""
    return put(x, index, value, mode)


# ------------------------------------------------------------------------------- in place


def rebind(x: Tensor, node: Node) -> Tensor:
    """Let x stand for `node` from now on; returns x.

    Raises ShapeError for another shape, GraphError for a leaf that requires a gradient.
    """
    if isinstance(x, Data):
        x.node = node
        return x
    if node.shape != x.shape:
        raise ShapeError(
            f"in place, a Tensor of shape {show_shape(x.shape)} cannot become one of shape "
            f"{show_shape(node.shape)}"
        )
    node = fitted(Tensor(node), x.node)
    leaf = x.node.grad and x.node.cell is not None
    if leaf and STATE.grad:
        raise GraphError(
            "a leaf that requires a gradient cannot be changed in place; do it within tg.no_grad, "
            "or make a new Tensor (x = x + 1, x.at[i].set(v))"
        )
    if STATE.trace is not None:
        STATE.trace.touch(x)
    if leaf or x.is_state:
        return x.assign(Tensor(node))
    x.node = node
    return x


def in_place(name: str, function: Callable[..., Tensor]) -> Callable[..., Any]:
    """The method `name` that does `function` and lets its first argument stand for the result."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if args and not isinstance(args[0], OPERANDS):
            return NotImplemented
        return rebind(self, function(self, *args, **kwargs).node)

    method.__name__ = name
    method.__doc__ = f"As `{function.__name__}`, but this Tensor stands for the result from now on."
    return api(method)


@api
def fill_(x: Tensor, value: TensorLike) -> Tensor:
    """Let x hold one repeated value from now on; returns x.

    >>> import tinygraph as tg
    >>> x = tg.zeros(2)
    >>> x.fill_(3)
    tensor([3., 3.])
    """
    return rebind(x, filled(x.shape, value, x.dtype))


@api
def zero_(x: Tensor) -> Tensor:
    """Let x hold zeros from now on; returns x.

    >>> import tinygraph as tg
    >>> x = tg.ones(2)
    >>> x.zero_()
    tensor([0., 0.])
    """
    return rebind(x, filled(x.shape, 0, x.dtype))


@api
def copy_(x: Tensor, source: TensorLike) -> Tensor:
    """Let x hold the values of `source`, which broadcasts to its shape, from now on; returns x.

    >>> import tinygraph as tg
    >>> x = tg.zeros(2)
    >>> x.copy_(np.array([1, 2]))
    tensor([1., 2.])
    """
    return rebind(x, broadcast_to(as_node(source), shape=x.shape))


# --------------------------------------------------------------------------------- x.data


class Data(Tensor):
    """`x.data`: the value that x has at any time, through which no gradient passes. What is written
    to it in place is written to x, also where x is a leaf that requires a gradient."""

    __slots__ = ("_owner", "_read", "_value_read")

    def __init__(self, owner: Tensor) -> None:
        self._owner = owner
        self._read: Node | None = None
        self.name = owner.name
        self.is_state = False
        self._grad = None

    @property
    def node(self) -> Node:
        if self._read is not self._owner.node:
            self._read = self._owner.node
            self._value_read = self._owner.detach().node
        return self._value_read

    @node.setter
    def node(self, node: Node) -> None:
        if not self._owner.is_leaf:
            raise GraphError(
                "the data of a value that was computed with a gradient cannot be written to; make "
                "a new Tensor (x = x + 1, x.at[i].set(v))"
            )
        with no_grad():
            rebind(self._owner, stop_gradient(node))

    def assign(self, value: TensorLike) -> Tensor:
        self._owner.assign(value)
        return self

    def set(self, value: Any) -> Tensor:
        self._owner.set(value)
        return self

    def requires_grad_(self, value: bool = True) -> Tensor:
        if value:
            raise GraphError("x.data never requires a gradient; use detach() for a leaf of its own")
        return self


def data(x: Tensor) -> Tensor:
    """The value of x, through which no gradient passes. To write to it is to write to x, also where
    x is a leaf that requires a gradient: `w.data -= 0.1 * w.grad`, `w.data = tg.zeros(3)`.

    Raises DTypeError for a value of another dtype, ShapeError for one of another shape.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, 2.0])
    >>> w.data.mul_(10.0)
    tensor([10., 20.])
    >>> w.requires_grad, w.data.requires_grad, w.tolist()
    (True, False, [10.0, 20.0])
    """
    return Data(x)


def set_data(x: Tensor, value: Tensor) -> None:
    """Let x hold `value`, of the same shape and dtype."""
    if isinstance(value, Data) and value._owner is x:  # after x.data -= 1, which has written it
        return
    if value.dtype != x.dtype:
        raise DTypeError(
            f"the data of a Tensor of {x.dtype.name} cannot become {value.dtype.name}; use "
            "module.to(dtype), or make a new Parameter"
        )
    Data(x).node = value.node
