"""LeNet-5 on Fashion-MNIST: 70,000 pictures of clothes in ten classes.

    TINYGRAPH_DATA=FOLDER python examples/fashion_mnist.py
    python examples/fashion_mnist.py --data FOLDER --epochs 5

FOLDER holds a folder `fashion_mnist` with the four files of the data set. Trains in graph mode,
prints loss, test accuracy and seconds for each epoch, and writes the weights and the learning
curve to OUT.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.progress import Progress

import tinygraph as tg
from tinygraph import data, io, nn, optim, viz

MEAN, STD = 0.286, 0.353  # of the pixels of the training pictures


def lenet5() -> nn.Module:
    """LeNet-5 (LeCun et al. 1998), with ReLU and max pooling as is usual today."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def define(model: nn.Module, optimizer: optim.Optimizer) -> tuple[tg.Function, tg.Function]:
    """Two compiled functions: one training step, and the prediction of classes."""
    x = tg.placeholder((None, 1, 28, 28), name="x")
    t = tg.placeholder((None,), "int64", name="t")
    scores = model((x - MEAN) / STD)
    loss = nn.functional.cross_entropy(scores, t)
    step = tg.function([x, t], loss, updates=optimizer.minimize(loss), name="step")
    return step, tg.function([x], tg.argmax(scores, axis=-1), name="predict")


def accuracy(predict: tg.Function, test: data.DataLoader) -> float:
    """The share of the test pictures whose class is predicted right."""
    right = sum(np.sum(predict(images).numpy() == labels) for images, labels in test)
    return float(right) / len(test.dataset)


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """The numbers above 0, as argparse reads them."""

    def number(text: str) -> float:
        if not 0 < kind(text) < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
        return kind(text)

    return number


def arguments() -> argparse.Namespace:
    """The command line, put in force; `data` becomes the data sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder (default: TINYGRAPH_DATA)")
    parser.add_argument("--backend", help="what computes (default: TINYGRAPH_BACKEND)")
    parser.add_argument("--epochs", type=positive(int), default=3)
    parser.add_argument("--batch-size", type=positive(int), default=64)
    parser.add_argument("--lr", type=positive(float), default=3e-3, help="Adam's first step size")
    parser.add_argument("--limit", type=positive(int), help="train on so many pictures only")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    options = parser.parse_args()
    try:
        tg.set_backend(options.backend or tg.config.get("BACKEND"))
        tg.manual_seed(options.seed)
        options.data = data.fashion_mnist(options.data)
        options.out.mkdir(parents=True, exist_ok=True)
    except (tg.errors.TinygraphError, OSError) as error:
        parser.error(str(error))
    return options


def main() -> None:
    """Train, and save the weights and the curve."""
    options = arguments()
    train, test = options.data
    if options.limit:
        train = data.Subset(train, range(min(options.limit, len(train))))
    batches = data.DataLoader(train, options.batch_size, shuffle=True, seed=options.seed)
    model = lenet5()
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    step, predict = define(model, optimizer)

    losses, accuracies = [], []
    steps, done = options.epochs * len(batches), 0
    with Progress() as progress:
        for epoch in range(1, options.epochs + 1):
            start = time.perf_counter()
            total = 0.0
            for images, labels in progress.track(batches, description=f"epoch {epoch}"):
                optimizer.param_groups[0]["lr"] = options.lr * (1 - done / steps)
                total += float(step(images, labels)) * len(labels)
                done += 1
            losses.append(total / len(train))
            accuracies.append(accuracy(predict, data.DataLoader(test, 500)))
            progress.console.print(
                f"epoch {epoch}  loss {losses[-1]:.4f}  accuracy {accuracies[-1]:.2%}  "
                f"{time.perf_counter() - start:.1f} s", highlight=False,
            )  # fmt: skip

    weights, curve = options.out / "lenet5.safetensors", options.out / "fashion_mnist_curve.png"
    io.save(model.state_dict(), weights)
    viz.plot_curves({"training loss": losses, "test accuracy": accuracies}, curve)
    print(f"test accuracy {accuracies[-1]:.2%}; weights: {weights}; picture: {curve}")


if __name__ == "__main__":
    main()
