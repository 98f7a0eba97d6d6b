"""The smallest network that cannot do without a hidden layer."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class XOR(nn.Module):
    def __init__(self, hidden=4):
        super(XOR, self).__init__()
        self.fc1 = nn.Linear(2, hidden)
        self.fc2 = nn.Linear(hidden, 1)

    def forward(self, x):
        x = F.tanh(self.fc1(x))
        return self.fc2(x)


def seed_weights(m):
    if isinstance(m, nn.Linear):
        rng = np.random.default_rng(m.in_features)
        m.weight.data.copy_(torch.from_numpy(rng.normal(0, 1, m.weight.shape)))
        m.bias.data.fill_(0.01)


X = torch.Tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
Y = torch.Tensor([0, 1, 1, 0]).view(-1, 1)

model = XOR()
model.apply(seed_weights)
optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
losses = []

for step in range(40):
    optimizer.zero_grad()
    loss = F.mse_loss(model(X), Y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

with torch.no_grad():
    guess = model(X)
    grid = torch.stack(torch.meshgrid(torch.arange(3.0), torch.arange(3.0), indexing="ij"), dim=-1)
    surface = model(grid.reshape(-1, 2)).reshape(3, 3)

results = {
    "losses": losses,
    "guess": guess,
    "rounded": guess.round().int().flatten().tolist(),
    "surface": surface,
    "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    "names": [name for name, _ in model.named_parameters()],
}
