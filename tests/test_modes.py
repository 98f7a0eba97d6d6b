"""Eager = lazy = graph = jit, for whole models: the same losses and the same parameters."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim

STEPS = 4


def convnet():
    return nn.Sequential(
        # a bias before a batch norm has rounding for a gradient, which Adam would blow up
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(6, 3),
    )  # fmt: skip


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 16), nn.LayerNorm(16), nn.Sigmoid(), nn.Dropout(0.5),
        nn.Linear(16, 3),
    )  # fmt: skip


class Tokens(nn.Module):
    """An embedding, attention by hand, and a head."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        tokens = tg.astype(tg.clip(x * 4 + 4, 0.0, 8.0), "int64").reshape((-1, 64))
        h = self.embedding(tokens)
        scores = tg.softmax(tg.matmul(h, tg.matrix_transpose(h)) / 8**0.5, axis=-1)
        return self.head(tg.mean(tg.matmul(scores, h), axis=1))


def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS, 8, 1, 8, 8)).astype("float32")
    return x, rng.integers(0, 3, (STEPS, 8))


def optimizer(name, model):
    if name == "sgd":
        return optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    return optim.AdamW(model.parameters(), lr=0.01)


def loop(model, opt):
    losses = []
    for x, t in zip(*data(), strict=True):
        loss = nn.functional.cross_entropy(model(tg.tensor(x)), tg.tensor(t))
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(float(loss))
    return losses


def run_lazy(model, opt):
    return loop(model, opt)


def run_eager(model, opt):
    with tg.eager():
        return loop(model, opt)


def run_graph(model, opt):
    x = tg.placeholder((None, 1, 8, 8), name="x")
    t = tg.placeholder((None,), "int64", name="t")
    loss = nn.functional.cross_entropy(model(x), t)
    step = tg.function([x, t], loss, updates=opt.minimize(loss))
    return [float(step(x, t)) for x, t in zip(*data(), strict=True)]


def run_jit(model, opt):
    @tg.jit
    def step(x, t):
        loss = nn.functional.cross_entropy(model(x), t)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    losses = [float(step(x, t)) for x, t in zip(*data(), strict=True)]
    assert step.traces == 1
    return losses


@pytest.mark.parametrize("opt_name", ["sgd", "adamw"])
@pytest.mark.parametrize("build", [convnet, mlp, Tokens])
def test_whole_models_train_alike_in_every_mode(build, opt_name):
    results = {}
    for run in (run_lazy, run_eager, run_graph, run_jit):
        tg.manual_seed(3)
        model = build()
        losses = run(model, optimizer(opt_name, model))
        results[run.__name__] = (losses, model.state_dict())
    losses, weights = results.pop("run_lazy")
    assert np.isfinite(losses).all()
    for name, (others, state) in results.items():
        np.testing.assert_allclose(others, losses, rtol=2e-4, err_msg=name)
        assert state.keys() == weights.keys()
        for key, value in weights.items():
            np.testing.assert_allclose(state[key], value, rtol=5e-3, atol=2e-5, err_msg=key)
