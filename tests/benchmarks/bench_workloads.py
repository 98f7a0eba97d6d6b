"""One whole training step (forward, backward, update, loss read back) of one workload.

python tests/benchmarks/bench_workloads.py NAME [--repeats N] [--limit SECONDS]

first_s: seconds from the definition of the graph to the first loss. step_ms: the median of the
steps after that. instructions: of the tape. arena_mib, over_bound: the memory for temporaries, and
how many times the most that is alive at one time. rss_mib: the most memory that the process held.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import models
import numpy as np
from timing import report, steady

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.nn import functional as F
from tinygraph.tensor import Tensor

rng = np.random.default_rng(0)
Step = Callable[[], float]


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def training(
    model: nn.Module, optimizer: Any, criterion: Callable[[Tensor, Tensor], Tensor],
    x: np.ndarray, y: np.ndarray,
) -> Step:  # fmt: skip
    """A training step on the batch (x, y): defined here, then run by each call."""
    inputs = tg.placeholder(x.shape, x.dtype, name="inputs")
    targets = tg.placeholder(y.shape, y.dtype, name="targets")
    loss = criterion(model(inputs), targets)
    step = tg.function([inputs, targets], loss, updates=optimizer.minimize(loss))
    return lambda: float(step(x, y))


def letters_loss(scores: Tensor, letters: Tensor) -> Tensor:
    """Cross-entropy over all places of all texts."""
    return F.cross_entropy(scores.reshape((-1, models.LETTERS)), letters.reshape((-1,)))


def xor() -> Step:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([[0], [1], [1], [0]], np.float32)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    return training(model, optim.SGD(model.parameters(), lr=0.1), F.mse_loss, x, y)


def mlp() -> Step:
    model, x, y = models.mlp(), normal(128, 784), rng.integers(0, 10, 128)
    return training(model, optim.Adam(model.parameters(), lr=1e-3), F.cross_entropy, x, y)


def lenet() -> Step:
    model, x, y = models.lenet5(), normal(64, 1, 28, 28), rng.integers(0, 10, 64)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return training(model, optimizer, F.cross_entropy, x, y)


def resnet20() -> Step:
    model, x, y = models.ResNet20(), normal(64, 3, 32, 32), rng.integers(0, 10, 64)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return training(model, optimizer, F.cross_entropy, x, y)


def lstm() -> Step:
    model = models.CharLSTM()
    x, y = rng.integers(0, models.LETTERS, (32, 64)), rng.integers(0, models.LETTERS, (32, 64))
    return training(model, optim.Adam(model.parameters(), lr=1e-3), letters_loss, x, y)


def gpt() -> Step:
    model = models.GPT()
    x, y = rng.integers(0, models.LETTERS, (16, 128)), rng.integers(0, models.LETTERS, (16, 128))
    return training(model, optim.AdamW(model.parameters(), lr=1e-3), letters_loss, x, y)


def ew() -> Step:
    """A chain of elementwise operations on 8M numbers, and its gradient."""
    value = normal(8_000_000)

    def function(x: Tensor) -> Tensor:
        return tg.sum(F.gelu(x * 1.5 + 0.1) * F.sigmoid(x) + tg.tanh(x))

    x = tg.placeholder(value.shape, name="x")
    step = tg.function([x], tg.value_and_grad(function)(x))
    return lambda: float(step(value)[0])


def norm() -> Step:
    """Layer norm and softmax of 4096 rows, and their gradients."""
    values = normal(4096, 1024), np.ones(1024, np.float32), np.zeros(1024, np.float32)

    def function(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return tg.sum(tg.softmax(F.layer_norm(x, (1024,), weight, bias)) ** 2)

    names = ("x", "weight", "bias")
    inputs = [tg.placeholder(v.shape, name=name) for v, name in zip(values, names)]
    step = tg.function(inputs, tg.value_and_grad(function, (0, 1, 2))(*inputs))
    return lambda: float(step(*values)[0])


WORKLOADS = {f.__name__: f for f in (xor, mlp, lenet, resnet20, lstm, gpt, ew, norm)}
NOT_TRAINING = ("ew", "norm")  # these compute a value and its gradient, and change nothing


def measure(name: str, repeats: int, limit: float) -> None:
    """Report one workload. AssertionError if it trains and its loss does not go down."""
    start = time.perf_counter()
    step = WORKLOADS[name]()
    first = step()
    start_up = time.perf_counter() - start
    times = steady(step, repeats, limit)
    last = step()
    if name in NOT_TRAINING:
        assert first == last, f"{name}: the value changed: {first} and then {last}"
    else:
        assert last < first, f"{name}: the loss did not go down: {first} and then {last}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report(
        "workload", name, first_s=round(start_up, 3),
        step_ms=round(statistics.median(times) * 1e3, 3), min_ms=round(min(times) * 1e3, 3),
        n=len(times), **of_the_tape(), first=round(first, 5), last=round(last, 5),
        rss_mib=peak // (2**20 if sys.platform == "darwin" else 2**10),
    )  # fmt: skip


def of_the_tape() -> dict[str, Any]:
    """The size of the longest tape there is, which is that of the step."""
    tape = max((compiled.tape for compiled in TAPES.values()), key=len)
    memory = tape.memory
    return {
        "instructions": len(tape),
        "arena_mib": round(memory.peak / 2**20, 2),
        "over_bound": round(memory.peak / max(memory.lower_bound, 1), 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=WORKLOADS)
    parser.add_argument("--repeats", type=int, default=3000, help="steps to measure, at most")
    parser.add_argument("--limit", type=float, default=4.0, help="seconds to measure, about")
    options = parser.parse_args()
    tg.manual_seed(0)
    measure(options.name, options.repeats, options.limit)
