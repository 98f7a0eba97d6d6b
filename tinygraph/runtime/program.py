"""Program: a graph whose leaves are known objects, compiled once and called many times.

The leaves of the graph are of four kinds: placeholders, which each call feeds; cells (Tensors
that hold state), whose present value is read at each call; random keys, which each call draws
anew; and constants, captured when the program was made.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tinygraph import config
from tinygraph.compiler.compile import Compiled, compiled, name_of
from tinygraph.errors import DTypeError, ShapeError, UnfedError
from tinygraph.graph.collector import collector_paused
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph, inline, topological
from tinygraph.graph.node import Node
from tinygraph.graph.origin import Origin
from tinygraph.graph.specialise import is_open, specialise
from tinygraph.ops.registry import DATA
from tinygraph.passes.seal import stand_in
from tinygraph.runtime import backend as backends
from tinygraph.runtime import lazy
from tinygraph.runtime.eager import is_eager
from tinygraph.runtime.interpret import interpret

Keep = Callable[[list[Any]], None]
KEPT_SIZES = 32  # compiled versions for different sizes of open dimensions


class StateCell(Protocol):
    """A Tensor that holds state."""

    node: Node
    is_state: bool


class RandomSource(Protocol):
    """A generator of random numbers: see `tinygraph.random.Generator`."""

    def reserve(self, draws: int) -> tuple[int, int]:
        """The seed and the first of `draws` draw numbers, which are taken."""

    def rewind(self, first: int, end: int) -> None:
        """Give back the draws from `first` to `end`, if none has been taken since."""


@dataclass(frozen=True, slots=True)
class RandomKeys:
    """The random keys of one generator: which inputs they are, and their draws counted from 0."""

    source: RandomSource
    places: tuple[int, ...]
    offsets: tuple[int, ...]


class Program:
    """`inputs` are placeholders; `updates` pairs cells with their next values.

    since: nodes with a lower serial number, built before a trace began, are constants. Without
    it the program reaches down to the leaves, so that it follows state whatever of it has been
    computed in between. replaced: output number -> the number of the input whose next value it
    is.
    """

    @collector_paused()
    def __init__(
        self,
        inputs: Sequence[Node],
        outputs: Sequence[Node],
        updates: Sequence[tuple[StateCell, Node]] = (),
        since: int = 0,
    ) -> None:
        self.inputs = tuple(inputs)
        self.outputs = len(outputs)
        self.updated = [cell for cell, _ in updates]
        roots = [*outputs, *(node for _, node in updates)]
        leaves = self._leaves(roots, since)
        self.cells: list[StateCell] = []
        self.constants: list[Node] = []
        keys: list[Node] = []
        states: list[Node] = []
        for node in leaves:
            owner = _owner(node)
            if hasattr(owner, "reserve"):
                keys.append(node)
            elif owner is not None and (owner.is_state or node.grad):
                states.append(node)
                self.cells.append(owner)
            else:
                self.constants.append(node)
        start = len(self.inputs) + len(states)
        self.random = _random_keys(keys, start)
        self.key_count = len(keys)
        self.graph = _released([*self.inputs, *states, *keys, *self.constants], roots,
                               range(len(self.inputs), start + len(keys)))  # fmt: skip
        self.open = is_open(self.graph)
        self.names = [
            *map(name_of, self.inputs),
            *(f"state {getattr(cell, 'name', None) or name_of(node)}"
              for cell, node in zip(self.cells, states, strict=True)),
            *("random key" for _ in keys),
            *(f"constant captured from {node.origin}" for node in self.constants),
        ]  # fmt: skip
        self.replaced = self._replacements()
        self._dtypes = [node.dtype for node in states]
        self._versions: OrderedDict[Any, Compiled] = OrderedDict()
        self._lock = threading.RLock()

    def _leaves(self, roots: Sequence[Node], since: int) -> list[Node]:
        given = set(map(id, self.inputs))

        def outside(node: Node) -> bool:
            return id(node) in given or not node.inputs or node.serial < since

        order = topological(roots, outside)
        missing = [n for n in lazy.unfed(order) if id(n) not in given]
        if missing:
            leaf = missing[0]
            raise UnfedError(
                f"the outputs depend on the placeholder '{leaf.params['name']}', which is not "
                f"among the inputs of the function\n  at {leaf.origin.where()}"
            )
        leaves = [n for n in order if outside(n) and (n.op.leaf or n.inputs) and id(n) not in given]
        lazy.realize(leaves)
        return leaves

    def _replacements(self) -> dict[int, int]:
        """See `replaced`."""
        place = {id(cell): len(self.inputs) + i for i, cell in enumerate(self.cells)}
        return {
            self.outputs + i: place[id(cell)]
            for i, cell in enumerate(self.updated) if id(cell) in place
        }  # fmt: skip

    # ------------------------------------------------------------------------------ calling

    def __call__(self, arrays: Sequence[Any], keep: Keep | None = None) -> list[Any]:
        """The outputs for `arrays`, one an input; the cells take their next values.

        keep: what else is to be done with the outputs. If an exception is raised (a
        KeyboardInterrupt may be at any moment), either all cells have their next values and
        `keep` has been called, maybe twice, or nothing has changed.

        Raises ShapeError, DTypeError or UnfedError if an array does not fit its placeholder.
        """
        with self._lock:
            backend = backends.current()
            buffers, sizes = self._buffers(arrays, backend)
            results: list[Any] = []
            done = np.zeros(1, np.bool_)
            try:
                self._run(buffers, sizes, backend, results, done)
                self._hand_over(results, keep)
            except BaseException:
                if done[0]:  # it came after the run: state may be written over already
                    self._hand_over(results, keep)
                raise
            return results[: self.outputs]

    def _run(
        self, buffers: list[Any], sizes: Mapping[str, int], backend: backends.Backend,
        results: list[Any], done: np.ndarray,
    ) -> None:  # fmt: skip
        """Fill `results`, and then set `done`."""
        if is_eager():
            results += self._interpret(buffers, sizes)
            done[0] = True
        else:
            version = self.version(sizes, backend)
            results += version.outputs(self._donations(version, buffers))
            version.run(buffers, results, done)

    def _hand_over(self, results: list[Any], keep: Keep | None) -> None:
        """Let the cells hold their next values. To do so again changes nothing."""
        for cell, buffer in zip(self.updated, results[self.outputs :], strict=True):
            node = cell.node
            if node.buffer is not buffer or node.op is not DATA:  # it is, where it was donated
                _hold(cell, buffer)
        if keep is not None:
            keep(results[: self.outputs])

    def look(self, arrays: Sequence[Any]) -> tuple[Graph, list[np.ndarray]]:
        """What a call with `arrays` would run: the graph in their sizes, and copies of the values
        of its inputs. Nothing runs, and no random number is used up."""
        with self._lock:
            backend = backends.current()
            buffers, sizes = self._buffers(arrays, backend, peek=True)
            return self.sized(sizes), [np.array(backend.to_host(buffer)) for buffer in buffers]

    def sized(self, sizes: Mapping[str, int]) -> Graph:
        """The graph with its open sizes as numbers."""
        return specialise(self.graph, sizes) if self.open else self.graph

    def _buffers(
        self, arrays: Sequence[Any], backend: backends.Backend, peek: bool = False
    ) -> tuple[list[Any], dict[str, int]]:
        """The values of the graph's inputs, and the open sizes."""
        fed, sizes = self._feed(arrays, backend)
        buffers = [*fed, *self._states(backend), *self._draw(backend, peek)]
        buffers += [lazy.buffer_of(node, backend) for node in self.constants]
        return buffers, sizes

    def _feed(
        self, arrays: Sequence[Any], backend: backends.Backend
    ) -> tuple[list[Any], dict[str, int]]:
        fed = [fit(node, array, backend) for node, array in zip(self.inputs, arrays, strict=True)]
        if not self.open:
            return fed, {}
        sizes: dict[str, int] = {}
        for node, array in zip(self.inputs, fed, strict=True):
            bind(node, array.shape, sizes)
        return fed, sizes

    def _states(self, backend: backends.Backend) -> list[Any]:
        nodes = [cell.node for cell in self.cells]
        if [node for node in nodes if node.buffer is None]:
            nodes = list(map(lazy.present_value, nodes))
            lazy.realize(nodes)
        if [node.dtype for node in nodes] != self._dtypes:
            self._check_dtypes(nodes)
        return [lazy.buffer_of(node, backend) for node in nodes]

    def _check_dtypes(self, nodes: Sequence[Node]) -> None:
        for node, leaf in zip(nodes, self.graph.inputs[len(self.inputs) :], strict=False):
            if node.dtype != leaf.dtype:
                raise DTypeError(
                    f"state that was {leaf.dtype.name} when the function was made is "
                    f"{node.dtype.name} now; make the function again\n  at {leaf.origin.where()}"
                )

    def _draw(self, backend: backends.Backend, peek: bool) -> list[Any]:
        keys: list[Any] = [None] * self.key_count
        start = len(self.inputs) + len(self.cells)
        for group in self.random:
            count = max(group.offsets) + 1
            seed, first = group.source.reserve(count)
            if peek:
                group.source.rewind(first, first + count)
            for place, offset in zip(group.places, group.offsets, strict=True):
                key = np.array([seed, first + offset], np.uint64)
                keys[place - start] = backend.from_host(key)
        return keys

    def _donations(self, version: Compiled, buffers: list[Any]) -> dict[int, Any]:
        """Buffers of cells that may be written over, because nobody else can see them."""
        donated: dict[int, Any] = {}
        if not version.in_place:
            return donated
        first = len(self.inputs)
        for output, source in version.tape.donated.items():
            whole = getattr(buffers[source], "base", None) is None  # else it is part of another's
            if whole and _references(self.cells[source - first], buffers, source) <= _ALONE:
                donated[output] = buffers[source]
        return donated

    def _interpret(self, buffers: list[Any], sizes: Mapping[str, int]) -> list[Any]:
        graph = self.sized(sizes)
        values = dict(zip(graph.inputs, buffers, strict=True))
        results = interpret(graph, values, getattr(backends.current(), "xp", np))
        return [np.array(result) for result in results]

    def version(self, sizes: Mapping[str, int], backend: backends.Backend) -> Compiled:
        """The executable for these sizes; compiled where there is none yet."""
        key = (tuple(sizes.values()), backend.name, config.get("SKIP"), config.get("CHECK"))
        found = self._versions.get(key)
        if found is None:
            found = compiled(self.sized(sizes), backend, self.names, self.replaced)
            self._versions[key] = found
            while len(self._versions) > KEPT_SIZES:
                self._versions.popitem(last=False)
        return found


def _released(inputs: Sequence[Node], roots: Sequence[Node], places: range) -> Graph:
    """The graph with fresh leaves at `places`: it does not keep the values that those had."""
    fresh = [stand_in(node) if i in places else node for i, node in enumerate(inputs)]
    return Graph(fresh, inline(Graph(inputs, roots), fresh))


def _owner(node: Node) -> Any:
    """What holds the changing value that `node` is; None for a constant."""
    return node.cell() if node.cell is not None else None


def _random_keys(keys: Sequence[Node], start: int) -> tuple[RandomKeys, ...]:
    """Group the keys by generator, and count their draws from the first one."""
    groups: dict[int, list[tuple[int, Node]]] = {}
    for index, node in enumerate(keys):
        groups.setdefault(id(_owner(node)), []).append((start + index, node))
    found = []
    for members in groups.values():
        draws = [int(node.buffer[1]) for _, node in members]
        source = _owner(members[0][1])
        places = tuple(place for place, _ in members)
        found.append(RandomKeys(source, places, tuple(d - min(draws) for d in draws)))
        source.rewind(min(draws), max(draws) + 1)
    return tuple(found)


def fit(node: Node, array: Any, backend: backends.Backend) -> Any:
    """`array` as a contiguous buffer of the placeholder's dtype, its shape checked."""
    buffer = array if isinstance(array, np.ndarray) else _array(node, array)
    if buffer.dtype != node.dtype:
        buffer = _cast(node, buffer)
    if buffer.shape != node.shape:
        _check_shape(node, buffer.shape)
    if not buffer.flags.c_contiguous:
        buffer = np.ascontiguousarray(buffer)
    return backend.from_host(buffer)


def _array(node: Node, value: Any) -> np.ndarray:
    """What is fed to `node` that is no array yet."""
    name = node.params["name"]
    if value is None:
        raise UnfedError(f"the placeholder '{name}' was not fed\n  at {node.origin.where()}")
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"the placeholder '{name}': {error}") from None


def _check_shape(node: Node, shape: tuple[int, ...]) -> None:
    """ShapeError where the size of a dimension is neither open nor that of the placeholder."""
    wanted = tuple([None if isinstance(size, Dim) else size for size in node.shape])
    fits = [want in (None, got) for want, got in zip(wanted, shape, strict=False)]
    if len(wanted) != len(shape) or not all(fits):
        raise ShapeError(
            f"the placeholder '{node.params['name']}' has shape {wanted}, it was fed {shape}"
            f"\n  at {node.origin.where()}"
        )


def _cast(node: Node, array: np.ndarray) -> np.ndarray:
    """`array` in the dtype of the placeholder `node`. Floats may be rounded; integers that do not
    fit are an error, and so is another kind of number."""
    whole = array.dtype.kind in "iub" and node.dtype.kind in "fiuV"
    if not whole and not np.can_cast(array.dtype, node.dtype, "same_kind"):
        raise DTypeError(
            f"the placeholder '{node.params['name']}' holds {node.dtype.name}, it was fed "
            f"{array.dtype.name}; cast with astype\n  at {node.origin.where()}"
        )
    result = array.astype(node.dtype)
    if node.dtype.kind in "iu" and (result != array).any():
        wrong = array[result != array].flat[0]
        raise DTypeError(
            f"the placeholder '{node.params['name']}' holds {node.dtype.name}, it was fed {wrong}, "
            f"which does not fit\n  at {node.origin.where()}"
        )
    return result


def bind(node: Node, shape: Sequence[int], sizes: dict[str, int]) -> None:
    """Read the open sizes of a placeholder off the shape it is fed."""
    for axis, (declared, size) in enumerate(zip(node.shape, shape, strict=True)):
        if isinstance(declared, Dim):
            (name,) = declared.symbols()
            if sizes.setdefault(name, size) != size:
                raise ShapeError(
                    f"the placeholder '{node.params['name']}' was fed size {size} in dimension "
                    f"{axis}, but the same open size is {sizes[name]} elsewhere"
                )


def _hold(cell: Any, buffer: Any) -> None:
    """Let `cell` hold `buffer` as its value."""
    old = cell.node
    leaf = Node(DATA, (), {}, old.aval, old.origin, old.grad, buffer)
    leaf.belong(cell)
    cell.node = leaf


def _references(cell: StateCell, buffers: list[Any], index: int) -> int:
    """How often a cell's node and buffer are referred to, more than one cell alone would."""
    node = cell.node
    return max(sys.getrefcount(node), sys.getrefcount(node.buffer))


class _Alone:
    """A cell that nobody else looks at, to count the references of one."""

    is_state = True

    def __init__(self) -> None:
        self.node = Node(DATA, (), {}, _scalar_aval(), _here(), False, np.zeros(1))


def _scalar_aval() -> Any:
    from tinygraph.graph.node import Aval

    return Aval((1,), np.dtype("float64"))


def _here() -> Origin:
    return Origin(_scalar_aval.__code__, 0)


def _alone_count() -> int:
    cell = _Alone()
    return _references(cell, [cell.node.buffer], 0)


_ALONE = _alone_count()
