"""When two results count as equal: by their dtype, for tests that compute one thing twice."""

import numpy as np

DIGITS = {"float16": 2e-2, "bfloat16": 1e-1, "float32": 2e-4, "float64": 1e-9}


def agree(one, other):
    """Integers and bools are the same; floats are close, measured by the largest of them."""
    if one.dtype.kind in "biu":
        np.testing.assert_array_equal(one, other)
        return
    digits = DIGITS[one.dtype.name]
    one, other = one.astype("float64"), other.astype("float64")
    scale = np.abs(one[np.isfinite(one)]).max(initial=1.0)
    np.testing.assert_allclose(other, one, rtol=digits, atol=digits * scale)
