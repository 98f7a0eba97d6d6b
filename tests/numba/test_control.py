"""scan, cond and while_loop as native instructions: wherever their operands lie, whatever their
bodies hold, and what goes wrong in these."""

import threading
import time

import numpy as np
import pytest
from cases import samples
from drive import leaf, promoted
from handmade import pool
from test_faults import INTERRUPT, run

import tinygraph as tg
from tinygraph import config, nn
from tinygraph.compiler.compile import compile_graph, fuses, make_tape
from tinygraph.function import function
from tinygraph.graph.graph import Graph
from tinygraph.ops.control import cond, while_loop
from tinygraph.ops.registry import items
from tinygraph.ops.scan import scan
from tinygraph.runtime import backend as backends
from tinygraph_numba.backend import NumbaExecutable
from tinygraph_numba.natives import native

NUMBA = backends.named("numba")


def is_native(executable):
    """Whether no loop of a tape is run by Python."""
    pairs = zip(executable.tape.instructions, executable.linked.plans, strict=True)
    control = [plan for instruction, plan in pairs if instruction.kernel.kind == "control"]
    return control and all(plan.kernel != native("host") for plan in control)


def both(build, *arrays, rtol=1e-5):
    """What `build`, a function of Tensors, gives on Numba; it is held against NumPy's."""
    found = {}
    for name in ("numpy", "numba"):
        with backends.using(name):
            inputs = [tg.placeholder(a.shape, a.dtype, name=f"x{i}") for i, a in enumerate(arrays)]
            outputs = build(*inputs)
            run = function(inputs, list(outputs))
            found[name] = [result.numpy() for result in run(*arrays)]
            tape = run.tape()
    for want, got in zip(found["numpy"], found["numba"], strict=True):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)
        assert got.dtype == want.dtype
    assert is_native(NumbaExecutable(tape, pool(1)))
    return found["numba"], tape


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("op", "case"), samples(scan, cond, while_loop))
@pytest.mark.parametrize("skip", ["", "fuse"])
def test_samples(op, case, skip):
    arrays = promoted(op, [np.asarray(arg) for arg in case.args], case.params)
    leaves = [leaf(array) for array in arrays]
    results = items(op(*leaves, **case.params))
    with config.override("SKIP", skip):
        compiled = compile_graph(Graph(leaves, results), NUMBA, (), {})
    got = compiled(list(map(np.ascontiguousarray, arrays)))
    for one, want in zip(got, op.eval(np, *arrays, **case.params), strict=True):
        np.testing.assert_allclose(one, want, rtol=1e-6)
    assert is_native(compiled.executable)


# -------------------------------------------------------------------------- where operands lie


def recurrence(h, x, w):
    def step(h, x):
        h = tg.tanh(h @ w + x)
        return h, (h * 2, tg.sum(h))

    last, ys = tg.scan(step, h, x)
    return last, *ys


def test_any_strides_of_the_inputs():
    """Sequences are stepped along by any stride; what lies otherwise is copied first."""
    arrays = normal(3), normal(5, 4, 3), normal(3, 3)
    seen = {
        "as it is": lambda x: x[:, 0],
        "backwards": lambda x: tg.flip(x[:, 1], axis=0),
        "every second": lambda x: x[::2, 2],
        "the same at each step": lambda x: tg.broadcast_to(x[0, 0], (6, 3)),
        "slices that are no rows": lambda x: tg.permute_dims(x[2, :3], (1, 0)),
    }
    for name, view in seen.items():
        _, tape = both(lambda h, x, w, view=view: recurrence(h, view(x), w), *arrays)
        assert len(tape) == 1 + (name == "slices that are no rows"), name
    _, tape = both(lambda h, x, w: recurrence(h, x[:, 0], w.T), *arrays)
    assert len(tape) == 2
    _, tape = both(lambda h, x, w: recurrence(tg.broadcast_to(h[0], (3,)), x[:, 0], w), *arrays)
    assert len(tape) == 2


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_what_bodies_hand_out(length, reverse):
    """An input, one result twice, a constant, a view, and a result that the next step reads."""

    def build(a, b, x, k):
        def step(carry, x):
            a, b = carry
            new = tg.sin(a) + x
            return (b + k, new), (a, new, new, x, k, tg.ones(2), new[::-1], tg.sum(new))

        (a, b), ys = tg.scan(step, (a, b), x, reverse=reverse)
        return a, b, *ys

    both(build, normal(3), normal(3, seed=1), normal(length, 3), normal(3, seed=2))


def test_carries_that_change_places():
    def build(a, b, c):
        return tg.scan(lambda s, _: ((s[1], s[2], s[0]), s[0]), (a, b, c), length=7)[0]

    found, _ = both(build, normal(2), normal(2, seed=1), normal(2, seed=2))
    np.testing.assert_array_equal(found[0], normal(2, seed=1))
    np.testing.assert_array_equal(found[2], normal(2))


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_while_loops_end_where_their_result_is(steps):
    def build(n, x):
        def step(s):
            return s[0] + 1, s[2], s[1] * 2

        return tg.while_loop(lambda s: s[0] < n, step, (tg.tensor(0), x, x + 1))

    both(build, np.array(steps), normal(3))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "float16", "bfloat16"])
def test_dtypes(dtype):
    def build(h, x):
        return tg.scan(lambda h, x: (tg.where(x > h, x, h), h), h, x)

    x = np.arange(12).reshape(4, 3) % 5
    both(lambda h, x: build(tg.astype(h, dtype), tg.astype(x, dtype)), x[0], x)


def test_nothing_at_all():
    """Arrays without elements, and a step without work."""
    both(lambda h, x: tg.scan(lambda h, x: (h + x, h), h, x), normal(0), normal(4, 0))
    both(lambda h, x: tg.scan(lambda h, x: (h, x), h, x), normal(2), normal(3, 2))


# --------------------------------------------------------------------------- what bodies hold


def test_loops_within_loops():
    def inner(h, x):
        return tg.cond(tg.sum(h) > 0, lambda: tg.sin(h) * x, lambda: tg.cos(h) - x)

    def halved(h):
        return tg.while_loop(lambda h: tg.sum(h * h) > 1, lambda h: h / 2, h)

    def outer(h, xs):
        h, ys = tg.scan(lambda h, x: (inner(h, x), h), h, xs)
        return halved(h), tg.sum(ys, axis=0)

    def build(h, x):
        last, ys = tg.scan(outer, h, x)
        return last, ys

    both(build, normal(3), normal(4, 5, 3))


def test_a_scan_within_a_branch():
    def build(p, h, x):
        def run(h):
            return tg.scan(lambda h, x: (tg.sin(h) + x, h), h, x)[0]

        return [tg.cond(p, run, lambda h: h * 3, h)]

    for chosen in (True, False):
        both(build, np.array(chosen), normal(3), normal(4, 3))


def test_instructions_that_python_runs():
    def build(a, x):
        def step(a, x):
            root = tg.linalg.cholesky(a @ a.T + tg.eye(3))
            return root + x, tg.sum(root)

        return tg.scan(step, a, x)

    both(build, normal(3, 3), normal(4, 3, 3))


def test_gradients():
    def build(h, x, w):
        def value(h, x, w):
            last, *ys = recurrence(h, x, w)
            return tg.sum(last) + tg.sum(ys[0] ** 2) + tg.sum(ys[1])

        return tg.grad(value, (0, 1, 2))(h, x, w)

    both(build, normal(4, 3), normal(6, 4, 3), normal(3, 3), rtol=1e-4)


def test_recurrent_layers():
    def train(x):
        tg.manual_seed(0)
        model = nn.LSTM(5, 7, num_layers=2, bidirectional=True, batch_first=True, dropout=0.2)
        output, _ = model(tg.tensor(x))
        tg.sum(output**2).backward()
        return [output.numpy(), *(p.grad.numpy() for p in model.parameters())]

    x = normal(3, 6, 5)
    with backends.using("numpy"):
        expected = train(x)
    with backends.using("numba"):
        found = train(x)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_random_numbers():
    def draw():
        tg.manual_seed(3)
        step = tg.scan(lambda h, x: (h + tg.random.normal((4,)), h), tg.zeros(4), length=5)
        return [t.numpy() for t in step]

    with backends.using("numpy"):
        expected = draw()
    with backends.using("numba"):
        found = draw()
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------- threads


def large():
    """A step whose instructions have many chunks."""
    h, x, w = (tg.placeholder(s, name=n) for n, s in (("h", (300, 200)), ("x", (9, 300, 200)),
                                                      ("w", (200, 200))))  # fmt: skip

    def step(h, x):
        h = tg.tanh(h @ w + tg.sin(x))
        return h, tg.sum(h)

    last, sums = tg.scan(step, h, x)
    return Graph([t.node for t in (h, x, w)], [last.node, sums.node])


def test_results_are_the_same_to_the_bit_for_any_number_of_threads():
    inputs = [normal(300, 200), normal(9, 300, 200), normal(200, 200) * 0.1]
    found = set()
    for threads in (1, 2, 5):
        executable = NumbaExecutable(make_tape(large(), fuse=fuses(NUMBA)), pool(threads))
        results = [np.empty((300, 200), np.float32), np.empty(9, np.float32)]
        executable(inputs, results)
        found.add(b"".join(result.tobytes() for result in results))
    assert len(found) == 1


def test_python_threads_run_one_loop_at_once():
    with backends.using("numba"):
        x = tg.placeholder((50, 30), name="x")
        run = compile_graph(
            Graph([x.node], [tg.scan(lambda h, x: (tg.sin(h) + x, h), x[0], x)[0].node]),
            NUMBA, (), {},
        )  # fmt: skip
    wrong = []

    def work(seed):
        array = normal(50, 30, seed=seed)
        (expected,) = run([array])
        for _ in range(100):
            if not np.array_equal(run([array])[0], expected):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --------------------------------------------------------------------- errors and interrupts


def test_an_error_of_native_code_within_a_body_names_all_lines():
    def inner(h, row):
        return tg.scan(lambda h, i: (h + tg.take(tg.arange(4.0), i), h), h, row)

    with backends.using("numba"):
        last, _ = tg.scan(inner, tg.tensor(0.0), tg.tensor([[0, 1], [3, 2], [1, 4], [9, 9]]))
        with pytest.raises(IndexError, match="4 is out of range for axis 0 of size 4") as caught:
            last.numpy()
    names = [note.split("\n")[0] for note in caught.value.__notes__]
    assert names[1:] == ["in scan", "in scan"]
    assert all("test_control.py" in note for note in caught.value.__notes__)


def test_an_error_of_python_code_within_a_branch_names_all_lines():
    with backends.using("numba"):
        a = tg.tensor([[1.0, 2.0], [2.0, 1.0]])
        found = tg.cond(tg.sum(a) > 0, lambda: tg.linalg.cholesky(a), lambda: a)
        with pytest.raises(np.linalg.LinAlgError) as caught:
            found.numpy()
        good = tg.cond(tg.sum(a) < 0, lambda: tg.linalg.cholesky(a), lambda: a)
        np.testing.assert_array_equal(good.numpy(), a.numpy())
    names = [note.split("\n")[0] for note in caught.value.__notes__]
    assert names == ["in cholesky", "in cond"]


def test_an_interrupt_ends_a_long_loop():
    script = """
x = tg.placeholder((), name="x")
endless = tg.function([x], [tg.while_loop(lambda h: h > 0, lambda h: h + x, tg.tensor(1.0))])
short = tg.function([x], [tg.scan(lambda h, _: (h + x, ()), tg.tensor(1.0), length=3)[0]])
short(1.0)
signal.setitimer(signal.ITIMER_REAL, 1)
try:
    endless(0.0)
except KeyboardInterrupt:
    print("interrupted", short(1.0)[0].item())
"""
    assert run(INTERRUPT + script) == ["interrupted", "4.0"]


# ---------------------------------------------------------------------------------------- cost


def test_a_step_costs_little():
    """0.04 µs where the machine is not busy; the bound is generous."""
    with backends.using("numba"):
        h, x = tg.placeholder((), name="h"), tg.placeholder((1000,), name="x")
        run = function([h, x], list(tg.scan(lambda h, x: (tg.tanh(h * 0.5 + x), h), h, x)))
        arrays = np.float32(0.1), normal(1000)
        times = []
        for _ in range(50):
            start = time.perf_counter()
            run(*arrays)
            times.append(time.perf_counter() - start)
    assert min(times) < 1000 * 1e-6
