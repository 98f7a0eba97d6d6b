"""Creating functions against NumPy."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygraph as tg
from tinygraph.errors import BackendError, DTypeError, ShapeError, TraceError

both_modes = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(got, want, dtype=None):
    want = np.asarray(want, dtype or got.dtype)
    np.testing.assert_array_equal(got.numpy(), want, strict=True)


def test_one_value():
    same(tg.zeros(2, 3), np.zeros((2, 3)), "float32")
    same(tg.zeros((2, 3), dtype="int8"), np.zeros((2, 3)), "int8")
    same(tg.ones([2]), np.ones(2), "float32")
    same(tg.ones(()), np.ones(()), "float32")
    same(tg.full((2,), 7), np.full(2, 7), "int64")
    same(tg.full(2, True), np.full(2, True), "bool")
    same(tg.full((2, 2), 0.5, dtype="float64"), np.full((2, 2), 0.5), "float64")
    same(tg.full((2,), tg.tensor(3.0) * 2), [6, 6], "float32")
    x = np.arange(6).reshape(2, 3)
    same(tg.zeros_like(x), np.zeros_like(x), "int64")
    same(tg.ones_like(x, dtype="bool"), np.ones((2, 3)), "bool")
    same(tg.full_like(x, 4), np.full_like(x, 4), "int64")
    assert tg.empty(2, 0).shape == (2, 0)
    assert tg.empty_like(x).dtype == tg.int64


def test_gradients_and_devices():
    x = tg.zeros(3, requires_grad=True, device=tg.config.get("BACKEND"))
    (x * 2).sum().backward()
    same(x.grad, [2, 2, 2])
    with pytest.raises(BackendError, match=r"device 'gpu' is not in force, 'n\w+' is"):
        tg.zeros(3, device="gpu")


@both_modes
@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-4, 4).filter(bool))
def test_arange_of_integers(start, stop, step):
    same(tg.arange(start, stop, step), np.arange(start, stop, step), "int64")
    same(tg.arange(start, stop, step, dtype="float32"), np.arange(start, stop, step), "float32")


@pytest.mark.parametrize("args", [(1.0,), (0, 1, 0.1), (2.5, -2, -0.5), (3.0, 1.0), (0.0, 100.0)])
def test_arange_of_floats(args):
    same(tg.arange(*args, dtype="float64"), np.arange(*args), "float64")
    assert tg.arange(*args).dtype == tg.float32


@pytest.mark.parametrize("num", [0, 1, 2, 7])
@pytest.mark.parametrize("endpoint", [True, False])
def test_linspace(num, endpoint):
    got = tg.linspace(-1.0, 2.5, num, dtype="float64", endpoint=endpoint)
    want = np.linspace(-1.0, 2.5, num, endpoint=endpoint)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-15, atol=1e-15)
    if endpoint and num > 1:
        assert got[-1].item() == 2.5


@pytest.mark.parametrize("shape", [(3, None), (2, 4), (4, 2), (0, 3)])
@pytest.mark.parametrize("k", [-2, 0, 1, 9])
def test_matrices(shape, k):
    same(tg.eye(*shape, k=k), np.eye(*shape, k=k), "float32")
    x = np.arange(2 * shape[0] * (shape[1] or 3)).reshape(2, shape[0], -1) if shape[0] else (
        np.zeros((2, 0, 3))
    )  # fmt: skip
    same(tg.tril(x, k), np.tril(x, k))
    same(tg.triu(x, diagonal=k), np.triu(x, k))


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid(indexing):
    lines = [np.arange(3), np.arange(2.0), np.arange(4)]
    for count in (1, 2, 3):
        want = np.meshgrid(*lines[:count], indexing=indexing)
        got = tg.meshgrid(*lines[:count], indexing=indexing)
        for a, b in zip(got, want, strict=True):
            same(a, b)


def test_one_hot():
    x = np.array([[0, 2], [1, 5]])
    want = (x[..., None] == np.arange(3)).astype(int)
    same(tg.one_hot(x, 3), want, "int64")
    same(tg.one_hot(tg.tensor(x), 3, dtype="float32"), want, "float32")
    assert tg.one_hot(x).shape == (2, 2, 6)


def test_from_arrays():
    x = np.arange(3.0)
    t = tg.asarray(x)
    x[0] = 9
    same(t, [0, 1, 2], "float64")
    assert tg.asarray(t) is t
    assert tg.asarray(t, copy=True) is not t
    assert tg.asarray(t, dtype="float32").dtype == tg.float32
    same(tg.asarray([[1, 2]]), [[1, 2]], "int64")
    same(tg.from_numpy(x), x, "float64")
    same(tg.from_dlpack(x), x, "float64")
    same(tg.from_dlpack(tg.tensor([1, 2])), [1, 2], "int64")
    with pytest.raises(ValueError, match="has to be copied"):
        tg.asarray(x, copy=False)
    with pytest.raises(ValueError, match="needs a copy"):
        tg.asarray(t, dtype="int64", copy=False)


def test_open_sizes():
    x = tg.placeholder((None, 2), name="x")
    n = x.shape[0]
    outputs = [tg.arange(n), tg.arange(1, n, 2), tg.eye(n), tg.zeros(n, 1), tg.full((2, n), 3.0),
               tg.linspace(0.0, 1.0, n), tg.tril(tg.ones(n, n)), x.sum() / n]  # fmt: skip
    f = tg.function([x], outputs)
    for rows in (2, 5):
        got = [y.numpy() for y in f(np.ones((rows, 2), np.float32))]
        want = [np.arange(rows), np.arange(1, rows, 2), np.eye(rows), np.zeros((rows, 1)),
                np.full((2, rows), 3.0), np.linspace(0, 1, rows), np.tril(np.ones((rows, rows))),
                2.0]  # fmt: skip
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tg.zeros(2, -1), ShapeError, "zeros: a size is not negative, got the shape"),
        (lambda: tg.zeros(2.5), DTypeError, "zeros: a size is an integer, got 2.5"),
        (lambda: tg.zeros(2, dtype="complex64"), DTypeError, "is not a dtype of tinygraph"),
        (lambda: tg.full((2,), np.zeros(2)), ShapeError, "full: the value has no dimensions"),
        (lambda: tg.arange(0, 3, 0), ShapeError, "arange: the step is 0"),
        (lambda: tg.arange("a"), DTypeError, "arange: needs numbers, got str"),
        (lambda: tg.linspace(0, 1, -1), ShapeError, "linspace: the number of elements"),
        (lambda: tg.tril(tg.zeros(3)), ShapeError, "tril: needs at least 2 dimensions"),
        (lambda: tg.meshgrid(tg.zeros(2, 2)), ShapeError, "meshgrid: needs arrays of one dim"),
        (lambda: tg.meshgrid(tg.zeros(2), indexing="a"), ShapeError, "indexing is 'xy' or 'ij'"),
        (lambda: tg.one_hot(tg.zeros(2), 3), DTypeError, "one_hot: needs integers, got float32"),
        (lambda: tg.from_numpy([1]), DTypeError, "from_numpy: needs a NumPy array, got list"),
        (lambda: tg.ones_like([1]), DTypeError, "ones_like: expected a Tensor, a number"),
    ],
)
def test_errors_say_where(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
    assert "test_creation.py" in str(caught.value)


def test_one_hot_of_unknown_values_needs_the_number_of_classes():
    x = tg.placeholder((3,), "int64")
    assert tg.one_hot(x, 4).shape == (3, 4)
    with pytest.raises((TraceError, RuntimeError), match="was not fed"):
        tg.one_hot(x)


def test_bad_numbers_are_refused():
    with pytest.raises(ShapeError, match="arange: needs finite numbers, got 0 to inf by 1"):
        tg.arange(float("inf"))
    with pytest.raises(ShapeError, match="eye: a size is not negative"):
        tg.eye(-1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 300])
def test_a_value_that_the_dtype_has_not_is_refused(value):
    with pytest.raises(DTypeError, match=f"full: the number {value} does not fit in uint8"):
        tg.full((2,), value, dtype="uint8")
