"""Networks that are trained in mixed precision learn as they do in float32."""

import contextlib

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import amp, nn, optim
from tinygraph.nn import functional as F


def mlp():
    return nn.Sequential(
        nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4)
    )


def cnn():
    return nn.Sequential(
        # a bias before a batch norm has rounding for a gradient, which Adam would blow up
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 4),
    )  # fmt: skip


def problem(make, rng):
    """Four classes about four centres, too near for a hard choice."""
    labels = np.arange(128) % 4
    shape = (8,) if make is mlp else (1, 8, 8)
    centres = rng.standard_normal((4, *shape))
    x = centres[labels] + 0.7 * rng.standard_normal((128, *shape))
    return x.astype("float32"), labels


@contextlib.contextmanager
def precision(way):
    with amp.autocast(dtype=way.split()[1]) if "autocast" in way else contextlib.nullcontext():
        yield


# The greatest relative difference from float32 of each of the first twenty losses; later ones are
# as far apart as those of any two trainings that round differently.
WAYS = {
    "autocast bfloat16": 0.03,
    "autocast float16": 0.004,
    "master bfloat16": 0.03,
    "master float16": 0.004,
}


def trained(make, way, x, labels, mode="graph"):
    """The losses of sixty steps."""
    tg.manual_seed(0)
    model = make()
    for name, p in model.named_parameters():
        p.set(np.random.default_rng(len(name)).standard_normal(p.shape) / np.sqrt(p.size))
    low = way.split()[1] if "master" in way else "float32"
    model.to(low)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    optimizer = optim.MasterWeights(optimizer) if "master" in way else optimizer
    scaler = amp.GradScaler(init_scale=2.0**10, enabled="float16" in way.split())

    def loss_of(x, labels):
        with precision(way):
            return F.cross_entropy(model(x.astype(low)).astype("float32"), labels)

    def step(x, labels):
        loss = loss_of(x, labels)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        return loss

    if mode == "graph":
        inputs = tg.placeholder((None, *x.shape[1:]), name="x"), tg.placeholder((None,), "int64")
        loss = loss_of(*inputs)
        run = tg.function(inputs, loss, updates=scaler.minimize(optimizer, loss))
    else:
        run = {"jit": tg.jit(step), "lazy": step}[mode]
    losses = []
    for number in range(60):
        rows = slice(32 * (number % 4), 32 * (number % 4) + 32)
        losses.append(run(tg.tensor(x[rows]), tg.tensor(labels[rows])).item())
    return losses


@pytest.mark.parametrize("make", [mlp, cnn])
@pytest.mark.parametrize("way", WAYS)
def test_networks_learn_as_in_float32(make, way, rng):
    x, labels = problem(make, rng)
    expected, found = (trained(make, w, x, labels) for w in ("float32", way))
    np.testing.assert_allclose(found[:20], expected[:20], rtol=WAYS[way])
    for losses in (expected, found):
        assert np.mean(losses[-10:]) < 0.6 * losses[0]


@pytest.mark.parametrize("way", ["autocast float16", "master bfloat16"])
def test_the_modes_train_alike(way, rng):
    x, labels = problem(mlp, rng)
    graph, traced, lazy = (trained(mlp, way, x, labels, mode) for mode in ("graph", "jit", "lazy"))
    np.testing.assert_allclose(traced, graph, rtol=0.02)
    np.testing.assert_allclose(lazy, graph, rtol=0.02)
