"""What is cut off again is not computed: graphs before and after, and the same numbers."""

import numpy as np
import pytest
from networks import fed

from tinygraph.graph.graph import Graph
from tinygraph.graph.verify import verify
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import reshape, slice_, update_slice
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.rules import full
from tinygraph.passes.crop import crop
from tinygraph.passes.simplify import simplify
from tinygraph.runtime.interpret import interpret

INNER = ((1, 4, 1), (2, 3, 1))


def elements(graph):
    """How many elements are computed by elementwise operations."""
    return sum(int(np.prod(n.shape)) for n in graph.nodes if n.op.kind == "elementwise")


def cropped(*outputs, inputs):
    """The graph after the pass, which keeps the results."""
    graph = Graph(list(inputs), list(outputs))
    after = crop(graph)
    verify(after)
    rng = np.random.default_rng(0)
    values = {x: rng.standard_normal(x.shape).astype(x.dtype) for x in inputs}
    with np.errstate(all="ignore"):
        before, now = interpret(graph, values, np), interpret(after, values, np)
    for want, have in zip(before, now, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-6, strict=True)
    return after


@pytest.mark.parametrize("slices", [INNER, ((5, 6, -1), (0, 3, 2)), ((0, 0, 1), (0, 6, 1))])
def test_a_chain_is_computed_where_it_is_needed(slices):
    """Operands that stretch are sliced along the dimensions that they have."""
    x, row, column, number = fed(6, 6), fed(6, name="r"), fed(6, 1, name="c"), fed(name="n")
    y = e.exp(x * row + column) * e.sin(row) - number
    after = cropped(slice_(y, slices=slices), inputs=(x, row, column, number))
    assert elements(after) == 5 * slices[0][1] * slices[1][1] + 6


def test_dimensions_of_size_1():
    x, column = fed(6, 1), fed(6, 1, name="c")
    for slices in (((1, 4, 1), (0, 0, 1)), ((1, 4, 1), (0, 1, 1)), ((1, 4, 1), (0, 1, -1))):
        cropped(slice_(x * column, slices=slices), inputs=(x, column))


def test_a_slice_of_a_slice():
    x = fed(6, 6)
    once = e.exp(slice_(e.sin(x), slices=INNER))
    twice = slice_(e.cos(once), slices=((0, 1, 1), (1, 2, 1)))
    assert elements(cropped(twice, inputs=(x,))) == 3 * 2


def test_what_others_read_is_computed_as_a_whole():
    x = fed(6, 6)
    y = e.exp(x)
    part = slice_(y * 2, slices=INNER)
    for others in (y, reduce_sum(y, axis=(0,), keepdims=False)):
        after = cropped(part, others, inputs=(x,))
        assert elements(after) == 36 + 12
    again = slice_(y, slices=((0, 1, 1), (0, 6, 1)))
    assert elements(cropped(slice_(y, slices=INNER), again, inputs=(x,))) == 36


def test_other_operations_are_not_moved():
    x = fed(6, 6)
    for y in (reshape(e.exp(fed(36, name="y")), shape=(6, 6)), x):
        graph = Graph([n for n in Graph([], [y]).nodes if n.op.leaf], [slice_(y, slices=INNER)])
        assert crop(graph) is graph


def test_a_long_chain_needs_no_deep_stack():
    x = fed(6, 6)
    y = x
    for _ in range(5000):
        y = e.negative(y)
    assert elements(crop(Graph([x], [slice_(y, slices=INNER)]))) == 5000 * 12


def test_a_slice_of_what_was_put_there_is_it():
    x = fed(4, 3)
    padded = update_slice(full((6, 6), 0, x.dtype), x, slices=INNER)
    assert simplify(Graph([x], [slice_(padded, slices=INNER)])).outputs == (x,)
    other = Graph([x], [slice_(padded, slices=((0, 4, 1), (2, 3, 1)))])
    assert simplify(other) is other
