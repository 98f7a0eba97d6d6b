"""Handwritten digits: define a convolutional network as a graph, then run it.

    python examples/digits.py
    python examples/digits.py --backend numpy --epochs 5 --out pictures

Trains on scikit-learn's 1,797 digits (nothing is downloaded), prints loss, accuracy and seconds
for each epoch, and writes two pictures: OUT/digits_curve.png, the learning curve, and
OUT/digits_graph.png, the graph that predicts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.progress import Progress

import tinygraph as tg
from tinygraph import data, nn, optim, viz


def network() -> nn.Module:
    """Two convolutions, a pooling and a linear layer: 8 x 8 pixels in, 10 scores out."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding="same"), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding="same"), nn.BatchNorm2d(32), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(32 * 4 * 4, 10),
    )  # fmt: skip


def define(model: nn.Module, optimizer: optim.Optimizer) -> tuple[tg.Function, tg.Function]:
    """Two compiled functions: one training step, and the prediction of classes.

    Nothing is computed here. `x` and `t` have shapes but no values; None stands for the size of
    the batch, which each call brings along.
    """
    x = tg.placeholder((None, 1, 8, 8), name="x")
    t = tg.placeholder((None,), "int64", name="t")

    model.train()  # dropout drops, batch norm uses the batch and updates its averages
    loss = nn.functional.cross_entropy(model(x), t)
    step = tg.function([x, t], loss, updates=optimizer.minimize(loss), name="step")

    model.eval()  # dropout lets everything pass, batch norm uses its averages
    predict = tg.function([x], tg.argmax(model(x), axis=-1), name="predict")
    return step, predict


def accuracy(predict: tg.Function, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of `images` whose class is predicted right."""
    return float(np.mean(predict(images).numpy() == labels))


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """The numbers above 0, as argparse reads them."""

    def number(text: str) -> float:
        if not 0 < kind(text) < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
        return kind(text)

    return number


def arguments() -> argparse.Namespace:
    """The command line; the backend, the seed and the folder that it names are put in force."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", help="what computes (default: TINYGRAPH_BACKEND)")
    parser.add_argument("--epochs", type=positive(int), default=15)
    parser.add_argument("--batch-size", type=positive(int), default=32)
    parser.add_argument("--lr", type=positive(float), default=3e-3, help="Adam's first step size")
    parser.add_argument("--seed", type=int, default=0, help="of weights, dropout and batches")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for pictures")
    options = parser.parse_args()
    try:
        tg.set_backend(options.backend or tg.config.get("BACKEND"))
        tg.manual_seed(options.seed)
        options.out.mkdir(parents=True, exist_ok=True)
    except (tg.errors.TinygraphError, OSError) as error:
        parser.error(str(error))
    return options


def main() -> None:
    """Train, and draw the curve and the graph."""
    options = arguments()
    train, test = data.digits()
    batches = data.DataLoader(train, options.batch_size, shuffle=True, seed=options.seed)
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    step, predict = define(model, optimizer)

    losses, accuracies = [], []
    begin = time.perf_counter()
    with Progress() as progress:
        bar = progress.add_task("training", total=options.epochs * len(batches))
        for epoch in range(1, options.epochs + 1):
            start = time.perf_counter()
            total = 0.0
            for images, labels in batches:
                total += float(step(images, labels)) * len(labels)
                progress.advance(bar)
            optimizer.param_groups[0]["lr"] *= 0.85  # an input of the tape: nothing is recompiled
            losses.append(total / len(train))
            accuracies.append(accuracy(predict, *test.tensors))
            progress.console.print(
                f"epoch {epoch:2d}  loss {losses[-1]:.4f}  accuracy {accuracies[-1]:.2%}  "
                f"{time.perf_counter() - start:.2f} s", highlight=False,
            )  # fmt: skip
    print(f"test accuracy {accuracies[-1]:.2%} after {time.perf_counter() - begin:.1f} s")

    curve, graph = options.out / "digits_curve.png", options.out / "digits_graph.png"
    viz.plot_curves({"training loss": losses, "test accuracy": accuracies}, curve)
    viz.draw_graph(predict.graph, graph, hidden=("view", "constant"))
    print(f"pictures: {curve}, {graph}")


if __name__ == "__main__":
    main()
