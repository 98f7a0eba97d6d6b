"""The kernel language: memory, statements, functions, threads."""

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from texts import body, execute, function, same

from tinygraph_numba import language, machine
from tinygraph_numba.language import LanguageError, emit
from tinygraph_numba.language.dialect import f32, i64, lanes, pointer, ptr_i64


def test_addresses_and_stack():
    out, x = np.zeros(8, np.float32), np.arange(8, dtype=np.float32)
    text = """
local = stack(f32, 8)
for i in range(8):
    local[7 - i] = b[i]
copy = pointer(f32, address(local, 1))
for i in range(7):
    a[i] = copy[i]
a[7] = f32(address(b, 3) - address(b, 1))
"""
    execute(text, out, x)
    same(out, np.array([6, 5, 4, 3, 2, 1, 0, 8], np.float32))


def test_a_local_array_is_one_for_all_iterations():
    out = np.zeros(100, np.int64)
    text = """
local = stack(i64, 1)
local[0] = 0
for i in lanes(0, 100):
    local[0] = local[0] + i
    a[i] = local[0]
"""
    execute(text, out)
    same(out, np.arange(100).cumsum())


def test_atomic_words():
    out, counter = np.zeros(4, np.int64), np.array([5], np.int64)
    text = """
a[0] = atomic_add(b, 0, 3)
a[1] = atomic_load(b, 0)
atomic_store(b, 0, 7)
a[2] = b[0]
pause()
"""
    execute(text, out, counter)
    same(out, np.array([5, 8, 7, 0]))


def test_atomic_additions_of_several_threads():
    source = body("for i in range(lo, hi):\n    old = atomic_add(a, 0, 1)", np.zeros(1, np.int64))
    counter = np.zeros(1, np.int64)
    run = function(source)
    threads = [threading.Thread(target=run, args=[counter], kwargs={"hi": 10_000}) for _ in "1234"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter[0] == 40_000


def test_a_call_of_a_c_function():
    @ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    def minus(x, y):
        return x - y

    out = np.array([ctypes.cast(minus, ctypes.c_void_p).value], np.int64)
    execute("a[0] = call(a[0], 50, 8)", out)
    assert out[0] == 42


# ------------------------------------------------------------------------------------- statements


@pytest.mark.parametrize(
    "bounds", ["3, 10", "0, 10, 3", "10, 0, -1", "10, 0, -4", "5, 5", "7, 2", "0, 10, 0", "4",
               "-3, 3", "lo - 5, hi + 5, hi - 18", "0, 9, hi // 5"],
)  # fmt: skip
def test_range(bounds):
    out = np.full(64, -99, np.int64)
    execute(f"k = 0\nfor i in range({bounds}):\n    a[k] = i\n    k += 1", out, hi=15)
    step_0 = bounds == "0, 10, 0"
    numbers = [] if step_0 else list(eval(f"range({bounds})", {"lo": 0, "hi": 15}))
    same(out[: len(numbers) + 1], np.array([*numbers, -99]))


def test_the_body_may_change_the_variable_of_a_loop():
    out = np.zeros(1, np.int64)
    execute("for i in range(5):\n    i = i * 100\n    a[0] += i", out)
    assert out[0] == 1000


def test_loops_over_other_integers():
    out = np.zeros(1, np.int32)
    execute("for i in range(i32(2), i32(5)):\n    a[0] += i", out)
    assert out[0] == 9


def test_while_break_and_continue():
    out = np.zeros(3, np.int64)
    text = """
n = 0
while True:
    n += 1
    if n % 2 == 0:
        continue
    if n > 20:
        break
    a[0] += n
while n > 0:
    n -= 5
    a[1] += 1
for i in range(10):
    if i == 4:
        break
    if i == 2:
        continue
    a[2] += i
"""
    execute(text, out)
    same(out, np.array([100, 5, 4]))


def test_if_elif_else():
    x = np.arange(-3, 4, dtype=np.int32)
    out = np.empty(7, np.int32)
    text = """
for i in range(7):
    if b[i] < 0:
        a[i] = -1
    elif b[i] == 0:
        a[i] = 0
    else:
        a[i] = 1
"""
    execute(text, out, x)
    same(out, np.sign(x))


def test_unroll():
    out = np.zeros(6, np.int64)
    text = """
for k in unroll(0, 6):
    if k == 4:
        break
    if k == 1:
        continue
    a[k] = 10 * k + 1
"""
    execute(text, out)
    same(out, np.array([1, 0, 21, 31, 0, 0]))


def test_several_values():
    out = np.zeros(4, np.int64)
    source = (
        body("x, y = swapped(3, 4)\nx, y = y, x\na[0], a[1] = x, y\nnothing(a)", out)
        + """
def swapped(x: i64, y: i64) -> tuple[i64, i64]:
    return y, x

def nothing(p: ptr_i64) -> None:
    if p[0] > 0:
        p[2] = 1
        return
    p[3] = 1
"""
    )
    function(source)(out)
    same(out, np.array([3, 4, 1, 0]))


def test_annotated_and_augmented_assignment():
    out = np.array([10, 3], np.int64)
    execute("x: i64 = 5\nx <<= 2\na[0] -= x\na[1] *= x", out)
    same(out, np.array([-10, 60]))


def test_a_local_that_was_not_assigned_is_zero():
    out = np.full(2, 9, np.int64)
    execute("if hi > 5:\n    x = 7\na[0] = x", out, hi=0)
    assert out[0] == 0


def test_early_returns_of_functions():
    x = np.linspace(-2, 2, 101).astype(np.float32)
    out = np.empty_like(x)
    source = (
        body("for i in lanes(lo, hi):\n    a[i] = clipped(b[i])", out, x)
        + """
LOW, HIGH = -1.0, 1.5
SCALE = 2 * HIGH

def clipped(x: f32) -> f32:
    if x < LOW:
        return LOW
    if x > HIGH:
        return HIGH
    return x * SCALE
"""
    )
    function(source)(out, x, hi=x.size)
    expected = np.where(x < -1, -1, np.where(x > 1.5, np.float32(1.5), x * np.float32(3)))
    same(out, expected.astype(np.float32))


def test_a_function_is_found_by_the_type_of_its_operand():
    source = body("a[0] = which(f32(1))\na[1] = which(2.0)\na[2] = which(3)",
                  np.zeros(3, np.int64))  # fmt: skip
    for kind, result in (("f32", 10), ("f64", 20), ("i64", 30)):
        source += f"\ndef which_{kind}(x: {kind}) -> i64:\n    return {result}\n"
    out = np.zeros(3, np.int64)
    function(source)(out)
    same(out, np.array([10, 20, 30]))


def test_names_that_are_imported():
    """A source finds the functions and constants that it imports where they stand."""
    source = "from tinygraph_numba.machine import BASES, data_of\n\n"
    source += "def kernel(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:\n"
    source += "    return BASES + data_of(args[0], 1)\n"
    fields = np.array([0, 5], np.int64)
    assert function(source)(fields) == machine.BASES + 5


def test_functions_of_modules():
    out = np.zeros(1, np.int64)
    source = body("a[0] = data_of(args[0], 0)", out)
    with pytest.raises(LanguageError, match="no function data_of"):
        language.compile_source(source)
    assert language.compile_source(source, modules=[machine])


def doubled(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:
    """A kernel that stands in a file: this one."""
    out = pointer(f32, args[0])
    for i in lanes(lo, hi):
        out[i] = twice(out[i])
    return 0


def twice(x: f32) -> f32:
    """2 x."""
    return 2.0 * x


def test_functions_of_a_file():
    code = language.compile_functions(doubled)
    assert isinstance(code, bytes)
    out = np.arange(5, dtype=np.float32)
    function(language.source_of(doubled), "doubled")(out, hi=5)
    same(out, 2 * np.arange(5, dtype=np.float32))


def test_two_functions_of_one_name_do_not_clash():
    out = np.zeros(1, np.int64)
    for number in (1, 2):
        execute(f"a[0] = {number}", out)
        assert out[0] == number


def test_memory_that_is_set_and_copied_by_functions_of_the_system():
    """LLVM replaces such loops by calls of memset and memcpy."""
    out, x = np.ones(1000, np.float32), np.arange(1000, dtype=np.float32)
    text = "for i in lanes(lo, hi):\n    a[i] = 0.0"
    assert "memset" in emit.assembly(language.module_text(body(text, out)))
    execute(text, out, hi=999)
    assert out[:999].sum() == 0
    assert out[999] == 1
    execute("t = stack(f32, 1000)\nfor i in range(1000):\n    t[i] = b[i]\n"
            "for i in range(1000):\n    a[i] = t[i]", out, x)  # fmt: skip
    same(out, x)


@pytest.mark.parametrize("count", [0, 1, 15, 63, 64, 65, 1000])
def test_several_vectors_at_a_time(count):
    x = np.linspace(-3, 3, 1000).astype("f4")
    one, four = np.zeros_like(x), np.zeros_like(x)
    execute("for i in lanes(lo, hi):\n    a[i] = exp(b[i])", one, x, hi=count)
    execute("for i in lanes(lo, hi, 4):\n    a[i] = exp(b[i])", four, x, hi=count)
    same(one, four)


# ---------------------------------------------------------------------------------------- threads


def test_threads_compile_at_the_same_time():
    results = {}

    def work(number):
        for k in range(3):
            out = np.zeros(1, np.int64)
            execute(f"a[0] = {number} * 10 + {k}", out)
            results[number, k] = out[0]

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {(n, k): 10 * n + k for n in range(4) for k in range(3)}


def test_statistics(monkeypatch):
    monkeypatch.setattr(language, "STATISTICS", language.Statistics())
    monkeypatch.setattr(language.cache, "folder", lambda: None)
    source = body(f"a[0] = {np.random.default_rng().integers(1 << 60)}", np.zeros(1, np.int64))
    language.native(source)
    language.native(source)
    assert language.STATISTICS.compiled == 1
    assert language.STATISTICS.loaded == 0
    assert language.STATISTICS.seconds > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_forked_while_another_thread_compiles():
    code = f"""
import os, sys, threading
sys.path[:0] = {sys.path!r}
import numpy as np
from texts import execute
from tinygraph_numba import language
language.cache.folder = lambda: None
out = np.zeros(1, np.int64)
done = False
def work():
    number = 0
    while not done:
        number += 1
        execute(f"a[0] = {{number}}", np.zeros(1, np.int64))
thread = threading.Thread(target=work)
thread.start()
for number in range(1000, 1010):
    child = os.fork()
    if not child:
        execute(f"a[0] = {{number}}", out)
        os._exit(int(out[0] != number))
    assert os.waitpid(child, 0)[1] == 0
done = True
thread.join()
"""
    quiet = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    subprocess.run(quiet, check=True, timeout=120, cwd=os.path.dirname(os.path.abspath(__file__)))
