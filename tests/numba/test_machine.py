"""The tape machine: order, addresses, chunks, workers, errors, and what an instruction costs."""

import re
import threading
import time

import numpy as np
import pytest
from handmade import executable, kernel, planned, slot, tape_of

import tinygraph as tg
from tinygraph import config
from tinygraph.runtime import backend as backends
from tinygraph_numba import link, machine
from tinygraph_numba.backend import NumbaBackend
from tinygraph_numba.batch import batched
from tinygraph_numba.plan import Plan

THREADS = [1, 2, 7]

# out[i] = x[i] * args[2] + 1
LINE = """
    out = pointer(f64, args[0])
    x = pointer(f64, args[1])
    for i in range(lo, hi):
        out[i] = x[i] * f64(args[2]) + 1.0
    return 0
"""
# Each chunk leaves where it began and ended, and the number of the thread's memory.
CUT = """
    out = pointer(f64, args[0])
    out[2 * lo // args[1]] = f64(lo)
    out[2 * lo // args[1] + 1] = f64(hi)
    return 0
"""
WAIT = """
    for i in range(0, 2000):
        pause()
    return 0
"""


def doubles(*values):
    return np.array(values, float)


def test_instructions_run_in_order_on_inputs_arena_constants_and_outputs():
    three = doubles(3, 3, 3)
    x, y, out = slot("input", 0, 3), slot("input", 1, 3, offset=2), slot("output", 0, 3)
    room, const = slot("arena", 0, 3, offset=128), slot("const", 0, 3)
    add = kernel("""
    out = pointer(f64, args[0])
    a = pointer(f64, args[1])
    b = pointer(f64, args[2])
    for i in range(lo, hi):
        out[i] = a[i] + b[i]
    return 0
    """)
    plans = [
        Plan(kernel(LINE), (room, x, 2), 3, 3),
        Plan(add, (room, room, const), 3, 3),
        Plan(add, (out, room, y), 3, 3),
    ]
    run = executable(plans, (x, y), (out,), (three,), arena=256)
    result = np.zeros(3)
    for scale in (1.0, 10.0):
        run([doubles(0, 1, 2) * scale, doubles(9, 9, 1, 2, 3)], [result])
        np.testing.assert_array_equal(result, doubles(0, 1, 2) * scale * 2 + 4 + [1, 2, 3])


def test_a_slot_without_memory_is_its_offset():
    out = slot("output", 0, 1)
    tell = kernel("""
    out = pointer(f64, args[0])
    out[0] = f64(args[1])
    return 0
    """)
    result = np.zeros(1)
    executable([Plan(tell, (out, slot("index", 0, 4, offset=7)), 1, 1)], (), (out,))([], [result])
    assert result == 7


class Own(np.ndarray):
    """A subclass, as `numpy.memmap` is."""


@pytest.mark.parametrize("value", [np.float64(3), np.array(3.0), np.full(1, 3.0).view(Own)])
def test_inputs_may_be_scalars_and_subclasses(value):
    x, out = slot("input", 0, 1), slot("output", 0, 1)
    result = np.zeros(1)
    executable([Plan(kernel(LINE), (out, x, 2), 1, 1)], (x,), (out,))([value], [result])
    assert result == 7


def test_the_backend_moves_arrays_that_are_not_aligned():
    room = np.zeros(33, np.uint8)
    askew = room[1:].view(float)
    moved = NumbaBackend().from_host(askew)
    assert not askew.flags.aligned
    assert moved.flags.aligned


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize(("extent", "grain"), [(10, 3), (9, 3), (2, 5), (1000, 1), (0, 4)])
def test_chunks_are_cut_alike_for_any_number_of_threads(extent, grain, threads):
    chunks = -(-extent // grain)
    out = slot("output", 0, 2 * chunks)
    run = executable([Plan(kernel(CUT), (out, grain), extent, grain)], (), (out,), threads=threads)
    result = np.full((chunks, 2), -1.0)
    run([], [result])
    starts = np.arange(0, extent, grain)
    np.testing.assert_array_equal(result[:, 0], starts)
    np.testing.assert_array_equal(result[:, 1], np.minimum(starts + grain, extent))


SUM = """
    part = pointer(f64, args[3])
    x = pointer(f64, args[1])
    total = 0.0
    for i in lanes(lo, hi):
        total = fast_add(total, x[i])
    part[lo // args[2]] = total
    return 0
"""
GATHER = """
    part = pointer(f64, args[3])
    out = pointer(f64, args[0])
    out[0] = 0.0
    out[1] += 1.0
    for i in range(0, hi):
        out[0] += part[i]
    return 0
"""


@pytest.mark.parametrize("extent", [100_000, 0])
def test_what_chunks_share_is_finished_once_and_always_alike(extent):
    x, out = slot("input", 0, extent), slot("output", 0, 2)
    plan = Plan(
        kernel(SUM), (out, x, 1000), extent, 1000, finish=kernel(GATHER), shared=8 * 100
    )  # fmt: skip
    values = np.random.default_rng(0).standard_normal(extent)
    found = set()
    for threads in THREADS:
        run = executable([plan], (x,), (out,), threads=threads)
        for _ in range(20):
            result = np.zeros(2)
            run([values], [result])
            assert result[1] == 1
            found.add(result[0].tobytes())
    assert len(found) == 1
    np.testing.assert_allclose(np.frombuffer(found.pop()), values.sum(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("threads", THREADS)
def test_every_thread_has_scratch_memory_of_its_own(threads):
    keep = kernel("""
    room = pointer(i64, scratch)
    out = pointer(f64, args[0])
    for i in range(0, args[1]):
        room[i] = lo
    for i in range(0, 500):
        pause()
    for i in range(0, args[1]):
        if room[i] != lo:
            return 1
    out[lo] = f64(scratch % 64)
    return 0
    """)
    out = slot("output", 0, 200)
    for words in (10, 10_000):  # the second needs more than the workers have by then
        plan = Plan(keep, (out, words), 200, 1, scratch=8 * words)
        result = np.ones(200)
        executable([plan], (), (out,), threads=threads)([], [result])
        np.testing.assert_array_equal(result, 0)


def test_the_workers_take_part():
    who = kernel("""
    out = pointer(f64, args[0])
    for i in range(0, 20000):
        pause()
    out[lo] = f64(scratch)
    return 0
    """)
    out = slot("output", 0, 40)
    run = executable([Plan(who, (out,), 40, 1, scratch=64)], (), (out,), threads=2)
    result = np.zeros(40)
    for _ in range(50):  # at first the worker may still be asleep
        run([], [result])
        if len(np.unique(result)) == 2:
            return
    pytest.fail("all chunks were run by one thread")


@pytest.mark.parametrize(("size", "chunks"), [(4, 1), (1 << 15, 30)])
def test_tiny_parts_are_no_work_for_several_threads(size, chunks):
    plan = Plan(kernel(LINE), (slot("output", 0, size), slot("input", 0, size), 2), size, size)
    batch = batched([plan] * 30)
    assert -(-batch.extent // batch.grain) == chunks


# ------------------------------------------------------------------------------------ errors

REFUSE = """
    out = pointer(f64, args[0])
    if hi > args[1]:
        args[2] = lo
        return 5
    out[0] += 1.0
    return 0
"""


@pytest.mark.parametrize("threads", THREADS)
def test_the_error_is_that_of_the_first_chunk_and_ends_the_run(threads):
    out = slot("output", 0, 1)
    refuse = Plan(
        kernel(REFUSE), (out, 500, -1), 1000, 10,
        error=lambda args: IndexError(f"{len(args)} args, the chunk from {args[2]}"),
    )  # fmt: skip
    never = Plan(kernel("pointer(f64, args[0])[0] = nan\n    return 0"), (out,), 1, 1)
    run = executable([refuse, never], (), (out,), threads=threads)
    for _ in range(10):
        result = np.zeros(1)
        with pytest.raises(IndexError, match="3 args, the chunk from 500") as caught:
            run([], [result])
        assert not np.isnan(result[0])
    assert "in add\n  at " in caught.value.__notes__[0]
    assert "handmade.py" in caught.value.__notes__[0]


def test_a_failed_finish_is_an_error():
    plan = Plan(
        kernel("return 0"), (8,), 4, 1, finish=kernel("return hi"),
        error=lambda args: ValueError(f"finish of {args}"),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"finish of \[8\]"):
        executable([plan])([], [])


# ---------------------------------------------------------------------------- tapes in tapes

REPEAT = """
    template = pointer(i64, args[0])
    state = pointer(i64, args[3])
    prepare(template, state)
    bases = bases_of(state)
    for k in range(0, args[2]):
        bases[0] = args[1]
        bases[1] = args[1]
        status = run(state, 0, 2, scratch)
        if status != 0:
            return status
    return 0
"""


def test_a_tape_can_be_run_by_an_instruction():
    """As the body of a loop is: its state and arena lie in memory of that instruction."""
    x, out, room = slot("input", 0, 3), slot("output", 0, 3), slot("arena", 0, 3, offset=64)
    step = [Plan(kernel(LINE), (room, x, 2), 3, 1), Plan(kernel(LINE), (out, room, 1), 3, 3)]
    with planned():
        body = link.link(tape_of(step, (x,), (out,), arena=128))
    repeat = Plan(
        kernel(REPEAT, modules=(machine,)), (body.address, out, 4), 1, 1,
        scratch=body.scratch, shared=body.nbytes,
    )  # fmt: skip
    result = doubles(0, 1, 2)
    executable([repeat], (), (out,), arena=64)([], [result])
    expected = doubles(0, 1, 2)
    for _ in range(4):
        expected = 2 * expected + 2
    np.testing.assert_array_equal(result, expected)


# ----------------------------------------------------------------------------------- threads


def test_python_threads_run_one_executable_at_once():
    x, out, room = slot("input", 0, 5000), slot("output", 0, 5000), slot("arena", 0, 5000)
    plans = [Plan(kernel(LINE), (room, x, 3), 5000, 100)]
    plans += [Plan(kernel(LINE), (room, room, 1), 5000, 100)] * 20
    plans += [Plan(kernel(LINE), (out, room, 2), 5000, 100)]
    run = executable(plans, (x,), (out,), arena=8 * 5000, threads=2)
    wrong = []

    def work(seed):
        values = np.random.default_rng(seed).integers(-9, 9, 5000).astype(float)  # exact
        expected = values * 3 + 1
        for _ in range(20):
            expected = expected + 1
        expected = expected * 2 + 1
        for _ in range(200):
            result = np.zeros(5000)
            run([values], [result])
            if not np.array_equal(result, expected):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_other_threads_run_python_during_a_long_run():
    run = executable([Plan(kernel(WAIT), (), 1, 1)] * 3000)
    counted = []
    done = threading.Event()

    def count():
        while not done.is_set():
            counted.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    begin = time.perf_counter()
    run([], [])
    end = time.perf_counter()
    done.set()
    thread.join()
    assert sum(begin < moment < end for moment in counted) > 3


def test_an_instruction_costs_little():
    """0.01 µs where the machine is not busy, and a whole call 2 µs; the bounds are generous."""
    x, out = slot("input", 0, 8), slot("output", 0, 8)
    plan = Plan(kernel("return 0"), (x, out, x, 8, 1, 1), 8, 8)
    long, short = (executable([plan] * count, (x,), (out,)) for count in (1000, 10))
    arrays = [np.zeros(8)], [np.zeros(8)]
    assert best_time(long, arrays) < 200e-6
    assert best_time(short, arrays) < 30e-6


def test_the_time_of_compilation_is_told(capsys):
    with config.override("DEBUG", "time"), backends.using("numba"):
        (tg.ones((2, 3)) * 7.25).realize()
    assert re.search(
        r"numba: \d+ kernels compiled, \d+ from disk, in .* ms", capsys.readouterr().err
    )


def best_time(run, arrays):
    times = []
    for _ in range(50):
        start = time.perf_counter()
        run(*arrays)
        times.append(time.perf_counter() - start)
    return min(times)
