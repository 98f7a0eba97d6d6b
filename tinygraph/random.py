"""Random numbers by counting.

A Generator is a seed and the number of draws so far. Both are an input of the graph, so a tape
that is run again draws anew; and nothing else decides what a draw yields. The same seed gives the
same numbers in every mode and on every backend.

All functions take `generator=`; without it they draw from the default one, which `manual_seed`
and `TINYGRAPH_SEED` govern.
"""

from __future__ import annotations

import inspect
import operator
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinygraph import config
from tinygraph.array.api import with_signature
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.creation import creator
from tinygraph.array.select import take
from tinygraph.array.sizes import as_shape, as_size
from tinygraph.dtypes import DEFAULT_FLOAT, DEFAULT_INT, canonical, is_float, uint64
from tinygraph.errors import ConfigError, GraphError, ShapeError
from tinygraph.graph.node import STATE, Aval, Node
from tinygraph.ops import random as r
from tinygraph.ops.movement import broadcast_to
from tinygraph.ops.registry import DATA, cast, const
from tinygraph.ops.rules import broadcast_shapes, normalize_axis, show_shape
from tinygraph.tensor import Tensor

LIMIT = 2**64


class Generator:
    """A source of random numbers. Safe to use from several threads.

    seed: which sequence. draw: how many draws have been taken from it.

    >>> import tinygraph as tg
    >>> a, b = tg.random.Generator(7), tg.random.Generator(7)
    >>> tg.all(tg.rand(3, generator=a) == tg.rand(3, generator=b)).item()
    True
    """

    __slots__ = ("__weakref__", "_lock", "draw", "seed")

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self.seed = _checked_seed(seed)
        self.draw = 0

    def manual_seed(self, seed: int) -> Generator:
        """Start the sequence `seed` (from 0 to 2^64 - 1) at its first draw; returns self."""
        self.set_state((_checked_seed(seed), 0))
        return self

    def get_state(self) -> tuple[int, int]:
        """The seed and the draw; `set_state` continues there."""
        with self._lock:
            return self.seed, self.draw

    def set_state(self, state: tuple[int, int]) -> None:
        """Continue from a state that `get_state` returned."""
        seed, draw = state
        with self._lock:
            self.seed, self.draw = _checked_seed(seed), int(draw)

    def reserve(self, draws: int) -> tuple[int, int]:
        """Take `draws` draws; returns the seed and the number of the first."""
        with self._lock:
            first = self.draw
            self.draw += draws
            return self.seed, first

    def rewind(self, first: int, end: int) -> None:
        """Give back the draws from `first` to `end`, if they were the last that were taken."""
        with self._lock:
            if self.draw == end:
                self.draw = first

    def key(self) -> Node:
        """Take one draw: the random state, uint64 (2,), as a leaf that belongs to this generator.
        A compiled function feeds it anew at each call, and each step of a scan and each example
        under vmap has a state of its own, derived from it."""
        if STATE.steps is None:
            raise GraphError(
                "in a while_loop every round would draw the same random numbers; draw them "
                "outside, or use tg.scan, where each step has its own"
            )
        state = np.array(self.reserve(1), np.uint64)
        node = Node(DATA, (), {}, Aval((2,), uint64), None, False, state)
        node.belong(self)
        for step in STATE.steps:
            node = r.fold_in(node, step)
        return node

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, draw={self.draw})"


def _checked_seed(seed: Any) -> int:
    number = operator.index(seed) if hasattr(seed, "__index__") else -1
    if not 0 <= number < LIMIT:
        raise ConfigError(f"a seed is an integer from 0 to 2^64 - 1, got {seed!r}")
    return number


_default: list[Generator] = []
_lock = threading.Lock()


def default_generator() -> Generator:
    """The generator that is used where none is given; its seed is first that of TINYGRAPH_SEED.

    >>> import tinygraph as tg
    >>> tg.manual_seed(3) is tg.random.default_generator()
    True
    """
    with _lock:
        if not _default:
            _default.append(Generator(config.get("SEED")))
        return _default[0]


def manual_seed(seed: int) -> Generator:
    """Let the default generator start the sequence `seed`; returns it.

    >>> import tinygraph as tg
    >>> generator = tg.manual_seed(0)
    >>> x = tg.rand(2)
    >>> generator = tg.manual_seed(0)
    >>> tg.all(tg.rand(2) == x).item()
    True
    """
    return default_generator().manual_seed(seed)


def get_state() -> tuple[int, int]:
    """The state of the default generator; see `set_state`.

    >>> import tinygraph as tg
    >>> state = tg.random.get_state()
    >>> x = tg.rand(2)
    >>> tg.random.set_state(state)
    >>> tg.all(tg.rand(2) == x).item()
    True
    """
    return default_generator().get_state()


def set_state(state: tuple[int, int]) -> None:
    """Let the default generator continue from a state that `get_state` returned.

    >>> import tinygraph as tg
    >>> tg.random.set_state((0, 5))
    >>> tg.random.default_generator()
    Generator(seed=0, draw=5)
    """
    default_generator().set_state(state)


def sampler(function: Callable[..., Node]) -> Callable[..., Tensor]:
    """The public function that draws with `function(key, ...)`. It takes `generator`, and what all
    creating functions take."""

    @wraps(function)
    def draw(*args: Any, generator: Generator | None = None, **kwargs: Any) -> Node:
        return function((generator or default_generator()).key(), *args, **kwargs)

    with_signature(draw, inspect.signature(function), leave_out=("key",), generator=None)
    return creator(draw)


# ------------------------------------------------------------------------------- uniform


def _float_type(dtype: Any) -> Any:
    return canonical(DEFAULT_FLOAT if dtype is None else dtype)


@sampler
def rand(key: Node, *shape: Any, dtype: Any = None) -> Node:
    """Evenly spread in [0, 1), of the given shape: a tuple or separate sizes.

    >>> import tinygraph as tg
    >>> tg.rand(2, 3).shape
    (2, 3)
    """
    return r.uniform(key, as_shape(shape), _float_type(dtype))


@sampler
def uniform(
    key: Node, shape: Any = (), low: TensorLike = 0.0, high: TensorLike = 1.0, dtype: Any = None
) -> Node:
    """Evenly spread in [low, high), of the given shape.

    low, high: numbers, or arrays that broadcast to the shape; gradients reach them.

    >>> import tinygraph as tg
    >>> x = tg.random.uniform((100,), -2.0, 2.0)
    >>> tg.all((x >= -2) & (x < 2)).item()
    True
    """
    unit = r.uniform(key, as_shape((shape,)), _float_type(dtype))
    start, end = _parameter(low, unit), _parameter(high, unit)
    return start + unit * (end - start)


def _parameter(value: TensorLike, like: Node) -> Node:
    """A parameter of a distribution, in the dtype of what is drawn, checked to fit its shape."""
    node = as_node(value, like.dtype)
    if broadcast_shapes(node.shape, like.shape) != like.shape:
        raise ShapeError(
            f"a parameter of shape {show_shape(node.shape)} does not broadcast to the shape "
            f"{show_shape(like.shape)}"
        )
    return node if node.dtype == like.dtype else cast(node, dtype=like.dtype)


@sampler
def randint(key: Node, low: int, high: Any = None, shape: Any = (), dtype: Any = None) -> Node:
    """Integers from `low` to `high` - 1, all equally likely; `randint(n)` and `randint(n, shape)`
    are from 0 to n - 1.

    >>> import tinygraph as tg
    >>> x = tg.randint(3, 6, (100,))
    >>> tg.all((x >= 3) & (x < 6)).item()
    True
    """
    if isinstance(high, (tuple, list)):
        high, shape = None, high
    first, end = (0, as_size(low)) if high is None else (as_size(low), as_size(high))
    wanted = canonical(DEFAULT_INT if dtype is None else dtype)
    return r.randint(key, as_shape((shape,)), first, end, wanted)


# -------------------------------------------------------------------------------- normal


@sampler
def randn(key: Node, *shape: Any, dtype: Any = None) -> Node:
    """From the normal distribution of mean 0 and deviation 1, of the given shape.

    >>> import tinygraph as tg
    >>> tg.randn(2, 3).shape
    (2, 3)
    """
    return r.normal(key, as_shape(shape), _float_type(dtype))


@sampler
def normal(
    key: Node, shape: Any = (), mean: TensorLike = 0.0, std: TensorLike = 1.0, dtype: Any = None
) -> Node:
    """From the normal distribution, of the given shape.

    mean, std: numbers, or arrays that broadcast to the shape. Gradients reach them: the
    reparametrisation mean + std * eps.

    >>> import tinygraph as tg
    >>> tg.random.normal((3,), mean=10.0, std=0.1).shape
    (3,)
    """
    unit = r.normal(key, as_shape((shape,)), _float_type(dtype))
    return _parameter(mean, unit) + _parameter(std, unit) * unit


@sampler
def rand_like(key: Node, x: TensorLike, dtype: Any = None) -> Node:
    """As `rand`, of the shape of x, and of its dtype unless another is given.

    >>> import tinygraph as tg
    >>> tg.random.rand_like(tg.zeros(2, 3)).shape
    (2, 3)
    """
    node = as_node(x)
    return r.uniform(key, node.shape, node.dtype if dtype is None else canonical(dtype))


@sampler
def randn_like(key: Node, x: TensorLike, dtype: Any = None) -> Node:
    """As `randn`, of the shape of x, and of its dtype unless another is given.

    >>> import tinygraph as tg
    >>> tg.random.randn_like(tg.zeros(2, 3)).shape
    (2, 3)
    """
    node = as_node(x)
    return r.normal(key, node.shape, node.dtype if dtype is None else canonical(dtype))


@sampler
def gumbel(key: Node, shape: Any = (), dtype: Any = None) -> Node:
    """-log(-log(u)), u evenly spread in (0, 1), of the given shape: the Gumbel distribution.

    The index of the largest log(p) + gumbel is a draw with the probabilities p.

    >>> import tinygraph as tg
    >>> tg.random.gumbel((2, 3)).shape
    (2, 3)
    """
    return r.gumbel(key, as_shape((shape,)), _float_type(dtype))


@sampler
def gamma(key: Node, concentration: TensorLike, shape: Any = None) -> Node:
    """From the gamma distribution of this concentration (shape parameter, above 0) and scale 1.

    concentration: a number or an array; no gradient reaches it. shape: of the result, to which it
    broadcasts; unless given, its own.

    >>> import tinygraph as tg
    >>> tg.random.gamma(2.0, (3,)).shape
    (3,)
    """
    return r.gamma(key, _spread(concentration, shape))


@sampler
def beta(key: Node, a: TensorLike, b: TensorLike, shape: Any = None) -> Node:
    """From the beta distribution, between 0 and 1, of mean a / (a + b).

    a, b: above 0, numbers or arrays that broadcast; no gradient reaches them. shape: of the
    result; unless given, that of a and b together.

    >>> import tinygraph as tg
    >>> x = tg.random.beta(0.5, 0.5, (100,))
    >>> tg.all((x >= 0) & (x <= 1)).item()
    True
    """
    both = [as_node(value, DEFAULT_FLOAT) for value in (a, b)]
    size = broadcast_shapes(*[node.shape for node in both]) if shape is None else shape
    first, second = (
        r.gamma(r.fold_in(key, const(number, uint64)), _spread(Tensor(node), size))
        for number, node in enumerate(both)
    )
    return first / (first + second)


def _spread(value: TensorLike, shape: Any) -> Node:
    """A parameter of floats, broadcast to `shape` if there is one."""
    node = as_node(value, DEFAULT_FLOAT)
    if not is_float(node.dtype):
        node = cast(node, dtype=DEFAULT_FLOAT)
    return node if shape is None else broadcast_to(node, shape=as_shape((shape,)))


# ------------------------------------------------------------------------------- choices


@sampler
def bernoulli(key: Node, p: TensorLike, shape: Any = None) -> Node:
    """True with probability p, else False (bool).

    p: a number or an array. shape: of the result, to which p broadcasts; unless given, that of p.

    >>> import tinygraph as tg
    >>> tg.random.bernoulli(0.0, (3,))
    tensor([False, False, False])
    """
    return r.bernoulli(key, _spread(p, shape))


@sampler
def categorical(key: Node, logits: TensorLike, axis: int = -1, shape: Any = ()) -> Node:
    """Indices along `axis`, each drawn with probability softmax(logits) (int64).

    logits: unnormalised log probabilities; -inf for what is never to be drawn. The result has
    the shape of `logits` without `axis`. shape: of the draws taken for each of them, which stand
    in front.

    >>> import tinygraph as tg
    >>> tg.random.categorical(tg.tensor([0.0, -float("inf")]), shape=(4,))
    tensor([0, 0, 0, 0])
    """
    node = as_node(logits)
    if not is_float(node.dtype):
        node = cast(node, dtype=DEFAULT_FLOAT)
    place = normalize_axis(axis, node.ndim) - node.ndim  # from the end, whatever stands in front
    several = as_shape((shape,))
    return r.categorical(key, broadcast_to(node, shape=(*several, *node.shape)), place)


@sampler
def permutation(key: Node, x: TensorLike, axis: int = 0) -> Node:
    """The numbers 0 ... x - 1 in random order (int64), or the slices of an array x along `axis`.

    >>> import tinygraph as tg
    >>> tg.sort(tg.random.permutation(4))
    tensor([0, 1, 2, 3])
    """
    if not isinstance(x, (Tensor, np.ndarray)):
        return _order(key, x)
    values = Tensor(as_node(x))
    count = values.shape[normalize_axis(axis, values.ndim)]
    result: Node = take(values, Tensor(_order(key, count)), axis).node
    return result


def _order(key: Node, size: Any) -> Node:
    count = as_size(size)
    if isinstance(count, int) and count < 0:
        raise ShapeError(f"a number of elements is not negative, got {count}")
    return r.permutation(key, count)


randperm = permutation
