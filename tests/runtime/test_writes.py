"""What a function assigns to while it runs on stand-ins for its arguments."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import GraphError

X = np.arange(24, dtype=np.float32).reshape(6, 4)
WRAPPERS = {
    "scan": lambda f: lambda x: tg.scan(lambda c, v: (c, f(v)), tg.tensor(0.0), x)[1],
    "cond": lambda f: lambda x: tg.cond(x.sum() > 0, f, lambda v: v, x),
    "while_loop": lambda f: lambda x: tg.while_loop(lambda c: c.sum() < 1, f, x),
    "vmap": tg.vmap,
}


@pytest.mark.parametrize("mode", [contextlib.nullcontext, tg.eager])
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", WRAPPERS)
def test_an_assignment_that_would_be_lost_is_an_error(name, traced, mode):
    total = tg.state(np.zeros((), np.float32))

    def write(v):
        total.assign(total + v.sum())
        return v * 2

    run = WRAPPERS[name](write)
    with mode(), pytest.raises(GraphError, match=f"{name}: the function assigns .* outside"):
        (tg.jit(run) if traced else run)(tg.tensor(X))
    assert float(total) == 0.0


@pytest.mark.parametrize("name", WRAPPERS)
def test_what_only_the_function_knows_may_be_assigned_to(name):
    def write(v):
        same = v.astype("float32")  # shows the same node
        same += 1
        v *= 2
        inner = tg.zeros(v.shape)
        inner[0] = 1.0
        return v + same + inner

    assert WRAPPERS[name](write)(tg.tensor(X)).shape == X.shape


def trained(wrap, mode):
    """The losses of some steps of a network with batch norm, and what the averages are then."""
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh())
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1)
    forward = wrap(net)

    def step(x):
        loss = (forward(x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    if mode == "function":
        x = tg.placeholder((None, 4), name="x")
        loss = (forward(x) ** 2).mean()
        run = tg.function([x], loss, updates=optimizer.minimize(loss))
    else:
        run = tg.jit(step) if mode == "jit" else step
    with tg.eager() if mode == "eager" else contextlib.nullcontext():
        losses = [float(run(tg.tensor(X / 10))) for _ in range(3)]
    norm = net[1]
    return [losses, norm.running_mean.numpy(), norm.running_var.numpy(),
            int(norm.num_batches_tracked)]  # fmt: skip


@pytest.mark.parametrize("mode", ["lazy", "eager", "jit", "function"])
@pytest.mark.parametrize("nested", [False, True])
def test_batch_norm_follows_in_a_checkpoint(mode, nested):
    def wrap(net):
        return tg.checkpoint(lambda x: tg.checkpoint(net)(x) * 1.0) if nested else (
            tg.checkpoint(net)
        )  # fmt: skip

    expected = trained(lambda net: net, "lazy")
    for got, wanted in zip(trained(wrap, mode), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_a_checkpoint_that_fails_assigns_nothing():
    total = tg.state(np.zeros((), np.float32))

    def write(v):
        total.assign(total + v.sum())
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        tg.checkpoint(write)(tg.tensor(X))
    assert float(total) == 0.0
