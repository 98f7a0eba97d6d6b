"""A network that obeys a differential equation: u'' = -u, u(0) = 0, u'(0) = 1."""

import numpy as np
import torch
import torch.nn as nn
from torch.autograd import grad


class PINN(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        middle = [nn.Linear(hidden, hidden), nn.Tanh()]
        self.net = nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), *middle, nn.Linear(hidden, 1))

    def forward(self, x):
        return self.net(x)


def derivative(y, x):
    return grad(y, x, grad_outputs=torch.ones_like(y), create_graph=True)[0]


rng = np.random.default_rng(21)
model = PINN().double()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.from_numpy(rng.normal(0, 0.6, tuple(p.shape))))

t = torch.linspace(0, 3, 20, dtype=torch.float64).reshape(-1, 1).requires_grad_(True)
start = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
history = []
for _ in range(5):
    optimizer.zero_grad()
    u = model(t)
    du = derivative(u, t)
    d2u = derivative(du, t)
    physics = torch.mean((d2u + u) ** 2)
    u0 = model(start)
    boundary = u0.pow(2).squeeze() + (derivative(u0, start) - 1).pow(2).squeeze()
    loss = physics + boundary
    loss.backward(retain_graph=True)
    optimizer.step()
    history.append([loss.item(), physics.item(), boundary.item()])

# a penalty on the slope of the loss itself, as for a critic that is to be smooth
penalty = (derivative(model(t).sum(), t).norm(2, dim=1) - 1).square().mean()
slopes = grad(penalty, list(model.parameters()), allow_unused=True)
results = {
    "history": history,
    "u": model(t).detach().flatten(),
    "penalty": penalty.item(),
    "slopes": [s is None or s.abs().sum().item() for s in slopes],
    "t": t.grad is None,
}
