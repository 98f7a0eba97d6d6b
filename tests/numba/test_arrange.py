"""The order of a kernel's dimensions: tiny rows are written out, rows that lie across become
columns."""

import ml_dtypes
import numpy as np
import pytest
from loop_kernels import Loops
from numpy.lib.stride_tricks import as_strided

from tinygraph_numba import loops
from tinygraph_numba.loops.render import render

DTYPES = (
    "bool", "int8", "uint16", "int32", "uint64", "float16", ml_dtypes.bfloat16, "float32",
    "float64",
)  # fmt: skip


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def numbers(rng, shape, dtype="float32"):
    """Some of each kind that the dtype has."""
    array = rng.standard_normal(shape) * 9
    return (np.abs(array) if np.dtype(dtype).kind == "u" else array).astype(dtype)


def shuffle(x, r):
    """(n, c r r, h, w) as (n, c, h, r, w, r): a view, whose copy is the pixel shuffle."""
    n, channels, h, w = x.shape
    parts = x.reshape(n, channels // r**2, r, r, h, w)
    return parts.transpose(0, 1, 4, 2, 5, 3)


def window_views(x, kernel):
    """All windows of the last two dimensions, as further ones."""
    shape = [size - k + 1 for size, k in zip(x.shape[-2:], kernel, strict=True)]
    return as_strided(x, (*x.shape[:-2], *shape, *kernel), (*x.strides, *x.strides[-2:]))


def copy_of(array):
    made = Loops("o" * (array.ndim - 1) + "i", array.shape)
    made.output(made.input(array))
    return made


# -------------------------------------------------------------------------------- tiny rows


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("r", [2, 3])
def test_copies_of_tiny_rows(rng, dtype, r):
    for width in (8, 9, 33):
        made = copy_of(shuffle(numbers(rng, (2, 2 * r * r, 3, width), dtype), r))
        assert made.arranged().tiny == (r,)
        made.check(0.0)


@pytest.mark.parametrize(
    ("shape", "order", "tiny"),
    [((4, 3, 50), (0, 2, 1), (3,)), ((50, 3, 2), (0, 2, 1), (2, 3)), ((40, 5, 2), (1, 0, 2), (2,)),
     ((4, 9, 50), (0, 2, 1), ()), ((4, 3, 5), (0, 2, 1), ()), ((70, 4), (0, 1), (4,))],
)  # fmt: skip
def test_which_rows_are_tiny(rng, shape, order, tiny):
    """Those of up to eight elements, if there are eight side by side."""
    made = copy_of(numbers(rng, shape).transpose(order))
    assert made.arranged().tiny == tiny
    made.check()


def test_several_results_of_tiny_rows_in_place(rng):
    made = Loops("ooi", (4, 60, 3))
    x, y = (made.input(numbers(rng, (4, 60, 3))) for _ in range(2))
    row, column = made.input(numbers(rng, (60, 1))), made.input(numbers(rng, 3))
    index = made.index((3, 0, 1), offset=2)
    value = made.step("add", made.step("multiply", x, row), made.step("exp", column))
    made.output(made.step("subtract", value, y), onto=x)
    made.output(made.step("add", value, made.step("cast", index, dtype=np.dtype("float32"))))
    made.output(made.step("negative", row), varies=(1,))
    assert made.arranged().tiny == (3,)
    made.check()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all"])
@pytest.mark.parametrize(
    ("kernel", "roles"), [((3, 3), "oooii"), ((5, 1), "oooii"), ((2, 4), "oooii")]
)
def test_reductions_of_windows(rng, name, dtype, kernel, roles):
    x = numbers(rng, (3, 12, 20), dtype)
    if name == "prod":
        x = np.sign(x.astype("float32")).astype(dtype)
    views = window_views(x, kernel)
    made = Loops(roles, views.shape)
    made.output(made.step(name, made.input(views)), varies=(0, 1, 2))
    assert made.arranged().tiny == kernel
    made.check(5.0)


@pytest.mark.parametrize(("roles", "shape", "kept"), [
    ("oi", (90, 4), (0,)), ("ooi", (3, 30, 7), (0, 1)), ("ori", (3, 5, 40), (0, 2)),
    ("ri", (6, 100), (1,)), ("rri", (2, 3, 50), (2,)), ("orii", (2, 4, 3, 30), (0, 2, 3)),
])  # fmt: skip
def test_several_passes_over_tiny_rows(rng, roles, shape, kept):
    """Softmax, and a sum beside it: what is needed again is kept."""
    made = Loops(roles, shape)
    x = made.input(numbers(rng, shape))
    shifted = made.step("exp", made.step("subtract", x, made.step("max", x)))
    made.output(made.step("divide", shifted, made.step("sum", shifted)), onto=x)
    made.output(made.step("sum", made.step("square", x)), varies=kept)
    assert made.arranged().tiny
    made.check(10.0)


@pytest.mark.parametrize("value", [-0.0, np.nan, np.inf])
def test_strange_numbers_in_tiny_rows(value):
    x = np.full((20, 3), value, "float32")
    x[::3, 1] = 1
    for name in ("sum", "max", "min"):
        made = Loops("oi", x.shape)
        made.output(made.step(name, made.input(x)), varies=(0,))
        made.check()


def test_long_rows_stay_as_they_are(rng):
    for shape in ((60, 16), (60, 1000), (3, 3)):
        made = Loops("oi", shape)
        made.output(made.step("sum", made.input(numbers(rng, shape))), varies=(0,))
        assert made.arranged() == (made.instruction(), ())


def test_what_is_over_all_rows_or_checked_stays_as_it_is(rng):
    made = Loops("oi", (60, 3))
    total = made.step("sum", made.input(numbers(rng, (60, 3))))
    made.output(made.step("sum", total, over="o"), varies=())
    assert not made.arranged().tiny
    made.check()
    made = Loops("oi", (60, 3))
    made.output(made.step("within", made.input(np.ones((60, 3), int)), size=9, what="class"))
    assert not made.arranged().tiny
    made.check()


def test_tiny_rows_that_are_few_are_cut_along_the_lane(rng, monkeypatch):
    monkeypatch.setattr(loops, "CHUNK", 1 << 9)
    for made in (copy_of(numbers(rng, (2, 3, 640)).transpose(0, 2, 1)), windows_of_lines(rng)):
        assert made.arranged().tiny
        made.check()
        plan, _ = made.plan()
        assert -(-plan.extent // plan.grain) > 4


def windows_of_lines(rng):
    views = window_views(numbers(rng, (1, 5, 644)), (5, 5))
    made = Loops("oooii", views.shape)
    made.output(made.step("sum", made.input(views)), varies=(0, 1, 2))
    return made


# ------------------------------------------------------------------------- rows that lie across


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sum", "max", "any"])
def test_rows_that_lie_across_become_columns(rng, dtype, name):
    x = numbers(rng, (3, 70, 40), dtype).transpose(0, 2, 1)
    made = Loops("ooi", x.shape)
    made.output(made.step(name, made.input(x)), varies=(0, 1))
    assert made.arranged().instruction.kernel.roles == "ori"
    made.check(5.0)


def test_softmax_across(rng):
    x = numbers(rng, (3, 70, 40)).transpose(0, 2, 1)
    made = Loops("ooi", x.shape)
    a = made.input(x)
    shifted = made.step("exp", made.step("subtract", a, made.step("max", a)))
    made.output(made.step("divide", shifted, made.step("sum", shifted)))
    assert made.arranged().instruction.kernel.roles == "ori"
    made.check(10.0)


def test_rows_stay_where_vectors_along_them_are_as_good(rng):
    x, y = numbers(rng, (30, 40)), numbers(rng, (40, 30)).T
    made = Loops("oi", (30, 40))
    made.output(made.step("sum", made.step("multiply", made.input(x), made.input(y))), varies=(0,))
    assert made.arranged().instruction.kernel.roles == "oi"
    made.check()


def test_a_sum_over_everything_runs_along_the_memory(rng):
    x = numbers(rng, (40, 3, 50)).transpose(2, 0, 1)
    made = Loops("iii", x.shape)
    a = made.input(x)
    made.output(made.step("sum", made.step("square", a)), varies=())
    made.output(made.step("negative", a))
    assert made.arranged().instruction.inputs[0].view.shape == (40, 3, 50)
    made.check(10.0)


def test_few_wide_columns_are_cut(rng, monkeypatch):
    monkeypatch.setattr(loops, "CHUNK", 1 << 9)
    made = Loops("ori", (2, 40, 640))
    made.output(made.step("sum", made.input(numbers(rng, (2, 40, 640)))), varies=(0, 2))
    made.check()
    plan, _ = made.plan()
    assert -(-plan.extent // plan.grain) > 4


# ----------------------------------------------------------------------------------- the source


def test_source_of_a_pixel_shuffle(rng):
    found = copy_of(shuffle(numbers(rng, (1, 4, 3, 8)), 2)).arranged()
    assert render(found.instruction.kernel, tiny=found.tiny) == SHUFFLE


SHUFFLE = '''\
def kernel(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """out0 = x0"""
    out0 = pointer(f32, args[0])
    x0 = pointer(f32, args[1])
    n1 = args[3]
    n2 = args[4]
    n3 = args[5]
    n4 = args[6]
    out0_s0 = args[8]
    out0_s1 = args[9]
    out0_s2 = args[10]
    out0_s3 = args[11]
    x0_s2 = args[16]
    x0_s3 = args[17]
    x0_s5 = args[19]
    for line in range(lo // n3, (hi - 1) // n3 + 1):
        o0 = line // (n1 * n2)
        o1 = line // n2 % n1
        o2 = line % n2
        out0_line = o0 * out0_s0 + o1 * out0_s1 + o2 * out0_s2
        x0_line = o2 * x0_s2
        for o3 in range(maximum(lo - line * n3, 0), minimum(hi - line * n3, n3)):
            out0_row = out0_line + o3 * out0_s3
            x0_row = x0_line + o3 * x0_s3
            for i in lanes(0, n4):
                for i5 in unroll(0, 2):
                    out0_i5 = out0_row + i * 2 + i5
                    x0_i5 = x0_row + i + i5 * x0_s5
                    out0[out0_i5] = x0[x0_i5]
    return 0
'''
