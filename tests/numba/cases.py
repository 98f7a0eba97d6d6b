"""What the samples of an op are, as cases for native kernels; and the check that each passes."""

import numpy as np
import pytest
from drive import backwards, drive, promoted
from layouts import laid_out

from tinygraph.ops.registry import Bad, Sample


def cases(ops, kind, error=Exception):
    """All samples (or, with `kind` Bad, all cases that fail with `error`) of some ops."""
    for op in ops:
        for number, case in enumerate(op.samples(np.random.default_rng(0))):
            if isinstance(case, kind) and issubclass(getattr(case, "error", error), error):
                yield pytest.param(op, case, id=f"{op.name}-{number}")


def samples(*ops):
    return list(cases(ops, Sample))


def failures(error, *ops):
    return list(cases(ops, Bad, error))


def check_like_numpy(provider, op, arrays, params, rtol=0.0, seed=0):
    """A kernel gives what NumPy gives, in one chunk or in many, in any order, whatever the
    strides of its arrays are; and the same bits each time. Returns them."""
    arrays = promoted(op, [np.asarray(array) for array in arrays], params)
    (got,) = drive(provider, op, arrays, params)
    with np.errstate(all="ignore"):
        want = op.eval(np, *arrays, **params)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)
    assert got.dtype == want.dtype
    rng = np.random.default_rng(seed)
    for order, grain in ((backwards, None), (None, 1), (backwards, 3), (None, 1 << 40)):
        laid = [laid_out(rng, array) for array in arrays]
        room = laid_out(rng, np.zeros_like(got))
        (again,) = drive(provider, op, laid, params, order, grain, [room])
        assert again.tobytes() == got.tobytes()
    return got
