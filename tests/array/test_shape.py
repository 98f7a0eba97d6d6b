"""Shapes, orders of dimensions, joining, cutting and padding against NumPy."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygraph as tg
from tinygraph.errors import DTypeError, GraphError, ShapeError, TraceError

both_modes = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def numbered(*shape):
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


def same(got, want):
    np.testing.assert_array_equal(got.numpy(), want, strict=True)


@st.composite
def reshapes(draw):
    """A shape, and another one of as many elements, one size of which may be -1."""
    sizes = draw(st.lists(st.integers(1, 4), max_size=4))
    new = draw(st.permutations(sizes))
    cut = draw(st.integers(0, len(new)))
    new = [*new[:cut], int(np.prod(new[cut:], dtype=int))]
    if draw(st.booleans()):
        new[draw(st.integers(0, len(new) - 1))] = -1
    return tuple(sizes), tuple(new)


@both_modes
@given(reshapes())
def test_reshape(case):
    shape, new = case
    x = numbered(*shape)
    for got in (tg.reshape(x, new), tg.tensor(x).reshape(*new), tg.tensor(x.T).mT.view(new)
                if x.ndim == 2 else tg.tensor(x).view(*new)):  # fmt: skip
        same(got, x.reshape(new))


@both_modes
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0))
def test_broadcasting(shapes):
    a, b = (numbered(*shape) for shape in shapes.input_shapes)
    assert tg.broadcast_shapes(*shapes.input_shapes) == shapes.result_shape
    for got, want in zip(tg.broadcast_arrays(a, b), np.broadcast_arrays(a, b), strict=True):
        same(got, want)
    same(tg.broadcast_to(a, shapes.result_shape), np.broadcast_to(a, shapes.result_shape))
    same(tg.tensor(a) + tg.tensor(b), a + b)


@both_modes
@given(st.permutations(range(4)))
def test_permutations(axes):
    x = numbered(1, 2, 3, 4)
    t = tg.tensor(x)
    negative = tuple(a - 4 for a in axes)
    for got in (tg.permute_dims(x, tuple(axes)), t.permute(*negative), t.transpose(axes),
                t.transpose(*axes)):  # fmt: skip
        same(got, x.transpose(axes))
    same(tg.moveaxis(x, tuple(axes[:2]), (0, -1)), np.moveaxis(x, axes[:2], (0, -1)))


def test_transposes():
    x = numbered(2, 3, 4)
    t = tg.tensor(x)
    same(t.T, x.T)
    same(t.mT, x.mT)
    same(t[0].T, x[0].T)
    same(tg.matrix_transpose(x), x.mT)
    same(tg.transpose(x), x.T)
    same(t.transpose(0, 2), x.swapaxes(0, 2))
    same(t.swapaxes(dim0=0, dim1=2), x.swapaxes(0, 2))
    same(t[0].t(), x[0].T)
    same(tg.moveaxis(x, 0, -1), np.moveaxis(x, 0, -1))


def test_more_and_fewer_dimensions():
    x = numbered(2, 1, 3, 1)
    t = tg.tensor(x)
    same(t.squeeze(), x.squeeze())
    same(t.squeeze(dim=1), x.squeeze(1))
    same(tg.squeeze(x, (1, -1)), x.squeeze((1, 3)))
    same(t.unsqueeze(0), x[None])
    same(tg.expand_dims(x, (0, -1)), np.expand_dims(x, (0, -1)))
    same(t.flatten(), x.ravel())
    same(t.flatten(1, 2), x.reshape(2, 3, 1))
    same(tg.flatten(5), np.array([5]))
    same(tg.ravel(x), x.ravel())
    same(t.unflatten(2, (3, -1)), x.reshape(2, 1, 3, 1, 1))
    same(tg.tensor(x).expand(-1, 4, -1, 2), np.broadcast_to(x, (2, 4, 3, 2)))
    same(tg.tensor(x).expand((5, -1, -1, -1, -1)), np.broadcast_to(x, (5, *x.shape)))


@pytest.mark.parametrize("shift", [1, -2, 7, (1, -1)])
@pytest.mark.parametrize("axis", [None, 0, (0, -1)])
def test_roll(shift, axis):
    x = numbered(2, 3, 4)
    if axis is None:
        same(tg.roll(x, shift), np.roll(x, shift if isinstance(shift, int) else sum(shift)))
    elif isinstance(shift, int) or isinstance(axis, tuple):
        same(tg.tensor(x).roll(shifts=shift, dims=axis), np.roll(x, shift, axis))
    same(tg.roll(x[:, :0], 1, 1), x[:, :0])


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
def test_flip(axis):
    x = numbered(2, 3, 4)
    same(tg.flip(x, axis), np.flip(x, axis))


def test_joining():
    x, y = numbered(2, 3), 10 + numbered(2, 3)
    same(tg.concat([x, y]), np.concatenate([x, y]))
    same(tg.cat((tg.tensor(x), tg.tensor(y)), dim=1), np.concatenate([x, y], 1))
    same(tg.concat([x, y[0]], axis=None), np.concatenate([x, y[0]], None))
    assert tg.concat([x, y * 0.5]).dtype == tg.float64
    for axis in (0, 1, -1):
        same(tg.stack([x, y], axis), np.stack([x, y], axis))
    same(tg.hstack([x, y]), np.hstack([x, y]))
    same(tg.hstack([x[0], y[0]]), np.hstack([x[0], y[0]]))
    same(tg.vstack([x, y[0]]), np.vstack([x, y[0]]))


def test_cutting():
    x = numbered(5, 2)
    t = tg.tensor(x)
    assert [p.shape[0] for p in t.split(2)] == [2, 2, 1]
    same(t.split([1, 4], dim=0)[1], x[1:])
    same(tg.concat(t.chunk(3)), x)
    assert len(tg.chunk(x, 4)) == 3
    assert [p.shape for p in tg.split(x[:0], 2)] == [(0, 2)]
    same(t.unbind()[3], x[3])
    same(tg.unstack(x, axis=-1)[1], x[:, 1])
    first, second = tg.tensor(x[:2])
    same(second, x[1])
    same(first, x[0])


@pytest.mark.parametrize("times", [2, (2, 1), (1, 2, 3), (0, 1), ()])
def test_tile(times):
    x = numbered(2, 3)
    same(tg.tile(x, times), np.tile(x, times))


@pytest.mark.parametrize("repeats", [2, 0, [1, 3], np.array([0, 2]), [2]])
@pytest.mark.parametrize("axis", [None, 0, -2])
def test_repeat(repeats, axis):
    x = numbered(2, 3)
    if axis is None and not isinstance(repeats, int) and len(repeats) > 1:
        repeats = [*repeats, 1, 2, 0, 4]
    same(tg.repeat(x, repeats, axis), np.repeat(x, repeats, axis))
    same(tg.tensor(x).repeat_interleave(repeats, dim=axis), np.repeat(x, repeats, axis))


@pytest.mark.parametrize(
    ("mode_name", "theirs"),
    [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("edge", "edge"),
     ("circular", "wrap"), ("wrap", "wrap")],
)  # fmt: skip
@both_modes
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=2))
def test_pad(mode_name, theirs, pairs):
    x = numbered(3, 4)
    same(tg.pad(x, pairs, mode_name), np.pad(x, pairs, theirs))


def test_pad_widths_and_values():
    x = numbered(3, 4)
    same(tg.pad(x, 1), np.pad(x, 1))
    same(tg.pad(x, (1, 2)), np.pad(x, (1, 2)))
    same(tg.pad(x, ((1, 2),)), np.pad(x, ((1, 2),)))
    same(tg.pad(x, 1, value=7), np.pad(x, 1, constant_values=7))
    same(tg.pad(x * 1.0, 1, value=tg.tensor(-2)), np.pad(x * 1.0, 1, constant_values=-2))
    same(tg.pad(x, ((-1, 1), (0, -2))), np.pad(x[1:, :-2], ((0, 1), (0, 0))))
    assert tg.pad(x, 0).shape == (3, 4)


def test_gradients():
    x = tg.tensor(np.random.default_rng(0).standard_normal((3, 4)))
    for f in (
        lambda t: tg.pad(t, (1, 2), "reflect"),
        lambda t: tg.pad(t, 2, "circular"),
        lambda t: tg.pad(t, 2, "replicate"),
        lambda t: tg.pad(t, ((1, -1), (0, 2))),
        lambda t: tg.roll(t, 2, 1),
        lambda t: tg.repeat(t, [2, 0, 1], 0),
        lambda t: tg.tile(t, (2, 2)),
        lambda t: tg.stack([t, t * t], 1),
        lambda t: tg.flip(t)[::2],
        lambda t: tg.concat(tg.split(t, 3, 1)[::-1], 1),
    ):
        tg.testing.check_grads(f, (x,))


def test_open_sizes():
    x = tg.placeholder((None, 4), name="x")
    n = x.shape[0]
    outputs = [
        x.reshape(-1), x.reshape(n * 2, 2), x.flatten(), tg.roll(x, 1, 0), tg.flip(x), x.T,
        tg.tile(x, (2, 1)), tg.repeat(x, 2, 0), tg.concat([x, x]), tg.stack([x, x]),
        tg.pad(x, 1, "reflect"), tg.pad(x, ((0, 1), (0, 0)), "replicate"), *tg.chunk(x, 2),
        tg.expand_dims(x, 1), x[:, None].expand(-1, 3, -1), tg.broadcast_to(x[:1], (n, 4)),
    ]  # fmt: skip
    f = tg.function([x], outputs)
    for rows in (2, 5, 4):
        v = np.random.default_rng(0).standard_normal((rows, 4)).astype("float32")
        half = -(-rows // 2)
        want = [
            v.ravel(), v.reshape(-1, 2), v.ravel(), np.roll(v, 1, 0), np.flip(v), v.T,
            np.tile(v, (2, 1)), np.repeat(v, 2, 0), np.concatenate([v, v]), np.stack([v, v]),
            np.pad(v, 1, "reflect"), np.pad(v, ((0, 1), (0, 0)), "edge"), v[:half], v[half:],
            v[:, None], np.broadcast_to(v[:, None], (rows, 3, 4)), np.broadcast_to(v[:1], v.shape),
        ]  # fmt: skip
        for a, b in zip(f(v), want, strict=True):
            same(a, b)


OPEN = tg.placeholder((None, 3), name="open")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x.reshape(4, 2), ShapeError, "has 6 elements, (4, 2) needs 8"),
        (lambda x: x.reshape(-1, -1), ShapeError, "only one size of (-1, -1) can be -1"),
        (lambda x: x.reshape(4, -1), ShapeError, "6 elements do not fit in (4, -1)"),
        (lambda x: x.reshape(2.0, 3), DTypeError, "reshape: a size is an integer, got 2.0"),
        (lambda x: x.squeeze(0), ShapeError, "dimension 0 of shape (2, 3) is not of size 1"),
        (lambda x: x.permute(0), ShapeError, "axes (0,) are not a permutation of 2 dimensions"),
        (lambda x: x.permute(0, 0), ShapeError, "not a permutation"),
        (lambda x: tg.flatten(x, 1, 0), ShapeError, "start_dim 1 comes after end_dim 0"),
        (lambda x: tg.moveaxis(x, 0, (0, 1)), ShapeError, "1 dimensions are moved to 2 places"),
        (lambda x: tg.roll(x, (1, 2), 0), ShapeError, "roll: 2 shifts for 1 dimensions"),
        (lambda x: x.expand(-1, 2, 3), ShapeError, "size -1 of dimension 0, which is new"),
        (lambda x: x.broadcast_to((3, 3)), ShapeError, "do not broadcast"),
        (lambda x: tg.broadcast_arrays(x, x[:, :2]), ShapeError, "do not broadcast"),
        (lambda x: tg.matrix_transpose(x[0]), ShapeError, "needs at least 2 dimensions"),
        (lambda x: tg.concat([]), ShapeError, "concat: needs at least one Tensor, got none"),
        (lambda x: tg.concat(3), DTypeError, "concat: needs a list or tuple of Tensors, got int"),
        (lambda x: tg.concat([x, x[0]]), ShapeError, "shapes (2, 3) and (3,) differ elsewhere"),
        (lambda x: tg.stack([x, x[0]]), ShapeError, "got (2, 3) and (3,)"),
        (lambda x: tg.split(x, [1, 2]), ShapeError, "add up to 3, dimension 0 of shape (2, 3)"),
        (lambda x: tg.split(x, [3, -1]), ShapeError, "a size is not negative"),
        (lambda x: tg.split(x, 0), ShapeError, "a part has a size of at least 1, got 0"),
        (lambda x: tg.split(OPEN, 2), TraceError, "split: has to know the size open_0"),
        (lambda x: tg.chunk(x, 0), ShapeError, "the number of parts is at least 1"),
        (lambda x: tg.repeat(x, -1), ShapeError, "repeated at least 0 times, got -1"),
        (lambda x: tg.repeat(x, [0.5]), DTypeError, "repeats are integers in one dimension"),
        (lambda x: tg.pad(x, (1, 2, 3)), ShapeError, "a pair for each of the 2 dimensions"),
        (lambda x: tg.pad(x, 3, "reflect"), ShapeError, "at most 1 on a side"),
        (lambda x: tg.pad(x, 1, "fold"), GraphError, "mode 'fold' is none of constant, reflect"),
        (lambda x: tg.pad(x, -2), ShapeError, "has not enough elements to cut off 2 and 2"),
        (lambda x: tg.pad(x[:0], 1, "edge"), ShapeError, "cannot have a border of (1, 1)"),
    ],
)
def test_errors_say_where(call, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        call(tg.zeros(2, 3))
    assert "test_shape.py" in str(caught.value)


@pytest.mark.parametrize("join", [tg.concat, tg.stack])
def test_a_second_array_in_the_place_of_the_axis_is_named(join):
    with pytest.raises(DTypeError, match="takes a list or tuple of Tensors, then the axis"):
        join(tg.ones(2), tg.ones(2))
