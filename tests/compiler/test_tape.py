"""The tape: what is in it, and how it is printed."""

import re

import numpy as np
from networks import fed, parameter

from tinygraph.autodiff.reverse import gradients
from tinygraph.compiler.compile import make_tape
from tinygraph.compiler.kernel import single
from tinygraph.compiler.tape import size_text
from tinygraph.graph.graph import Graph
from tinygraph.ops import elementwise as e
from tinygraph.ops.movement import permute
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import const


def small():
    x, w = fed(4, 3), parameter(3, name="w")
    products = x * w
    total = reduce_sum(products, axis=(0, 1), keepdims=False)
    return make_tape(Graph([x, w], [total, w - w * 0.1]), updates={1: 1})


def test_every_instruction_is_printed_with_the_users_line():
    tape = small()
    lines = str(tape).split("\n")
    body = [line for line in lines if re.match(r"\s+\d+ ", line)]
    assert len(body) == len(tape) == 4
    assert all(re.search(r"test_tape\.py:\d+$", line) for line in body)
    assert re.search(r"%\d+ float32\[4,3\] = multiply\(%0, %1\)", str(tape))
    assert re.search(r"float32\[\] = sum\(%\d+, axis=\(0, 1\), keepdims=False\)", str(tape))


def test_inputs_constants_and_outputs_are_printed():
    shown = str(small())
    assert re.search(r"in +%0 float32\[4,3\]  placeholder 'x'", shown)
    assert re.search(r"in +%1 float32\[3\]  data 'w'", shown)
    assert re.search(r"const +%\d+ float32\[\]  = 0\.1", shown)
    assert re.search(r"out +%\d+ float32\[3\]  written onto input data 'w'", shown)


def test_the_title_says_what_it_costs():
    title = str(small()).split("\n")[0]
    assert title.startswith("tape: 4 instructions, 4 kernels, arena 64 B")
    assert "at least 64 B are alive at one time; 0 in place" in title


def test_names_can_be_given():
    x = fed(2)
    tape = make_tape(Graph([x], [e.sin(x)]), names=["the image"])
    assert "the image" in str(tape)


def test_a_view_is_printed_with_its_shape():
    x = fed(2, 3)
    assert "sin(%0[3, 2])" in str(make_tape(Graph([x], [e.sin(permute(x, axes=(1, 0)))])))


def test_gradients_bear_the_line_of_what_they_differentiate():
    w = parameter(name="w")
    (slope,) = gradients([e.tanh(w)], [const(1.0, np.dtype("float32"))], [w])
    assert re.search(r"test_tape\.py:\d+ \(backward\)", str(make_tape(Graph([w], [slope]))))


def test_an_empty_tape():
    assert str(make_tape(Graph([], []))).startswith("tape: 0 instructions, 0 kernels")


def test_size_text():
    assert [size_text(n) for n in (0, 1023, 1024, 3 << 20, 5 << 30)] == [
        "0 B", "1023 B", "1.0 KiB", "3.0 MiB", "5.00 GiB",
    ]  # fmt: skip


# ------------------------------------------------------------------------------------- kernels


def test_a_kernels_form_is_free_of_sizes():
    small_one, large_one = fed(2, 3), fed(20, 30)
    assert single(e.sin(small_one)) == single(e.sin(large_one))
    for axis, other in (((0,), (0,)), ((0, 1), (0, 1))):
        one = reduce_sum(small_one, axis=axis, keepdims=True)
        assert single(one) == single(reduce_sum(large_one, axis=other, keepdims=True))


def test_what_makes_kernels_differ():
    x = fed(2, 3)
    base = single(reduce_sum(x, axis=(0,), keepdims=True))
    others = [
        single(reduce_sum(x, axis=(1,), keepdims=True)),
        single(reduce_sum(fed(2, 3, dtype="float64"), axis=(0,), keepdims=True)),
        single(reduce_sum(fed(2, 3, 4), axis=(0,), keepdims=True)),
        single(e.sin(x)),
    ]
    assert all(base != other for other in others)
    assert len({base, *others}) == 5


def test_a_kernel_prints_as_a_small_program():
    shown = str(single(reduce_sum(fed(2, 3), axis=(0,), keepdims=False)))
    assert shown.split("\n") == [
        "kernel sum (reduce)",
        "  %0 = input float32[·,·]",
        "  %1 = sum(%0, axis=(0,), keepdims=False)",
        "  return %1",
    ]
