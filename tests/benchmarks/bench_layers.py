"""What each layer, loss and optimizer costs: on the numba and NumPy backends, and in PyTorch.

python tests/benchmarks/bench_layers.py [--repeats N] [--limit SECONDS] [--filter WORD ...]

Each runs as a compiled `tg.function`, forward and with its gradients (an optimizer: a step), and
eagerly in PyTorch, where that is installed and has it, with the same number of threads. They take
turns, so that a busy machine slows all of them. The columns: medians in milliseconds, the
instructions of the tape, and x_numpy and x_torch, how many times what the other one needs is
needed on the numba backend (below 1 is faster). The rows are sorted by the worse of the two.

--filter: only families and names with one of these words in them. The first run compiles the
kernels, later ones find them on disk. On a machine that others use too, set
OMP_WAIT_POLICY=passive: else PyTorch's threads wait for each other in a loop that takes the cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import layers
import losses
import numpy as np
import optimizers
from case import Case, Cases
from timing import report, taking_turns

import tinygraph as tg
from tinygraph import config, nn, optim
from tinygraph.function import Function

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

BACKENDS = ("numba", "numpy")
NONE = "-"  # where PyTorch has not the like
Action = Callable[[], Any]
Step = tuple[Function, list[np.ndarray]]
Row = dict[str, Any]
FAMILIES: dict[str, Cases] = {**layers.FAMILIES, **losses.FAMILIES}


def first(result: Any) -> Any:
    """The result, or the first of several."""
    return result[0] if isinstance(result, tuple) else result


# ---------------------------------------------------------------- what is measured, here and there


def ours(case: Case, gradient: bool = False) -> Step:
    """A compiled step, and what to call it with."""
    tg.manual_seed(0)
    target = case.build(nn)
    inputs = [tg.placeholder(a.shape, a.dtype, name=f"x{i}") for i, a in enumerate(case.arrays)]
    result = first(case.call(target, *inputs))
    if not gradient:
        return tg.function(inputs, result, updates={}), list(case.arrays)
    leaves = [inputs[i] for i in case.wrt] + parameters(target)
    weight = tg.placeholder(result.shape, name="weight")
    slopes = tg.autograd.grad([result], leaves, [weight], allow_unused=True)
    outputs = [result, *(slope for slope in slopes if slope is not None)]
    weights = np.ones(result.shape, np.float32)
    return tg.function([*inputs, weight], outputs, updates={}), [*case.arrays, weights]


def theirs(case: Case, gradient: bool = False) -> Action | None:
    """The same in PyTorch, if it has that."""
    if torch is None:
        return None
    try:
        target = case.build(torch.nn)
    except (AttributeError, TypeError):  # the layer or an option is not known there
        return None
    inputs = [torch.tensor(array) for array in case.arrays]
    for number in case.wrt:
        inputs[number].requires_grad_(gradient)
    leaves = [inputs[number] for number in case.wrt] + parameters(target)

    def forward() -> Any:
        with torch.no_grad():
            return case.call(target, *inputs)

    def backward() -> Any:
        result = first(case.call(target, *inputs))
        return torch.autograd.grad(result, leaves, torch.ones_like(result), allow_unused=True)

    return backward if gradient else forward


def parameters(target: Any) -> list[Any]:
    return list(target.parameters()) if hasattr(target, "parameters") else []


def our_step(name: str) -> Step:
    """A step of an optimizer, on gradients that come in, compiled."""
    params = [nn.Parameter(value) for value in optimizers.values(name)]
    optimizer = optimizers.OPTIMIZERS[name](optim, params)
    grads = [tg.placeholder(p.shape, name=f"g{i}") for i, p in enumerate(params)]
    loss = sum((tg.sum(p * g) for p, g in zip(params, grads)), start=tg.tensor(0.0))
    return tg.function(grads, [], updates=optimizer.minimize(loss)), optimizers.values(name)


def their_step(name: str) -> Action | None:
    """The same in PyTorch, if it has that."""
    if torch is None:
        return None
    params = [torch.nn.Parameter(torch.tensor(value)) for value in optimizers.values(name)]
    try:
        optimizer = optimizers.OPTIMIZERS[name](torch.optim, params)
    except AttributeError:
        return None
    for param in params:
        param.grad = param.detach().clone()
    return optimizer.step


# -------------------------------------------------------------------------------------- the rows


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Each layer and loss, forward and with its gradients, and a step of each optimizer."""
    for family, cases in FAMILIES.items():
        for name, case in chosen(family, cases, options.filter):
            yield row(family, name, "forward", ours(case), theirs(case), options)
            if case.wrt or parameters(case.build(nn)):
                steps = ours(case, gradient=True), theirs(case, gradient=True)
                yield row(family, name, "gradient", *steps, options)
    for name, _ in chosen("optimizer", optimizers.OPTIMIZERS, options.filter):
        yield row("optimizer", name, "step", our_step(name), their_step(name), options)


def chosen(family: str, cases: Mapping[str, Any], words: list[str]) -> list[tuple[str, Any]]:
    """The cases of a family that the command line asks for."""
    found = [
        (name, case) for name, case in cases.items()
        if not words or any(word in family or word in name for word in words)
    ]  # fmt: skip
    if found:
        print(f"{family} ({len(found)})", file=sys.stderr, flush=True)
    return found


def row(
    family: str, name: str, what: str, ours: Step, theirs: Action | None,
    options: argparse.Namespace,
) -> Row:  # fmt: skip
    """The figures of one computation here and there."""
    function, arrays = ours
    actions = {backend: on_backend(backend, function, arrays) for backend in BACKENDS}
    if theirs is not None:
        actions["torch"] = theirs
    medians = taking_turns(actions, options.repeats, options.limit)
    others = ("numpy", "torch")
    with tg.backend("numba"):
        instructions = len(function.tape())
    return {
        "name": name, "family": family, "what": what, "instructions": instructions,
        **{f"{kind}_ms": round(medians[kind], 3) if kind in medians else NONE
           for kind in ("numba", *others)},
        **{f"x_{kind}": round(medians["numba"] / medians[kind], 2) if kind in medians else NONE
           for kind in others},
    }  # fmt: skip


def on_backend(backend: str, step: Function, arrays: list[np.ndarray]) -> Action:
    def run() -> None:
        with tg.backend(backend):
            step(*arrays)

    return run


def worse(row: Row) -> float:
    """The larger of the ratios of a row."""
    return max(row[name] for name in ("x_numpy", "x_torch") if row[name] != NONE)


def main() -> None:
    """Report all rows, sorted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=60, help="how often to measure, at most")
    parser.add_argument("--limit", type=float, default=0.1, help="seconds to measure each, about")
    parser.add_argument("--filter", nargs="+", default=[], metavar="WORD", help="not the rest")
    options = parser.parse_args()
    if torch is not None:
        torch.set_num_threads(config.get("THREADS") or torch.get_num_threads())
    for found in sorted(rows(options), key=worse):
        report("layers", found.pop("name"), **found)


if __name__ == "__main__":
    main()
