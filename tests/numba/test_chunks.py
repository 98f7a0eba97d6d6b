"""How the work of a kernel of loops is cut: few columns, and few rows, are shared out as well."""

import math

import numpy as np
import pytest
from loop_kernels import Loops

from tinygraph_numba import loops


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """As if little work were much."""
    monkeypatch.setattr(loops, "CHUNK", 1 << 9)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def chunks(made):
    plan, _ = made.plan()
    return -(-plan.extent // plan.grain)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint64", "bool"])
@pytest.mark.parametrize("reduction", ["sum", "max", "min", "any"])
def test_few_columns(rng, reduction, dtype):
    made = Loops("ri", (3000, 5))
    x = rng.integers(0, 2, (3000, 5)) if dtype == "bool" else rng.standard_normal((3000, 5)) * 9
    made.output(made.step(reduction, made.input(np.abs(x).astype(dtype))), varies=(1,))
    made.check()
    assert chunks(made) > 20


@pytest.mark.parametrize(
    ("roles", "shape", "columns"),
    [("ri", (700, 1), (1,)), ("rri", (70, 30, 7), (2,)), ("rii", (900, 3, 5), (1, 2)),
     ("rii", (0, 3, 5), (1, 2)), ("rri", (9, 130, 3), (2,))],
)  # fmt: skip
def test_what_is_computed_from_columns_and_for_them(rng, roles, shape, columns):
    """Before the sums are formed and afterwards; two sums, and a result that is one number."""
    made = Loops(roles, shape)
    x = made.input(rng.standard_normal(shape).astype("float32"))
    scale = made.input(
        rng.standard_normal([shape[d] if d in columns else 1 for d in range(len(shape))])
    )
    scale = made.step("cast", scale, dtype=np.dtype("float32"))
    total = made.step("sum", made.step("multiply", x, made.step("exp", scale)))
    square = made.step("sum", made.step("square", x))
    made.output(made.step("add", total, made.step("exp", scale)), varies=columns)
    made.output(square, varies=columns)
    made.output(made.step("sqrt", made.const(2.0)), varies=())
    made.check(30)
    assert chunks(made) > 1 or 0 in shape


def test_sums_that_are_needed_again_stay_whole(rng):
    made = Loops("ri", (3000, 5))
    x = made.input(rng.standard_normal((3000, 5)).astype("float32"))
    made.output(made.step("subtract", x, made.step("max", x)))
    made.check()
    assert chunks(made) == 1


def test_many_columns_are_shared_out_themselves(rng):
    made = Loops("ri", (30, 1000))
    made.output(made.step("sum", made.input(rng.standard_normal((30, 1000)))), varies=(1,))
    made.check()
    plan, _ = made.plan()
    assert plan.extent == 1000
    assert plan.finish == 0


def test_checks_in_columns():
    numbers = np.arange(3000 * 4).reshape(3000, 4) % 9
    made = Loops("ri", (3000, 4))
    checked = made.step("within", made.input(numbers), size=9, what="class")
    made.output(made.step("sum", checked), varies=(1,))
    made.check()
    numbers[1500, 3], numbers[1501] = 10, 11
    with pytest.raises(IndexError, match="class 10 is out of range: expected 0 to 8"):
        made.run()


@pytest.mark.parametrize("shape", [(2, 4096), (1, 3, 1000), (3, 3 * 7 * 64)])
def test_few_long_rows(rng, shape):
    made = Loops("o" * (len(shape) - 1) + "i", shape)
    x = made.input(rng.standard_normal(shape).astype("float32"))
    column = made.input(rng.standard_normal((*shape[:-1], 1)).astype("float32"))
    row = made.input(rng.standard_normal((2 * shape[-1],)).astype("float32")[::2])
    index = made.index((0,) * (len(shape) - 1) + (3,), offset=5)
    value = made.step("add", made.step("multiply", x, column), row)
    made.output(made.step("add", value, made.step("cast", index, dtype=np.dtype("float32"))))
    made.check()
    assert chunks(made) >= math.prod(shape[:-1]) * 2


def test_rows_of_no_equal_parts_stay_whole(rng):
    made = Loops("oi", (2, 4099))
    x, column = made.input(rng.standard_normal((2, 4099))), made.input(np.ones((2, 1)))
    made.output(made.step("multiply", x, column))
    made.check()
    assert chunks(made) == 2
