"""A variational autoencoder: reparametrisation with noise that is given, and KL in closed form."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(12, 10)
        self.fc21 = nn.Linear(10, 2)
        self.fc22 = nn.Linear(10, 2)
        self.fc3 = nn.Linear(2, 10)
        self.fc4 = nn.Linear(10, 12)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar, eps):
        std = torch.exp(0.5 * logvar)
        return mu + eps * std if self.training else mu

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x, eps=None):
        mu, logvar = self.encode(x.view(-1, 12))
        z = self.reparameterize(mu, logvar, eps)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 12), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD, BCE, KLD


rng = np.random.default_rng(12)
model = VAE()
for p in model.parameters():
    p.data = torch.tensor(rng.normal(0, 0.3, p.shape), dtype=torch.float32)
images = torch.tensor(rng.random((24, 1, 3, 4)), dtype=torch.float32)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
history = []
model.train()
for epoch in range(4):
    train_loss = 0
    for batch_idx, data in enumerate(images.split(8)):
        eps = torch.tensor(rng.standard_normal((len(data), 2)), dtype=data.dtype)
        optimizer.zero_grad()
        recon_batch, mu, logvar = model(data, eps)
        loss, bce, kld = loss_function(recon_batch, data, mu, logvar)
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
    history.append((train_loss / len(images), bce.item(), kld.item()))

model.eval()
with torch.no_grad():
    recon, mu, logvar = model(images)
    grid = torch.linspace(-2, 2, 3)
    z = torch.stack([grid.tile(3), grid.repeat_interleave(3)], dim=1)
    samples = model.decode(z).view(-1, 1, 3, 4)
results = {
    "history": history,
    "recon": recon,
    "mu": mu,
    "sigma": (0.5 * logvar).exp(),
    "samples": samples,
    "sizes": [list(samples.size()), samples.size(-1)],
}
