"""What the tests of schedules share: schedules with their curves, and a network to train."""

import numpy as np

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.optim import lr_scheduler as lrs

STEPS = 50
T = np.arange(STEPS + 1)
LR = 0.5


def sgd(*rates, **options):
    groups = [{"params": [nn.Parameter([1.0])], "lr": rate} for rate in rates or (LR,)]
    return optim.SGD(groups, **options)


def course(scheduler, steps=STEPS, *arguments):
    """The rate of the first group before each step and after the last."""
    found = [scheduler.get_last_lr()[0]]
    for _ in range(steps):
        scheduler.step(*arguments)
        found.append(scheduler.get_last_lr()[0])
        assert scheduler.optimizer.param_groups[0]["lr"] == found[-1]
    return found


def cosine(share):
    return (1 + np.cos(np.pi * share)) / 2


W = 8  # steps of warm-up
FORMULAS = {
    "step": (lambda o: lrs.StepLR(o, 7, 0.5), LR * 0.5 ** np.floor(T / 7)),
    "exponential, gamma": (lambda o: lrs.ExponentialLR(o, 0.9), LR * 0.9**T),
    "exponential, rate": (lambda o: lrs.ExponentialLR(o, rate=0.1), LR * np.exp(-0.1 * T)),
    "cosine": (
        lambda o: lrs.CosineAnnealingLR(o, STEPS, 0.01),
        0.01 + (LR - 0.01) * cosine(T / STEPS),
    ),
    "polynomial": (lambda o: lrs.PolynomialLR(o, STEPS, 2.0), LR * (1 - T / STEPS) ** 2),
    "cyclical": (
        lambda o: lrs.CyclicLR(o, 0.1, LR, 5, cycle_momentum=False),
        0.1 + (LR - 0.1) * (1 - np.abs(T % 10 - 5) / 5),
    ),
    "one cycle": (
        lambda o: lrs.OneCycleLR(o, LR, STEPS + 1, pct_start=21 / 51, cycle_momentum=False),
        np.concatenate(
            [
                LR + (LR / 25 - LR) * cosine(T[:21] / 20),
                LR / 25e4 + (LR - LR / 25e4) * cosine((T[21:] - 20) / 30),
            ]
        ),
    ),
    "one cycle of the transformers": (
        lambda o: lrs.CosineWithWarmup(o, W, 40, 0.01),
        np.where(T < W, LR * T / W, 0.01 + (LR - 0.01) * cosine(np.minimum(T - W, 32) / 32)),
    ),
    "cosine without warm-up": (
        lambda o: lrs.CosineWithWarmup(o, 0, STEPS),
        LR * cosine(T / STEPS),
    ),
    "warm-up": (lambda o: lrs.WarmupLR(o, W), LR * np.minimum(T / W, 1)),
    "warm-up from a share": (
        lambda o: lrs.WarmupLR(o, W, start_factor=0.2),
        LR * np.minimum(0.2 + 0.8 * T / W, 1),
    ),
    "constant warm-up": (
        lambda o: lrs.WarmupLR(o, W, start_factor=0.2, mode="constant"),
        LR * np.where(T < W, 0.2, 1),
    ),
    "warm-up of no steps": (lambda o: lrs.WarmupLR(o, 0), np.full(STEPS + 1, LR)),
    "inverse time": (lambda o: lrs.InverseTimeLR(o, 0.3), LR / (1 + 0.3 * T)),
    "inverse square root": (
        lambda o: lrs.InverseSquareRootLR(o, W),
        LR * np.minimum(T / W, np.sqrt(W / np.maximum(T, 1))),
    ),
    "inverse square root without warm-up": (
        lambda o: lrs.InverseSquareRootLR(o, 0),
        LR / np.sqrt(np.maximum(T, 1)),
    ),
    "noam": (
        lambda o: lrs.NoamLR(o, 512, W),
        LR * 512**-0.5 * np.minimum((T + 1.0) ** -0.5, (T + 1) * W**-1.5),
    ),
    "Keras' exponential": (lambda o: lrs.ExponentialDecay(o, 7, 0.5), LR * 0.5 ** (T / 7)),
    "Keras' exponential in steps": (
        lambda o: lrs.ExponentialDecay(o, 7, 0.5, staircase=True),
        LR * 0.5 ** np.floor(T / 7),
    ),
    "Keras' inverse time": (lambda o: lrs.InverseTimeDecay(o, 7, 0.5), LR / (1 + 0.5 * T / 7)),
    "Keras' inverse time in steps": (
        lambda o: lrs.InverseTimeDecay(o, 7, 0.5, staircase=True),
        LR / (1 + 0.5 * np.floor(T / 7)),
    ),
    "Keras' polynomial": (
        lambda o: lrs.PolynomialDecay(o, 20, 0.01, 2.0),
        (LR - 0.01) * (1 - np.minimum(T, 20) / 20) ** 2 + 0.01,
    ),
    "Keras' polynomial, cycling": (
        lambda o: lrs.PolynomialDecay(o, 20, 0.01, 0.5, cycle=True),
        (LR - 0.01) * (1 - T / (20 * np.maximum(np.ceil(T / 20), 1))) ** 0.5 + 0.01,
    ),
    "Keras' piecewise constant": (
        lambda o: lrs.PiecewiseConstantDecay(o, [3, 20], [0.7, 0.2, 0.1]),
        np.where(T <= 3, 0.7, np.where(T <= 20, 0.2, 0.1)),
    ),
    "Keras' cosine": (
        lambda o: lrs.CosineDecay(o, 30, alpha=0.1),
        LR * (0.9 * cosine(np.minimum(T, 30) / 30) + 0.1),
    ),
    "Keras' cosine with warm-up": (
        lambda o: lrs.CosineDecay(o, 30, 0.1, warmup_target=2.0, warmup_steps=W),
        np.where(
            T < W,
            LR + (2.0 - LR) * T / W,
            2.0 * (0.9 * cosine(np.minimum(T - W, 30) / 30) + 0.1),
        ),
    ),
}


def nested(o):
    inner = lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.5, 100), lrs.ExponentialLR(o, 0.9)], [3])
    return [inner, lrs.StepLR(o, 2, 0.5)]


AFTER = {
    "exponential": lambda o: lrs.ExponentialLR(o, 0.9),
    "cosine": lambda o: lrs.CosineAnnealingLR(o, 20, 0.01),
    "restarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, 6, 2),
    "sequence": lambda o: lrs.SequentialLR(o, nested(o), [6]),
    "inverse": lambda o: lrs.InverseTimeLR(o, 0.5),
}

OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
    "Adam": lambda params: optim.Adam(params, lr=0.1),
}


def start(kind):
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = OPTIMIZERS[kind](net.parameters())
    x = np.random.default_rng(0).standard_normal((8, 3)).astype("float32")
    return net, optimizer, x, np.sum(x, axis=1, keepdims=True)


def error(net, x, y):
    return nn.functional.mse_loss(net(x), y)


def lazy_step(net, optimizer):
    def step(x, y):
        loss = error(net, tg.tensor(x), tg.tensor(y))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step
