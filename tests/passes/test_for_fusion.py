"""The rewrites that make room for fusion: graphs before and after, and the same numbers."""

import numpy as np
import pytest
from networks import fed

from tinygraph.autodiff.reverse import gradients
from tinygraph.graph.graph import Graph
from tinygraph.graph.verify import verify
from tinygraph.ops import elementwise as e
from tinygraph.ops.bounds import within
from tinygraph.ops.contract import matmul
from tinygraph.ops.index import scatter_along_axis, take_along_axis
from tinygraph.ops.movement import broadcast_to, concat, reshape, slice_, take_range, update_slice
from tinygraph.ops.reduce import max as reduce_max
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.rules import full, ones_like
from tinygraph.ops.scan import scan, scan_nodes
from tinygraph.passes.hoist import hoist
from tinygraph.passes.join import join
from tinygraph.passes.one_hot import one_hot
from tinygraph.passes.rows import rows
from tinygraph.passes.single import single
from tinygraph.runtime.interpret import interpret


def ops(graph):
    return [node.op.name for node in graph.nodes if not node.op.leaf and node.op.kind != "const"]


def changed(step, graph, *arrays, rtol=1e-6):
    """The graph after `step`, which keeps the results on `arrays`."""
    after = step(graph)
    verify(after)
    for want, have in zip(run(graph, arrays), run(after, arrays), strict=True):
        np.testing.assert_allclose(have, want, rtol=rtol, atol=1e-6, strict=True)
    return after


def run(graph, arrays):
    values = dict(zip(graph.inputs, arrays, strict=True))
    return [np.asarray(value) for value in interpret(graph, values, np)]


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


# ------------------------------------------------------------------------------------ one_hot


def picked(classes=5, checked=True, computed=True):
    x, t = fed(4, classes), fed(4, 1, name="t", dtype="int64")
    index = within(t, size=classes, what="class") if checked else t
    source = e.exp(x) if computed else x
    return Graph([x, t], [take_along_axis(source, index, axis=1)])


def test_a_pick_by_a_checked_index_is_a_comparison():
    after = changed(one_hot, picked(), normal(4, 5), np.array([[0], [4], [2], [2]]))
    assert "take_along_axis" not in ops(after)
    assert ops(after)[-1] == "sum"


@pytest.mark.parametrize("how", [{"checked": False}, {"computed": False}])
def test_other_picks_stay(how):
    """An index that may be wrong needs the check of the gather; an array that lies in memory is
    not run through for one element."""
    assert "take_along_axis" in ops(one_hot(picked(**how)))


def test_infinities_beside_the_picked_element_do_no_harm():
    x = np.array([[np.inf, 1.0, np.nan, 3.0, -np.inf]] * 4, "float32")
    changed(one_hot, picked(), x, np.array([[1], [3], [1], [3]]))


def test_a_number_put_into_zeros_is_a_choice():
    t, v = fed(4, 1, name="t", dtype="int64"), fed(4, 1, name="v")
    index = within(t, size=5, what="class")
    zeros = full((4, 5), 0, v.dtype)
    for mode in ("set", "add"):
        graph = Graph([t, v], [scatter_along_axis(zeros, index, v, axis=1, mode=mode)])
        after = changed(one_hot, graph, np.array([[0], [4], [2], [2]]), normal(4, 1))
        assert "scatter_along_axis" not in ops(after)


def test_a_wrong_class_is_still_an_error():
    graph = one_hot(picked())
    with pytest.raises(IndexError, match="class 5 is out of range"):
        run(graph, [normal(4, 5), np.array([[0], [5], [2], [2]])])


# ------------------------------------------------------------------------------- single, rows


@pytest.mark.parametrize("keepdims", [True, False])
def test_a_reduction_over_dimensions_of_size_1_is_none(keepdims):
    x = fed(3, 1, 2)
    graph = Graph([x], [op(x, axis=(1,), keepdims=keepdims) for op in (reduce_sum, reduce_max)])
    after = changed(single, graph, normal(3, 1, 2))
    assert not {"sum", "max"} & set(ops(after))


def test_its_sum_has_no_negative_zero():
    x = fed(2, 1)
    graph = single(Graph([x], [reduce_sum(x, axis=(1,), keepdims=False)]))
    (result,) = run(graph, [np.array([[-0.0], [0.0]], "float32")])
    assert not np.signbit(result).any()


def centred(x, axes):
    """x less the largest along some dimensions."""
    return x - broadcast_to(reduce_max(x, axis=axes, keepdims=True), shape=x.shape)


def test_a_sum_over_normalised_rows_is_taken_row_by_row():
    x = fed(6, 4)
    graph = Graph([x], [reduce_sum(e.exp(centred(x, (1,))), axis=(0, 1), keepdims=False)])
    assert ops(changed(rows, graph, normal(6, 4))).count("sum") == 2


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("shape", [(6, 4, 5), (24, 5), (120,), (6, 1, 20)])
def test_a_sum_over_what_was_reshaped_is_taken_where_it_was_normalised(shape, keepdims):
    """Rows of any number of dimensions; arrays of the later shape are seen in the earlier one."""
    x, weight = fed(6, 2, 2, 5), fed(shape[-1], name="weight")
    seen = reshape(e.exp(centred(x, (2, 3))), shape=shape)
    weighed = e.square(seen) * weight + seen
    axes = tuple(range(len(shape)))
    graph = Graph([x, weight], [reduce_sum(weighed, axis=axes, keepdims=keepdims)])
    after = changed(rows, graph, normal(6, 2, 2, 5), normal(shape[-1]))
    sums = [node for node in after.nodes if node.op is reduce_sum]
    assert [node.params["axis"] for node in sums] == [(2, 3), (0, 1)]


def test_a_sum_over_what_is_cut_differently_stays_whole():
    """Reshaped to (4, 6), the elements of a row of (3, 8) are no rows."""
    x = fed(3, 8)
    seen = reshape(centred(x, (1,)), shape=(4, 6))
    graph = Graph([x], [reduce_sum(e.exp(seen), axis=(0, 1), keepdims=False)])
    assert rows(graph) is graph


def test_other_sums_stay_whole():
    x = fed(6, 4)
    graph = Graph([x], [reduce_sum(e.exp(x), axis=(0, 1), keepdims=False)])
    assert rows(graph) is graph
    graph = Graph([x], [reduce_sum(e.exp(centred(x, (0,))), axis=(0, 1), keepdims=False)])
    assert rows(graph) is graph


# --------------------------------------------------------------------------------------- join


def test_the_gradient_of_a_split_is_a_concatenation():
    x = fed(3, 10)
    x.grad = True
    parts = [take_range(x, 1, 0, 4), take_range(x, 1, 4, 1), take_range(x, 1, 5, 5)]
    y = reduce_sum(e.sin(parts[0]), axis=(0, 1), keepdims=False)
    for part in parts[1:]:
        y = y + reduce_sum(e.exp(part), axis=(0, 1), keepdims=False)
    (g,) = gradients([y], [ones_like(y)], [x])
    after = changed(join, Graph([x], [g]), normal(3, 10))
    assert "update_slice" not in ops(after)
    assert after.outputs[0].op is concat


@pytest.mark.parametrize("starts", [(0, 2), (0, 1), (1, 3)], ids=["whole", "overlap", "gap"])
def test_parts_that_overlap_or_leave_gaps_are_added(starts):
    a, b = fed(2, name="a"), fed(2, name="b")
    padded = [
        update_slice(full((4,), 0, a.dtype), part, slices=((start, min(2, 4 - start), 1),))
        if start < 3 else update_slice(full((4,), 0, a.dtype), slice_(part, slices=((0, 1, 1),)),
                                       slices=((start, 1, 1),))
        for part, start in zip((a, b), starts, strict=True)
    ]  # fmt: skip
    after = changed(join, Graph([a, b], [padded[0] + padded[1]]), normal(2), normal(2))
    assert (after.outputs[0].op is concat) == (starts == (0, 2))


def test_rows_with_a_step_are_left_alone():
    a = fed(2)
    every_second = update_slice(full((4,), 0, a.dtype), a, slices=((0, 2, 2),))
    others = update_slice(full((4,), 0, a.dtype), a, slices=((1, 2, 2),))
    graph = Graph([a], [every_second + others])
    assert join(graph) is graph


# -------------------------------------------------------------------------------------- hoist


def recurrence(steps=5):
    """The gradients of h' = tanh(h w + x) by w and the first h."""
    h, w, x = fed(3, 4, name="h"), fed(4, 4, name="w"), fed(steps, 3, 4, name="x")
    for node in (h, w, x):
        node.grad = True

    def step(carry, inputs):
        new = e.tanh(matmul(carry[0], w) + inputs[0])
        return [new], [new]

    (last,), (all_of_them,) = scan_nodes(step, [h], [x])
    total = reduce_sum(e.square(all_of_them), axis=(0, 1, 2), keepdims=False)
    total = total + reduce_sum(last, axis=(0, 1), keepdims=False)
    found = gradients([total], [ones_like(total)], [w, h])
    return Graph([h, w, x], found)


def carries(graph):
    return sorted(node.params["carries"] for node in graph.nodes if node.op is scan)


def test_the_gradient_of_a_matrix_is_one_product_behind_the_scan():
    graph = recurrence()
    after = changed(hoist, graph, normal(3, 4), normal(4, 4), normal(5, 3, 4))
    assert sum(carries(after)) == sum(carries(graph)) - 1
    outside = [node for node in after.nodes if node.op.name == "dot_general"]
    assert any(len(node.params["contract"][0]) == 2 for node in outside)  # over steps and rows


def test_a_sum_that_a_step_reads_stays_in_the_scan():
    h, x = fed(3, 4, name="h"), fed(5, 3, 4, name="x")

    def step(carry, inputs):
        total = carry[0] + matmul(inputs[0], reshape(inputs[0], shape=(4, 3)))
        return [total], [e.sin(total)]

    square = fed(3, 3, name="square")
    (last,), (ys,) = scan_nodes(step, [square], [x])
    graph = Graph([h, square, x], [last, ys, h])
    assert carries(hoist(graph)) == carries(graph)


def biased(keepdims, there):
    """h' = tanh(h + x + bias), and the sum of all h' as a carry. there: whether h' is a result."""
    h, x = fed(3, 4, name="h"), fed(5, 3, 4, name="x")
    total = fed(*((1, 4) if keepdims else (4,)), name="total")

    def step(carry, inputs):
        new = e.tanh(carry[0] + inputs[0])
        added = carry[1] + reduce_sum(new, axis=(0,), keepdims=keepdims)
        return [new, added], [new] if there else []

    (last, summed), rest = scan_nodes(step, [h, total], [x])
    return Graph([h, x, total], [last, summed, *rest])


@pytest.mark.parametrize("keepdims", [True, False])
def test_a_sum_of_what_the_steps_hand_out_is_taken_behind_the_scan(keepdims):
    graph = biased(keepdims, there=True)
    arrays = normal(3, 4), normal(5, 3, 4), normal(*graph.inputs[2].shape)
    after = changed(hoist, graph, *arrays)
    assert carries(after) == [1]
    (total,) = [node for node in after.nodes if node.op is reduce_sum]
    assert total.params["axis"] == (0, 1)


def test_a_sum_of_what_only_a_step_has_stays_in_the_scan():
    graph = biased(keepdims=False, there=False)
    assert hoist(graph).key == graph.key


def test_no_scan_no_change():
    x = fed(3)
    graph = Graph([x], [e.sin(x)])
    assert hoist(graph) is graph
