"""L-BFGS with a closure: a sine wave fitted, and a banana-shaped valley descended."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

rng = np.random.default_rng(19)
t = torch.tensor(np.linspace(0, 6, 40)).unsqueeze(1)
wave = torch.sin(t)

model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(rng.normal(0, 0.7, p.shape)))

criterion = nn.MSELoss()
optimizer = optim.LBFGS(model.parameters(), lr=0.8, max_iter=5, line_search_fn="strong_wolfe")
losses = []


def closure():
    optimizer.zero_grad()
    out = model(t)
    loss = criterion(out, wave)
    loss.backward()
    return loss


for i in range(4):
    loss = optimizer.step(closure)
    losses.append(loss.item())

with torch.no_grad():
    final = criterion(model(t), wave)


def rosenbrock(xy):
    x, y = xy
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


xy = torch.tensor([-1.2, 1.0], dtype=torch.double, requires_grad=True)
valley = optim.LBFGS([xy], lr=0.01, history_size=10)
path = []
for _ in range(3):

    def valley_closure():
        valley.zero_grad()
        f = rosenbrock(xy)
        f.backward()
        return f

    valley.step(valley_closure)
    path.append(xy.detach().clone())

results = {
    "losses": losses,
    "final": final.item(),
    "path": torch.stack(path),
    "value": rosenbrock(xy).item(),
    "better": bool(final < losses[0]),
    "state": model.state_dict(),
}
