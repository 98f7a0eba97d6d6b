"""The same network trained lazily, eagerly, as a graph and traced."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.nn import functional as F

STEPS = 4


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            # a bias before a batch norm has rounding for a gradient, which Adam would blow up
            nn.Conv2d(1, 3, 3, padding="same", bias=False), nn.BatchNorm2d(3),
            nn.ReLU(), nn.MaxPool2d(2),
            nn.Dropout(0.2), nn.Flatten(), nn.Linear(12, 6), nn.LayerNorm(6), nn.GELU(),
            nn.Linear(6, 4),
        )  # fmt: skip

    def forward(self, x):
        return self.body(x)


def make():
    tg.manual_seed(1)
    net = Net()
    return net, optim.AdamW(net.parameters(), lr=1e-2)


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((5, 1, 4, 4)).astype("float32"), rng.integers(0, 4, 5)


def loop(net, optimizer):
    x, t = data()

    def train(x, t):
        loss = F.cross_entropy(net(x), t)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return train, tg.tensor(x), tg.tensor(t)


def lazily():
    net, optimizer = make()
    train, x, t = loop(net, optimizer)
    return net, [train(x, t).item() for _ in range(STEPS)]


def eagerly():
    with tg.eager():
        return lazily()


def traced():
    net, optimizer = make()
    train, x, t = loop(net, optimizer)
    train = tg.jit(train)
    losses = [train(x, t).item() for _ in range(STEPS)]
    assert train.traces == 1
    return net, losses


def as_a_graph():
    net, optimizer = make()
    x, t = tg.placeholder((None, 1, 4, 4), name="x"), tg.placeholder((None,), "int64", name="t")
    loss = F.cross_entropy(net(x), t)
    train = tg.function([x, t], loss, updates=optimizer.minimize(loss))
    return net, [train(*data()).item() for _ in range(STEPS)]


def test_all_modes_learn_the_same():
    net, losses = lazily()
    assert losses[-1] < losses[0]
    state = net.state_dict()
    assert state["body.1.num_batches_tracked"] == STEPS
    for mode in (eagerly, traced, as_a_graph):
        other, found = mode()
        np.testing.assert_allclose(found, losses, rtol=1e-5, err_msg=mode.__name__)
        for name, value in other.state_dict().items():
            np.testing.assert_allclose(value, state[name], rtol=1e-3, atol=1e-5,
                                       err_msg=f"{mode.__name__}: {name}")  # fmt: skip


def test_a_traced_module_notices_its_mode():
    net, _ = make()
    predict = tg.jit(lambda x: net(x))
    x = tg.tensor(data()[0])
    predict(x)
    net.eval()
    np.testing.assert_allclose(predict(x).numpy(), net(x).numpy(), rtol=1e-5, atol=1e-6)
    assert predict.traces == 2
    net.train()
    predict(x)
    assert predict.traces == 2


def test_a_network_can_be_used_for_prediction_after_a_graph_was_defined():
    net, optimizer = make()
    x, t = tg.placeholder((None, 1, 4, 4), name="x"), tg.placeholder((None,), "int64", name="t")
    loss = F.cross_entropy(net(x), t)
    train = tg.function([x, t], loss, updates=optimizer.minimize(loss))
    before = net.state_dict()
    net.eval()
    values, classes = data()
    predict = tg.function([x], net(x))
    first = predict(values).numpy()
    train(values, classes)
    assert (predict(values).numpy() != first).any()
    assert (net.state_dict()["body.1.running_mean"] != before["body.1.running_mean"]).any()
    np.testing.assert_allclose(net(tg.tensor(values)).numpy(), predict(values).numpy(), rtol=1e-5)


@pytest.mark.parametrize("batch", [2, 5])
def test_an_open_batch_size_trains_on_any(batch):
    net, optimizer = make()
    x, t = tg.placeholder((None, 1, 4, 4), name="x"), tg.placeholder((None,), "int64", name="t")
    loss = F.cross_entropy(net(x), t)
    train = tg.function([x, t], loss, updates=optimizer.minimize(loss))
    values, classes = data()
    assert np.isfinite(train(values[:batch], classes[:batch]).item())
