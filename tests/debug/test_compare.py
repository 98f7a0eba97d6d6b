"""What counts as a difference."""

import ml_dtypes
import numpy as np
import pytest

from tinygraph.debug.compare import STEPS, Tolerance, changes, largest_difference, nudged

FINE = Tolerance(rtol=1e-3, atol=1e-5)


def deviation(want, have, tolerance=FINE):
    return tolerance.first_deviation([np.asarray(want)], [np.asarray(have)])


def test_a_float_may_differ_a_little():
    assert deviation([1.0, 2.0], [1.0005, 2.0]) is None
    assert deviation([1.0, 2.0], [1.1, 2.0]) == (0, pytest.approx(0.1))
    assert deviation([0.0, np.nan, np.inf], [1e-6, np.nan, np.inf]) is None
    assert deviation([np.nan], [1.0]) is not None
    assert deviation([np.inf], [-np.inf]) is not None


def test_a_coarse_float_may_differ_by_some_steps():
    for dtype in ("float16", ml_dtypes.bfloat16):
        one = np.ones(1, dtype)
        step = float(ml_dtypes.finfo(dtype).eps)
        strict = Tolerance(0.0, 0.0)
        assert deviation(one, one + np.asarray(STEPS * step, dtype), strict) is None
        assert deviation(one, one + np.asarray(3 * STEPS * step, dtype), strict) is not None


def test_integers_are_equal():
    assert deviation([1, 2], [1, 2]) is None
    assert deviation([1, 10**6], [1, 10**6 + 1]) == (0, 1.0)
    assert deviation([True, False], [True, True]) == (0, 1.0)


def test_another_shape_or_dtype_is_a_difference():
    assert deviation([1.0], [[1.0]]) == (0, np.inf)
    assert deviation(np.ones(2, "float32"), np.ones(2)) == (0, 0.0)
    assert deviation(np.ones(0), np.ones(0)) is None


def test_slack_is_that_of_one_result():
    tolerance = Tolerance(0.0, 0.0, slack=[0.0, 2.0])
    ones, twos = np.ones(2), np.full(2, 2.0)
    assert tolerance.first_deviation([ones, ones], [ones, twos]) is None
    assert tolerance.first_deviation([ones, ones], [twos, ones]) == (0, 1.0)
    whole = np.array([3, 4])
    assert tolerance.first_deviation([ones, whole], [ones, whole + 2]) is None
    assert tolerance.first_deviation([ones, whole], [ones, whole + 3]) == (1, 3.0)


def test_a_nudge_keeps_what_is_equal_and_all_that_is_no_float():
    x = np.array([3.0, -1.5, 3.0, 0.0, np.inf], "float32")
    y = nudged(x)
    assert y.dtype == x.dtype
    assert y[0] == y[2] > x[0]
    assert y[1] < x[1]
    np.testing.assert_array_equal(y[3:], x[3:])
    whole = np.array([1, 2])
    assert nudged(whole) is whole


def test_changes_are_finite():
    want = [np.array([1.0, 2.0]), np.array([1.0]), np.array([np.nan])]
    assert changes(want, [np.array([1.0, 2.5]), np.array([np.inf]), np.array([1.0])]) == [0.5, 0, 0]
    assert largest_difference(np.ones(2), np.ones(3)) == np.inf
