"""Ratings as products of what is learned of users and of films."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class MF(nn.Module):
    def __init__(self, num_users, num_items, emb_size=4):
        super().__init__()
        self.user_emb = nn.Embedding(num_users, emb_size)
        self.user_bias = nn.Embedding(num_users, 1)
        self.item_emb = nn.Embedding(num_items, emb_size)
        self.item_bias = nn.Embedding(num_items, 1)
        self.offset = nn.Parameter(torch.tensor([3.0]), requires_grad=False)

    def forward(self, u, v):
        U, V = self.user_emb(u), self.item_emb(v)
        b_u = self.user_bias(u).squeeze()
        b_v = self.item_bias(v).squeeze()
        return (U * V).sum(1) + b_u + b_v + self.offset


rng = np.random.default_rng(16)
users, items = rng.integers(0, 6, 40), rng.integers(0, 9, 40)
users, items = torch.LongTensor(users), torch.LongTensor(items)
ratings = torch.FloatTensor(rng.integers(1, 6, 40))
model = MF(6, 9)
for table in (model.user_emb, model.item_emb):
    table.weight.data.copy_(torch.from_numpy(rng.uniform(0, 0.5, table.weight.shape)))
for table in (model.user_bias, model.item_bias):
    nn.init.zeros_(table.weight)


def test_loss():
    model.eval()
    with torch.no_grad():
        return F.mse_loss(model(users, items), ratings).item()


optimizer = torch.optim.Adam(
    filter(lambda p: p.requires_grad, model.parameters()), lr=0.05, weight_decay=1e-4
)
losses, tests = [], []
for epoch in range(8):
    model.train()
    y_hat = model(users, items)
    loss = F.smooth_l1_loss(y_hat, ratings)
    loss = loss + 1e-3 * sum(p.pow(2.0).sum() for p in model.parameters() if p.requires_grad)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    tests.append(test_loss())

with torch.no_grad():
    table = model.user_emb.weight @ model.item_emb.weight.t() + model.item_bias.weight.T
    table = table + model.user_bias.weight.expand(6, 9) + model.offset
    seen = torch.zeros(6, 9, dtype=torch.bool)
    seen[users, items] = True
    best = table.masked_fill(seen, float("-inf")).argmax(dim=1)
results = {
    "losses": losses,
    "tests": tests,
    "table": table,
    "best": best,
    "seen": seen.sum().item(),
    "mae": torch.abs(table[users, items] - ratings).mean().item(),
    "offset": model.offset.item(),
}
