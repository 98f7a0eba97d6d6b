"""A Hypothesis strategy for graphs: random operations, shapes, dtypes, views and constants.

`programs()` draws a graph with values for its inputs. A graph grows node by node: a maker is
drawn, and tries to build a node from nodes that are there; where none fits it gives None.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from tinygraph.dtypes import is_bool, is_float
from tinygraph.errors import ShapeError
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import elementwise as e
from tinygraph.ops import logic, reduce
from tinygraph.ops.contract import dot_general
from tinygraph.ops.cumulative import cumsum
from tinygraph.ops.movement import (
    barrier,
    broadcast_to,
    concat,
    identity,
    iota,
    permute,
    reshape,
    slice_,
    stop_gradient,
    update_slice,
)
from tinygraph.ops.registry import PLACEHOLDER, cast
from tinygraph.ops.rules import broadcast_shapes, full, product
from tinygraph.ops.windows import windows

DTYPES = ("float64", "float32", "int64", "int32", "bool")
MOST_ELEMENTS = 200
MOST_DIMENSIONS = 4
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan)

# On floats; the first are smooth and bounded, so that a difference in rounding stays small.
SMOOTH = (e.tanh, e.sin, e.sigmoid, e.negative, e.relu, e.abs)
ROUGH = (e.exp, e.log, e.sqrt, e.floor, e.sign, e.square, e.round)
BINARY = (e.add, e.subtract, e.multiply, e.maximum, e.minimum)
COMPARISONS = (logic.less, logic.less_equal, logic.equal, logic.not_equal)


@dataclass
class Program:
    """A graph, and an array for each of its inputs."""

    graph: Graph
    values: dict[Node, np.ndarray]

    @property
    def arrays(self):
        return [self.values[node] for node in self.graph.inputs]

    def __repr__(self):
        return f"{self.graph}\nvalues: {self.arrays}"


def shapes(most=3):
    return st.lists(st.sampled_from((2, 3, 1, 4, 0)), max_size=most).map(tuple)


def usual_shapes():
    """Mostly matrices; now and then something else."""
    return st.one_of(st.just((2, 3)), st.just((3, 2)), st.just((2, 3, 2)), shapes())


# ------------------------------------------------------------------- makers: of single nodes


def unary(draw, pool, ops=SMOOTH + ROUGH):
    x = draw(st.sampled_from(pool))
    if is_bool(x.dtype):
        return logic.logical_not(x)
    if is_float(x.dtype):
        return draw(st.sampled_from(ops))(x)
    return draw(st.sampled_from((e.negative, e.abs, e.square, logic.bitwise_invert)))(x)


def smooth_unary(draw, pool):
    return unary(draw, pool, SMOOTH)


def _pair(draw, pool):
    """Two nodes that broadcast and are of one dtype, neither of which is bool."""
    x = draw(st.sampled_from(pool))
    if is_bool(x.dtype):
        x = cast(x, dtype=np.dtype("int64"))
    fitting = [y for y in pool if not is_bool(y.dtype) and _broadcast(x, y)]
    return x, draw(st.sampled_from(fitting)) if fitting else x


def _broadcast(x, y):
    try:
        shape = broadcast_shapes(x.shape, y.shape)
    except ShapeError:
        return False
    return len(shape) <= MOST_DIMENSIONS and product(shape) <= MOST_ELEMENTS


def binary(draw, pool):
    return draw(st.sampled_from(BINARY))(*_pair(draw, pool))


def division(draw, pool):
    x, y = _pair(draw, pool)
    if is_float(x.dtype) and is_float(y.dtype):
        return e.divide(x, y)
    return logic.bitwise_xor(x, y) if not is_float(x.dtype) and not is_float(y.dtype) else None


def comparison(draw, pool):
    return draw(st.sampled_from(COMPARISONS))(*_pair(draw, pool))


def with_number(draw, pool):
    """An operation with a constant, which may be neutral, absorbing or neither."""
    x = draw(st.sampled_from(pool))
    op = draw(st.sampled_from((e.add, e.subtract, e.multiply)))
    if is_bool(x.dtype):
        op = e.multiply
    choices = (0.0, -0.0, 1.0, 0.5) if is_float(x.dtype) else (0, 1, 3)
    number = draw(st.sampled_from((False, True) if is_bool(x.dtype) else choices))
    return op(x, number) if draw(st.booleans()) else op(number, x)


def neutral_right(draw, pool):
    """A division or a power by 1."""
    x = draw(st.sampled_from(pool))
    if is_bool(x.dtype):
        return logic.logical_or(x, False)
    return e.divide(x, 1.0) if is_float(x.dtype) else e.pow(x, 1)


def where(draw, pool):
    x, y = _pair(draw, pool)
    conditions = [c for c in pool if is_bool(c.dtype) and _broadcast(c, x) and _broadcast(c, y)]
    known = full((), draw(st.booleans()), np.dtype("bool"))
    return e.where(draw(st.sampled_from([known, *conditions])), x, y)


def reduction(draw, pool, ops=(reduce.sum, reduce.prod, reduce.max, reduce.min)):
    x = draw(st.sampled_from(pool))
    axis = tuple(sorted(draw(st.sets(st.sampled_from(range(x.ndim)))))) if x.ndim else ()
    keepdims = draw(st.booleans())
    if is_bool(x.dtype):
        op = draw(st.sampled_from((reduce.any, reduce.all, reduce.sum)))
    else:
        op = draw(st.sampled_from(ops))
    if op in (reduce.max, reduce.min) and any(x.shape[a] == 0 for a in axis):
        return None
    return op(x, axis=axis, keepdims=keepdims)


def total(draw, pool):
    return reduction(draw, pool, (reduce.sum,))


def running(draw, pool):
    x = draw(st.sampled_from(pool))
    if not x.ndim or is_bool(x.dtype):
        return None
    axis = draw(st.sampled_from(range(x.ndim)))
    return cumsum(x, axis=axis, reverse=draw(st.booleans()))


def contraction(draw, pool):
    x, y = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
    if is_bool(x.dtype) or is_bool(y.dtype):
        return None
    pairs = [(i, j) for i, a in enumerate(x.shape) for j, b in enumerate(y.shape) if a == b]
    if not pairs or x.ndim + y.ndim - 2 > MOST_DIMENSIONS:
        return None
    i, j = draw(st.sampled_from(pairs))
    node = dot_general(x, y, contract=((i,), (j,)), batch=((), ()))
    return node if product(node.shape) <= MOST_ELEMENTS else None


def conversion(draw, pool):
    x = draw(st.sampled_from(pool))
    chosen = DTYPES if not is_float(x.dtype) else ("float64", "float32", "bool")
    return cast(x, dtype=np.dtype(draw(st.sampled_from(chosen))))


# ------------------------------------------------------------------------ makers: movement


def reshaped(draw, pool):
    x = draw(st.sampled_from(pool))
    flat = (product(x.shape),)
    forms = [flat, (*x.shape, 1), (1, *x.shape), x.shape[::-1]]
    if x.ndim > 1:
        forms.append((x.shape[0] * x.shape[1], *x.shape[2:]))
    shape = draw(st.sampled_from(forms))
    return reshape(x, shape=shape) if len(shape) <= MOST_DIMENSIONS else None


def permuted(draw, pool):
    x = draw(st.sampled_from(pool))
    return permute(x, axes=tuple(draw(st.permutations(range(x.ndim)))))


def stretched(draw, pool):
    x = draw(st.sampled_from(pool))
    shape = [draw(st.sampled_from((1, 2, 3))) if size == 1 else size for size in x.shape]
    if len(shape) < MOST_DIMENSIONS and draw(st.booleans()):
        shape.insert(0, draw(st.sampled_from((1, 2))))
    return broadcast_to(x, shape=tuple(shape)) if product(shape) <= MOST_ELEMENTS else None


def _slices(draw, shape):
    found = []
    for size in shape:
        if not size:
            found.append((0, 0, 1))
            continue
        step = draw(st.sampled_from((1, -1, 2, -2)))
        start = draw(st.integers(0, size - 1))
        room = (size - start - 1 if step > 0 else start) // abs(step) + 1
        found.append((start, draw(st.integers(0, room)), step))
    return tuple(found)


def sliced(draw, pool):
    x = draw(st.sampled_from(pool))
    return slice_(x, slices=_slices(draw, x.shape))


def updated(draw, pool):
    x = draw(st.sampled_from(pool))
    slices = _slices(draw, x.shape)
    value = slice_(x, slices=slices)
    return update_slice(x, value if is_bool(x.dtype) else value + value, slices=slices)


def joined(draw, pool):
    x = draw(st.sampled_from(pool))
    if not x.ndim or product(x.shape) > MOST_ELEMENTS / 2:
        return None
    same = [y for y in pool if y.shape == x.shape and y.dtype == x.dtype]
    return concat(x, draw(st.sampled_from(same)), axis=draw(st.sampled_from(range(x.ndim))))


def windowed(draw, pool):
    x = draw(st.sampled_from(pool))
    if not x.ndim or x.shape[-1] < 2 or x.ndim == MOST_DIMENSIONS:
        return None
    return windows(x, kernel=(2,), stride=(draw(st.sampled_from((1, 2))),), dilation=(1,))


def marked(draw, pool):
    x = draw(st.sampled_from(pool))
    kind = draw(st.sampled_from(("identity", "stop_gradient", "barrier")))
    if kind == "barrier":
        return barrier(x, draw(st.sampled_from(pool)))
    return identity(x) if kind == "identity" else stop_gradient(x)


def constant(draw, pool):
    shape = draw(shapes(2))
    if draw(st.booleans()):
        return iota(size=draw(st.integers(0, 4)), dtype=np.dtype("int64"))
    return full(shape, draw(st.sampled_from((0.0, -0.0, 1.0, 2.5))), np.dtype("float64"))


def again(draw, pool):
    """A second node that computes what one computes already."""
    x = draw(st.sampled_from(pool))
    return None if x.op.leaf else x.replace()


def stabilised(draw, pool):
    """A form that the pass `stabilise` knows."""
    x = draw(st.sampled_from([x for x in pool if is_float(x.dtype)] or [None]))
    if x is None:
        return None
    forms = [
        lambda: e.log(e.exp(x)),
        lambda: e.log(e.sigmoid(x)),
        lambda: e.log(1 - e.sigmoid(x)),
        lambda: e.log(e.exp(x) + 1),
        lambda: e.log1p(e.exp(x)),
        lambda: e.exp(x) - 1,
        lambda: 1 - e.sigmoid(x),
    ]
    if x.ndim and x.shape[0]:
        sums = reduce.sum(e.exp(x), axis=(0,), keepdims=True)
        forms += [lambda: e.log(sums), lambda: e.log(e.exp(x) / sums)]
    return draw(st.sampled_from(forms))()


MOVEMENT = (reshaped, permuted, stretched, sliced, updated, joined, windowed, marked, again)
EXACT = (unary, binary, division, comparison, with_number, neutral_right, where, reduction,
         running, contraction, conversion, constant, *MOVEMENT)  # fmt: skip
EVERY = (*EXACT, stabilised)
SMOOTH_MAKERS = (smooth_unary, binary, with_number, total, stabilised, *MOVEMENT)


# --------------------------------------------------------------------------------- programs


@st.composite
def programs(draw, makers=EVERY, dtypes=DTYPES, special=True, most=16):
    """A graph of up to `most` nodes made by `makers`, and values for its inputs. What nothing
    reads is an output, so that every node counts.

    special: whether floats may be infinite, NaN or -0.0.
    """
    pool = [
        Node(PLACEHOLDER, (), {"name": f"x{i}"}, Aval(draw(usual_shapes()), np.dtype(dtype)))
        for i, dtype in enumerate(draw(st.lists(st.sampled_from(dtypes), min_size=1, max_size=3)))
    ]
    inputs = list(pool)
    for maker in draw(st.lists(st.sampled_from(makers), min_size=most // 2, max_size=most)):
        node = maker(draw, pool)
        if node is not None:
            pool.append(node)
    read = {id(child) for node in pool for child in node.inputs}
    outputs = [node for node in pool if id(node) not in read] or pool[-1:]
    outputs += draw(st.lists(st.sampled_from(pool), max_size=2))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    graph = Graph(inputs, outputs)
    return Program(graph, {node: _value(rng, node, special) for node in inputs})


def _value(rng, node, special):
    if is_bool(node.dtype):
        return rng.random(node.shape) > 0.5
    if not is_float(node.dtype):
        return rng.integers(-4, 5, node.shape).astype(node.dtype)
    array = rng.standard_normal(node.shape).astype(node.dtype)
    if special:
        places = rng.random(node.shape) < 0.3
        array = np.where(places, rng.choice(SPECIAL, node.shape), array)
    return np.asarray(array, node.dtype)
