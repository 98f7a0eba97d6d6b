"""Sorting and the places of extremes as native code, against NumPy."""

import numpy as np
import pytest
from cases import check_like_numpy, samples
from drive import drive, instruction_of
from hypothesis import given
from hypothesis import strategies as st
from layouts import broadcast_along, laid_out

from tinygraph.dtypes import ALL, FLOATS, is_bool, is_float
from tinygraph.ops.reduce import argmax, argmin
from tinygraph.ops.sort import argsort, sort
from tinygraph_numba.kernels import order

SORTS, EXTREMES = (sort, argsort), (argmax, argmin)
LENGTHS = [1, 2, 15, 16, 17, 64, 65, 300, 5000]  # about every change of method
SEEDS = st.integers(0, 10**6)


@pytest.mark.parametrize(("op", "case"), samples(*SORTS, *EXTREMES))
def test_samples(op, case):
    check_like_numpy(order.plan, op, case.args, case.params)


def numbers(rng, shape, dtype):
    """Numbers of a dtype, with many equal ones, the extremes, and for floats the strange ones."""
    if is_bool(dtype):
        return rng.integers(0, 2, shape).astype(dtype)
    if not is_float(dtype):
        limits = np.iinfo(dtype)
        values = [*range(50), limits.min, limits.max, limits.min + 1, limits.max - 1]
        return rng.choice(np.array(values, dtype), shape)
    values = np.concatenate([
        rng.standard_normal(50), [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-40, -1e-40]
    ]).astype(dtype)  # fmt: skip
    return values[rng.integers(0, len(values), shape)]


def same_values(got, want):
    """Equal, the order of both zeros left aside."""
    np.testing.assert_array_equal(got.astype("float64"), want.astype("float64"))


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("length", LENGTHS)
def test_sort_of_every_dtype_and_length(length, dtype, descending):
    x = numbers(np.random.default_rng(length), (3, length), dtype)
    params = {"axis": 1, "descending": descending}
    (got,) = drive(order.plan, sort, [x], params)
    same_values(got, sort.eval(np, x, **params))
    (places,) = drive(order.plan, argsort, [x], params)
    np.testing.assert_array_equal(places, argsort.eval(np, x, **params))


@pytest.mark.parametrize("op", EXTREMES)
@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("length", [1, 7, 511, 513, 2000])
def test_extremes_of_every_dtype_and_length(length, dtype, op):
    rng = np.random.default_rng(length)
    for x in (numbers(rng, (5, length), dtype), rng.integers(0, 100, (5, length)).astype(dtype)):
        want = op.eval(np, x, axis=1, keepdims=False)
        rows = drive(order.plan, op, [x], {"axis": 1, "keepdims": False})[0]
        np.testing.assert_array_equal(rows, want)
        tall = np.tile(x, (3, 1)).T.copy()  # wide enough to go by columns
        columns = drive(order.plan, op, [tall], {"axis": 0, "keepdims": True})[0]
        np.testing.assert_array_equal(columns, np.tile(want, 3)[None])


@given(SEEDS, st.sampled_from((*SORTS, *EXTREMES)))
def test_any_layout(seed, op):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 90 if rng.random() < 0.2 else 12, rng.integers(1, 4))
    x = broadcast_along(rng, laid_out(rng, rng.integers(-4, 4, shape).astype("float32")))
    params = {"axis": int(rng.integers(x.ndim))}
    if op in SORTS:
        params["descending"] = bool(rng.integers(2))
    else:
        params["keepdims"] = bool(rng.integers(2))
    check_like_numpy(order.plan, op, [x], params, seed=seed)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_sorting_keeps_the_sign_of_zero(dtype):
    x = np.array([0.0, -0.0, 1.0, 0.0], dtype)
    (got,) = drive(order.plan, sort, [x], {"axis": 0, "descending": False})
    assert np.signbit(got.astype("float32")).tolist() == [True, False, False, False]


@pytest.mark.parametrize("descending", [False, True])
def test_equal_elements_keep_their_order(descending):
    rng = np.random.default_rng(0)
    for length in LENGTHS:
        x = rng.integers(0, 3, length).astype("float64")
        (got,) = drive(order.plan, argsort, [x], {"axis": 0, "descending": descending})
        keys = -x if descending else x
        np.testing.assert_array_equal(got, np.argsort(keys, kind="stable"))


def test_numpy_refuses_to_choose_from_nothing():
    x = np.zeros((0, 3))
    params = {"axis": 1, "keepdims": False}
    assert drive(order.plan, argmax, [x], params)[0].shape == (0,)
    instruction, _ = instruction_of(argmax, [x], params, lambda _: [np.zeros(0, int)])
    assert order.plan(instruction).extent == 0
