"""Sliding windows as native code, against NumPy."""

import numpy as np
import pytest
from cases import samples
from chunks import check_close
from drive import instruction_of
from hypothesis import given
from hypothesis import strategies as st

from tinygraph.dtypes import ALL, FLOATS, is_bool
from tinygraph.errors import ShapeError
from tinygraph.ops.windows import fold, window_argmax, window_sum, windows
from tinygraph_numba.kernels.windows import plan

OPS = (window_sum, fold, window_argmax)
SQUARE = {"kernel": (2, 3), "stride": (2, 1), "dilation": (1, 2)}


def is_empty(param):
    _, case = param.values
    return np.size(case.args[0]) == 0


@pytest.mark.parametrize(("op", "case"), [each for each in samples(*OPS) if not is_empty(each)])
def test_samples(op, case):
    check_close(plan, op, case.args, case.params)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_sums_of_all_types(dtype):
    x = np.random.default_rng(0).integers(-3, 3, (2, 3, 9, 21)).astype(dtype)
    check_close(plan, window_sum, (x,), SQUARE)


@pytest.mark.parametrize("dtype", [dtype for dtype in ALL if not is_bool(dtype)], ids=str)
def test_maxima_and_folds_of_all_types(dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, (2, 3, 9, 21)).astype(dtype)
    check_close(plan, window_argmax, (x,), {**SQUARE, "padding": ((1, 0), (2, 1))})
    g = rng.integers(0, 3, (2, 3, 4, 17, 2, 3)).astype(dtype)
    check_close(plan, fold, (g,), {"size": (9, 21), "stride": (2, 1), "dilation": (1, 2)})


@st.composite
def geometries(draw):
    """The shape of an image, and windows on it."""
    dims = draw(st.integers(1, 3))

    def numbers(low, high):
        return draw(st.tuples(*[st.integers(low, high)] * dims))

    kernel, stride, dilation = numbers(1, 3), numbers(1, 3), numbers(1, 2)
    size = tuple(
        d * (k - 1) + 1 + more for k, d, more in zip(kernel, dilation, numbers(0, 9), strict=True)
    )
    lead = draw(st.sampled_from([(), (3,), (2, 3)]))
    return (*lead, *size), {"kernel": kernel, "stride": stride, "dilation": dilation}


@given(geometries(), st.integers(0, 10**6))
def test_any_geometry(geometry, seed):
    shape, params = geometry
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    check_close(plan, window_sum, (x,), params, seed)
    seen = windows.eval(np, x, **params)
    size = shape[len(shape) - len(params["kernel"]) :]
    steps = {"stride": params["stride"], "dilation": params["dilation"]}
    check_close(plan, fold, (seen,), {"size": size, **steps}, seed)


@given(geometries(), st.integers(0, 10**6))
def test_maxima_of_any_geometry(geometry, seed):
    shape, params = geometry
    rng = np.random.default_rng(seed)
    x = rng.choice([-np.inf, 0.0, 0.0, 1.0, 1.0, 2.0, np.inf, np.nan], shape)
    reach = [d * (k - 1) for k, d in zip(params["kernel"], params["dilation"], strict=True)]
    padding = tuple((int(rng.integers(0, r + 1)), int(rng.integers(0, r + 1))) for r in reach)
    try:
        window_argmax.eval(np, x, padding=padding, **params)
    except ShapeError:  # some window lies wholly in the padding
        return
    check_close(plan, window_argmax, (x,), {**params, "padding": padding}, seed)


def test_what_has_no_plan():
    def planned(x, dims):
        params = dict.fromkeys(("kernel", "stride", "dilation"), (1,) * dims)

        def make(avals):
            return [np.empty(aval.shape, aval.dtype) for aval in avals]

        return plan(instruction_of(window_sum, (x,), params, make)[0])

    assert planned(np.ones((2, 2)), 1) is not None
    assert planned(np.ones((0, 2)), 1) is None
    assert planned(np.ones((2, 2, 2, 2)), 4) is None
