"""What a call costs beside the arithmetic: the XOR training step in each way to run it.

python tests/benchmarks/bench_calls.py [--repeats N]

`plain NumPy` is the same step written out by hand; `tape alone` is the linked tape without the
call around it. `an instruction` is what one more instruction on a few numbers costs, of a tape of
1000 that are not fused. The lazy loop builds its graph anew each time and finds its tape in the
cache.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from timing import median_us, repeats_from_command_line, report

import tinygraph as tg
from tinygraph import config, nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.nn import functional as F
from tinygraph.runtime import backend

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Y = np.array([[0], [1], [1], [0]], np.float32)
MANY = 1000
Step = Callable[[], float]


def network() -> tuple[nn.Module, optim.Optimizer]:
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    return model, optim.SGD(model.parameters(), lr=0.1)


def defined() -> tuple[Step, tg.Function]:
    """The step by tg.function, and that function."""
    model, optimizer = network()
    x, y = tg.placeholder((4, 2), name="x"), tg.placeholder((4, 1), name="y")
    loss = F.mse_loss(model(x), y)
    step = tg.function([x, y], loss, updates=optimizer.minimize(loss))
    return lambda: float(step(X, Y)), step


def jitted() -> Step:
    model, optimizer = network()

    @tg.jit
    def step(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        return _train(model, optimizer, x, y)

    return lambda: float(step(X, Y))


def lazy() -> Step:
    model, optimizer = network()
    x, y = tg.tensor(X), tg.tensor(Y)
    return lambda: float(_train(model, optimizer, x, y))


def eager() -> Step:
    step = lazy()

    def run() -> float:
        with tg.eager():
            return step()

    return run


def _train(model: nn.Module, optimizer: optim.Optimizer, x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss


def tape_alone(step: tg.Function) -> Step:
    """The executable of `step` on arrays that are allocated once."""
    version = step.program.version({}, backend.current())
    tape = version.tape
    inputs = [np.zeros(slot.view.shape, slot.dtype) for slot in tape.inputs]
    outputs = [np.zeros(slot.view.shape, slot.dtype) for slot in tape.outputs]
    return lambda: version.executable(inputs, outputs)


def many_instructions() -> Step:
    """A tape of `MANY` instructions that add two numbers each."""
    with config.override("SKIP", "fuse"):
        x, y = tg.placeholder((2,), name="x"), tg.placeholder((2,), name="y")
        total = x
        for _ in range(MANY):
            total = total + y
        return tape_alone(tg.function([x, y], total))


def by_hand() -> Step:
    rng = np.random.default_rng(0)
    w1, w2 = rng.standard_normal((2, 8), np.float32), rng.standard_normal((8, 1), np.float32)
    b1, b2 = np.zeros(8, np.float32), np.zeros(1, np.float32)
    lr = np.float32(0.1)

    def step() -> float:
        h = np.tanh(X @ w1 + b1)
        error = h @ w2 + b2 - Y
        g = error * np.float32(2 / len(X))
        back = (g @ w2.T) * (1 - h * h)
        np.subtract(w2, lr * (h.T @ g), out=w2)
        np.subtract(b2, lr * g.sum(0), out=b2)
        np.subtract(w1, lr * (X.T @ back), out=w1)
        np.subtract(b1, lr * back.sum(0), out=b1)
        return float((error * error).mean())

    return step


def compiles(step: Step) -> int:
    """How many tapes the second to the fifth step compile; it should be none."""
    step()
    before = TAPES.info().misses
    for _ in range(4):
        step()
    return TAPES.info().misses - before


if __name__ == "__main__":
    repeats = repeats_from_command_line(3000, __doc__)
    step, function = defined()
    rows = {
        "plain NumPy": by_hand(),
        f"tape alone, {len(function.tape())} instructions": tape_alone(function),
        "tg.function": step,
        "tg.jit": jitted(),
        "lazy loop": lazy(),
        "eager loop": eager(),
    }
    us = median_us(many_instructions(), repeats) / MANY
    report("calls", "an instruction", us=round(us, 3), over_numpy=0.0, compiled_again=0)
    base = 0.0
    for name, run in rows.items():
        again = compiles(run)
        us = median_us(run, repeats)
        base = base or us
        report("calls", name, us=us, over_numpy=round(us / base, 1), compiled_again=again)
