"""Views: what a movement op makes of the layout of its input."""

import numpy as np
import pytest

from tinygraph.compiler.kernel import View, row_major
from tinygraph.compiler.view import view_of
from tinygraph.ops.movement import broadcast_to, permute, reshape, slice_
from tinygraph.ops.windows import windows

WHOLE = View(0, (4, 6), (6, 1))


def test_row_major():
    assert row_major((2, 3, 4)) == (12, 4, 1)
    assert row_major(()) == ()
    assert row_major((3, 0, 2)) == (2, 2, 1)


def test_contiguous():
    assert WHOLE.contiguous
    assert View(0, (), ()).contiguous
    assert not View(1, (4,), (1,)).contiguous
    assert not View(0, (6, 4), (1, 6)).contiguous


@pytest.mark.parametrize(
    ("op", "params", "expected"),
    [
        (permute, {"axes": (1, 0)}, View(0, (6, 4), (1, 6))),
        (reshape, {"shape": (2, 12)}, View(0, (2, 12), (12, 1))),
        (reshape, {"shape": (24, 1)}, View(0, (24, 1), (1, 1))),
        (slice_, {"slices": ((1, 2, 1), (0, 3, 2))}, View(6, (2, 3), (6, 2))),
        (slice_, {"slices": ((3, 4, -1), (5, 2, -3))}, View(23, (4, 2), (-6, -3))),
        (broadcast_to, {"shape": (3, 4, 6)}, View(0, (3, 4, 6), (0, 6, 1))),
        (windows, {"kernel": (3,), "stride": (1,), "dilation": (2,)},
         View(0, (4, 2, 3), (6, 1, 2))),
    ],
)  # fmt: skip
def test_view_ops_on_a_whole_array(op, params, expected):
    assert view_of(op, WHOLE, 24, params) == expected


def test_views_of_views():
    turned = view_of(permute, WHOLE, 24, {"axes": (1, 0)})
    part = view_of(slice_, turned, 24, {"slices": ((1, 4, 1), (2, 2, 1))})
    assert part == View(13, (4, 2), (1, 6))
    back = view_of(permute, part, 24, {"axes": (1, 0)})
    assert view_of(reshape, back, 24, {"shape": (2, 2, 2)}) == View(13, (2, 2, 2), (6, 2, 1))


def test_a_reshape_that_must_copy_is_no_view():
    turned = view_of(permute, WHOLE, 24, {"axes": (1, 0)})
    assert view_of(reshape, turned, 24, {"shape": (24,)}) is None


def test_empty_arrays():
    empty = View(0, (0, 3), (3, 1))
    assert view_of(permute, empty, 0, {"axes": (1, 0)}).shape == (3, 0)
    assert view_of(slice_, WHOLE, 24, {"slices": ((0, 0, 1), (0, 6, 1))}).shape == (0, 6)


def test_a_view_shows_what_numpy_shows():
    memory = np.arange(24)
    part = view_of(slice_, WHOLE, 24, {"slices": ((3, 2, -2), (1, 2, 3))})
    strides = [8 * step for step in part.strides]
    shown = np.ndarray(part.shape, memory.dtype, memory, 8 * part.offset, strides)
    np.testing.assert_array_equal(shown, memory.reshape(4, 6)[3::-2, 1::3])
