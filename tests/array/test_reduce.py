"""Reductions, softmax and running reductions against NumPy."""

import math
import re

import numpy as np
import pytest
import scipy.special
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygraph as tg
from tinygraph.errors import DTypeError, ShapeError

both_modes = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
values = st.floats(-8, 8, width=32).map(lambda v: round(v, 3))


@st.composite
def reductions(draw, min_side=1):
    x = draw(hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, min_side=min_side, max_side=4),
                        elements=values))  # fmt: skip
    axes = st.none() | hnp.valid_tuple_axes(x.ndim)
    return x, draw(axes | st.integers(-x.ndim, x.ndim - 1) if x.ndim else axes), draw(st.booleans())


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "any", "all"])
@both_modes
@given(reductions(min_side=0))
def test_against_numpy(name, case):
    x, axis, keepdims = case
    if 0 in x.shape and name in ("mean", "var", "std"):
        return
    want = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    for got in (getattr(tg, name)(x, axis=axis, keepdims=keepdims),
                getattr(tg.tensor(x), name)(dim=axis, keepdim=keepdims)):  # fmt: skip
        assert got.shape == want.shape
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "median", "count_nonzero"])
@both_modes
@given(reductions())
def test_of_at_least_one_element(name, case):
    x, axis, keepdims = case
    want = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    got = getattr(tg, name)(x, axis=axis, keepdims=keepdims)
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got.numpy(), want)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_places(name):
    x = np.array([[3.0, 1.0, 3.0], [0.0, np.nan, 9.0]])
    for axis in (None, 0, 1, -1):
        for keepdims in (False, True):
            want = getattr(np, name)(x, axis=axis, keepdims=keepdims)
            got = getattr(tg, name)(x, axis=axis, keepdims=keepdims)
            np.testing.assert_array_equal(got.numpy(), want, strict=True)


@both_modes
@given(reductions())
def test_logsumexp(case):
    x, axis, keepdims = case
    want = scipy.special.logsumexp(x, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(tg.logsumexp(x, axis, keepdims).numpy(), want, atol=1e-12)


def test_logsumexp_of_extremes():
    inf = np.inf
    x = np.array([[-inf, -inf], [inf, 0.0], [1000.0, 1000.0], [-1000.0, -inf], [np.nan, 1.0]])
    want = [-inf, inf, 1000 + np.log(2), -1000, np.nan]
    np.testing.assert_allclose(tg.logsumexp(x, axis=1).numpy(), want)
    t = tg.tensor(x[[0, 2, 3]], requires_grad=True)
    tg.logsumexp(t, axis=1).sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), [[0, 0], [0.5, 0.5], [1, 0]])


def test_softmax():
    x = np.random.default_rng(0).standard_normal((3, 4, 5)) * 50
    for axis in (0, 1, -1, (0, 2)):
        want = scipy.special.softmax(x, axis=axis)
        np.testing.assert_allclose(tg.softmax(x, axis).numpy(), want, atol=1e-15)
        logs = scipy.special.log_softmax(x, axis=axis)
        np.testing.assert_allclose(tg.tensor(x).log_softmax(dim=axis).numpy(), logs, rtol=1e-12)
    masked = tg.softmax(tg.tensor([0.0, -np.inf, 0.0]))
    assert masked.tolist() == [0.5, 0, 0.5]
    assert np.isnan(tg.softmax(tg.tensor([-np.inf, -np.inf])).numpy()).all()


def test_gradients():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4))
    for f in (lambda t: tg.var(t, 0, correction=1), lambda t: tg.std(t), tg.logsumexp,
              lambda t: tg.log_softmax(t, 1), lambda t: tg.softmax(t, 0), tg.mean,
              lambda t: tg.median(t, 1), lambda t: tg.prod(t, 1), lambda t: tg.cummax(t, 0),
              lambda t: tg.cumprod(t, 1), lambda t: tg.diff(t, n=2)):  # fmt: skip
        tg.testing.check_grads(f, (tg.tensor(x),))


def test_dtypes():
    x = np.array([[200, 100]], "uint8")
    assert tg.sum(x).dtype == tg.uint64
    assert tg.sum(x).item() == 300
    assert tg.sum(x > 150).item() == 1
    assert tg.sum(x, dtype="int32").dtype == tg.int32
    assert tg.prod(x.astype("int8")).dtype == tg.int64
    assert tg.mean(x).dtype == tg.float32
    assert tg.mean(x).item() == 150
    assert tg.max(x).dtype == tg.uint8
    assert tg.cumsum(x, 1).tolist() == [[200, 300]]
    assert tg.cumsum(x, 1, dtype="int16").dtype == tg.int16
    many = np.full(100_000, 10, "float16")
    assert tg.mean(many).item() == 10
    assert tg.var(many * 20).item() == 0
    assert tg.mean(many).dtype == tg.float16


def test_correction():
    x = np.random.default_rng(0).standard_normal((5, 3))
    for correction in (0, 1, 2.5):
        want = np.var(x, axis=0, ddof=correction)
        np.testing.assert_allclose(tg.var(x, 0, correction).numpy(), want)
        np.testing.assert_allclose(tg.std(x, axis=0, ddof=correction).numpy(), want**0.5)


def test_median_of_nan():
    x = np.array([[1.0, np.nan, 3.0], [2.0, 5.0, 4.0]])
    np.testing.assert_array_equal(tg.median(x, axis=1).numpy(), [np.nan, 4])


@pytest.mark.parametrize(("name", "theirs"), [("cumsum", "cumsum"), ("cumprod", "cumprod")])
def test_running(name, theirs):
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    for axis in (0, 1, -1):
        want = getattr(np, theirs)(x, axis=axis)
        np.testing.assert_allclose(getattr(tg, name)(x, axis).numpy(), want)
    line = x[0, 0]
    initial = getattr(np, f"cumulative_{theirs[3:]}")(line, include_initial=True)
    got = getattr(tg, f"cumulative_{theirs[3:]}")(line, include_initial=True)
    np.testing.assert_allclose(got.numpy(), initial)


def test_running_extremes_and_differences():
    x = np.random.default_rng(0).permutation(24.0 * np.arange(24)).reshape(4, 6)
    np.testing.assert_array_equal(tg.cummax(x, 0).numpy(), np.maximum.accumulate(x, 0))
    np.testing.assert_array_equal(tg.cummin(x, 1).numpy(), np.minimum.accumulate(x, 1))
    for n in (0, 1, 3, 9):
        np.testing.assert_array_equal(tg.diff(x, n=n).numpy(), np.diff(x, n=n))
    joined = np.diff(x, axis=0, prepend=x[:1], append=x[:2])
    np.testing.assert_array_equal(tg.diff(x, 0, prepend=x[:1], append=x[:2]).numpy(), joined)
    np.testing.assert_array_equal(tg.diff(x > 200).numpy(), np.diff(x > 200))


def test_open_sizes():
    x = tg.placeholder((None, 3), name="x")
    outputs = [tg.mean(x), tg.mean(x, 0), tg.var(x, 0, 1), tg.std(x), tg.softmax(x, 0)]
    f = tg.function([x], outputs)
    for rows in (2, 5):
        v = np.random.default_rng(0).standard_normal((rows, 3)).astype("float32")
        want = [v.mean(), v.mean(0), v.var(0, ddof=1), v.std(), scipy.special.softmax(v, 0)]
        for a, b in zip(f(v), want, strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: tg.sum(x, 2), ShapeError, "sum: axis 2 is out of range for an array with 2"),
        (lambda x: x.mean(dim=(0, 0)), ShapeError, "mean: axis (0, 0) names a dimension twice"),
        (lambda x: tg.max(x[:, :0], 1), ShapeError, "max: an array of shape (2, 0) has no elem"),
        (lambda x: tg.median(x[:0]), ShapeError, "median: an array of shape (0, 3) has no middle"),
        (lambda x: tg.argmax(x, 1.0), DTypeError, "argmax: an axis is an integer, got 1.0"),
        (lambda x: tg.cumsum(x), ShapeError, "cumulative_sum: needs an axis for an array of"),
        (lambda x: tg.diff(x, n=-1), ShapeError, "diff: the differences are taken n times"),
        (lambda x: tg.sum("a"), DTypeError, "sum: expected a Tensor, a number or a NumPy array"),
    ],
)
def test_errors_say_where(call, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        call(tg.zeros(2, 3))
    assert "test_reduce.py" in str(caught.value)


def test_a_keyword_in_two_spellings_is_an_error():
    with pytest.raises(TypeError, match="`axis` is given twice, once as `dim`"):
        tg.sum(tg.zeros(2), axis=0, dim=0)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        tg.sum(tg.zeros(2), axes=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_of_16_bit_floats_are_made_in_32_bits(dtype):
    zeros, large = tg.zeros(100_000, dtype=dtype), tg.tensor([300.0, -300.0], dtype=dtype)
    assert tg.logsumexp(zeros).item() == pytest.approx(math.log(100_000), rel=0.01)
    assert tg.log_softmax(zeros)[0].item() == pytest.approx(-math.log(100_000), rel=0.01)
    assert tg.softmax(zeros)[0].item() == pytest.approx(1e-5, rel=0.02)
    assert tg.std(large).item() == 300.0
    assert {f(large).dtype.name for f in (tg.logsumexp, tg.softmax, tg.std, tg.var)} == {dtype}


def test_logsumexp_of_no_elements():
    assert (tg.logsumexp(tg.zeros(0, 3), axis=0).numpy() == [-np.inf] * 3).all()
    assert tg.logsumexp(tg.zeros(0, 3), axis=1).shape == (0,)


def test_variance_with_more_taken_off_than_there_is():
    assert tg.var(tg.tensor([1.0, 2.0]), correction=3).item() == np.inf
