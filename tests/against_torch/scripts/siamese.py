"""One network for three inputs, and a loss on their distances."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class EmbeddingNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.convnet = nn.Sequential(
            nn.Conv1d(2, 6, 3),
            nn.PReLU(),
            nn.MaxPool1d(2, stride=2),
            nn.Conv1d(6, 4, 2),
            nn.PReLU(),
        )
        self.fc = nn.Sequential(nn.Linear(4 * 3, 8), nn.PReLU(), nn.Linear(8, 4))

    def forward(self, x):
        output = self.convnet(x)
        output = output.view(output.size()[0], -1)
        return F.normalize(self.fc(output), p=2, dim=1)


class TripletNet(nn.Module):
    def __init__(self, embedding_net):
        super().__init__()
        self.embedding_net = embedding_net

    def forward(self, *inputs):
        return tuple(self.embedding_net(x) for x in inputs)


rng = np.random.default_rng(14)
net = TripletNet(EmbeddingNet())
with torch.no_grad():
    for p in net.parameters():
        if p.numel() > 1:
            p.copy_(torch.from_numpy(rng.normal(0, 0.4, tuple(p.shape)).astype("float32")))
base = rng.normal(size=(2, 2, 10))


def batch(kind, n=6):
    return torch.tensor(base[kind] + rng.normal(0, 0.3, (n, 2, 10)), dtype=torch.float32)


criterion = nn.TripletMarginLoss(margin=0.5, p=2)
optimizer = torch.optim.Adamax(net.parameters(), lr=1e-2)
losses = []
for step in range(6):
    anchor, positive, negative = net(batch(step % 2), batch(step % 2), batch(1 - step % 2))
    loss = criterion(anchor, positive, negative)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

net.eval()
with torch.no_grad():
    a, b = net(batch(0), batch(1))
    within, between = F.pairwise_distance(a, a.flip(0)), F.pairwise_distance(a, b)
    cosine = F.cosine_similarity(a.unsqueeze(1), b.unsqueeze(0), dim=-1)
    pair = F.cosine_embedding_loss(a, b, -torch.ones(len(a)), margin=0.2)
results = {
    "losses": losses,
    "within": within,
    "between": between,
    "cosine": cosine,
    "pair": pair.item(),
    "nearest": torch.cdist(a, b).argmin(dim=1),
    "slopes": [m.weight.item() for m in net.modules() if isinstance(m, nn.PReLU)],
}
