"""@tg.jit: a Python function, traced once into a tape and called many times.

While it is traced, the function runs on placeholders. What it reads and writes of the outside
is found out on the way: parameters, buffers and optimizer state become inputs and updates, the
training mode of modules and captured Python numbers become conditions under which the trace
holds. A call whose conditions all hold runs the tape and no Python of the function.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import CellType
from typing import Any

import numpy as np

from tinygraph import tree
from tinygraph.compiler.tape import Tape
from tinygraph.dtypes import canonical, is_float
from tinygraph.errors import TraceError
from tinygraph.function import result_tensor
from tinygraph.graph.node import STATE, Aval, Node, serial
from tinygraph.graph.origin import caller
from tinygraph.ops.movement import assign
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.runtime import backend as backends
from tinygraph.runtime import lazy
from tinygraph.runtime.eager import is_eager
from tinygraph.runtime.program import Program
from tinygraph.tensor import Tensor

Guard = Callable[[], bool]
Number = (bool, int, float, str, type(None))


class Trace:
    """What a traced function does to the outside. Tensors and modules report to it."""

    def __init__(self, placeholders: Sequence[Node], since: int) -> None:
        self.placeholders = set(map(id, placeholders))
        self.since = since
        self.written: dict[int, tuple[Tensor, Node]] = {}
        self.grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.guards: list[Guard] = []
        self._modules: set[int] = set()

    def owns(self, leaf: Node) -> bool:
        """Whether `leaf` is an input of this trace."""
        return id(leaf) in self.placeholders

    def here(self) -> str:
        """The user's line that is running."""
        return caller().where()

    def touch(self, tensor: Tensor) -> None:
        """`tensor` is about to be assigned to: if it is from outside, it is state from now on."""
        inner = tensor.node.serial >= self.since and not tensor.is_state
        if inner or id(tensor) in self.written:
            return
        if tensor.node.buffer is None and not tensor.is_state:
            lazy.realize([tensor.node])
        self.written[id(tensor)] = (tensor, tensor.node)
        tensor.is_state = True
        if tensor.node.buffer is not None:
            tensor.node.belong(tensor)

    def touch_grad(self, tensor: Tensor) -> None:
        """`tensor.grad` is about to be read or written."""
        if id(tensor) in self.grads:
            return
        before = tensor._grad
        self.grads[id(tensor)] = (tensor, before)
        if before is not None:
            before.is_state = True
            before.node.belong(before)
        self.guards.append(_same_grad(tensor, before))

    def touch_module(self, module: Any) -> None:
        """`module` is about to be called: the trace holds for its present mode alone."""
        if id(module) not in self._modules:
            self._modules.add(id(module))
            self.guards.append(_same_mode(module))

    def close(
        self,
    ) -> tuple[list[tuple[Tensor, Node]], list[tuple[Tensor, Tensor | None, Node | None]]]:
        """Put the outside back as it was; return the updates, and the gradients left behind as
        (owner, the Tensor that was there, the new value)."""
        updates = []
        for tensor, before in self.written.values():
            if tensor.node is not before:
                node = tensor.node
                updates.append((tensor, node.inputs[0] if node.op is assign else node))
                tensor.node = before
        grads = []
        for tensor, old in self.grads.values():
            new = tensor._grad
            tensor._grad = old
            if new is not old:
                grads.append((tensor, old, new.node if new is not None else None))
        return updates, grads


def _same_grad(tensor: Tensor, before: Tensor | None) -> Guard:
    owner = weakref.ref(tensor)
    old = None if before is None else weakref.ref(before)

    def holds() -> bool:
        present = owner()
        expected = None if old is None else old()
        return present is not None and present._grad is expected

    return holds


def _same_mode(module: Any) -> Guard:
    owner, training = weakref.ref(module), module.training

    def holds() -> bool:
        present = owner()
        return present is not None and present.training == training

    return holds


@dataclass(slots=True)
class Traced:
    """One trace of a function: a program, and the conditions under which it holds."""

    program: Program
    structure: tree.TreeDef
    fixed: list[Any]  # outputs that are no Tensors; None where a Tensor stands
    returned: list[int]  # which leaves of the output are Tensors
    grads: list[tuple[weakref.ref[Tensor], int | None]]
    guards: list[Guard]
    lock: threading.RLock = field(default_factory=threading.RLock)

    def holds(self) -> bool:
        """Whether the outside is as it was when this was traced."""
        return all(guard() for guard in self.guards)

    def __call__(self, arrays: Sequence[Any]) -> Any:
        with self.lock:
            results = self.program(arrays)
            for owner, index in self.grads:
                tensor = owner()
                if tensor is not None:
                    tensor._grad = None if index is None else result_tensor(results[index])
        leaves = list(self.fixed)
        for place, buffer in zip(self.returned, results, strict=False):
            leaves[place] = result_tensor(buffer)
        return tree.unflatten(self.structure, leaves)


class Jitted:
    """A traced function. Made by `tg.jit`.

    traces: how often the function has been traced. `tape(*args)` is the tape for these
    arguments. `explain()` says why the last call was traced.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.traces = 0
        self._known: dict[Any, list[Traced]] = {}
        self._reason = "it has not been called yet"
        self._lock = threading.RLock()
        functools.update_wrapper(self, function)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_eager() or STATE.trace is not None:
            return self.function(*args, **kwargs)
        leaves, structure = tree.flatten((args, kwargs))
        return self._find(leaves, structure)(_arrays(leaves))

    def tape(self, *args: Any, **kwargs: Any) -> Tape:
        """The tape that a call with these arguments would run."""
        leaves, structure = tree.flatten((args, kwargs))
        program = self._find(leaves, structure).program
        return program.version({}, backends.current()).tape

    def explain(self) -> str:
        """Why the function was traced the last time."""
        name = getattr(self.function, "__name__", "the function")
        return f"{name} was traced {self.traces} times; last because {self._reason}"

    def _find(self, leaves: list[Any], structure: tree.TreeDef) -> Traced:
        key = (structure, tuple([_leaf_key(leaf) for leaf in leaves]), STATE.grad)
        with self._lock:
            known = self._known.setdefault(key, [])
            for traced in known:
                if traced.holds():
                    return traced
            self._explain(key, known)
            traced = _trace(self.function, leaves, structure)
            self.traces += 1
            self._known[key] = [traced, *known[:7]]
            return traced

    def _explain(self, key: Any, known: list[Traced]) -> None:
        if known:
            self._reason = (
                "something that the trace depends on has changed: a module's training "
                "mode, a captured Python number, or which .grad is None"
            )
        elif len(self._known) == 1:
            self._reason = "it had not been called before"
        else:
            self._reason = f"these arguments are new: {_show(key)}"


def _show(key: Any) -> str:
    return ", ".join(str(leaf[1:] if leaf[0] == "array" else leaf[-1]) for leaf in key[1])


def jit(function: Callable[..., Any]) -> Jitted:
    """Trace `function` into a tape at its first call, and run that from then on.

    Arguments and results are any nesting of Tensors and NumPy arrays in tuples, lists and
    dictionaries; other arguments (numbers, strings, modules) are part of the key. Reading a
    parameter, buffer or optimizer state makes it an input, assigning to one an update. Any other
    Tensor from outside is a constant, and stands as such in the printed tape.

    Raises TraceError where the function branches on the value of a Tensor.

    >>> import tinygraph as tg
    >>> @tg.jit
    ... def f(x):
    ...     return x * 2 + 1
    >>> f(tg.tensor([1.0, 2.0]))
    tensor([3., 5.])
    """
    return Jitted(function)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (Tensor, np.ndarray))


def _leaf_key(leaf: Any) -> Any:
    if isinstance(leaf, (Tensor, np.ndarray)):
        state = id(leaf) if isinstance(leaf, Tensor) and leaf.is_state else None
        return ("array", leaf.shape, leaf.dtype, state)
    if isinstance(leaf, Number):
        return (type(leaf), repr(leaf))
    try:
        hash(leaf)
    except TypeError:
        raise TraceError(
            f"an argument of a jitted function is a Tensor, an array or a hashable value, got "
            f"{type(leaf).__name__}"
        ) from None
    return (type(leaf), leaf)


def _is_traced(leaf: Any) -> bool:
    """Whether a call feeds this argument; state is read where it is instead."""
    return _is_array(leaf) and not (isinstance(leaf, Tensor) and leaf.is_state)


def _arrays(leaves: Sequence[Any]) -> list[Any]:
    tensors = [leaf.node for leaf in leaves if isinstance(leaf, Tensor) and not leaf.is_state]
    if tensors:
        lazy.realize(tensors)
    return [
        leaf.node.buffer if isinstance(leaf, Tensor) else leaf
        for leaf in leaves if _is_traced(leaf)
    ]  # fmt: skip


def _placeholder(leaf: Any, number: int) -> Tensor:
    dtype = canonical(leaf.dtype)
    grad = leaf.requires_grad if isinstance(leaf, Tensor) else is_float(dtype)
    params = {"name": f"argument {number}"}
    return Tensor(Node(PLACEHOLDER, (), params, Aval(leaf.shape, dtype), None, grad))


def _trace(function: Callable[..., Any], leaves: list[Any], structure: tree.TreeDef) -> Traced:
    lazy.realize([])
    since = serial()
    inner = [_placeholder(x, i) if _is_traced(x) else x for i, x in enumerate(leaves)]
    inputs = [x.node for x, leaf in zip(inner, leaves, strict=True) if _is_traced(leaf)]
    trace = Trace(inputs, since)
    STATE.trace = trace
    try:
        args, kwargs = tree.unflatten(structure, inner)
        result = function(*args, **kwargs)
    finally:
        STATE.trace = None
        updates, grads = trace.close()
    outputs, out_structure = tree.flatten(result)
    returned = [i for i, leaf in enumerate(outputs) if isinstance(leaf, Tensor)]
    nodes = [outputs[i].node for i in returned]
    kept_grads: list[tuple[weakref.ref[Tensor], int | None]] = []
    for tensor, old, node in grads:
        if node is None:
            kept_grads.append((weakref.ref(tensor), None))
        elif old is not None:
            updates.append((old, node))
        else:
            kept_grads.append((weakref.ref(tensor), len(nodes)))
            nodes.append(node)
    return Traced(
        program=Program(inputs, nodes, updates, since),
        structure=out_structure,
        fixed=[None if isinstance(leaf, Tensor) else leaf for leaf in outputs],
        returned=returned,
        grads=kept_grads,
        guards=[*trace.guards, *_number_guards(function)],
    )


def _number_guards(function: Callable[..., Any]) -> list[Guard]:
    """Conditions on the Python numbers that a function takes from outside."""
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    guards = [_same_cell(cell) for cell in (function.__closure__ or ()) if _holds_number(cell)]
    scope = function.__globals__
    for name in code.co_names:
        if isinstance(scope.get(name, scope), Number):
            guards.append(_same_global(scope, name))
    return guards


def _holds_number(cell: CellType) -> bool:
    try:
        return isinstance(cell.cell_contents, Number)
    except ValueError:  # not set yet
        return False


def _same_cell(cell: CellType) -> Guard:
    value = repr(cell.cell_contents)
    return lambda: repr(cell.cell_contents) == value


def _same_global(scope: dict[str, Any], name: str) -> Guard:
    value = repr(scope[name])
    return lambda: repr(scope.get(name)) == value
