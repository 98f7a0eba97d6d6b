"""Running reductions and the linear recurrence as native code, against NumPy."""

import numpy as np
import pytest
from cases import check_like_numpy, samples
from drive import drive
from hypothesis import given
from hypothesis import strategies as st
from layouts import broadcast_along, laid_out

from tinygraph.dtypes import ALL, FLOATS, is_bool, is_float
from tinygraph.ops.cumulative import cummax, cummin, cumprod, cumsum, linear_recurrence
from tinygraph_numba.kernels import cumulative

ONE = (cumsum, cumprod, cummax, cummin)
SEEDS = st.integers(0, 10**6)
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}


@pytest.mark.parametrize(("op", "case"), samples(*ONE, linear_recurrence))
def test_samples(op, case):
    check_like_numpy(cumulative.plan, op, case.args, case.params, rtol=1e-6)


def numbers(rng, shape, dtype):
    """Numbers near 1, so that products neither vanish nor overflow."""
    if is_float(dtype):
        return (rng.choice([-1, 1], shape) * rng.uniform(0.8, 1.2, shape)).astype(dtype)
    return rng.integers(0, 2 if is_bool(dtype) else 4, shape).astype(dtype)


@pytest.mark.parametrize("op", ONE)
@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("axis", [0, 1])
def test_every_dtype(op, dtype, axis):
    x = numbers(np.random.default_rng(0), (30, 40), dtype)
    rtol = TOLERANCE.get(dtype.name, 0.0)
    check_like_numpy(cumulative.plan, op, [x], {"axis": axis, "reverse": False}, rtol)


@pytest.mark.parametrize("dtype", [d for d in ALL if not is_bool(d)], ids=str)
@pytest.mark.parametrize("axis", [0, 1])
def test_recurrence_of_every_dtype(dtype, axis):
    rng = np.random.default_rng(0)
    arrays = [numbers(rng, (30, 40), dtype), numbers(rng, (30, 40), dtype)]
    if is_float(dtype):
        arrays[0] = (arrays[0] * np.asarray(0.5, dtype)).astype(dtype)
    rtol = TOLERANCE.get(dtype.name, 0.0)
    check_like_numpy(cumulative.plan, linear_recurrence, arrays, {"axis": axis, "reverse": True},
                     rtol)  # fmt: skip


@given(SEEDS, st.sampled_from((*ONE, linear_recurrence)))
def test_any_layout(seed, op):
    rng = np.random.default_rng(seed)
    shape = rng.integers(0 if rng.random() < 0.1 else 1, 12, rng.integers(1, 5))
    count = 2 if op is linear_recurrence else 1
    arrays = [
        broadcast_along(rng, laid_out(rng, numbers(rng, shape, np.dtype("float64"))))
        for _ in range(count)
    ]
    params = {"axis": int(rng.integers(len(shape))), "reverse": bool(rng.integers(2))}
    check_like_numpy(cumulative.plan, op, arrays, params, 1e-9, seed)


@pytest.mark.parametrize("op", [cummax, cummin])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nan_stays(op, dtype):
    x = np.array([1.0, -np.inf, 3.0, np.nan, np.inf, 2.0], dtype)
    for shape, axis in ((-1, 0), ((6, 1), 0)):
        wide = np.repeat(x.reshape(shape), 1 if shape == -1 else 9, axis=-1)
        (got,) = drive(cumulative.plan, op, [wide], {"axis": axis, "reverse": False})
        want = op.eval(np, wide.astype("float32"), axis=axis, reverse=False)
        np.testing.assert_array_equal(got.astype("float32"), want)


def test_the_sign_of_a_leading_zero_is_kept():
    x = np.array([-0.0, -0.0, 1.0])
    for op in ONE:
        (got,) = drive(cumulative.plan, op, [x], {"axis": 0, "reverse": False})
        assert np.signbit(got[0])


def test_narrow_floats_are_summed_in_wide_ones():
    x = np.full((4000, 16), 0.1, "float16")
    for array, axis in ((x, 0), (x.T, 1)):
        (got,) = drive(cumulative.plan, cumsum, [array], {"axis": axis, "reverse": False})
        np.testing.assert_allclose(np.moveaxis(got, axis, 0)[-1], 400, rtol=1e-3)


def test_integers_wrap_around():
    x = np.full(70, 3, "int64")
    check_like_numpy(cumulative.plan, cumprod, [x], {"axis": 0, "reverse": False})
    small = np.full(70, 3, "int8")
    arrays = [small, small]
    check_like_numpy(cumulative.plan, linear_recurrence, arrays, {"axis": 0, "reverse": False})
