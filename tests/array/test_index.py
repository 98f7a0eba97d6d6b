"""x[...], x[...] = v and x.at against NumPy."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygraph as tg
from tinygraph.errors import DTypeError, GraphError, ShapeError, TraceError

# the fixture `mode` holds for all examples of one test alike
both_modes = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def numbered(shape):
    return np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)


shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


@st.composite
def basic(draw):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    index = draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    return numbered(shape), index


@st.composite
def advanced(draw):
    """An array, and an index for each of some of its leading dimensions, of any kind."""
    shape = draw(shapes)
    places = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    index = []
    for size in shape[: draw(st.integers(1, len(shape)))]:
        kind = draw(st.sampled_from(["array", "integer", "slice", "mask"]))
        if draw(st.booleans()) and draw(st.booleans()):
            index.append(None)
        if kind == "array":
            fitting = [draw(st.sampled_from([n, 1])) for n in places]
            index.append(draw(hnp.arrays(np.int64, fitting, elements=st.integers(-size, size - 1))))
        elif kind == "integer":
            index.append(draw(st.integers(-size, size - 1)))
        elif kind == "mask":
            index.append(draw(hnp.arrays(bool, (size,))))
        else:
            index.append(draw(st.slices(size)))
    if draw(st.booleans()):
        index.insert(draw(st.integers(0, len(index))), Ellipsis)
    return numbered(shape), tuple(index)


def as_tensors(index):
    """The index with its arrays as Tensors."""
    items = index if isinstance(index, tuple) else (index,)
    return tuple(tg.tensor(i) if isinstance(i, np.ndarray) else i for i in items)


def expected_of(x, index):
    """x[index], or None where NumPy refuses it."""
    try:
        return x[index]
    except IndexError:
        return None


@both_modes
@given(basic())
def test_basic_indices(case):
    x, index = case
    got = tg.tensor(x)[index]
    np.testing.assert_array_equal(got.numpy(), x[index], strict=True)


@both_modes
@given(advanced(), st.booleans())
def test_advanced_indices(case, tensors):
    x, index = case
    expected = expected_of(x, index)
    key = as_tensors(index) if tensors else index
    if expected is None:
        with pytest.raises((ShapeError, IndexError)):
            tg.tensor(x)[key].numpy()
    else:
        np.testing.assert_array_equal(tg.tensor(x)[key].numpy(), expected, strict=True)


@both_modes
@given(advanced() | basic(), st.sampled_from(["number", "full", "broadcast", "leading"]))
def test_setting_items(case, kind):
    x, index = case
    place = expected_of(x, index)
    if place is None:
        return
    value = {
        "number": 7.0,
        "full": -1 - numbered(np.shape(place)),
        "broadcast": -1 - numbered(np.shape(place)[-1:]),
        "leading": -1 - numbered((1, *np.shape(place)) if np.ndim(place) else ()),
    }[kind]
    expected = x.copy()
    expected[index] = np.broadcast_to(value, (1, *np.shape(place)))[0]
    got = tg.tensor(x)
    got[index] = value
    np.testing.assert_array_equal(got.numpy(), expected, strict=True)
    np.testing.assert_array_equal(tg.tensor(x).at[as_tensors(index)].set(value).numpy(), expected)


@pytest.mark.parametrize("mode_name", ["add", "multiply", "max", "min"])
@both_modes
@given(advanced() | basic())
def test_combining_at_places(mode_name, case):
    x, index = case
    place = expected_of(x, index)
    if place is None:
        return
    value = 3 + np.cos(numbered(np.shape(place)))
    expected = x.copy()
    ufunc = {"max": "maximum", "min": "minimum"}.get(mode_name, mode_name)
    getattr(np, ufunc).at(expected, index, value)
    got = getattr(tg.tensor(x).at[index], mode_name)(value)
    np.testing.assert_allclose(got.numpy(), expected)


def test_lists_ranges_masks_and_tensors_as_indices():
    x = numbered((4, 3))
    t = tg.tensor(x)
    for index in ([0, 2], range(1, 3), [True, False, True, False], [[0], [1]], []):
        np.testing.assert_array_equal(t[index].numpy(), x[np.asarray(index, int) if len(index) == 0
                                                          else np.asarray(index)])  # fmt: skip
    np.testing.assert_array_equal(t[t > 5].numpy(), x[x > 5])
    np.testing.assert_array_equal(t[tg.tensor(2)].numpy(), x[2])
    np.testing.assert_array_equal(t[tg.tensor(1) :, np.int8(1)].numpy(), x[1:, 1])
    np.testing.assert_array_equal(t[(0, 1), (2, 2)].numpy(), x[(0, 1), (2, 2)])


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (4, IndexError, "index 4 is out of range for dimension 0 of size 4"),
        ((0, -4), IndexError, "index -4 is out of range for dimension 1 of size 3"),
        ([0, 9], IndexError, "index 9 is out of range for dimension 0 of size 4"),
        ((0, 0, 0), IndexError, "3 indices for the 2 dimensions of shape (4, 3)"),
        ((..., 0, ...), IndexError, "at most one '...'"),
        (np.array([True, False]), IndexError, "a mask of shape (2,) does not fit: dimension 0"),
        (1.5, DTypeError, "arrays of integers or bool, got float"),
        ("a", DTypeError, "got str"),
        (np.array([0.5]), DTypeError, "an index array holds integers or bool, got float64"),
        (tg.tensor([0.5]), DTypeError, "got float32"),
        (True, DTypeError, "a single bool is no index"),
        (([0, 1], [0, 1, 2]), ShapeError, "do not broadcast"),
    ],
)
def test_wrong_indices(index, error, message):
    x = tg.zeros(4, 3)
    with pytest.raises(error, match=re.escape(message)) as caught:
        x[index]
    assert "test_index.py" in str(caught.value)
    with pytest.raises(error, match=re.escape(message)):
        x[index] = 1


def test_an_index_tensor_out_of_range_fails_with_the_users_line():
    with pytest.raises(IndexError, match="index 7 is out of range") as caught:
        tg.zeros(4)[tg.tensor([7])].numpy()
    notes = "".join(getattr(caught.value, "__notes__", []))
    assert "test_index.py" in notes + str(caught.value)


def test_a_slice_needs_integers_and_a_step():
    with pytest.raises(ValueError, match="step cannot be zero"):
        tg.zeros(3)[::0]
    with pytest.raises(TypeError, match="slice indices must be integers"):
        tg.zeros(3)[0.5:]


def test_a_mask_must_be_known_unless_a_number_is_put(mode):
    x = tg.placeholder((3,), name="x")
    with pytest.raises(TraceError, match=re.escape("use tg.where(mask, x, other)")):
        x[x > 0]
    y = x * 2
    y[y < 0] = 0.0
    f = tg.function([x], y)
    np.testing.assert_array_equal(f(np.array([-1, 0, 2], np.float32)).numpy(), [0, 0, 4])

    @tg.jit
    def masked(v):
        return v[v > 0]

    if mode == "lazy":
        with pytest.raises(TraceError, match="the shape of x\\[mask\\] depends on the values"):
            masked(np.ones(3, np.float32))


def test_open_sizes():
    x = tg.placeholder((None, 4), name="x")
    parts = [x[0], x[-1], x[1:], x[:-1], x[::2], x[::-1], x[-2:, 1], x[:, [0, 2]], x[[1, 0]]]
    f = tg.function([x], parts)
    with tg.lazy():
        for rows in (2, 5):
            value = np.random.default_rng(0).standard_normal((rows, 4)).astype("float32")
            want = [value[0], value[-1], value[1:], value[:-1], value[::2], value[::-1],
                    value[-2:, 1], value[:, [0, 2]], value[[1, 0]]]  # fmt: skip
            for got, expected in zip(f(value), want, strict=True):
                np.testing.assert_array_equal(got.numpy(), expected)
        with pytest.raises((ShapeError, IndexError)):
            f(np.zeros((1, 4), np.float32))


def test_the_value_must_fit():
    x = tg.zeros(2, 3)
    with pytest.raises(ShapeError, match=re.escape("a value of shape (2,) cannot be put where")):
        x[:] = np.zeros(2)
    with pytest.raises(ShapeError, match=re.escape("(2, 1, 3) cannot be put where (3,) is needed")):
        x[0] = np.zeros((2, 1, 3))
    n = tg.zeros(3, dtype="int32")
    with pytest.raises(DTypeError, match="a value of float32 does not go into int32"):
        n[0] = 1.5
    n[0] = np.int64(4)
    assert n.tolist() == [4, 0, 0]
    assert n.dtype == tg.int32


def test_only_the_tensor_itself_changes():
    x = tg.zeros(3)
    y, alias = x[:2], x
    double = x * 2
    x[0] = 5.0
    assert x.tolist() == [5, 0, 0]
    assert alias is x
    assert y.tolist() == [0, 0]
    assert double.tolist() == [0, 0, 0]
    functional = x.at[1].set(9.0)
    assert x.tolist() == [5, 0, 0]
    assert functional.tolist() == [5, 9, 0]
    assert x.at[[0, 0]].get().tolist() == [5, 5]


def test_gradients_pass_through_assignment():
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w = tg.tensor(4.0, requires_grad=True)
    y = x * x
    y[1] = w * 10
    y[tg.tensor([2, 2])] *= 2.0
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 0, 12])
    assert w.grad.item() == 10


def test_a_leaf_that_requires_a_gradient_changes_within_no_grad_alone():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    for change in (lambda: x.__setitem__(0, 5.0), lambda: x.__iadd__(1.0), lambda: x.zero_()):
        with pytest.raises(GraphError, match="a leaf that requires a gradient cannot be changed"):
            change()
    with tg.no_grad():
        x[0] = 5.0
        x += 1.0
    assert x.requires_grad
    assert x.is_leaf
    (x * 3).sum().backward()
    assert x.tolist() == [6, 3]
    assert x.grad.tolist() == [3, 3]


def test_state_changes_in_a_traced_function():
    count = tg.state(np.zeros(3), "int64")

    @tg.jit
    def step(i):
        count[1:] += 2
        return count[i].sum() + 0

    for expected in (2, 4, 6):
        assert step(np.array([1])).item() == expected
    assert count.tolist() == [0, 6, 6]
