"""What is looked at: a compiled function, or Tensors that have no value yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tinygraph.compiler.compile import fuses, make_tape
from tinygraph.compiler.tape import Tape
from tinygraph.errors import GraphError
from tinygraph.function import Function
from tinygraph.graph.graph import Graph, topological
from tinygraph.graph.node import Node
from tinygraph.graph.origin import Origin
from tinygraph.jit import Jitted
from tinygraph.runtime import backend as backends
from tinygraph.runtime import lazy
from tinygraph.runtime.eager import lazy as lazily
from tinygraph.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Call:
    """What one call computes: a graph of known sizes, and the values of its inputs.

    names, replaced: see `tinygraph.runtime.program.Program`.
    """

    graph: Graph
    values: list[np.ndarray]
    names: Sequence[str] = ()
    replaced: Mapping[int, int] | None = None


def tape_of(what: Any, args: Sequence[Any]) -> Tape:
    """The tape of a `tg.function` for the shapes `args`, of a `tg.jit` function for the arguments
    `args`, or of Tensors. Raises GraphError for anything else."""
    what, args = _unwrapped(what, args)
    with lazily():
        if isinstance(what, Function):
            return what.tape(*map(_shape, args))
        if isinstance(what, Jitted):
            return what.tape(*args)
        return make_tape(_behind(what, args), fuse=fuses(backends.current()))


def call_of(what: Any, args: Sequence[Any]) -> Call:
    """What a `tg.function` or a `tg.jit` function computes when it is called with `args`; or what
    is computed for Tensors. Raises GraphError for anything else."""
    what, args = _unwrapped(what, args)
    with lazily():
        if isinstance(what, (Function, Jitted)):
            program = what.program(*args) if isinstance(what, Jitted) else what.program
            graph, values = program.look(what.arrays(*args))
            return Call(graph, values, program.names, program.replaced)
        graph = _behind(what, args)
        backend = backends.current()
        buffers = [lazy.buffer_of(node, backend) for node in graph.inputs]
        return Call(graph, [np.array(backend.to_host(buffer)) for buffer in buffers])


def _unwrapped(what: Any, args: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """A traced method as the function it is, with the object as its first argument."""
    if isinstance(what, partial) and isinstance(what.func, Jitted):
        return what.func, (*what.args, *args)
    return what, args


def _shape(arg: Any) -> tuple[int, ...]:
    """An array stands for its shape."""
    shape = getattr(arg, "shape", arg)
    if not isinstance(shape, (tuple, list)) or not all(isinstance(size, int) for size in shape):
        raise GraphError(f"a tg.function is given shapes here, such as (64, 10); got {arg!r}")
    return tuple(shape)


def _behind(what: Any, args: Sequence[Any]) -> Graph:
    """The graph that computes Tensors from what has a value."""
    tensors = list(what) if isinstance(what, (list, tuple)) else [what]
    if not tensors or not all(isinstance(each, Tensor) for each in tensors):
        raise GraphError(_expected(what))
    if args:
        raise GraphError("shapes and arguments belong to a function; with Tensors, give none")
    nodes = [tensor.node for tensor in tensors]
    order = topological(nodes, lazy.has_value)
    for node in lazy.unfed(order):
        raise GraphError(
            f"what is looked at depends on the placeholder '{node.params['name']}' (made at "
            f"{node.origin}), which has no value; make a tg.function of it, and look at that"
        )
    if all(map(lazy.has_value, nodes)):
        raise GraphError(
            "the value is there already, and nothing is left to be computed. Look at a Tensor "
            "before it is printed or used, outside of eager mode; or at a tg.function or tg.jit "
            "function"
        )
    return Graph([node for node in order if lazy.has_value(node)], _distinct(nodes))


def _distinct(nodes: Iterable[Node]) -> list[Node]:
    return list({id(node): node for node in nodes if not lazy.has_value(node)}.values())


def _expected(what: Any) -> str:
    wanted = "expected a tg.function, a tg.jit function, a Tensor or a list of Tensors"
    if isinstance(what, (list, tuple)):
        kinds = ", ".join(sorted({type(each).__name__ for each in what})) or "nothing"
        return f"{wanted}; got a {type(what).__name__} of {kinds}"
    advice = ""
    if callable(what):
        advice = ". Wrap it, tg.jit(f), or call it and look at what it returns"
    return f"{wanted}; got {type(what).__name__}{advice}"


def many(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def lines_of(origins: Iterable[Origin]) -> str:
    """Places in the user's code, each once: `train.py:3, 7; backward of train.py:3`."""
    groups: dict[tuple[bool, str], set[int]] = {}
    for origin in set(origins):
        file = str(origin).rpartition(":")[0]
        groups.setdefault((origin.backward, file), set()).add(origin.line)
    texts = []
    for (backward, file), lines in sorted(groups.items()):
        numbers = ", ".join(map(str, sorted(lines)))
        texts.append(f"{'backward of ' if backward else ''}{file}:{numbers}")
    return "; ".join(texts)
