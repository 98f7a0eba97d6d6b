"""Gather, scatter and their kin as native code, against NumPy and against slow references."""

import dataclasses

import numpy as np
import pytest
from cases import check_like_numpy, failures, samples
from drive import drive, execute, instruction_of
from hypothesis import given
from hypothesis import strategies as st
from layouts import broadcast_along, laid_out

from tinygraph.dtypes import ALL, FLOATS, INTEGERS, is_bool
from tinygraph.ops.bounds import within
from tinygraph.ops.index import gather, scatter, scatter_along_axis, take_along_axis
from tinygraph.ops.movement import update_slice
from tinygraph_numba.kernels import index
from tinygraph_numba.kernels import scatter as scatters

GATHERS = (gather, take_along_axis, within)
SCATTERS = (scatter, scatter_along_axis, update_slice)
MODES = ("set", "add", "multiply", "max", "min")
NARROW = {"float16": 2e-3, "bfloat16": 2e-2}
SEEDS = st.integers(0, 10**6)


def provider(op):
    return index.plan if op in GATHERS else scatters.plan


def has_plan(op, arrays, params):
    arrays = [np.asarray(array) for array in arrays]
    instruction, _ = instruction_of(
        op, arrays, params, lambda avals: [np.empty(a.shape, a.dtype) for a in avals]
    )
    return provider(op)(instruction) is not None


def is_planned(param):
    """Whether something is picked. If not, the numbers are checked by NumPy: see below."""
    op, case = param.values
    shape = op.infer(*map(np.asarray, case.args), **case.params).shape
    return op is not gather or 0 not in shape or case.args[1].size == 0


PLANNED = list(filter(is_planned, samples(*GATHERS, *SCATTERS)))


@pytest.mark.parametrize(("op", "case"), PLANNED)
def test_samples(op, case):
    check_like_numpy(provider(op), op, case.args, case.params, rtol=1e-12)


@pytest.mark.parametrize(("op", "case"), failures(IndexError, *GATHERS, *SCATTERS))
def test_failures(op, case):
    with pytest.raises(IndexError) as caught:
        drive(provider(op), op, case.args, case.params)
    assert case.message in str(caught.value)


def numbers_for(rng, x, axes, shape):
    """For each of `axes` an array of numbers; they broadcast to `shape`."""
    return [
        broadcast_index(rng, rng.integers(-x.shape[axis], x.shape[axis], shape)) for axis in axes
    ]


def broadcast_index(rng, array):
    """The array, or a part of it that broadcasts to its shape."""
    keep = rng.random(array.ndim) < 0.7
    return array[(..., *(slice(None if k else 1) for k in keep))]


def random_case(seed):
    """An array, some of its axes, and numbers for each of these."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(rng.integers(1, 6, rng.integers(1, 4)))
    axes = tuple(map(int, rng.permutation(x.ndim)[: rng.integers(1, x.ndim + 1)]))
    shape = tuple(rng.integers(0 if rng.random() < 0.1 else 1, 5, rng.integers(0, 3)))
    numbers = numbers_for(rng, x, axes, shape)
    return rng, laid_out(rng, x), axes, [laid_out(rng, number) for number in numbers]


@given(SEEDS)
def test_gather_of_any_layout(seed):
    rng, x, axes, numbers = random_case(seed)
    check_like_numpy(index.plan, gather, [broadcast_along(rng, x), *numbers], {"axes": axes})


@given(SEEDS, st.sampled_from(MODES))
def test_scatter_of_any_layout(seed, mode):
    rng, x, axes, numbers = random_case(seed)
    shape = np.broadcast_shapes(*(number.shape for number in numbers))
    rest = [size for axis, size in enumerate(x.shape) if axis not in axes]
    values = broadcast_index(rng, rng.standard_normal((*shape, *rest)))
    arrays = [broadcast_along(rng, x), values, *numbers]
    check_like_numpy(scatters.plan, scatter, arrays, {"axes": axes, "mode": mode}, rtol=1e-12)


@given(SEEDS, st.sampled_from(MODES[:2]))
def test_along_an_axis_of_any_layout(seed, mode):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(rng.integers(1, 6, rng.integers(1, 4)))
    axis = int(rng.integers(x.ndim))
    shape = [rng.integers(1, 7) if i == axis else size for i, size in enumerate(x.shape)]
    numbers = rng.integers(-x.shape[axis], x.shape[axis], shape)
    values = rng.standard_normal(shape)
    check_like_numpy(index.plan, take_along_axis, [x, numbers], {"axis": axis})
    params = {"axis": axis, "mode": mode}
    arrays = [broadcast_along(rng, x), numbers, broadcast_along(rng, values)]
    check_like_numpy(scatters.plan, scatter_along_axis, arrays, params, rtol=1e-12)


@given(SEEDS)
def test_update_slice_of_any_layout(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(rng.integers(1, 80 if rng.random() < 0.2 else 7, rng.integers(0, 4)))
    slices = []
    for size in x.shape:
        step = int(rng.choice([-3, -1, 1, 1, 2]))
        picked = range(size)[:: step if rng.random() < 0.5 else abs(step)]
        picked = picked[int(rng.integers(len(picked))) :]
        count = 0 if rng.random() < 0.05 else int(rng.integers(1, len(picked) + 1))
        slices.append((picked[0], count, picked.step) if count else (0, 0, 1))
    values = rng.standard_normal([count for _, count, _ in slices])
    arrays = [broadcast_along(rng, x), broadcast_along(rng, values)]
    check_like_numpy(scatters.plan, update_slice, arrays, {"slices": tuple(slices)})


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_every_dtype_is_gathered(dtype):
    rng = np.random.default_rng(0)
    x, numbers = rng.integers(0, 2, (5, 4, 3)).astype(dtype), rng.integers(-4, 4, (5, 2, 3))
    check_like_numpy(index.plan, gather, [x, numbers], {"axes": (1,)})
    check_like_numpy(index.plan, take_along_axis, [x, numbers], {"axis": 1})


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_every_integer_is_a_number(dtype):
    x, numbers = np.arange(12.0).reshape(4, 3), np.array([3, 0, 3]).astype(dtype)
    check_like_numpy(index.plan, gather, [x, numbers], {"axes": (0,)})
    check_like_numpy(index.plan, gather, [x, numbers, np.array([1])], {"axes": (0, 1)})
    check_like_numpy(index.plan, within, [numbers], {"size": 4, "what": "class"})


@pytest.mark.parametrize(
    "number", [np.uint64(2**64 - 1), np.int64(-5), np.int8(4), np.uint8(255), np.int64(2**62)]
)
def test_no_number_wraps_around(number):
    x, numbers = np.arange(4.0), np.array([0, number, 77], number.dtype)
    text = rf"index {number} is out of range for axis 0 of size 4"
    with pytest.raises(IndexError, match=text):
        drive(index.plan, gather, [x, numbers], {"axes": (0,)})
    with pytest.raises(IndexError, match=text):
        drive(scatters.plan, scatter, [x, np.zeros(3), numbers], {"axes": (0,), "mode": "add"})
    with pytest.raises(IndexError, match=rf"class {number} is out of range: expected 0 to 3"):
        drive(index.plan, within, [numbers], {"size": 4, "what": "class"})


def test_the_first_wrong_number_of_the_first_array_is_named():
    x, good = np.zeros((4, 4)), np.zeros(9000, int)
    first, second = good.copy(), good.copy()
    first[[8000, 8500]], second[100] = (9, -9), 5
    for arrays, text in (((first, second), "index 9 .* axis 0"), ((good, second), "index 5 .* 1")):
        with pytest.raises(IndexError, match=text):
            drive(index.plan, gather, [x, *arrays], {"axes": (0, 1)}, grain=1000)
    with pytest.raises(IndexError, match=r"index 9 is out of range for axis 0 of size 4"):
        drive(scatters.plan, scatter, [x, np.zeros((1, 4)), first], {"axes": (0,), "mode": "set"})


def test_numbers_are_checked_by_numpy_where_nothing_is_picked():
    assert not has_plan(gather, [np.zeros((4, 0)), np.array([0])], {"axes": (0,)})
    assert has_plan(gather, [np.zeros((4, 3)), np.zeros(0, int)], {"axes": (0,)})
    arrays = [np.zeros((4, 0)), np.zeros((1, 0)), np.array([0])]
    assert not has_plan(scatter, arrays, {"axes": (0,), "mode": "add"})


@pytest.mark.parametrize("step", [1, -2])
def test_numbers_without_memory(step):
    """A slot of the place "index" has the number k as its element k."""
    x = np.arange(20.0)
    numbers = np.arange(10)[5:][::step]
    instruction, _ = instruction_of(gather, [x, numbers], {"axes": (0,)}, lambda _: [x[:0]])
    table, slot = instruction.inputs
    start = 5 if step == 1 else 9
    view = dataclasses.replace(slot.view, offset=start, strides=(step,))
    storage = dataclasses.replace(slot.storage, place="index")
    slot = dataclasses.replace(slot, storage=storage, view=view)
    out = np.zeros(len(numbers))
    run_with(instruction, (table, slot), [out, x])
    np.testing.assert_array_equal(out, x[numbers])
    text = f"index {start if step < 0 else 7} is out of range for axis 0 of size 7"
    with pytest.raises(IndexError, match=text):
        run_with(instruction, (short(table, 7), slot), [out, x])


def short(slot, size):
    return dataclasses.replace(slot, view=dataclasses.replace(slot.view, shape=(size,)))


def run_with(instruction, inputs, arrays):
    (out,) = instruction.outputs
    view = dataclasses.replace(out.view, shape=arrays[0].shape, strides=(1,))
    changed = dataclasses.replace(
        instruction, inputs=inputs, outputs=(dataclasses.replace(out, view=view),)
    )
    execute(index.plan(changed), dict(enumerate(arrays)))


def scattered(x, value, places, mode):
    """The slow, obvious reference: one value after another."""
    out = x.copy()
    combine = {"set": lambda a, b: b, "add": np.add, "multiply": np.multiply,
               "max": np.maximum, "min": np.minimum}[mode]  # fmt: skip
    for at in np.ndindex(places.shape):
        out[places[at]] = combine(out[places[at]], value[at])
    return out


MODES_OF_DTYPES = [
    pytest.param(mode, dtype, id=f"{mode}-{dtype}")
    for mode in MODES
    for dtype in ALL
    if not (is_bool(dtype) and mode in ("add", "multiply"))  # which are not defined on bool
]


@pytest.mark.parametrize(("mode", "dtype"), MODES_OF_DTYPES)
@pytest.mark.parametrize("width", [1, 70])
def test_scatter_combines_duplicates_in_every_dtype(mode, dtype, width):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (40, width)).astype(dtype)
    value = rng.integers(0, 3, (90, width)).astype(dtype)
    numbers = rng.integers(-40, 40, 90)
    for grain in (None, 1):
        (got,) = drive(
            scatters.plan, scatter, [x, value, numbers], {"axes": (0,), "mode": mode}, grain=grain
        )
        np.testing.assert_array_equal(got, scattered(x, value, numbers, mode))


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (1, 0)])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_scatter_add_in_parts_and_in_blocks(axes, dtype):
    """Large enough that the work is cut in every way."""
    rng = np.random.default_rng(0)
    for shape, count in (((700, 300), 50), ((30, 700), 4000), ((2000, 1), 3000)):
        x = rng.standard_normal(shape).astype(dtype)
        numbers = [rng.integers(-shape[axis], shape[axis], count) for axis in axes]
        rest = [size for axis, size in enumerate(shape) if axis not in axes]
        values = rng.standard_normal((count, *rest)).astype(dtype)
        want = x.astype("float64")
        view = want.transpose(*axes, *[axis for axis in range(2) if axis not in axes])
        np.add.at(view, tuple(numbers), values.astype("float64"))
        params = {"axes": axes, "mode": "add"}
        (got,) = drive(scatters.plan, scatter, [x, values, *numbers], params)
        tolerance = NARROW.get(dtype.name, 1e-4 if dtype.itemsize == 4 else 1e-12)
        np.testing.assert_allclose(got.astype("float64"), want, rtol=tolerance, atol=tolerance * 9)
        zero = np.broadcast_to(np.zeros((), dtype), shape)
        (one,) = drive(scatters.plan, scatter, [zero, values, *numbers], params, grain=1 << 40)
        (many,) = drive(scatters.plan, scatter, [zero.copy(), values, *numbers], params, grain=1)
        assert one.tobytes() == many.tobytes()


def test_values_that_are_nan_arrive():
    x, value = np.array([1.0, np.nan, 3.0]), np.array([np.nan, 5.0, np.nan])
    for mode in MODES:
        check_like_numpy(
            scatters.plan, scatter, [x, value, np.array([0, 1, 0])], {"axes": (0,), "mode": mode}
        )
