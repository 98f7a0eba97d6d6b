"""Picking, scattering, searching and sorting against NumPy."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygraph as tg
from tinygraph.errors import DTypeError, ShapeError, TraceError

both_modes = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
RNG = np.random.default_rng(0)
X = RNG.permutation(np.linspace(-1, 1, 24)).reshape(2, 3, 4)


def same(got, want):
    np.testing.assert_array_equal(got.numpy(), want, strict=True)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("index", [[1, 0], [[0], [-1]], 1])
def test_take(axis, index):
    same(tg.take(X, index, axis), np.take(X, index, axis))
    same(tg.index_select(X, axis, np.array(index)), np.take(X, index, axis))


def test_along_an_axis():
    order = np.argsort(X, axis=1)
    same(tg.take_along_axis(X, order, 1), np.take_along_axis(X, order, 1))
    same(tg.take_along_axis(X, order[:1, :, :1], 1), np.take_along_axis(X, order[:1, :, :1], 1))
    index = np.array([[[3, 0], [1, 1]]])  # smaller than X in the other dimensions
    want = np.array([[[X[0, j, index[0, j, k]] for k in range(2)] for j in range(2)]])
    same(tg.gather(X, 2, tg.tensor(index)), want)
    same(tg.tensor(X).gather(dim=2, index=tg.tensor(index)), want)


def test_scatter():
    index, value = np.array([[2, 2, 0]]), np.array([[1.0, 2.0, 4.0]])
    zeros = tg.zeros(2, 3, dtype="float64")
    same(tg.scatter(zeros, 1, index, value), np.array([[4.0, 0, 2], [0, 0, 0]]))
    same(zeros.scatter(dim=1, index=index, src=9.0), np.array([[9.0, 0, 9], [0, 0, 0]]))
    same(tg.scatter_add(zeros, 1, index, value), np.array([[4.0, 0, 3], [0, 0, 0]]))
    same(zeros.scatter_add(0, index % 2, value), np.array([[1.0, 2, 4], [0, 0, 0]]))


def test_conditions():
    mask = X > 0
    same(tg.where(mask, X, 0.0), np.where(mask, X, 0.0))
    same(tg.masked_fill(X, mask, -5), np.where(mask, -5.0, X))
    same(tg.masked_select(X, mask[0]), X[np.broadcast_to(mask[0], X.shape)])
    for got, want in zip(tg.where(mask), np.nonzero(mask), strict=True):
        same(got, want)
    with pytest.raises(TypeError, match="needs both x and y, or neither"):
        tg.where(mask, 1)


def test_unique():
    x = np.array([[3, 1], [3, 7]])
    for got, want in zip(tg.unique_all(x), np.unique_all(x), strict=True):
        same(got, want)
    same(tg.unique(x), np.unique(x))
    same(tg.unique_counts(x).counts, np.unique_counts(x).counts)
    same(tg.unique_inverse(x).inverse_indices, np.unique_inverse(x).inverse_indices)
    same(tg.isin(x, np.array([7, 1, 9])), np.isin(x, [7, 1, 9]))


@both_modes
@given(hnp.arrays(np.int64, st.integers(0, 9), elements=st.integers(-5, 5)),
       hnp.arrays(np.int64, (2, 3), elements=st.integers(-6, 6)),
       st.sampled_from(["left", "right"]))  # fmt: skip
def test_searchsorted(line, values, side):
    order = np.argsort(line, kind="stable")
    same(tg.searchsorted(line[order], values, side), np.searchsorted(line[order], values, side))
    same(tg.searchsorted(line, values, side, sorter=order), np.searchsorted(line[order], values,
                                                                            side))  # fmt: skip


@both_modes
@given(hnp.arrays(np.float64, hnp.array_shapes(min_side=0, max_side=4),
                  elements=st.sampled_from([0.0, 1.0, -2.0, np.inf, 3.0])),
       st.booleans(), st.data())  # fmt: skip
def test_sorting(x, descending, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    sign = -1 if descending else 1
    order = np.argsort(sign * x, axis=axis, stable=True)
    same(tg.sort(x, axis, descending), sign * np.sort(sign * x, axis))
    same(tg.argsort(x, axis, descending), order)
    k = data.draw(st.integers(0, x.shape[axis]))
    largest = np.take(np.argsort(-x, axis=axis, stable=True), range(k), axis)
    values, indices = tg.topk(x, k, dim=axis)
    same(indices, largest)
    same(values, np.take_along_axis(x, largest, axis))
    same(tg.tensor(x).topk(k, axis, largest=False).values, np.take(np.sort(x, axis), range(k),
                                                                   axis))  # fmt: skip


def test_gradients():
    index = np.array([[[0, 0, 1, 3]]])
    for f in (
        lambda t: tg.take(t, [1, 1, 0], 0),
        lambda t: tg.gather(t, 2, index),
        lambda t: tg.scatter_add(t, 2, index, t[:1, :1] * 2),
        lambda t: tg.sort(t, 1),
        lambda t: tg.topk(t, 2).values,
        lambda t: tg.masked_fill(t, X > 0, 1.0),
    ):
        tg.testing.check_grads(f, (tg.tensor(X),))


def test_what_depends_on_values_must_know_them():
    x = tg.placeholder((3,), name="x")
    for call in (tg.nonzero, tg.unique, tg.unique_counts, tg.where):
        with pytest.raises(TraceError, match="the shape of the result depends on values"):
            call(x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: tg.take(x, [0]), ShapeError, "take: needs an axis for an array of shape"),
        (lambda x: tg.take(x, [0.5], 0), DTypeError, "take: an index is an array of integers"),
        (lambda x: tg.take_along_axis(x, tg.arange(2)), ShapeError, "they need as many dimen"),
        (lambda x: tg.gather(x, 0, tg.arange(2)), ShapeError, "gather: an index of shape (2,)"),
        (lambda x: tg.scatter(x, 0, tg.zeros(2, 3, dtype="int64"), x[:, :2]), ShapeError, "broad"),
        (lambda x: tg.nonzero(x[0, 0]), ShapeError, "nonzero: an array with no dimensions"),
        (lambda x: tg.searchsorted(x, x), ShapeError, "x1 has one dimension, got shape (2, 3)"),
        (lambda x: tg.searchsorted(x[0], x, "up"), ShapeError, "side is 'left' or 'right'"),
        (lambda x: tg.topk(x, 4), ShapeError, "got k = 4 for dimension 1 of shape (2, 3)"),
        (lambda x: tg.sort(x, 2), ShapeError, "sort: axis 2 is out of range"),
        (lambda x: tg.masked_fill(x, x, 0), DTypeError, "the condition is a bool array"),
    ],
)
def test_errors_say_where(call, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        call(tg.zeros(2, 3))
    assert "test_select.py" in str(caught.value)


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted_has_nan_last(side):
    line, values = np.array([1.0, 2.0, np.nan]), np.array([0.0, np.nan, 2.0, np.inf])
    got = tg.searchsorted(tg.tensor(line), tg.tensor(values), side=side)
    np.testing.assert_array_equal(got.numpy(), np.searchsorted(line, values, side=side))
