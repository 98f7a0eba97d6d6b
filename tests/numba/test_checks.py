"""Checks within kernels of loops: the first number that is out of range is named."""

import numpy as np
import pytest
from loop_kernels import Loops, close

import tinygraph as tg
from tinygraph import Tensor, config
from tinygraph.ops.bounds import within

INTEGERS = ("int8", "uint8", "int32", "uint32", "int64", "uint64")


def checked(made, ref, size=9):
    return made.step("within", ref, size=size, what="class")


def fails(made, wrong, size=9):
    with pytest.raises(
        IndexError, match=f"class {wrong} is out of range: expected 0 to {size - 1}"
    ):
        made.run()


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(("roles", "shape"), [("", ()), ("i", (3000,)), ("oi", (40, 30))])
def test_numbers_of_any_type(roles, shape, dtype):
    x = np.full(shape, 8, dtype)
    made = Loops(roles, shape)
    made.output(checked(made, made.input(x)))
    made.check()
    x[...] = 9
    fails(made, 9)
    x.flat[0] = np.iinfo(dtype).max
    fails(made, np.iinfo(dtype).max)
    if np.iinfo(dtype).min:
        x.flat[0] = np.iinfo(dtype).min
        fails(made, np.iinfo(dtype).min)


def test_bounds_beyond_the_type():
    made = Loops("i", (50,))
    made.output(checked(made, made.input(np.full(50, 255, "uint8")), size=1000))
    made.check()


def test_there_are_no_bounds_that_hold_nothing():
    made = Loops("i", (5,))
    made.output(checked(made, made.input(np.zeros(5, "int64")), size=0))
    plan, _ = made.plan()
    assert plan is None


@pytest.mark.parametrize("place", [0, 1, 700, 1023, 1024, 2999])
def test_the_first_of_many_in_a_row(place):
    x = np.arange(3000) % 9
    made = Loops("i", (3000,))
    number = made.input(x)
    value = checked(made, made.step("add", number, made.const(0, "int64")))
    made.output(made.step("sum", value))
    made.output(made.step("square", value))
    x[place:] = -1 - np.arange(3000 - place)
    fails(made, -1)


@pytest.mark.parametrize("reduction", ["sum", "max", None])
def test_a_check_in_each_row(reduction):
    """A number of the row, as the class of a sample is."""
    classes = np.arange(40)[:, None] % 9
    made = Loops("oi", (40, 9))
    x, c = made.input(np.ones((40, 9), "float32")), made.input(classes)
    numbers = made.index((0, 1))
    value = made.step("where", made.step("equal", numbers, checked(made, c)), x, made.const(0))
    made.output(made.step(reduction, value) if reduction else value)
    made.check()
    classes[31], classes[33] = 12, -4
    fails(made, 12)


def test_a_check_in_several_passes():
    numbers = np.arange(40 * 30).reshape(40, 30) % 9
    made = Loops("oi", (40, 30))
    x = checked(made, made.input(numbers))
    made.output(made.step("subtract", x, made.step("max", x)))
    made.output(made.step("sum", made.step("sum", x), over="o"), varies=())
    made.check()
    numbers[7, 3], numbers[7, 2], numbers[20] = 100, 101, 9
    fails(made, 101)


def test_checks_of_columns():
    numbers = np.arange(12 * 5 * 7).reshape(12, 5, 7) % 9
    made = Loops("ori", (12, 5, 7))
    made.output(made.step("sum", checked(made, made.input(numbers))))
    made.check()
    numbers[3, 4, 0], numbers[3, 3, 6], numbers[4] = 10, 11, 9
    fails(made, 11)


def test_a_check_of_what_all_rows_have_come_to():
    x = np.ones((40, 3), "int64")
    made = Loops("oi", (40, 3))
    total = made.step("sum", made.step("sum", made.input(x)), over="o")
    made.output(checked(made, total, 121), varies=())
    made.check()
    x[7, 1] = 2
    fails(made, 121, 121)


def test_two_checks():
    x, y = np.arange(50) % 9, np.arange(50) % 7
    made = Loops("i", (50,))
    a, b = made.input(x), made.input(y)
    made.output(made.step("add", checked(made, a), checked(made, b, 7)))
    made.check()
    y[20] = 8
    fails(made, 8, 7)
    x[30] = -1
    fails(made, -1)


def test_the_first_of_many_chunks():
    """Whatever thread finds one first; after it all is well again."""
    x, t = tg.placeholder((30000, 10), name="x"), tg.placeholder((30000,), "int64", name="t")
    logits = np.random.default_rng(0).standard_normal((30000, 10)).astype("float32")
    classes = np.arange(30000) % 10
    with config.override("BACKEND", "numba"):
        loss = tg.function([x, t], tg.nn.functional.cross_entropy(x, t))
        good = loss(logits, classes).numpy()
        for _ in range(20):
            broken = classes.copy()
            broken[[12345, 20000, 29999]] = 55, 66, -77
            with pytest.raises(IndexError, match="class 55 is out of range: expected 0 to 9"):
                loss(logits, broken)
        close(loss(logits, classes).numpy(), good)


def test_numbers_are_not_overwritten_before_they_are_checked_again():
    x = tg.placeholder((1 << 20,), "int64", name="x")
    with config.override("BACKEND", "numba"):
        moved = tg.sort(x)  # is dead afterwards: its memory may be used for the result
        found = tg.function([x], Tensor(within(moved.node, size=1 << 20, what="row")) + 7)
        numbers = np.arange(1 << 20)
        np.testing.assert_array_equal(found(numbers).numpy(), numbers + 7)
        with pytest.raises(IndexError, match=f"row {1 << 20} is out of range"):
            found(numbers + 1)
