"""Tensor: the user's handle on a node of the graph."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygraph.autodiff.mode import enable_grad, no_grad
from tinygraph.autodiff.reverse import check_differentiable, gradients
from tinygraph.dtypes import DEFAULT_FLOAT, DType, canonical, is_float
from tinygraph.errors import DTypeError, GraphError, ShapeError, TraceError
from tinygraph.graph.count import Count, OpenCount, count
from tinygraph.graph.dim import Dim, Size
from tinygraph.graph.graph import topological
from tinygraph.graph.node import STATE, Aval, Node, Shape
from tinygraph.ops.movement import assign, identity
from tinygraph.ops.registry import DATA, PLACEHOLDER, RESULT, cast
from tinygraph.ops.rules import full, product, show_shape
from tinygraph.runtime import lazy
from tinygraph.runtime.backend import to_host

Array = Any


class Tensor:
    """An array that knows how it was computed.

    Made by `tg.tensor`, `tg.zeros` and the like, and by every operation on Tensors; `Tensor(data)`
    is `tg.tensor(data, "float32")`. The value is computed when it is asked for (`.numpy()`,
    `float()`, `print`), or at once in eager mode.

    shape: a tuple of sizes. dtype: a `numpy.dtype`. requires_grad: whether `backward` is to
    reach it. grad: the gradient that `backward` left, or None.
    """

    __slots__ = ("__weakref__", "_grad", "is_state", "name", "node")
    __array_priority__ = 1000
    __hash__ = object.__hash__

    def __init__(self, node: Node | Array) -> None:
        self.node = node if isinstance(node, Node) else _floats(node)
        self.name: str | None = None
        self.is_state = False
        self._grad: Tensor | None = None

    # ------------------------------------------------------------------ what is known of it

    @property
    def shape(self) -> Shape:
        return self.node.shape

    @property
    def dtype(self) -> DType:
        return self.node.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.node.shape)

    @property
    def size(self) -> Count | OpenCount:
        """The number of elements. Called, as in PyTorch, the shape: `x.size()`, `x.size(0)`."""
        return count(self.node.shape, product(self.node.shape))

    @property
    def nbytes(self) -> Size:
        """The size of the values in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def device(self) -> str:
        """The name of the backend that computes."""
        from tinygraph.runtime.backend import current

        return current().name

    @property
    def requires_grad(self) -> bool:
        return self.node.grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """Whether this is a value of its own, not the result of an operation with a gradient."""
        return not self.node.grad or self.node.cell is not None

    @property
    def grad(self) -> Tensor | None:
        if STATE.trace is not None:
            STATE.trace.touch_grad(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and (value.shape, value.dtype) != (self.shape, self.dtype):
            raise ShapeError(f"the gradient of a {self.node.aval} cannot be a {value.node.aval}")
        if STATE.trace is not None:
            STATE.trace.touch_grad(self)
        self._grad = value

    def requires_grad_(self, value: bool = True) -> Tensor:
        """Say whether `backward` is to reach this Tensor; returns it."""
        if value == self.node.grad:
            return self
        if value:
            check_differentiable("a Tensor that requires a gradient", self.node)
        elif self.node.cell is None:
            raise GraphError("only a leaf can stop requiring a gradient; use detach()")
        if STATE.trace is not None:
            STATE.trace.touch(self)
        self.node = _leaf_like(self.node, value)
        if value or self.is_state:
            self.node.belong(self, self.is_state)
        return self

    # ------------------------------------------------------------------------ its value

    def realize(self) -> Tensor:
        """Compute the value now; returns this Tensor."""
        lazy.realize([lazy.present_value(self.node)])
        return self

    def numpy(self) -> np.ndarray:
        """The value as a NumPy array of its own."""
        return np.array(self._value())

    def _value(self) -> np.ndarray:
        """The value as an array that is not to be changed."""
        node = lazy.present_value(self.node)
        lazy.realize([node])
        return to_host(node.buffer)

    def item(self) -> bool | int | float:
        """The one number that the Tensor holds. ShapeError if it holds more or none."""
        if self.size != 1:
            raise ShapeError(f"item() needs one element, got shape {show_shape(self.shape)}")
        value: bool | int | float = self._value().item()
        return value

    def tolist(self) -> Any:
        """The value as nested lists of Python numbers."""
        return self._value().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        value = self.numpy()
        return value if dtype is None else value.astype(dtype)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.ndim or is_float(self.dtype):
            raise TypeError(f"only an integer with no dimensions is an index, not {self.node.aval}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"the truth of an array of shape {show_shape(self.shape)} is not one value; use "
                "tg.any or tg.all"
            )
        return bool(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a Tensor with no dimensions has no length")
        if isinstance(self.shape[0], Dim):
            raise TraceError(f"the length {self.shape[0]} is not known yet; use .shape[0]")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        for index in range(len(self)):
            yield self[index]

    def __format__(self, spec: str) -> str:
        return format(self.item() if spec and self.size == 1 else str(self), spec if spec and
                      self.size == 1 else "")  # fmt: skip

    def __repr__(self) -> str:
        node = lazy.present_value(self.node)
        if node.buffer is None:
            what = "traced" if STATE.trace is not None else "not evaluated"
            return f"<Tensor {node.aval}, {what}: {node.op.name} at {node.origin}>"
        body = np.array2string(np.asarray(to_host(node.buffer)), separator=", ", prefix="tensor(")
        dtype = "" if self.dtype in (DEFAULT_FLOAT, np.dtype("int64"), np.dtype("bool")) else (
            f", dtype={self.dtype.name}"
        )  # fmt: skip
        grad = ", requires_grad=True" if node.grad else ""
        return f"tensor({body}{dtype}{grad})"

    def __str__(self) -> str:
        if not lazy.is_symbolic(self.node):
            self.realize()
        return repr(self)

    # ---------------------------------------------------------------------- state, gradients

    def assign(self, value: Tensor | Array) -> Tensor:
        """Let this Tensor hold `value` from now on (same shape; cast to the same dtype).

        Graphs built before keep the old value. In a traced function this is an update.
        """
        from tinygraph.array.convert import to_tensor

        node = to_tensor(value, self.dtype).node
        if node.shape != self.shape:
            raise ShapeError(
                f"a Tensor of shape {show_shape(self.shape)} cannot be assigned one of shape "
                f"{show_shape(node.shape)}\n  at {node.origin.where()}"
            )
        if STATE.trace is not None:
            STATE.trace.touch(self)
        if STATE.writes is not None:
            STATE.writes.append((weakref.ref(self), self.node))
        with no_grad():
            node = node if node.dtype == self.dtype else cast(node, dtype=self.dtype)
            node = assign(node, self.node)
        node.grad = self.node.grad
        node.belong(self)
        self.node = node
        lazy.note(self)
        return self

    def set(self, value: Array) -> Tensor:
        """Let this Tensor hold a copy of the array `value` at once (same shape); returns it."""
        array = host_array(value, self.dtype)
        if array.shape != self.shape:
            raise ShapeError(
                f"a Tensor of shape {show_shape(self.shape)} cannot hold values of shape "
                f"{show_shape(array.shape)}"
            )
        if STATE.trace is not None:
            STATE.trace.touch(self)
        grad = self.node.grad
        self.node = Node(DATA, (), {}, self.node.aval, None, grad, array)
        if grad or self.is_state:
            self.node.belong(self, self.is_state)
        return self

    def detach(self) -> Tensor:
        """The same value, through which no gradient passes."""
        from tinygraph.ops.movement import stop_gradient

        with no_grad():
            node = stop_gradient(self.node)
        value = self.node.buffer
        if value is not None and self.node.cell is None and STATE.trace is None:
            lazy.keep(node, value)  # or it would hold on to all that the value was computed from
        return Tensor(node)

    def clone(self) -> Tensor:
        """A Tensor of its own with the same value; gradients pass through."""
        return Tensor(identity(self.node))

    def backward(
        self,
        gradient: Tensor | Array | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add to `.grad` of every leaf that requires it the slope of this value.

        gradient: what this value's own gradient is; 1 where it is left out, which a value of
        one element allows. retain_graph: ignored, a graph can always be used again. create_graph:
        let the gradients have gradients. Raises GraphError where nothing requires a gradient,
        DTypeError for a value that is not a float.
        """
        from tinygraph.array.convert import to_tensor

        check_differentiable("the value of backward()", self.node)
        if not self.node.grad:
            raise GraphError(
                "backward() found nothing that requires a gradient: set requires_grad=True on a "
                "leaf, use a nn.Parameter, and build the value outside of no_grad. What a tg.jit "
                "or tg.function returns has no history: call backward() within the jitted function"
                f"\n  at {self.node.origin.where()}"
            )
        if gradient is None:
            if self.size != 1:
                raise ShapeError(
                    f"backward() of shape {show_shape(self.shape)} needs `gradient`, of that shape"
                )
            gradient = Tensor(full(self.shape, 1, self.dtype))
        seed = to_tensor(gradient, self.dtype)
        if seed.shape != self.shape:
            raise ShapeError(
                f"backward(): gradient has shape {show_shape(seed.shape)}, the value "
                f"{show_shape(self.shape)}"
            )
        leaves = gradient_leaves([self.node])
        with enable_grad() if create_graph else no_grad():
            found = gradients([self.node], [seed.node], leaves)
            for leaf, g in zip(leaves, found, strict=True):
                owner = leaf.cell() if leaf.cell is not None else None
                if owner is not None and g is not None:
                    owner.accumulate_grad(g)
        if STATE.trace is None:
            lazy.note(self)

    def accumulate_grad(self, g: Node) -> None:
        """Add the node `g` to `.grad`."""
        before = self.grad
        self.grad = Tensor(g) if before is None else Tensor(before.node + g)

    if TYPE_CHECKING:  # `tinygraph.array.methods` installs them, and the methods

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any, /) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any, /) -> None: ...
        def __eq__(self, other: object, /) -> Any: ...
        def __ne__(self, other: object, /) -> Any: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __lt__(self, other: Any, /) -> Tensor: ...
        def __le__(self, other: Any, /) -> Tensor: ...
        def __gt__(self, other: Any, /) -> Tensor: ...
        def __ge__(self, other: Any, /) -> Tensor: ...
        def __add__(self, other: Any, /) -> Tensor: ...
        def __radd__(self, other: Any, /) -> Tensor: ...
        def __sub__(self, other: Any, /) -> Tensor: ...
        def __rsub__(self, other: Any, /) -> Tensor: ...
        def __mul__(self, other: Any, /) -> Tensor: ...
        def __rmul__(self, other: Any, /) -> Tensor: ...
        def __truediv__(self, other: Any, /) -> Tensor: ...
        def __rtruediv__(self, other: Any, /) -> Tensor: ...
        def __floordiv__(self, other: Any, /) -> Tensor: ...
        def __rfloordiv__(self, other: Any, /) -> Tensor: ...
        def __mod__(self, other: Any, /) -> Tensor: ...
        def __rmod__(self, other: Any, /) -> Tensor: ...
        def __pow__(self, other: Any, /) -> Tensor: ...
        def __rpow__(self, other: Any, /) -> Tensor: ...
        def __matmul__(self, other: Any, /) -> Tensor: ...
        def __rmatmul__(self, other: Any, /) -> Tensor: ...
        def __and__(self, other: Any, /) -> Tensor: ...
        def __rand__(self, other: Any, /) -> Tensor: ...
        def __or__(self, other: Any, /) -> Tensor: ...
        def __ror__(self, other: Any, /) -> Tensor: ...
        def __xor__(self, other: Any, /) -> Tensor: ...
        def __rxor__(self, other: Any, /) -> Tensor: ...
        def __lshift__(self, other: Any, /) -> Tensor: ...
        def __rlshift__(self, other: Any, /) -> Tensor: ...
        def __rshift__(self, other: Any, /) -> Tensor: ...
        def __rrshift__(self, other: Any, /) -> Tensor: ...

    # ------------------------------------------------------- for NumPy's functions on a Tensor

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Tensor:
        import tinygraph

        function = getattr(tinygraph, _ALIASES.get(ufunc.__name__, ufunc.__name__), None)
        if method != "__call__" or kwargs or function is None:
            raise TypeError(
                f"numpy.{ufunc.__name__} ({method}) does not work on a Tensor; use a function of "
                "tinygraph, or .numpy() for the value"
            )
        result: Tensor = function(*inputs)
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Tensor:
        import tinygraph

        own = getattr(tinygraph, function.__name__, None)
        if own is None:
            raise TypeError(
                f"numpy.{function.__name__} does not work on a Tensor; use a function of "
                "tinygraph, or .numpy() for the value"
            )
        result: Tensor = own(*args, **kwargs)
        return result


_ALIASES = {"power": "pow", "true_divide": "divide", "absolute": "abs", "arctan": "atan",
            "arcsin": "asin", "arccos": "acos", "arctan2": "atan2", "arctanh": "atanh",
            "arcsinh": "asinh", "arccosh": "acosh", "invert": "bitwise_invert",
            "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift",
            "rint": "round"}  # fmt: skip


def _floats(data: Any) -> Node:
    """What `Tensor(data)` holds."""
    if isinstance(data, int):
        raise TypeError(f"Tensor: expected a list or an array, got {data}; see tg.empty, tg.tensor")
    return tensor(data, DEFAULT_FLOAT).node


def _leaf_like(node: Node, grad: bool) -> Node:
    """A node of the same value that gradients end at, or pass by."""
    if not lazy.is_symbolic(node):
        lazy.realize([node])
        return Node(DATA, (), {}, node.aval, node.origin, grad, node.buffer)
    with no_grad():
        same = identity(node)
    same.grad = grad
    return same


def gradient_leaves(outputs: Sequence[Node]) -> list[Node]:
    """The nodes under `outputs` that a living Tensor owns and that require a gradient."""
    order = topological(outputs, lambda node: not node.grad)
    for node in order:
        if node.op is RESULT and node.grad:
            raise GraphError(
                "backward() came to what a tg.jit function returned, which has no history: the "
                "gradient of the parameters in it would be lost. Call backward() within the jitted "
                "function, or cut the gradient with detach() or tg.no_grad\n  at "
                f"{node.origin.where()}"
            )
    return [n for n in order if n.grad and n.cell is not None and n.cell() is not None]


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with a copy of `data`: a number, nested lists, a NumPy array or a Tensor.

    dtype: as given, else that of an array, float32 for Python floats, int64 for Python
    integers. requires_grad: whether `backward` is to reach it (floats only).

    >>> import tinygraph as tg
    >>> tg.tensor([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if isinstance(data, Tensor):
        data = data.numpy()
    array = host_array(data, dtype)
    node = Node(DATA, (), {}, Aval(array.shape, array.dtype), None, requires_grad, array)
    result = Tensor(node)
    if requires_grad:
        check_differentiable("a Tensor that requires a gradient", node)
        node.belong(result, live=False)
    return result


def host_array(data: Any, dtype: Any = None) -> np.ndarray:
    """A contiguous NumPy array of a tinygraph dtype with a copy of `data`."""
    wanted = None if dtype is None else canonical(dtype)
    try:
        if hasattr(data, "__array__"):  # an array, of another library maybe: it has a dtype
            data = np.asarray(data)
        elif wanted is None:
            array = np.array(data)
            if array.dtype == np.float64:
                wanted = DEFAULT_FLOAT
        array = np.array(data, dtype=wanted, order="C")
    except (ValueError, TypeError, OverflowError) as error:
        raise DTypeError(f"cannot make an array of {type(data).__name__}: {error}") from None
    return array if array.dtype == wanted else array.astype(canonical(array.dtype))


def state(data: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A Tensor that is known to change: in a traced function reading it is an input and
    assigning to it an update. Parameters, buffers and optimizer state are made this way."""
    result = tensor(data, dtype)
    result.is_state = True
    result.name = name
    result.node.belong(result)
    return result


def placeholder(shape: Sequence[int | None], dtype: Any = "float32", name: str = "") -> Tensor:
    """An input that is fed when the graph runs; for `tg.function`.

    shape: sizes; None leaves one open until then. name: for printing and errors.

    >>> import tinygraph as tg
    >>> x = tg.placeholder((None, 3), name="x")
    >>> (x * 2).shape
    (x_0, 3)
    """
    label = name or f"placeholder{next(_COUNTER)}"
    sizes: list[Size] = []
    for axis, size in enumerate(shape):
        if size is not None and (not isinstance(size, int) or size < 0):
            raise ShapeError(
                f"placeholder '{label}': size {size!r} of dimension {axis} is neither "
                "None nor an integer from 0"
            )
        sizes.append(Dim.symbol(f"{label}_{axis}") if size is None else size)
    aval = Aval(tuple(sizes), canonical(dtype))
    node = Node(PLACEHOLDER, (), {"name": label}, aval, None, is_float(aval.dtype))
    lazy.PLACEHOLDERS.add(node)
    lazy.UNDEFINED.add(node)
    return Tensor(node)


_COUNTER = itertools.count()


def realize(*tensors: Tensor) -> None:
    """Compute the values of all `tensors` (and of what is pending) in one tape."""
    lazy.realize([t.node for t in tensors])
