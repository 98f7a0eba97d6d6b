"""The tape of a whole training step of a network with three layers."""

from fused import tape_of

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.nn import functional as F


def adam_step(wrap=lambda optimizer: optimizer, transform=None):
    """The tape of a step with Adam. wrap: what stands around it."""
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
                          nn.Linear(32, 10))  # fmt: skip
    x, t = tg.placeholder((16, 20), name="x"), tg.placeholder((16,), "int64", name="t")
    loss = F.cross_entropy(model(x), t)
    updates = wrap(optim.Adam(model.parameters())).minimize(loss, transform=transform)
    cells = [cell.node for cell in updates]
    numbered = {1 + i: 2 + i for i in range(len(cells))}
    return tape_of(loss, *updates.values(), inputs=[x, t, *cells], updates=numbered)
