"""Node: one operation in the graph. Immutable but for the memo of its value.

A node holds its op, its inputs, the op's static parameters, the shape and dtype of its result
and the place in the user's code that built it. Leaves have no inputs: a `placeholder` is fed
when the graph runs, a `data` leaf carries a buffer.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from tinygraph.dtypes import DType
from tinygraph.graph.dim import Size
from tinygraph.graph.origin import Origin, caller

if TYPE_CHECKING:
    from tinygraph.ops.registry import Op

Shape = tuple[Size, ...]
Params = Mapping[str, Any]
Operand = Union["Node", int, float]  # what an operator accepts beside a node


class Aval(NamedTuple):
    """An abstract value: what is known of an array before it is computed."""

    shape: Shape
    dtype: DType

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


class State(threading.local):
    """What the running thread is about. Each thread has its own.

    grad: whether new nodes take part in gradients (`no_grad` clears it).
    evaluate: called with each new node; the eager mode computes it there.
    origin: overrides the user's line, for gradient nodes.
    trace: the trace of `tg.jit` in progress.
    steps: the numbers of the steps (of scans) and examples (of vmap) that are being traced, the
        outermost first: random numbers differ from one to the next. None where there are no
        such numbers, and nothing random can be drawn.
    writes: the Tensors that were assigned to, weakly, and what each held before, while a function
        runs on stand-ins for its arguments.
    autocast: the dtype that products are computed in within `amp.autocast`, or None.
    """

    grad: bool = True
    evaluate: Callable[[Node], None] | None = None
    origin: Origin | None = None
    trace: Any = None
    steps: tuple[Node, ...] | None = ()
    writes: list[tuple[weakref.ref[Any], Node]] | None = None
    autocast: DType | None = None


STATE = State()


@contextmanager
def building_at(origin: Origin) -> Iterator[None]:
    """Nodes that are built inside bear the user's line `origin`: that of what they replace."""
    before, STATE.origin = STATE.origin, origin
    try:
        yield
    finally:
        STATE.origin = before


_SERIAL = itertools.count()


def serial() -> int:
    """A number above that of every node there is, and below that of every node to come."""
    return next(_SERIAL)


class Node:
    """One operation. `outs` is set only where an op has several results: then each is reached
    through an `item` node, and `shape` and `dtype` are those of the first.

    buffer: the memo of its value. grad: whether gradients run through it. cell: for a leaf, the
    Tensor or generator whose present value it is. live: whether it depends on such a leaf that
    changes from call to call. serial: counts nodes in the order in which they were made.
    """

    __slots__ = (
        "__weakref__", "buffer", "cell", "dtype", "grad", "inputs", "live", "op", "origin", "outs",
        "params", "serial", "shape",
    )  # fmt: skip

    op: Op
    inputs: tuple[Node, ...]
    params: Params
    shape: Shape
    dtype: DType
    outs: tuple[Aval, ...] | None
    origin: Origin
    grad: bool
    buffer: Any
    cell: weakref.ref[Any] | None
    live: bool
    serial: int

    def __init__(
        self,
        op: Op,
        inputs: tuple[Node, ...],
        params: Params,
        aval: Aval | tuple[Aval, ...],
        origin: Origin | None = None,
        grad: bool | None = None,
        buffer: Any = None,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.params = params
        if isinstance(aval, Aval):
            self.outs = None
            self.shape, self.dtype = aval
        else:
            self.outs = aval
            self.shape, self.dtype = aval[0]
        self.origin = origin or STATE.origin or caller()
        self.serial = next(_SERIAL)
        needs = live = False
        for node in inputs:
            needs = needs or node.grad
            live = live or node.live
        self.grad = (needs and STATE.grad) if grad is None else grad
        self.live = live
        self.buffer = buffer
        self.cell = None

    def belong(self, owner: Any, live: bool = True) -> None:
        """Let this leaf be the present value of `owner`, a Tensor or a random generator.

        live: whether that changes between calls of a function that is built on it.
        """
        self.cell = weakref.ref(owner)
        self.live = live

    @property
    def aval(self) -> Aval:
        return Aval(self.shape, self.dtype)

    @property
    def avals(self) -> tuple[Aval, ...]:
        """The results, one or several."""
        return self.outs if self.outs is not None else (Aval(self.shape, self.dtype),)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def replace(self, inputs: tuple[Node, ...] | None = None, params: Params | None = None) -> Node:
        """A copy with other inputs of the same avals, or other parameters; same origin."""
        return Node(
            self.op,
            self.inputs if inputs is None else inputs,
            self.params if params is None else params,
            self.outs if self.outs is not None else Aval(self.shape, self.dtype),
            self.origin,
            self.grad,
        )

    def __iter__(self) -> Iterator[Node]:
        raise TypeError("a Node is not iterable")

    if TYPE_CHECKING:  # `tinygraph.ops.operators` installs them

        def __neg__(self) -> Node: ...
        def __abs__(self) -> Node: ...
        def __invert__(self) -> Node: ...
        def __add__(self, other: Operand) -> Node: ...
        def __radd__(self, other: Operand) -> Node: ...
        def __sub__(self, other: Operand) -> Node: ...
        def __rsub__(self, other: Operand) -> Node: ...
        def __mul__(self, other: Operand) -> Node: ...
        def __rmul__(self, other: Operand) -> Node: ...
        def __truediv__(self, other: Operand) -> Node: ...
        def __rtruediv__(self, other: Operand) -> Node: ...
        def __pow__(self, other: Operand) -> Node: ...
        def __rpow__(self, other: Operand) -> Node: ...
        def __gt__(self, other: Operand) -> Node: ...
        def __ge__(self, other: Operand) -> Node: ...
        def __lt__(self, other: Operand) -> Node: ...
        def __le__(self, other: Operand) -> Node: ...
        def __and__(self, other: Operand) -> Node: ...
        def __or__(self, other: Operand) -> Node: ...

    def __repr__(self) -> str:
        result = ", ".join(map(str, self.avals))
        params = "".join(f" {key}={value}" for key, value in self.params.items())
        return f"<{self.op.name}{params} -> {result} at {self.origin}>"
