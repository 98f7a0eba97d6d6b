"""The check of kernels whose rounding may depend on how their arrays lie in memory."""

import numpy as np
from drive import backwards, drive
from layouts import laid_out

TOLERANCE = {"float16": 5e-3, "bfloat16": 4e-2, "float32": 1e-5, "float64": 1e-12}


def check_close(provider, op, arrays, params, seed=0):
    """A kernel gives about what NumPy gives, whatever the strides of its arrays are; and for one
    layout the same bits in one chunk or in many, in any order."""
    arrays = [np.asarray(array) for array in arrays]
    with np.errstate(all="ignore"):
        want = op.eval(np, *arrays, **params)
    rng = np.random.default_rng(seed)
    for laid in (arrays, [laid_out(rng, array) for array in arrays]):
        (got,) = drive(provider, op, laid, params)
        assert got.dtype == want.dtype
        assert_close(got, want)
        for order, grain in ((backwards, None), (None, 1), (backwards, 3), (None, 1 << 40)):
            (again,) = drive(provider, op, laid, params, order, grain)
            assert again.tobytes() == got.tobytes()


def assert_close(got, want):
    """Equal but for rounding, of which sums have some more than their largest element has."""
    if got.dtype.kind in "iu":
        np.testing.assert_array_equal(got, want)
        return
    wide, expected = got.astype(np.float64), want.astype(np.float64)
    largest = np.max(np.abs(expected), where=np.isfinite(expected), initial=1.0)
    tolerance = TOLERANCE[got.dtype.name]
    np.testing.assert_allclose(wide, expected, rtol=tolerance, atol=4 * tolerance * largest)
