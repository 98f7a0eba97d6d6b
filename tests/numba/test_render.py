"""Rendered kernels against the meaning of their steps."""

import math

import ml_dtypes
import numpy as np
import pytest
from loop_kernels import Loops, close

from tinygraph_numba import loops
from tinygraph_numba.loops.render import render


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def normal(rng, *shape, dtype="float32"):
    return rng.standard_normal(shape).astype(dtype)


# ------------------------------------------------------------------------------- elementwise


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 70001])
def test_chain(rng, size):
    made = Loops("i", (size,))
    x, y = made.input(normal(rng, size)), made.input(normal(rng, size))
    product = made.step("multiply", made.step("exp", x), y)
    made.output(made.step("maximum", made.step("add", product, made.const(0.1)), x))
    made.check()


def test_space_without_dimensions():
    made = Loops("", ())
    x = made.input(np.array(1.5, "float32"))
    made.output(made.step("multiply", x, made.const(3)))
    made.check()


@pytest.mark.parametrize(
    ("roles", "shape"),
    [
        ("oi", (5, 7)),
        ("ooi", (3, 4, 5)),
        ("oooi", (2, 3, 4, 5)),
        ("ii", (6, 33)),
        ("oii", (2, 3, 9)),
    ],
)
def test_broadcast(rng, roles, shape):
    made = Loops(roles, shape)
    full = made.input(normal(rng, *shape))
    row = made.input(normal(rng, shape[-1]))
    column = made.input(normal(rng, *shape[:-1], 1))
    number = made.input(np.float32(0.3))
    value = made.step("add", made.step("multiply", full, row), made.step("exp", column))
    made.output(made.step("subtract", value, made.step("sqrt", number)))
    made.check()


def test_transposed_strided_and_reversed(rng):
    made = Loops("oi", (20, 30))
    a = made.input(normal(rng, 30, 20).T)
    b = made.input(normal(rng, 40, 90)[::2, ::3])
    c = made.input(normal(rng, 20, 30)[::-1, ::-1])
    made.output(made.step("add", made.step("multiply", a, b), c))
    made.check()


def test_three_results_in_place(rng):
    made = Loops("i", (5000,))
    w, m, v, g = (made.input(normal(rng, 5000)) for _ in range(4))
    rate = made.input(np.float32(0.01))
    first = made.step("add", made.step("multiply", m, made.const(0.9)), g)
    second = made.step("add", made.step("abs", v), made.step("square", g))
    change = made.step("divide", first, made.step("sqrt", second))
    made.output(made.step("subtract", w, made.step("multiply", change, rate)), onto=w)
    made.output(first, onto=m)
    made.output(second, onto=v)
    made.check()


def test_results_that_change_places(rng):
    made = Loops("i", (100,))
    x, y = made.input(normal(rng, 100)), made.input(normal(rng, 100))
    made.output(made.step("negative", y), onto=x)
    made.output(made.step("negative", x), onto=y)
    made.check()


def test_index(rng):
    made = Loops("oi", (6, 10))
    k = made.index((0, 1))
    place = made.index((10, 1), offset=5)
    labels = made.input(rng.integers(0, 10, (6, 1)))
    x = made.input(normal(rng, 6, 10))
    picked = made.step("where", made.step("equal", k, labels), x, made.const(0.0))
    made.output(picked)
    made.output(made.step("multiply", place, made.const(3, "int64")))
    made.check()


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (math.inf, "float32"), (-math.inf, "float64"), (math.nan, "float32"),
        (1e-45, "float32"), (0.1, "float16"), (0.1, "bfloat16"), (3.4e38, "float32"),
        (-(2**63), "int64"), (2**64 - 1, "uint64"), (-128, "int8"), (True, "bool"),
    ],
)  # fmt: skip
def test_constants(value, dtype):
    made = Loops("i", (3,))
    made.output(made.const(value, dtype))
    (got,) = made.run()
    wanted = np.full(3, value, got.dtype)
    assert got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "uint32", "int64", "uint64"])
def test_integers_wrap(rng, dtype):
    limits = np.iinfo(dtype)
    made = Loops("i", (200,))
    x = made.input(rng.integers(limits.min, limits.max, 200, dtype, endpoint=True))
    y = made.input(rng.integers(limits.min, limits.max, 200, dtype, endpoint=True))
    made.output(made.step("add", made.step("multiply", x, y), made.const(7, dtype)))
    made.output(made.step("less", x, y))
    made.check()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_short_floats_are_rounded_after_each_step(rng, dtype):
    made = Loops("i", (300,))
    x = made.input(
        normal(rng, 300, dtype=np.dtype(dtype if dtype == "float16" else ml_dtypes.bfloat16))
    )
    y = made.step("add", made.step("multiply", x, x), made.const(0.1, dtype))
    made.output(made.step("subtract", y, x))
    made.check(0.0)


# ------------------------------------------------------------------------------------- rows


def softmax(made, x):
    shifted = made.step("exp", made.step("subtract", x, made.step("max", x)))
    return made.step("divide", shifted, made.step("sum", shifted))


@pytest.mark.parametrize("shape", [(4, 9), (3, 1024), (2, 2500), (300, 5), (0, 4), (7, 1)])
def test_softmax(rng, shape):
    made = Loops("oi", shape)
    made.output(softmax(made, made.input(normal(rng, *shape) * 9)))
    made.check()


def test_softmax_in_place_of_strange_rows(rng):
    rows = normal(rng, 5, 40)
    rows[0, 3], rows[1, 3], rows[2, 3], rows[3] = np.nan, np.inf, -np.inf, -np.inf
    made = Loops("oi", (5, 40))
    x = made.input(rows)
    made.output(softmax(made, x), onto=x)
    made.check()


def test_softmax_under_a_mask(rng):
    made = Loops("ooi", (2, 8, 40))
    mask = rng.random((8, 40)) > 0.5
    mask[3] = False
    seen, x = made.input(mask), made.input(normal(rng, 2, 8, 40))
    made.output(softmax(made, made.step("where", seen, x, made.const(-math.inf))))
    made.check()


def test_softmax_of_one_row(rng):
    made = Loops("i", (3000,))
    made.output(softmax(made, made.input(normal(rng, 3000))))
    made.check()


def test_log_softmax_picked_by_label(rng):
    made = Loops("oi", (12, 50))
    x = made.input(normal(rng, 12, 50) * 5)
    k = made.index((0, 1))
    labels = made.input(rng.integers(0, 50, (12, 1)))
    shifted = made.step("subtract", x, made.step("max", x))
    total = made.step("sum", made.step("exp", shifted))
    scores = made.step("subtract", shifted, made.step("log", total))
    here = made.step("equal", k, labels)
    made.output(made.step("sum", made.step("where", here, scores, made.const(0.0))), varies=(0,))
    made.output(scores)
    made.check()


@pytest.mark.parametrize("shape", [(12, 50), (5000, 10), (1, 7)])
def test_cross_entropy_and_its_mean_over_all_rows(rng, shape):
    made = Loops("oi", shape)
    x = made.input(normal(rng, *shape) * 5)
    labels = made.input(rng.integers(0, shape[1], (shape[0], 1)))
    share = made.input(np.float32(1 / shape[0]))
    k = made.index((0, 1))
    shifted = made.step("subtract", x, made.step("max", x))
    total = made.step("log", made.step("sum", made.step("exp", shifted)))
    here = made.step("where", made.step("equal", k, labels), shifted, made.const(0.0))
    loss = made.step("subtract", total, made.step("sum", here))
    made.output(loss, varies=(0,))
    made.output(made.step("multiply", made.step("sum", loss, over="o"), share), varies=())
    made.output(made.step("max", loss, over="o"), varies=())
    made.output(made.step("all", made.step("isfinite", loss), over="o"), varies=())
    made.check(10.0)


@pytest.mark.parametrize(("roles", "shape"), [("i", (300,)), ("ooii", (3, 4, 5, 6)), ("", ())])
def test_reduction_over_rows_of_any_kind(rng, roles, shape):
    made = Loops(roles, shape)
    x = made.input(normal(rng, *shape))
    peak = made.step("max", x)
    made.output(made.step("sum", made.step("exp", peak), over="o"), varies=())
    made.output(made.step("min", peak, over="o"), varies=())
    made.check(10.0)


def layer_norm(made, x, weight, bias, count):
    share = made.const(1 / count)
    mean = made.step("multiply", made.step("sum", x), share)
    centred = made.step("subtract", x, mean)
    spread = made.step("multiply", made.step("sum", made.step("square", centred)), share)
    scale = made.step("rsqrt", made.step("add", spread, made.const(1e-5)))
    normed = made.step("multiply", centred, scale)
    return made.step("add", made.step("multiply", normed, weight), bias), mean


def test_layer_norm_of_a_sum_in_place(rng):
    made = Loops("oi", (9, 130))
    x, skip = made.input(normal(rng, 9, 130)), made.input(normal(rng, 9, 130))
    weight, bias = made.input(normal(rng, 130)), made.input(normal(rng, 130))
    both = made.step("add", x, skip)
    normed, mean = layer_norm(made, both, weight, bias, 130)
    made.output(normed)
    made.output(both, onto=x)
    made.output(mean, varies=(0,))
    made.check()


def test_rows_of_several_dimensions(rng):
    made = Loops("oiii", (3, 4, 5, 6))
    x = made.input(normal(rng, 3, 6, 4, 5).transpose(0, 2, 3, 1))
    scale = made.input(normal(rng, 4, 1, 1))
    y = made.step("multiply", x, made.step("exp", scale))
    made.output(softmax(made, y))
    made.output(made.step("sum", y), varies=(0,))
    made.check()


def test_outer_dimensions_apart(rng):
    made = Loops("oioi", (3, 4, 5, 6))
    x = made.input(normal(rng, 3, 4, 5, 6))
    made.output(softmax(made, x))
    made.check()


REDUCTIONS = ["sum", "prod", "max", "min", "any", "all"]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint32", "int64", "uint64", "float32", "float64"]
)
@pytest.mark.parametrize(
    ("roles", "kept"), [("oi", (0,)), ("i", ()), ("ri", (1,)), ("ori", (0, 2))]
)
def test_reductions(rng, name, dtype, roles, kept):
    shape = {"i": (3000,)}.get(roles, (5, 6, 70)[-len(roles) :])
    array = (rng.random(shape) * 3 - 0.5).astype(dtype)
    made = Loops(roles, shape)
    made.output(made.step(name, made.input(array)), varies=kept)
    made.check(20.0)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_reductions_of_short_floats(rng, name, dtype):
    array = normal(rng, 4, 700).astype(dtype if dtype == "float16" else ml_dtypes.bfloat16)
    for roles, kept in (("oi", (0,)), ("ri", (1,))):
        made = Loops(roles, (4, 700))
        made.output(made.step(name, made.input(array)), varies=kept)
        made.check()


@pytest.mark.parametrize(("roles", "shape", "kept"), [
    ("oi", (3, 0), (0,)), ("i", (0,), ()), ("ri", (0, 3), (1,)), ("ori", (2, 0, 3), (0, 2)),
    ("ri", (3, 0), (1,)), ("oi", (0, 3), (0,)),
])  # fmt: skip
def test_reductions_over_nothing(roles, shape, kept):
    made = Loops(roles, shape)
    x = made.input(np.zeros(shape, "float32"))
    made.output(made.step("sum", x), varies=kept)
    made.output(made.step("prod", x), varies=kept)
    made.output(made.step("all", x), varies=kept)
    made.check()


def test_whole_sum_and_what_follows(rng):
    made = Loops("i", (100_000,))
    x = made.input(normal(rng, 100_000))
    scale = made.input(np.float32(1e-5))
    square = made.step("square", x)
    mean = made.step("multiply", made.step("sum", square), scale)
    made.output(made.step("sqrt", mean), varies=())
    made.output(made.step("max", x), varies=())
    made.output(square)
    made.check()


def test_what_does_not_vary_counts_for_each_element(rng):
    made = Loops("oi", (4, 10))
    x = made.input(normal(rng, 4, 1))
    made.output(made.step("sum", x), varies=(0,))
    made.output(made.step("sum", made.const(2.0)), varies=(0,))
    made.check()


@pytest.mark.parametrize("roles", ["i", "oi", "ri"])
def test_a_million_tenths(roles):
    shape = {"i": (10**6,), "oi": (2, 10**6), "ri": (10**6, 2)}[roles]
    kept = {"i": (), "oi": (0,), "ri": (1,)}[roles]
    made = Loops(roles, shape)
    made.output(made.step("sum", made.input(np.full(shape, 0.1, "float32"))), varies=kept)
    (got,) = made.run()
    exact = 10**6 * float(np.float32(0.1))
    assert np.abs(got / exact - 1).max() < 1e-6


# ---------------------------------------------------------------------------------- columns


def test_column_sums_beside_the_full_result(rng):
    made = Loops("ri", (600, 70))
    g, y = made.input(normal(rng, 600, 70)), made.input(normal(rng, 600, 70))
    masked = made.step("where", made.step("greater", y, made.const(0.0)), g, made.const(0.0))
    made.output(masked, onto=g)
    made.output(made.step("sum", masked), varies=(1,))
    made.check(10.0)


def test_what_is_costly_once_a_column_and_once_a_row(rng):
    made = Loops("ri", (40, 500))
    x = made.input(normal(rng, 40, 500))
    spread = made.input(rng.random((1, 500)).astype("float32"))
    row = made.input(normal(rng, 40, 1))
    scaled = made.step("multiply", x, made.step("rsqrt", spread))
    weighed = made.step("multiply", scaled, made.step("exp", row))
    made.output(made.step("add", made.step("sum", weighed), spread), varies=(1,))
    made.output(weighed)
    made.check(10.0)


def test_columns_of_several_dimensions_in_passes(rng):
    made = Loops("orrii", (2, 3, 300, 4, 5))
    x = made.input(normal(rng, 2, 3, 300, 4, 5))
    share = made.const(1 / 900)
    mean = made.step("multiply", made.step("sum", x), share)
    centred = made.step("subtract", x, mean)
    spread = made.step("multiply", made.step("sum", made.step("square", centred)), share)
    scale = made.step("rsqrt", made.step("add", spread, made.const(1e-5)))
    made.output(made.step("multiply", centred, scale), onto=x)
    made.output(mean, varies=(0, 3, 4))
    made.output(spread, varies=(0, 3, 4))
    made.check(10.0)


def test_reduced_dimensions_alone(rng):
    made = Loops("or", (3, 50))
    made.output(made.step("sum", made.input(normal(rng, 3, 50))), varies=(0,))
    made.check()


# ------------------------------------------------------------------------------- the source


def test_source_of_softmax():
    made = Loops("oi", (2, 3))
    made.output(softmax(made, made.input(np.zeros((2, 3), "float32"))))
    assert render(made.kernel()) == SOFTMAX


SOFTMAX = '''\
def kernel(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """v3 = exp(x0 - max(x0))
    out0 = v3 / sum(v3)
    """
    out0 = pointer(f32, args[0])
    x0 = pointer(f32, args[1])
    n1 = args[3]
    out0_s0 = args[4]
    x0_s0 = args[6]
    kept3 = pointer(f32, scratch)
    for row in range(lo, hi):
        out0_row = row * out0_s0
        x0_row = row * x0_s0
        v1 = f32(-inf)
        for i in lanes(0, n1):
            v1 = maximum(v1, x0[x0_row + i])
        total4 = f64(0.0)
        for start in range(0, n1, 1024):
            part4 = f32(0.0)
            for i in lanes(start, minimum(start + 1024, n1)):
                v3 = exp(x0[x0_row + i] - v1)
                kept3[i] = v3
                part4 = fast_add(part4, v3)
            total4 = total4 + f64(part4)
        v4 = f32(total4)
        for i in lanes(0, n1):
            out0[out0_row + i] = kept3[i] / v4
    return 0
'''


def test_lines_are_short():
    made = Loops("oiii", (2, 3, 4, 5))
    x = made.input(np.ones((2, 3, 4, 5), "float32"))
    y = x
    for _ in range(12):
        y = made.step("add", made.step("multiply", y, made.step("tanh", x)), x)
    made.output(softmax(made, y))
    source = render(made.kernel())
    assert source is not None
    assert max(map(len, source.splitlines())) <= 100


def test_one_source_serves_all_sizes():
    sources = []
    for size in (3, 700):
        made = Loops("oi", (2, size))
        made.output(softmax(made, made.input(np.zeros((2, size), "float32"))))
        sources.append(render(made.kernel()))
    assert sources[0] is sources[1]


def test_chunks_depend_on_the_work_alone():
    made = Loops("i", (1 << 20,))
    made.output(made.step("exp", made.input(np.zeros(1 << 20, "float32"))))
    plan, _ = made.plan()
    assert plan.grain % 64 == 0
    assert 4 < plan.extent / plan.grain < 1000


def test_little_work_is_one_chunk():
    made = Loops("i", (1000,))
    made.output(made.step("exp", made.input(np.zeros(1000, "float32"))))
    plan, _ = made.plan()
    assert plan.grain >= plan.extent


def test_no_plan_without_an_expression(monkeypatch):
    monkeypatch.setattr(loops, "render", lambda *_: None)
    made = Loops("i", (10,))
    made.output(made.step("exp", made.input(np.zeros(10, "float32"))))
    plan, _ = made.plan()
    assert plan is None


def test_close_notices_a_difference():
    with pytest.raises(AssertionError):
        close(np.float32([1, 2]), np.float32([1, 2.001]))
