"""Running averages of the weights, gradients gathered over batches, a state kept and restored."""

import copy

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel, update_bn

rng = np.random.default_rng(20)
X = torch.tensor(rng.normal(size=(24, 4)), dtype=torch.float32)
y = torch.tensor(rng.integers(0, 3, 24))
targets = F.one_hot(y, num_classes=3).float()
batches = list(zip(X.split(6), targets.split(6)))


class EMA:
    def __init__(self, model, decay):
        self.module = copy.deepcopy(model).eval()
        self.decay = decay
        for p in self.module.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for ema_p, p in zip(self.module.parameters(), model.parameters()):
            ema_p.mul_(self.decay).add_(p, alpha=1 - self.decay)


model = nn.Sequential(
    nn.Linear(4, 9, bias=False), nn.BatchNorm1d(9), nn.Softplus(), nn.Linear(9, 3)
)
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(rng.normal(0, 0.5, p.shape)))
ema, swa_model = EMA(model, 0.9), AveragedModel(model)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02, amsgrad=True)
accumulation_steps = 2
losses = []


def epoch():
    model.train()
    optimizer.zero_grad()
    for i, (inputs, labels) in enumerate(batches):
        loss = F.mse_loss(F.softmax(model(inputs), dim=1), labels) / accumulation_steps
        loss.backward()
        if (i + 1) % accumulation_steps == 0:
            optimizer.step()
            optimizer.zero_grad()
            ema.update(model)
        losses.append(loss.item())
    swa_model.update_parameters(model)


for _ in range(2):
    epoch()
checkpoint = {
    "epoch": 2,
    "model_state_dict": copy.deepcopy(model.state_dict()),
    "optimizer_state_dict": copy.deepcopy(optimizer.state_dict()),
}
epoch()
once = losses[-4:]
model.load_state_dict(checkpoint["model_state_dict"])
optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
epoch()
update_bn([inputs for inputs, _ in batches], swa_model)
swa_model.eval()
results = {
    "losses": losses,
    "again": max(abs(a - b) for a, b in zip(once, losses[-4:])) < 1e-6,
    "ema": ema.module(X),
    "swa": swa_model(X).detach(),
    "averaged": int(swa_model.n_averaged),
    "swa_state": dict(swa_model.module.state_dict()),
    "state": model.state_dict(),
}
