"""@tg.jit: a Python function, traced once into a tape and called many times.

While it is traced, the function runs on placeholders. What it reads and writes of the outside
is found out on the way: parameters, buffers and optimizer state become inputs and updates, the
training mode of modules and captured Python numbers become conditions under which the trace
holds. A call whose conditions all hold runs the tape and no Python of the function.
"""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from tinygraph.ops.registry import DATA, PLACEHOLDER, RESULT
from tinygraph.runtime import backend as backends
from tinygraph.runtime import lazy
from tinygraph.runtime.eager import is_eager
from tinygraph.runtime.guards import (
    NUMBERS,
    Guard,
    number_attributes,
    same_captures,
    same_forms,
    same_gradient,
    same_mode,
    same_settings,
    settings,
    unchanged,
)
from tinygraph.runtime.program import Program
from tinygraph.tensor import Tensor

Structure = tuple[tree.TreeDef, tree.TreeDef | None]  # of positional and of named arguments
KEPT_KEYS = 128  # kinds of arguments whose traces are kept
KEPT_TRACES = 8  # traces that are kept for one kind of arguments


class GradientCell:
    """The gradient of a Tensor as state: the value in whichever Tensor is its `.grad`."""

    __slots__ = ("__weakref__", "_owner")
    is_state = True

    def __init__(self, owner: Tensor) -> None:
        self._owner = owner

    @property
    def name(self) -> str:
        """What the printed tape calls it."""
        return f"{self._owner.name or 'a Tensor'}.grad"

    @property
    def node(self) -> Node:
        """The present value."""
        held = self._owner._grad
        assert held is not None  # or a guard of the trace had failed
        return held.node

    @node.setter
    def node(self, value: Node) -> None:
        held = self._owner._grad
        assert held is not None
        held.node = value


Update = tuple[Tensor | GradientCell, Node]


class Trace:
    """What a traced function does to the outside. Tensors and modules report to it."""

    def __init__(self, placeholders: Sequence[Node], since: int) -> None:
        self.placeholders = set(map(id, placeholders))
        self.since = since
        self.written: dict[int, tuple[Tensor, Node]] = {}
        self.grads: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.guards: list[Guard] = []
        self._modules: dict[int, tuple[Any, dict[str, Any]]] = {}  # with their settings before
        self._cells: dict[int, tuple[Tensor, GradientCell]] = {}  # of gradients, by their Tensors

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
            tensor.node.belong(self._cell(tensor))

    def _cell(self, tensor: Tensor) -> Tensor | GradientCell:
        """What the value of `tensor` belongs to: where it is a gradient, to that."""
        return self._cells[id(tensor)][1] if id(tensor) in self._cells else tensor

    def touch_grad(self, tensor: Tensor) -> None:
        """`tensor.grad` is about to be read or written."""
        if id(tensor) in self.grads:
            return
        before = tensor._grad
        self.grads[id(tensor)] = (tensor, before)
        if before is not None and not before.is_state:
            before.is_state = True  # until this trace is closed
            self._cells[id(before)] = before, GradientCell(tensor)
            before.node.belong(self._cells[id(before)][1])
        own = before is not None and id(before) not in self._cells  # state by itself
        self.guards.append(same_gradient(tensor, exact=own))

    def touch_module(self, module: Any) -> None:
        """`module` is about to be called: the trace holds for its present mode alone."""
        if id(module) not in self._modules:
            self._modules[id(module)] = module, settings(module)
            self.guards.append(same_mode(module))

    def close(self) -> tuple[list[Update], list[tuple[Tensor, Node | None]]]:
        """Put the outside back as it was; return the updates, and the gradients that come or go,
        as (owner, the new value)."""
        updates: dict[int, Update] = {}
        for tensor, before in self.written.values():
            node, cell = tensor.node, self._cell(tensor)
            tensor.node = before
            if node.buffer is None or node.buffer is not before.buffer:
                updates[id(cell)] = cell, node.inputs[0] if node.op is assign else node
        grads: list[tuple[Tensor, Node | None]] = []
        for tensor, old in self.grads.values():
            new = tensor._grad
            tensor._grad = old
            if new is old:
                continue
            if new is not None and old is not None:
                cell = self._cell(old)
                updates[id(cell)] = cell, new.node
            else:
                grads.append((tensor, None if new is None else new.node))
        for held, _ in self._cells.values():
            held.is_state = False
        self.guards += [same_settings(module, then) for module, then in self._modules.values()]
        return list(updates.values()), grads


@dataclass(slots=True)
class Traced:
    """One trace of a function: a program, and the conditions under which it holds."""

    program: Program
    structure: tree.TreeDef
    fixed: list[Any]  # outputs that are no Tensors; None where a Tensor stands
    returned: list[int]  # which leaves of the output are Tensors
    cuts: list[bool]  # whether each of these depends on what a gradient was to reach
    grads: list[tuple[weakref.ref[Tensor], int | None]]
    guards: list[Guard]
    cut: bool  # whether a gradient would have to pass through a constant: then it is not run
    lock: threading.RLock = field(default_factory=threading.RLock)

    def holds(self) -> bool:
        """Whether the outside is as it was when this was traced."""
        return all(guard() for guard in self.guards)

    def __call__(self, arrays: Sequence[Any]) -> Any:
        with self.lock:
            results = self.program(arrays, self._keep_gradients)
        leaves = list(self.fixed)
        for place, cut, buffer in zip(self.returned, self.cuts, results, strict=False):
            leaves[place] = result_tensor(buffer, RESULT if cut else DATA)
        return tree.unflatten(self.structure, leaves)

    def _keep_gradients(self, results: list[Any]) -> None:
        """Let the gradients that come or go do so."""
        for owner, index in self.grads:
            tensor = owner()
            if tensor is not None:
                tensor._grad = None if index is None else result_tensor(results[index])


class Jitted:
    """A traced function. Made by `tg.jit`.

    traces: how often the function has been traced. `tape(*args)` is the tape for these
    arguments. `explain()` says why the last call was traced.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.traces = 0
        self._known: OrderedDict[Any, list[Traced]] = OrderedDict()
        self._reason = "it has not been called yet"
        self._lock = threading.RLock()
        functools.update_wrapper(self, function)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_eager() or STATE.trace is not None:
            return self.function(*args, **kwargs)
        leaves, structure = _taken_apart(args, kwargs)
        if any(map(_is_open, leaves)):
            return self.function(*args, **kwargs)
        traced = self._find(leaves, structure)
        return self.function(*args, **kwargs) if traced.cut else traced(_arrays(leaves))

    def tape(self, *args: Any, **kwargs: Any) -> Tape:
        """The tape that a call with these arguments would run."""
        return self.program(*args, **kwargs).version({}, backends.current()).tape

    def program(self, *args: Any, **kwargs: Any) -> Program:
        """What `tape` is compiled from: the graph, and what its inputs are."""
        leaves, structure = _taken_apart(args, kwargs)
        return self._find(leaves, structure).program

    def arrays(self, *args: Any, **kwargs: Any) -> list[Any]:
        """What a call with these arguments feeds to its program."""
        return _arrays(_taken_apart(args, kwargs)[0])

    def explain(self) -> str:
        """Why the function was traced the last time."""
        name = getattr(self.function, "__name__", "the function")
        return f"{name} was traced {self.traces} times; last because {self._reason}"

    def _find(self, leaves: list[Any], structure: Structure) -> Traced:
        key = (structure, tuple([_leaf_key(leaf) for leaf in leaves]), STATE.grad, STATE.autocast)
        with self._lock:
            known = self._known.setdefault(key, [])
            if len(self._known) > 1:
                self._known.move_to_end(key)
            for traced in known:
                if traced.holds():
                    return traced
            self._explain(key, known)
            traced = _trace(self.function, leaves, structure)
            self.traces += 1
            self._known[key] = [traced, *known[: KEPT_TRACES - 1]]
            while len(self._known) > KEPT_KEYS:
                self._known.popitem(last=False)
            return traced

    def _explain(self, key: Any, known: list[Traced]) -> None:
        if known:
            self._reason = (
                "something that the trace depends on has changed: a module's mode or numbers, what "
                "the function reads from outside, which .grad is None, or requires_grad of state"
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

    Where an argument requires a gradient or has no value yet, as under `tg.grad` and `tg.vmap`, or
    in another traced function, the Python function runs, and becomes part of that graph.

    Raises TraceError where the function branches on the value of a Tensor.

    >>> import tinygraph as tg
    >>> @tg.jit
    ... def f(x):
    ...     return x * 2 + 1
    >>> f(tg.tensor([1.0, 2.0]))
    tensor([3., 5.])
    """
    return Jitted(function)


def _taken_apart(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], Structure]:
    """The leaves of the arguments of a call, and how they are put together again."""
    leaves, structure = tree.flatten(args)
    if not kwargs:
        return leaves, (structure, None)
    more, named = tree.flatten(kwargs)
    return [*leaves, *more], (structure, named)


def _put_together(
    structure: Structure, leaves: Sequence[Any]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """What `_taken_apart` took apart."""
    positional, named = structure
    args = tree.unflatten(positional, leaves[: positional.leaves])
    return args, tree.unflatten(named, leaves[positional.leaves :]) if named else {}


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (Tensor, np.ndarray))


def _leaf_key(leaf: Any) -> Any:
    if isinstance(leaf, (Tensor, np.ndarray)):
        state = id(leaf) if isinstance(leaf, Tensor) and leaf.is_state else None
        return ("array", leaf.shape, leaf.dtype, state)
    if isinstance(leaf, NUMBERS):
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


def _is_open(leaf: Any) -> bool:
    """Whether an argument is in the middle of a graph: a gradient may have to run back through it,
    or it stands for a value that is not known yet."""
    if not isinstance(leaf, Tensor) or leaf.is_state:
        return False
    history = leaf.node.grad and STATE.grad and leaf.node.op is not RESULT
    return history or lazy.is_symbolic(leaf.node)


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


def _bound(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What each parameter of `function` holds; nothing, where the call will fail."""
    try:
        return inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return {}


def _trace(function: Callable[..., Any], leaves: list[Any], structure: Structure) -> Traced:
    lazy.realize([])
    lazy.end_definition()
    since = serial()
    inner = [_placeholder(x, i) if _is_traced(x) else x for i, x in enumerate(leaves)]
    inputs = [x.node for x, leaf in zip(inner, leaves, strict=True) if _is_traced(leaf)]
    args, kwargs = _put_together(structure, inner)
    numbers = number_attributes(function, _bound(function, args, kwargs))
    trace = Trace(inputs, since)
    STATE.trace = trace
    try:
        outputs, out_structure = tree.flatten(function(*args, **kwargs))
        returned = [i for i, leaf in enumerate(outputs) if isinstance(leaf, Tensor)]
        nodes = [outputs[i].node for i in returned]  # before state is put back
        cuts = [node.grad for node in nodes]
    finally:
        STATE.trace = None
        updates, grads = trace.close()
    kept_grads: list[tuple[weakref.ref[Tensor], int | None]] = []
    for tensor, node in grads:
        kept_grads.append((weakref.ref(tensor), None if node is None else len(nodes)))
        if node is not None:
            nodes.append(node)
    program = Program(inputs, nodes, updates, since)
    return Traced(
        program=program,
        structure=out_structure,
        fixed=[None if isinstance(leaf, Tensor) else leaf for leaf in outputs],
        returned=returned,
        cuts=cuts,
        grads=kept_grads,
        guards=[*trace.guards, same_forms([*program.cells, *program.updated]),
                *same_captures(function), *unchanged(numbers)],
        cut=STATE.grad and any(node.grad and node.inputs for node in program.constants),
    )  # fmt: skip
