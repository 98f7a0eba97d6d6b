"""The kernel language: errors say the line, and what was expected."""

import numpy as np
import pytest
from texts import HEAD, body

from tinygraph_numba import language
from tinygraph_numba.language import LanguageError


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x = f32(1) + f64(1)", 3, r"\+ needs two operands of one type, not f32, f64"),
        ("x = i32(1)\ny = x + hi", 4, "one type, not i32, i64"),
        ("x = 1\nx = 2.0", 4, "2.0 is no i64"),
        ("x = f32(1)\nx = hi", 4, "x is f32, not i64"),
        ("x = hi / hi", 3, "/ is not for operands of type i64"),
        ("x = f32(1) // 2.0", 3, "// is not for operands of type f32"),
        ("x = u8(1) + 256", 3, "256 does not fit u8"),
        ("x = y", 3, "y has no value before this line"),
        ("x = foo(hi)", 3, "there is no function foo or foo_i64"),
        ("x = a[f32(1)]", 3, "an index is an i64, not f32"),
        ("x = hi[0]", 3, r"p\[i\] begins with a pointer and an index"),
        ("a[0] = hi", 3, "memory of f32, a value of i64"),
        ("a[0] += f64(1)", 3, "one type, not f32, f64"),
        ("if hi:\n    x = 1", 3, "a condition: bool is expected, not i64"),
        ("x = hi and True", 3, "bool is expected, not i64"),
        ("for i in [1, 2]:\n    x = 1", 3, "for name in range"),
        ("for i in range(f32(1), 2.0):\n    x = 1", 3, "a loop counts integers, not f32"),
        ("with hi:\n    x = 1", 3, "With is not in the language"),
        ("x = [1]", 3, "List is not in the language"),
        ("x = 'a'", 3, "a number is expected, not 'a'"),
        ("hi + 1", 3, "this value is not used"),
        ("break", 3, "break and continue belong in a loop"),
        ("x = pointer(hi, hi)", 3, "a type and one operand are expected"),
        ("x = pointer(f32, 1.5)", 3, "an address is an i64, not f64"),
        ("x = bits(f32, hi)", 3, "i64 and f32 are not of one size"),
        ("x = stack(f32, hi)", 3, "stack takes a literal size"),
        ("x = sqrt(hi)", 3, "sqrt is for f32 and f64, not i64"),
        ("x = fma(1.0, 2.0)", 3, "fma takes 3 operands, not 2"),
        ("x = minimum(f32(1), f64(2))", 3, "all must be f32, one is f64"),
        ("x = high(hi, hi)", 3, "high is for u32 and u64, not i64"),
        ("x = f16(1.0) + f16(1.0)", 3, "f16 is for storage only"),
        ("x = f16(hi)", 3, "f16 is made from f32 or f64, not from i64"),
        ("x = 1 // 0", 3, "this constant has no value"),
        ("x = hi if hi > 0 else f32(1)", 3, "one type, not i64, f32"),
        ("x, y = 1, 2, 3", 3, "2 values are expected, not 3"),
        ("x = y = 1", 3, "one assignment at a time"),
        ("x: f32 = hi", 3, "the annotation: f32 is expected, not i64"),
        ("return f32(1)", 3, "kernel returns i64, not f32"),
        ("return", 3, "kernel returns 1 values, not 0"),
        ("for k in unroll(0, hi):\n    x = k", 3, "unroll takes literals"),
        ("for k in lanes(0, 9, hi):\n    x = k", 3, "how many vectors run together is a literal"),
        ("for k in unroll(0, 9, 2):\n    x = k", 3, "for name in range"),
        ("x = sqrt(x=1.0)", 3, "without keywords"),
        ("x = atomic_add(a, 0, 1)", 3, "atomic_add takes a ptr_i64 and 2 i64"),
        ("x = call(1.0)", 3, "call takes the address of a function"),
        ("x = f32", 3, "f32 has no value"),
        ("while hi > 0:\n    pass\nelse:\n    pass", 3, "a loop has no else"),
        ("x = a < a < 3", 3, "a number is expected, not a ptr_f32"),
        ("x = hi is lo", 3, "one of == != < <= > >= is expected"),
        ("x = ~f32(1)", 3, "~ is not for f32"),
        ("x = -(hi > 0)", 3, "- is not for bool"),
        ("x = f32(1) << 3.0", 3, "<< is not for operands of type f32"),
    ],
)
def test_errors_say_the_line_and_what_was_expected(text, line, what):
    with pytest.raises(LanguageError, match=what) as caught:
        language.compile_source(body(text, np.zeros(1, np.float32)))
    assert caught.value.line == line
    assert str(caught.value).startswith(f"line {line}: ")


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("x = (", 1, "this is not Python"),
        ("x = 1", 1, "there is no function kernel"),
        (HEAD + "    x = 1\n", 1, "kernel must end with a return"),
        ("def kernel(args) -> i64:\n    return 0\n", 1, "an annotation such as f32"),
        ("def kernel(x: i64) -> i64:\n    return kernel(x)\n", 2, "kernel calls itself"),
        ("def kernel(x: i64) -> i64:\n    return f(x)\n\n"
         "def f(x: f32) -> i64:\n    return 0\n", 2, "f: x is f32, not i64"),
        ("def kernel(x: i64) -> i64:\n    return f(x)\n\n"
         "def f() -> i64:\n    return 0\n", 2, "f takes 0 operands, not 1"),
        ("def kernel(x: i64) -> i64:\n    return 1 + f(x)\n\n"
         "def f(x: i64) -> None:\n    return\n", 2, "one value is expected here, not 0"),
        ("def kernel(x: f32) -> i64:\n    y = exp_scaled_f32(x, i64(1))\n    return 0\n",
         2, "exp_scaled_f32: shift is i32, not i64"),
    ],
)  # fmt: skip
def test_errors_of_whole_sources(source, line, what):
    with pytest.raises(LanguageError, match=what) as caught:
        language.compile_source(source)
    assert caught.value.line == line


def test_an_error_in_a_function_of_another_file_says_both_lines(monkeypatch):
    wrong = language.library.Library("\n\ndef f(x: i64) -> i64:\n    return x + 1.5\n", "other")
    monkeypatch.setattr(language.library, "maths", lambda: ["other"])
    monkeypatch.setattr(language.library, "parsed", lambda module: wrong)
    monkeypatch.setattr(language, "_surroundings", lambda: b"")
    source = "def kernel(x: i64) -> i64:\n    return f(x)\n"
    with pytest.raises(LanguageError, match=r"line 2: in f, line 4 of other: 1\.5 is no i64"):
        language.compile_source(source)
