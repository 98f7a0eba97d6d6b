"""Logistic regression from the formula to the tape: its graph, its depth, its instructions.

    python examples/logistic_regression.py

Prints the graph of two products and a sum with its depth, and the tape that a training step is
compiled to, with an explanation; then trains on scikit-learn's breast cancer data (569 tumours,
30 measurements each, malignant or benign; nothing is downloaded).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.progress import track
from sklearn.datasets import load_breast_cancer

import tinygraph as tg
from tinygraph import nn, optim, viz

READING = """
How to read it. The `in` lines are what a call fills in: the batch, and the parameters and the
learning rate as they are at that time. Each numbered line is one instruction: the slot that it
writes, with its shape, the operation and the slots that it reads, and the line of this file that
asked for it. Those marked `backward` were made by differentiation; the last ones change the
parameters. All slots lie in one arena of memory, in which slots that are not needed at the same
time share a place. The `out` lines are the loss, and the new parameters, written over the old.
"""


def show_depth(out: Path) -> None:
    """Two features written out, and how many computations must follow one another."""
    x1, x2 = tg.placeholder((), name="x1"), tg.placeholder((), name="x2")
    w1, w2 = tg.placeholder((), name="w1"), tg.placeholder((), name="w2")
    z = w1 * x1 + w2 * x2
    y = tg.sigmoid(z)
    linear, logistic = (tg.function([x1, x2, w1, w2], f).graph for f in (z, y))
    print(f"The graph of sigmoid(w1 * x1 + w2 * x2):\n{logistic}")
    print(f"depth without the sigmoid: {tg.graph.depth(linear)} (the products, side by side; sum)")
    print(f"depth with the sigmoid: {tg.graph.depth(logistic)}")
    picture, dot = out / "logistic_regression_graph.png", out / "logistic_regression_graph.dot"
    viz.draw_graph(logistic, picture)
    dot.write_text(tg.graph.dot(logistic), encoding="utf-8")
    print(f"picture: {picture}, and for Graphviz: {dot}\n")


def patients() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Standardised measurements and labels, every fourth for testing."""
    source = load_breast_cancer()
    test = np.arange(len(source.target)) % 4 == 0
    known = source.data[~test]
    x = ((source.data - known.mean(0)) / known.std(0)).astype(np.float32)
    t = source.target.astype(np.float32)[:, None]
    return x[~test], t[~test], x[test], t[test]


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """The numbers above 0, as argparse reads them."""

    def number(text: str) -> float:
        if not 0 < kind(text) < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
        return kind(text)

    return number


def main() -> None:
    """Explain, then train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=positive(int), default=300)
    parser.add_argument("--lr", type=positive(float), default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for pictures")
    parser.add_argument("--backend", help="what computes (default: TINYGRAPH_BACKEND)")
    options = parser.parse_args()
    try:
        tg.set_backend(options.backend or tg.config.get("BACKEND"))
        tg.manual_seed(options.seed)
        options.out.mkdir(parents=True, exist_ok=True)
    except (tg.errors.TinygraphError, OSError) as error:
        parser.error(str(error))
    show_depth(options.out)

    x_train, t_train, x_test, t_test = patients()
    model = nn.Linear(30, 1)
    x, t = tg.placeholder((None, 30), name="x"), tg.placeholder((None, 1), name="t")
    z = model(x)
    loss = nn.functional.binary_cross_entropy_with_logits(z, t)
    optimizer = optim.SGD(model.parameters(), lr=options.lr)
    step = tg.function([x, t], loss, updates=optimizer.minimize(loss), name="step")
    predict = tg.function([x], tg.sigmoid(z) > 0.5, name="predict")
    print(f"The training step for {len(x_train)} tumours:")
    print(step.tape(x_train.shape, t_train.shape))
    print(READING)

    start = time.perf_counter()
    losses = [float(step(x_train, t_train)) for _ in track(range(options.steps), "training")]
    seconds = time.perf_counter() - start
    right = np.mean(predict(x_test).numpy() == (t_test > 0.5))
    print(f"loss {losses[0]:.4f} -> {losses[-1]:.4f}, test accuracy {right:.2%}, {seconds:.2f} s")
    curve = options.out / "logistic_regression_curve.png"
    viz.plot_curves({"training loss": losses}, curve, xlabel="step")
    print(f"picture: {curve}")


if __name__ == "__main__":
    main()
