"""Sequences of several lengths, packed for a bidirectional GRU."""

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


class Tagger(nn.Module):
    def __init__(self, vocab_size, tags, dim=6, hidden=5):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, dim, padding_idx=0)
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, tags)
        self.whole = nn.Linear(2 * hidden, 1)

    def forward(self, x, lengths):
        embedded = self.embedding(x)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        packed_out, hidden = self.gru(packed)
        out, _ = pad_packed_sequence(packed_out, batch_first=True)
        last = torch.cat([hidden[-2], hidden[-1]], dim=1)
        return self.out(out), self.whole(last).squeeze(-1)


rng = np.random.default_rng(7)
sequences = [torch.tensor(rng.integers(1, 11, length)) for length in (4, 7, 2, 5)]
lengths = torch.tensor([len(s) for s in sequences])
x = pad_sequence(sequences, batch_first=True, padding_value=0)
tags = torch.where(x > 0, x % 3, -100)
kinds = (lengths > 4).float()

model = Tagger(vocab_size=11, tags=3)
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.from_numpy(rng.normal(0, 0.4, tuple(p.shape))).float())
    model.embedding.weight[0] = 0.0
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
tag_loss, kind_loss = nn.CrossEntropyLoss(ignore_index=-100), nn.BCEWithLogitsLoss()

losses = []
for _ in range(5):
    optimizer.zero_grad()
    scores, kind = model(x, lengths)
    loss = tag_loss(scores.transpose(1, 2), tags) + 0.5 * kind_loss(kind, kinds)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

with torch.no_grad():
    scores, kind = model(x, lengths)
    mask = x != 0
    best = scores.argmax(-1).masked_fill(~mask, -1)
    hits = (best == tags) & mask
results = {
    "losses": losses,
    "scores": scores[mask],
    "best": best.tolist(),
    "accuracy": (hits.sum().float() / mask.sum()).item(),
    "kind": torch.sigmoid(kind),
    "padding": model.embedding.weight[0].abs().sum().item(),
    "lengths": lengths.tolist(),
}
