"""Contractions as native code, against NumPy."""

import numpy as np
import pytest
from cases import samples
from chunks import assert_close, check_close
from drive import drive, instruction_of
from hypothesis import given
from hypothesis import strategies as st
from layouts import broadcast_along, laid_out

from tinygraph.dtypes import ALL, BY_NAME, FLOATS, is_bool
from tinygraph.ops.contract import dot_general
from tinygraph_numba.kernels import contract, tiles
from tinygraph_numba.kernels.contract import plan

MATRICES = {"contract": ((1,), (0,)), "batch": ((), ())}
BATCHED = {"contract": ((2,), (1,)), "batch": ((0,), (0,))}
SIZES = [1, 2, 3, 7, 8, 9, 31, 32, 33, 70]


def is_empty(param):
    op, case = param.values
    return 0 in op.infer(*map(np.asarray, case.args), **case.params).shape


def planned(arrays, params):
    def make(avals):
        return [np.empty(aval.shape, aval.dtype) for aval in avals]

    return plan(instruction_of(dot_general, arrays, params, make)[0])


def normal(rng, shape, dtype):
    return (rng.standard_normal(shape) * 3).astype(dtype)


@pytest.mark.parametrize(
    ("op", "case"), [each for each in samples(dot_general) if not is_empty(each)]
)
def test_samples(op, case):
    check_close(plan, op, case.args, case.params)


@pytest.mark.parametrize("dtype", [dtype for dtype in ALL if not is_bool(dtype)], ids=str)
def test_all_types(dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-99, 99, shape).astype(dtype) for shape in ((3, 5, 7), (3, 7, 4)))
    check_close(plan, dot_general, (a, b), BATCHED)


def test_integers_wrap_around():
    a = np.full((2, 3), 200, np.uint8)
    (got,) = drive(plan, dot_general, (a, a.T.copy()), MATRICES)
    assert got.tolist() == [[(3 * 200 * 200) % 256] * 2] * 2


@given(st.sampled_from(SIZES), st.sampled_from(SIZES), st.sampled_from(SIZES), st.integers(0, 99))
def test_matrices_of_any_size_and_layout(rows, depth, columns, seed):
    rng = np.random.default_rng(seed)
    dtype = rng.choice(["float32", "float64"])
    a, b = normal(rng, (rows, depth), dtype), normal(rng, (depth, columns), dtype)
    check_close(plan, dot_general, (a, b), MATRICES, seed)


@given(st.data())
def test_contractions_of_any_form(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    labels = {kind: rng.integers(0, 3) for kind in ("batch", "inner", "left", "right")}
    sizes = {kind: rng.integers(1, 6, count).tolist() for kind, count in labels.items()}
    shared = sizes["batch"] + sizes["inner"]
    left = rng.permutation(labels["batch"] + labels["inner"] + labels["left"])
    right = rng.permutation(labels["batch"] + labels["inner"] + labels["right"])
    shapes = [
        [(shared + sizes[own])[i] for i in order]
        for order, own in ((left, "left"), (right, "right"))
    ]
    places = [np.argsort(order)[: len(shared)].tolist() for order in (left, right)]
    count = labels["batch"]
    params = {
        "batch": tuple(tuple(place[:count]) for place in places),
        "contract": tuple(tuple(place[count:]) for place in places),
    }
    arrays = [broadcast_along(rng, normal(rng, shape, "float64")) for shape in shapes]
    check_close(plan, dot_general, arrays, params)


@pytest.mark.parametrize("shape", [(300, 270, 310), (600, 33, 530), (8, 1100, 64), (3, 40, 900)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_several_blocks(shape, dtype):
    rng = np.random.default_rng(0)
    rows, depth, columns = shape
    a, b = normal(rng, (rows, depth), dtype), normal(rng, (depth, columns), dtype)
    for left in (a, np.asfortranarray(a)):
        for right in (b, np.asfortranarray(b)):
            (got,) = drive(plan, dot_general, (left, right), MATRICES)
            assert_close(got, a.astype(np.float64) @ b)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 0, 1), (2, 1, 0)])
@pytest.mark.parametrize("size", [5, 40])
def test_the_result_may_lie_in_any_order(order, size):
    rng = np.random.default_rng(0)
    a, b = normal(rng, (3, size, 17), "float32"), normal(rng, (3, 17, 33), "float32")
    room = np.zeros([(3, size, 33)[i] for i in order], "float32")
    for out in (room.transpose(np.argsort(order)), laid_out(rng, np.zeros_like(a @ b))):
        drive(plan, dot_general, (a, b), BATCHED, outputs=[out])
        assert_close(out, a.astype(np.float64) @ b)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nothing_to_sum_over_gives_zeros(dtype):
    a, b = np.ones((4, 0), dtype), np.ones((0, 3), dtype)
    (got,) = drive(plan, dot_general, (a, b), MATRICES)
    assert (got == 0).all()
    assert not np.signbit(got.astype("float32")).any()


def test_an_empty_result_has_no_plan():
    assert planned((np.ones((0, 2)), np.ones((2, 3))), MATRICES) is None


def test_an_outer_product_keeps_the_signs_of_zeros():
    a, b = np.array([0.0, -0.0, 2.0]), np.array([-0.0, 3.0])
    (got,) = drive(plan, dot_general, (a, b), {"contract": ((), ()), "batch": ((), ())})
    np.testing.assert_array_equal(np.signbit(got), np.signbit(np.multiply.outer(a, b)))


@pytest.mark.parametrize("size", [4, 40])
def test_nan_and_infinity_go_where_they_belong(size):
    a, b = np.ones((size, size)), np.ones((size, size))
    a[1, 2], a[2, 0], b[3, 1] = np.nan, np.inf, -np.inf
    (got,) = drive(plan, dot_general, (a, b), MATRICES)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(got, a @ b)


def test_large_products_have_chunks_for_several_threads():
    a, b = np.ones((128, 784), "float32"), np.ones((784, 512), "float32")
    found = planned((a, b), MATRICES)
    assert -(-found.extent // found.grain) >= 4
    small = planned((a[:8, :8], b[:8, :8]), MATRICES)
    assert -(-small.extent // small.grain) == 1


@pytest.mark.parametrize("registers", [(16, 16), (16, 32), (32, 16), (32, 64)], ids=str)
def test_tiles_for_other_processors(registers, monkeypatch):
    """LLVM splits vectors that are too long for the processor, so each shape can be tried."""
    monkeypatch.setattr(tiles, "registers", lambda: registers)
    monkeypatch.setattr(contract, "tile", tiles.tile.__wrapped__)
    rng = np.random.default_rng(0)
    for name in ("float32", "float64"):
        for columns in (9, 50):
            a = normal(rng, (21, 35), BY_NAME[name])
            b = normal(rng, (35, columns), BY_NAME[name])
            for right in (b, np.asfortranarray(b)):
                (got,) = drive(plan, dot_general, (a, right), MATRICES)
                assert_close(got, a @ b)
