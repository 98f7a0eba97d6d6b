"""An autoencoder for noisy data, with a sparse code."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Autoencoder(nn.Module):
    def __init__(self, sizes=(16, 8, 3)):
        super().__init__()
        encoder, decoder = [], []
        for n_in, n_out in zip(sizes, sizes[1:]):
            encoder += [nn.Linear(n_in, n_out), nn.ELU()]
            decoder = [nn.Linear(n_out, n_in), nn.ELU(), *decoder]
        self.encoder = nn.Sequential(*encoder[:-1])
        self.decoder = nn.Sequential(*decoder[:-1], nn.Sigmoid())

    def encode(self, x):
        return self.encoder(x.view(x.size(0), -1))

    def forward(self, x):
        code = self.encode(x)
        return self.decoder(code).view_as(x), code


rng = np.random.default_rng(11)
model = Autoencoder()
state = {
    name: torch.tensor(rng.normal(0, 0.4, value.shape), dtype=torch.float32)
    for name, value in model.state_dict().items()
}
keys = model.load_state_dict(state)

clean = torch.tensor(rng.random((20, 4, 4)), dtype=torch.float)
noise = torch.tensor(rng.normal(0, 0.1, (20, 4, 4)), dtype=torch.float)
noisy = torch.clamp(clean + noise, 0.0, 1.0)
optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
losses = []
for epoch in range(6):
    epoch_loss = 0.0
    for batch, target in zip(torch.chunk(noisy, 4), torch.chunk(clean, 4)):
        reconstruction, code = model(batch)
        loss = F.mse_loss(reconstruction, target) + 1e-3 * code.abs().sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        epoch_loss += loss.detach()
    scheduler.step(epoch_loss)
    losses.append(epoch_loss.item() / 4)

model.eval()
with torch.no_grad():
    reconstruction, code = model(clean)
    errors = (reconstruction - clean).pow(2).mean(dim=(1, 2))
    threshold = errors.mean() + 2 * errors.std(unbiased=False)
results = {
    "losses": losses,
    "matched": len(keys.missing_keys),
    "reconstruction": reconstruction,
    "code": code,
    "anomalies": (errors > threshold).nonzero(as_tuple=True)[0].tolist(),
    "norms": torch.norm(code, dim=1),
    "best": errors.argmin().item(),
}
