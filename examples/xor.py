"""What a hidden layer is for: XOR, which no straight line separates.

    python examples/xor.py

A linear model can do no better than to say 0.5 each time. A hidden layer of tanh units bends
the plane, and all four rows come out right. Before that, one training step is run in eager
mode, where each value is there as soon as its line has run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from rich.progress import track

import tinygraph as tg
from tinygraph import nn, optim

ROWS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = np.array([[0], [1], [1], [0]], np.float32)


def one_step_in_eager_mode() -> None:
    """A forward pass, a backward pass and an update of 2-2-1 units, printed line by line."""
    with tg.eager():
        x, t = tg.tensor(ROWS), tg.tensor(XOR)
        w1 = tg.tensor([[1.0, -1.0], [1.0, -1.0]], requires_grad=True)
        b1 = tg.tensor([-0.5, 1.5], requires_grad=True)
        w2 = tg.tensor([[0.5], [0.5]], requires_grad=True)
        show("x, the four rows", x)
        z = x @ w1 + b1
        show("z = x @ w1 + b1", z)
        h = tg.tanh(z)
        show("h = tanh(z), the hidden layer", h)
        y = h @ w2
        show("y = h @ w2, the output", y)
        loss = tg.mean((y - t) ** 2)
        show("loss = mean((y - t)**2)", loss)

        loss.backward()
        show("slope of the loss in w2", w2.grad)
        show("slope of the loss in b1", b1.grad)
        show("slope of the loss in w1", w1.grad)
        better = w2 - 0.1 * w2.grad
        show("w2 - 0.1 * its slope, a step downhill", better)
        show("the loss with that", tg.mean((h @ better - t) ** 2))


def show(what: str, value: tg.Tensor) -> None:
    """Print a value under its name."""
    print(f"\n{what}:\n{np.array2string(value.numpy(), precision=4, suppress_small=True)}")


def train(model: nn.Module, steps: int, lr: float, title: str) -> float:
    """Train on all four rows at once; returns the last loss."""
    optimizer = optim.Adam(model.parameters(), lr=lr)
    x, t = tg.placeholder((4, 2), name="x"), tg.placeholder((4, 1), name="t")
    loss = nn.functional.mse_loss(model(x), t)
    step = tg.function([x, t], loss, updates=optimizer.minimize(loss))
    for _ in track(range(steps), title):
        value = step(ROWS, XOR)
    return float(value)


def truth_table(model: nn.Module) -> bool:
    """Print what the model makes of each row; returns whether all are right."""
    outputs = model(tg.tensor(ROWS)).numpy()
    right = (outputs > 0.5) == (XOR > 0.5)
    print("  a  b | a xor b | output")
    for (a, b), wanted, output, fits in zip(ROWS, XOR[:, 0], outputs[:, 0], right[:, 0]):
        print(f"  {a:.0f}  {b:.0f} |    {wanted:.0f}    | {output:6.3f} {'' if fits else ' wrong'}")
    return bool(right.all())


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """The numbers above 0, as argparse reads them."""

    def number(text: str) -> float:
        if not 0 < kind(text) < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
        return kind(text)

    return number


def main() -> None:
    """The step in eager mode, and both models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=positive(int), default=500)
    parser.add_argument("--hidden", type=positive(int), default=8, help="units of the hidden layer")
    parser.add_argument("--lr", type=positive(float), default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", help="what computes (default: TINYGRAPH_BACKEND)")
    options = parser.parse_args()
    try:
        tg.set_backend(options.backend or tg.config.get("BACKEND"))
        tg.manual_seed(options.seed)
    except (tg.errors.TinygraphError, OSError) as error:
        parser.error(str(error))

    one_step_in_eager_mode()
    linear = nn.Linear(2, 1)
    hidden = nn.Sequential(nn.Linear(2, options.hidden), nn.Tanh(), nn.Linear(options.hidden, 1))
    for title, model in (("linear model", linear), ("hidden layer", hidden)):
        start = time.perf_counter()
        loss = train(model, options.steps, options.lr, title)
        solved = truth_table(model)
        verdict = "solves XOR" if solved else "does not solve XOR"
        print(f"{title}: loss {loss:.4f}, {time.perf_counter() - start:.2f} s; {verdict}\n")


if __name__ == "__main__":
    main()
