"""An interrupt at any moment: all state has its next value, or none has.

Scripts of their own, in which a timer sends signals at many moments of a call.
"""

import os
import subprocess
import sys

import pytest

SWEEP = """
import signal
import numpy as np
import tinygraph as tg

def interrupt(number, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)

def interrupted(call, seconds):
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    return False

def sweep(call, cells, before=lambda: None):
    # Interrupt calls later and later, until a few in a row come to their end before.
    halves = finished = count = total = 0
    while finished < 50:
        before()
        stopped = interrupted(call, 1e-6 + 0.5e-6 * count)
        values = {float(cell.numpy().flat[0]) for cell in cells} | {
            float(cell.numpy().flat[-1]) for cell in cells}
        halves += len(values) > 1
        finished = 0 if stopped else finished + 1
        total += stopped
        count += 1
    print(halves, total > 50)
"""

# Many cells: some written in place, some not, because somebody looks at their old values.
FUNCTION = """
cells = [tg.state(np.zeros(size, "float32")) for size in (1, 3, 1000, 20000)]
shown = [tg.state(np.zeros(size, "float32")) for size in (1, 3, 1000)]
cells = [cell for pair in zip(cells, [*shown, tg.state([0.0])]) for cell in pair]
x = tg.placeholder((), name="x")
step = tg.function([x], x * 2, updates={cell: cell + x for cell in cells})
kept = []

def look():
    kept[:] = [cell.node.buffer for cell in shown]

step(1.0)
sweep(lambda: step(1.0), cells, look)
"""

# The gradients of a jitted function come and go with what it assigns.
JIT = """
cells = [tg.state(np.zeros(size, "float32")).requires_grad_() for size in (1, 30)]

class Gradient:
    def __init__(self, cell):
        self.cell = cell

    def numpy(self):  # at the n-th step that of n * sum(cell), in all
        grad = self.cell.grad
        return grad.numpy() if grad is not None else np.zeros(1)

count = tg.state([0.0])

@tg.jit
def step():
    count.assign(count + 1)
    loss = sum(tg.sum(cell) for cell in cells) * tg.sum(count)
    for cell in cells:
        cell.grad = None
    loss.backward()
    with tg.no_grad():
        for cell in cells:
            cell.assign(cell + 1)
    return loss

for _ in range(3):  # it is traced by then
    step()
sweep(step, [count, *cells, *map(Gradient, cells)])
"""

LAZY = """
cells = [tg.state(np.zeros(size, "float32")) for size in (1, 3, 1000)]

def assign():
    for cell in cells:
        cell.assign(cell + 1)

assign()
cells[0].realize()
sweep(lambda: cells[0].realize(), cells, assign)
"""

# A network whose step is long enough to be stopped within, with several threads.
LONG = """
cells = [tg.state(np.zeros((400, 400), "float32")) for _ in range(5)]
x = tg.placeholder((400, 400), name="x")
work = x
for _ in range(8):
    work = tg.tanh(work @ x)
zero = tg.mean(work) * 0
step = tg.function([x], zero, updates={cell: cell + 1 + zero for cell in cells})
array = np.full((400, 400), 0.01, "float32")
step(array)
halves = stops = 0
for count in range(150):
    stops += interrupted(lambda: step(array), 20e-6 + 40e-6 * count)
    halves += len({cell.numpy()[i, i] for cell in cells for i in (0, -1)}) > 1
print(halves, stops > 20)
"""


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(
    "script", [FUNCTION, JIT, LAZY, LONG], ids=["function", "jit", "lazy", "long"]
)
def test_all_or_nothing(script, backend):
    result = subprocess.run(
        [sys.executable, "-c", SWEEP + script], capture_output=True, text=True, timeout=300,
        env={**os.environ, "TINYGRAPH_BACKEND": backend, "TINYGRAPH_THREADS": "2"},
    )  # fmt: skip
    assert result.stdout.split() == ["0", "True"], result.stderr or result.stdout
    assert result.stderr == ""
