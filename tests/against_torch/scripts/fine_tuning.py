"""A trained body is frozen and a new head learned; then all of it, at rates of their own."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.optim import lr_scheduler

rng = np.random.default_rng(17)


def fill(module):
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.tensor(rng.normal(0, 0.4, p.shape)))


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(6, 10), nn.SiLU(), nn.Linear(10, 8), nn.SiLU())
        self.fc = nn.Linear(8, 20)

    def forward(self, x):
        return self.fc(self.features(x))


model = Body()
fill(model)
for param in model.parameters():
    param.requires_grad = False
num_ftrs = model.fc.in_features
model.fc = nn.Linear(num_ftrs, 3)
fill(model.fc)

X = torch.tensor(rng.normal(size=(30, 6)), dtype=torch.float32)
y = torch.tensor(rng.integers(0, 3, 30))
criterion = nn.CrossEntropyLoss()
before = model.features[0].weight.clone()
losses, rates = [], []


def train(optimizer, scheduler, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        with torch.set_grad_enabled(True):
            loss = criterion(model(X), y)
            loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        rates.append([group["lr"] for group in optimizer.param_groups])


optimizer = optim.SGD(model.fc.parameters(), lr=0.1, momentum=0.9)
train(optimizer, lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1), 5)
frozen = (before == model.features[0].weight).all().item()
gradients = [name for name, p in model.named_parameters() if p.grad is not None]

model.requires_grad_(True)
optimizer = optim.AdamW(
    [{"params": model.features.parameters(), "lr": 1e-3}, {"params": model.fc.parameters()}],
    lr=1e-2,
)
scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=[1e-2, 1e-1], total_steps=8, pct_start=0.25)
train(optimizer, scheduler, 6)

results = {
    "losses": losses,
    "rates": rates,
    "frozen": frozen,
    "gradients": gradients,
    "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
    "betas": [list(group["betas"]) for group in optimizer.param_groups],
    "moved": (model.features[0].weight - before).abs().max().item(),
    "state": model.state_dict(),
}
