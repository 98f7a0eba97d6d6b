"""What may go wrong around a run: forks, threads, exceptions, interrupts.

Most of it happens in a process of its own, where it can do no harm.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
from handmade import executable, kernel, slot

import tinygraph as tg
from tinygraph import config
from tinygraph.runtime import backend as backends
from tinygraph_numba.blas_threads import single_threaded
from tinygraph_numba.natives import native
from tinygraph_numba.plan import Plan

HERE = Path(__file__).parent

# A network whose step has large instructions, so that workers take part.
MODEL = """
import sys
import numpy as np
import tinygraph as tg
from tinygraph import nn, optim

def training(seed=0):
    tg.manual_seed(seed)
    model = nn.Sequential(nn.Linear(300, 400), nn.ReLU(), nn.Linear(400, 300))
    opt = optim.Adam(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((500, 300)).astype("float32")

    @tg.jit
    def step(x):
        loss = ((model(x) - x) ** 2).mean()
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    return model, lambda: float(step(x))

def digest(model):
    import hashlib
    return hashlib.sha256(b"".join(p.numpy().tobytes() for p in model.parameters())).hexdigest()
"""


def run(script, timeout=120, **environment):
    """What a script prints that runs on the Numba backend in a process of its own."""
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    own = {"TINYGRAPH_BACKEND": "numba", "PYTHONPATH": path, **environment}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", MODEL + script],
        env={**os.environ, **own}, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.split()


# ------------------------------------------------------------------------- threads, processes

TRAIN = """
model, step = training()
for _ in range(3):
    step()
print(digest(model))
"""


def test_results_are_the_same_to_the_bit_for_any_number_of_threads():
    found = {threads: run(TRAIN, TINYGRAPH_THREADS=threads) for threads in ("1", "2", "64")}
    assert len(set(map(tuple, found.values()))) == 1, found


FORK = """
import os, warnings
model, step = training()
step()
before = digest(model)
sys.stdout.flush()
warnings.simplefilter("ignore", DeprecationWarning)  # of newer Pythons: a fork with threads
child = os.fork()
if not child:
    step()
    print("child", digest(model), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
step()
print("parent", digest(model), os.waitstatus_to_exitcode(status), before != digest(model))
"""


def test_a_forked_child_goes_on_by_itself():
    _, child, _, parent, status, moved = run(FORK, TINYGRAPH_THREADS="2")
    assert child == parent
    assert (status, moved) == ("0", "True")


SPAWN = """
import multiprocessing, os, tempfile
sys.path.insert(0, tempfile.mkdtemp())
with open(os.path.join(sys.path[0], "task.py"), "w") as file:
    file.write(SOURCE + '''
def task(number):
    model, step = training()
    step()
    return digest(model)
''')
if __name__ == "__main__":
    import task
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(task.task, range(4))
    print(len(set(found)), found[0] == task.task(0))
"""


def test_spawned_processes_run_tapes():
    assert run(f"SOURCE = {MODEL!r}\n{SPAWN}", TINYGRAPH_THREADS="2") == ["1", "True"]


def test_python_code_of_a_tape_has_one_blas_thread():
    def threads():
        pools = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    before = threads()
    with single_threaded(), single_threaded():
        assert set(threads()) == {1}
    assert threads() == before


def test_python_threads_run_the_same_and_other_tapes_at_once():
    def formula(x, size):
        return (tg.exp(x) * size + tg.sum(x, axis=1, keepdims=True)) @ tg.ones((300, 2))

    def work(seed, wrong):
        rng = np.random.default_rng(seed)
        for turn in range(12):
            size = 100 + turn % 3 * seed  # some shapes are those of other threads
            x = rng.standard_normal((size, 300)).astype("float32")
            expected = (np.exp(x) * size + x.sum(1, keepdims=True)) @ np.ones((300, 2))
            got = formula(tg.tensor(x), size).numpy()
            if not np.allclose(got, expected, rtol=1e-3, atol=1e-2 * size):
                wrong.append((seed, turn, abs(got - expected).max()))

    with backends.using("numba"):
        wrong = []
        threads = [threading.Thread(target=work, args=(seed, wrong)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_the_end_of_a_process_waits_for_nothing():
    """Workers, asleep or looking for work, and a thread in the midst of a run."""
    script = """
import threading
model, step = training()
step()
def work():
    while True:
        step()
threading.Thread(target=work, daemon=True).start()
step()
print("end")
"""
    assert run(script, timeout=60, TINYGRAPH_THREADS="2") == ["end"]


# ------------------------------------------------------------------------------- exceptions


def test_an_exception_of_python_code_names_the_users_line_and_the_next_run_works():
    with backends.using("numba"):
        table = tg.linalg.cholesky(tg.tensor([[1.0, 0.0], [0.0, -1.0]]))
        with pytest.raises(np.linalg.LinAlgError) as caught:
            table.numpy()
        assert "not positive definite" in str(caught.value)
        assert "test_faults.py" in "".join(caught.value.__notes__)
        good = tg.linalg.cholesky(tg.tensor([[4.0, 0.0], [0.0, 9.0]]))
        np.testing.assert_array_equal(good.numpy(), np.diag([2.0, 3.0]).astype("float32"))


def test_a_wrong_index_names_the_users_line_and_the_next_run_works():
    with backends.using("numba"):
        x = tg.arange(12.0).reshape(4, 3)
        with pytest.raises(IndexError) as caught:
            tg.take(x, tg.tensor([0, 4]), axis=0).numpy()
        assert "4 is out of range for axis 0 of size 4" in str(caught.value)
        assert "test_faults.py" in "".join(caught.value.__notes__)
        got = tg.take(x, tg.tensor([0, 3]), axis=0).numpy()
        np.testing.assert_array_equal(got, x.numpy()[[0, 3]])


def test_a_run_within_a_run_has_memory_of_its_own():
    """As when Python handles a signal, and the handler asks for a value."""
    add = kernel("""
    out = pointer(f64, args[0])
    x = pointer(f64, args[1])
    for i in range(lo, hi):
        out[i] = x[i] + 1.0
    return 0
    """)
    x, out, room = slot("input", 0, 9), slot("output", 0, 9), slot("arena", 0, 9)
    plans = [Plan(add, (room, x), 9, 9), None, Plan(add, (out, room), 9, 9)]

    def within(at):
        other = np.zeros(9)
        inner([np.full(9, 100.0)], [other])
        assert (other == 102).all()

    inner = executable([plans[0], plans[2]], (x,), (out,), arena=72)
    plans[1] = host_plan(within)
    result = np.zeros(9)
    executable(plans, (x,), (out,), arena=72)([np.zeros(9)], [result])
    assert (result == 2).all()


def host_plan(function):
    """The plan of an instruction that calls `function`, which has to live on."""
    return Plan(native("host"), (id(function),), 1, 1)


# -------------------------------------------------------------------------------- interrupts

INTERRUPT = """
import signal, time
from handmade import executable, kernel, slot
from tinygraph_numba.plan import Plan

def interrupt(number, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
count = kernel('''
    out = pointer(f64, args[0])
    for i in range(0, 100000):
        pause()
    out[0] += 1.0
    return 0
''')

def interrupted(run, outputs, seconds):
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        run([], outputs)
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return False
"""


def test_an_interrupt_ends_a_long_run():
    script = """
out = slot("output", 0, 1)
run = executable([Plan(count, (out,), 2, 1)] * 5000, (), (out,), threads=2)
result = np.zeros(1)
print(interrupted(run, [result], 0.1), 0 < result[0] < 5000)
short = executable([Plan(count, (out,), 1, 1)] * 3, (), (out,), threads=2)
again = np.zeros(1)
short([], [again])
print(again[0])
"""
    assert run(INTERRUPT + script) == ["True", "True", "3.0"]


def test_an_interrupt_while_state_is_written_lets_all_of_it_be_written():
    script = """
first, second, room = slot("output", 0, 1), slot("output", 1, 1), slot("arena", 0, 1)
plans = [Plan(count, (room,), 1, 1)] * 20 + [Plan(count, (first,), 1, 1)]
plans += [Plan(count, (room,), 1, 1)] * 500 + [Plan(count, (second,), 1, 1)]
run = executable(plans, (), (first, second), arena=64, threads=1,
                 written={20: (first,), 521: (second,)}, donated={0: 0, 1: 1})
results = [np.zeros(1), np.zeros(1)]
try:
    stopped = interrupted(run, results, 0.3)  # in the long part between the two
except KeyboardInterrupt:  # right after the run
    stopped = True
print(stopped, *results[0], *results[1])
"""
    assert run(INTERRUPT + script)[1:] == ["1.0", "1.0"]


@pytest.mark.parametrize("skip", ["", "fuse"])
@pytest.mark.parametrize(
    ("fails", "bad"),
    [(lambda top: tg.linalg.inv(tg.eye(2) * top), 0), (lambda top: tg.ones(9)[top], 100)],
    ids=["Python", "an index"],
)
def test_state_is_not_written_over_before_what_may_fail(fails, bad, skip):
    """The second next value is made from the first one."""
    first, x = tg.state(np.ones(3, "int64")), tg.placeholder((), "int64", name="x")
    value = tg.cumsum(first) * x
    result = fails(tg.max(value))
    second = tg.state(np.ones(result.shape, "float32"))
    with tg.backend("numba"), config.override("SKIP", skip):
        step = tg.function([x], [], updates={first: value, second: result})
        step(1)
        with pytest.raises((IndexError, np.linalg.LinAlgError)):
            step(bad)
    assert first.tolist() == [1, 2, 3]


def test_an_interrupt_in_the_midst_of_training_leaves_a_model_that_trains_on():
    script = """
model, step = training()
losses = [step() for _ in range(3)]
caught = 0
for delay in (0.0005, 0.001, 0.002, 0.003, 0.004) * 8:
    signal.setitimer(signal.ITIMER_REAL, delay)
    try:
        for _ in range(100):
            step()
    except KeyboardInterrupt:
        caught += 1
signal.setitimer(signal.ITIMER_REAL, 0)
after = [step() for _ in range(3)]
print(caught > 20, np.isfinite(after).all() and after[-1] < losses[0])
"""
    assert run(INTERRUPT + script, TINYGRAPH_THREADS="2") == ["True", "True"]
