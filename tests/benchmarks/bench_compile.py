"""How long it takes from a network to a linked tape, for a LeNet-5 and a GPT training step.

python tests/benchmarks/bench_compile.py [--repeats N]
"""

from __future__ import annotations

import time
from collections.abc import Callable

import models
from bench_workloads import letters_loss
from timing import repeats_from_command_line, report

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.nn import functional as F

Batch = Callable[[], tuple[tg.Tensor, tg.Tensor]]


def images() -> tuple[tg.Tensor, tg.Tensor]:
    return tg.placeholder((64, 1, 28, 28), name="x"), tg.placeholder((64,), "int64", name="y")


def texts() -> tuple[tg.Tensor, tg.Tensor]:
    shape = (16, 128)
    return tg.placeholder(shape, "int64", name="x"), tg.placeholder(shape, "int64", name="y")


def measure(
    name: str, model: nn.Module, optimizer: optim.Optimizer, criterion: Callable[..., tg.Tensor],
    batch: Batch, repeats: int,
) -> None:  # fmt: skip
    """Report the stages of the fastest of `repeats` compilations, none from the cache."""
    runs = []
    for _ in range(repeats):
        TAPES.clear()
        x, y = batch()
        start = time.perf_counter()
        loss = criterion(model(x), y)
        forward = time.perf_counter()
        updates = optimizer.minimize(loss)
        differentiated = time.perf_counter()
        step = tg.function([x, y], loss, updates=updates)
        tape = step.tape()
        end = time.perf_counter()
        runs.append((end - start, forward - start, differentiated - forward, end - differentiated))
    total, build, gradient, compile_ = (round(s * 1e3, 1) for s in min(runs))
    report(
        "compile", name, nodes=len(step.graph), instructions=len(tape), kernels=len(tape.kernels),
        forward_ms=build, gradient_ms=gradient, compile_ms=compile_, total_ms=total,
        arena_mib=round(tape.memory.peak / 2**20, 2),
    )  # fmt: skip


if __name__ == "__main__":
    repeats = repeats_from_command_line(5, __doc__)
    lenet, gpt = models.lenet5(), models.GPT()
    momentum = optim.SGD(lenet.parameters(), lr=0.01, momentum=0.9)
    measure("lenet", lenet, momentum, F.cross_entropy, images, repeats)
    measure("gpt", gpt, optim.AdamW(gpt.parameters(), lr=1e-3), letters_loss, texts, repeats)
