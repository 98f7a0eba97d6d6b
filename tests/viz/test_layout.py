"""Layered layout: edges lead down, boxes do not overlap, rows are as near as they can be."""

import numpy as np
import pytest
from boxes import overlap
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from tinygraph.viz.layout import Box, increasing, layered

GAP = (0.2, 0.3)


@st.composite
def drawings(draw):
    count = draw(st.integers(1, 14))
    boxes = [
        Box(
            draw(st.sampled_from((0.5, 1.0, 3.0))),
            draw(st.sampled_from((0.3, 0.6))),
            weight=draw(st.sampled_from((0.001, 1.0))),
        )
        for _ in range(count)
    ]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = draw(st.lists(pairs.filter(lambda p: p[0] < p[1]), max_size=20, unique=True))
    return boxes, edges


@given(drawings())
def test_boxes_do_not_overlap_and_edges_lead_down(drawing):
    boxes, edges = drawing
    layout = layered(boxes, edges, GAP)
    assert overlap(boxes, layout.centres) == []
    for (source, target), way in zip(edges, layout.routes, strict=True):
        assert way[0] == layout.centres[source]
        assert way[-1] == layout.centres[target]
        heights = [y for _, y in way]
        assert heights == sorted(set(heights))
    for box, (x, y) in zip(boxes, layout.centres, strict=True):
        assert box.width / 2 - 1e-6 <= x <= layout.width - box.width / 2 + 1e-6
        assert box.height / 2 - 1e-6 <= y <= layout.height - box.height / 2 + 1e-6


def test_lanes_stand_side_by_side():
    boxes = [Box(1, 1, lane=lane) for lane in (0, 1, 2, 0, 1, 2)]
    edges = [(0, 3), (1, 4), (2, 5), (0, 4)]
    layout = layered(boxes, edges, GAP)
    ends = [
        (min(x for x in xs) - 0.5, max(x for x in xs) + 0.5)
        for xs in ([layout.centres[i][0], layout.centres[i + 3][0]] for i in range(3))
    ]
    assert ends[0][1] < ends[1][0] < ends[1][1] < ends[2][0]


def test_a_chain_is_straight_and_its_parameters_make_room():
    chain = [Box(1, 1) for _ in range(4)]
    leaves = [Box(1, 1, weight=0.001) for _ in range(3)]
    edges = [(i, i + 1) for i in range(3)] + [(4 + i, i + 1) for i in range(3)]
    layout = layered(chain + leaves, edges, GAP)
    xs = [x for x, _ in layout.centres[:4]]
    assert max(xs) - min(xs) < 0.02


def test_a_leaf_stands_right_above_its_reader():
    layout = layered([Box(1, 1) for _ in range(4)], [(0, 1), (1, 2), (3, 2)], GAP)
    assert layout.centres[3][1] == layout.centres[1][1]


def test_late_boxes_stand_below_what_they_read():
    boxes = [Box(1, 1) for _ in range(4)] + [Box(1, 1, late=True)]
    edges = [(0, 1), (1, 2), (3, 2), (3, 4)]
    layout = layered(boxes, edges, GAP)
    assert layout.centres[3][1] == layout.centres[1][1]
    assert layout.centres[4][1] == layout.centres[2][1]


def test_crossings_are_removed():
    boxes = [Box(1, 1) for _ in range(6)]
    layout = layered(boxes, [(0, 5), (1, 4), (2, 3)], GAP)
    xs = [x for x, _ in layout.centres]
    order = np.argsort(xs[:3])
    assert list(order) == list(np.argsort([xs[5], xs[4], xs[3]]))


def test_a_cycle_is_refused():
    with pytest.raises(ValueError, match="form a cycle"):
        layered([Box(1, 1), Box(1, 1)], [(0, 1), (1, 0)], GAP)


def test_nothing_at_all():
    assert layered([], [], GAP).centres == []


numbers = st.floats(-10, 10, allow_subnormal=False)


@given(st.lists(st.tuples(numbers, st.sampled_from((0.1, 1.0, 8.0))), min_size=1, max_size=20))
def test_increasing_is_the_nearest_monotone_sequence(pairs):
    values, weights = zip(*pairs, strict=True)
    expected = isotonic_regression(values, weights=weights).x
    np.testing.assert_allclose(increasing(values, weights), expected, atol=1e-9)
