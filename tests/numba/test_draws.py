"""Random numbers that a kernel of loops draws itself."""

import numpy as np
import pytest
from loop_kernels import Loops

from tinygraph.dtypes import uint64


@pytest.mark.parametrize("offset", [0, 3, 2**40 - 1])
@pytest.mark.parametrize(
    ("roles", "shape", "strides"),
    [("i", (5,), (1,)), ("i", (50_003,), (1,)), ("i", (70,), (3,)), ("oi", (3, 50), (50, 1)),
     ("oi", (3, 50), (7, 1)), ("ooi", (2, 3, 5), (15, 5, 1)), ("oi", (5, 3), (1, 5))],
)  # fmt: skip
def test_random_numbers_on_the_spot(roles, shape, strides, offset):
    """Blocks of words at a time where the numbers go up one by one."""
    made = Loops(roles, shape)
    seed, draw = made.input(np.uint64(2**63 + 5)), made.input(np.uint64(7))
    place = made.step("cast", made.index(strides, offset), dtype=uint64)
    made.output(made.step("philox", seed, draw, place))
    made.check()


@pytest.mark.parametrize(
    ("roles", "shape", "strides", "kept"),
    [("i", (5003,), (1,), ()), ("oi", (30, 77), (77, 1), (0,)), ("ri", (70, 9), (9, 1), (1,)),
     ("oii", (3, 5, 7), (50, 7, 1), (0,)), ("rri", (5, 7, 3), (50, 3, 1), (2,))],
)  # fmt: skip
def test_random_numbers_that_are_reduced(roles, shape, strides, kept):
    """In blocks, over columns, in two passes; under a seed for each row."""
    rng, made = np.random.default_rng(7), Loops(roles, shape)
    x = made.input(rng.standard_normal(shape).astype("float32"))
    rows = [size if role == "o" else 1 for role, size in zip(roles, shape, strict=True)]
    seed = made.input(rng.integers(0, 9, rows).astype("uint64"))
    draw, index = made.input(np.uint64(7)), made.index(strides, 5)
    place = made.step("cast", index, dtype=uint64)
    word = made.step("philox", seed, draw, place)
    few = made.step("less", word, made.const(2**31, "uint32"))
    some = made.step("where", few, x, made.const(0))
    total = made.step("sum", some)
    made.output(total, varies=kept)
    made.output(made.step("multiply", total, some))
    made.check(20)
