"""Each optimizer against a few lines of NumPy, and on two objectives."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES

STEPS = 12


def sgd(w, grad, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False,
        maximize=False):  # fmt: skip
    v = None
    for _ in range(STEPS):
        g = (-1 if maximize else 1) * grad(w) + weight_decay * w
        if momentum:
            v = g if v is None else momentum * v + (1 - dampening) * g
            g = g + momentum * v if nesterov else v
        w = w - lr * g
    return w


def adam(w, grad, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False,
         maximize=False, decoupled=False):  # fmt: skip
    m, v, most = 0, 0, 0
    for t in range(1, STEPS + 1):
        g = (-1 if maximize else 1) * grad(w)
        if decoupled:
            w = w - lr * weight_decay * w
        else:
            g = g + weight_decay * w
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        most = np.maximum(most, v)
        root = np.sqrt((most if amsgrad else v) / (1 - betas[1] ** t))
        w = w - lr * m / (1 - betas[0] ** t) / (root + eps)
    return w


def adamw(w, grad, lr, weight_decay=1e-2, **options):
    return adam(w, grad, lr, weight_decay=weight_decay, decoupled=True, **options)


CASES = [
    (optim.SGD, sgd, {"lr": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.5, "maximize": True}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (optim.Adam, adam, {"lr": 0.1}),
    (optim.Adam, adam, {"lr": 0.1, "betas": (0.0, 0.5), "eps": 1e-3, "weight_decay": 0.1}),
    (optim.Adam, adam, {"lr": 0.1, "amsgrad": True, "betas": (0.5, 0.3), "maximize": True}),
    (optim.AdamW, adamw, {"lr": 0.1}),
    (optim.AdamW, adamw, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("kind", "reference", "options"), CASES)
def test_the_rule(kind, reference, options, dtype):
    start = np.array([1.5, -0.5, 0.2])
    w = nn.Parameter(start, dtype=dtype)
    optimizer = kind([w], **options)
    misses = []
    for _ in range(STEPS):
        loss = tg.sum(tg.cos(w) + w * w)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        misses.append(TAPES.info().misses)
    expected = reference(start, lambda w: -np.sin(w) + 2 * w, **options)
    rtol = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(w.numpy(), expected, rtol=rtol)
    assert misses[0] == misses[-1], "a step after the first one was compiled"


def rosenbrock(w):
    return (1 - w[0]) ** 2 + 5 * (w[1] - w[0] ** 2) ** 2


def bowl(w):
    return w[0] ** 2 + 10 * w[1] ** 2


@pytest.mark.parametrize("objective", [bowl, rosenbrock])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (optim.SGD, {"lr": 0.02}),
        (optim.SGD, {"lr": 0.01, "momentum": 0.9}),
        (optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
        (optim.Adam, {"lr": 0.1}),
        (optim.AdamW, {"lr": 0.1, "weight_decay": 0.0}),
    ],
)
def test_it_converges(kind, options, objective):
    w = nn.Parameter([-1.0, 1.5])
    optimizer = kind([w], **options)
    x = tg.placeholder((), name="unused")
    step = tg.function([x], objective(w), updates=optimizer.minimize(objective(w)))
    losses = [step(0.0).item() for _ in range(300)]
    assert losses[-1] < 1e-2 < losses[0]
