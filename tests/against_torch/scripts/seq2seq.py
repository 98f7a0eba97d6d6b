"""Sequence to sequence with additive attention, written out; it learns to turn digits round."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

PAD, SOS, VOCAB, HIDDEN = 0, 1, 8, 10


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, HIDDEN)
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)

    def forward(self, src):
        return self.gru(self.embedding(src))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.Wa = nn.Linear(HIDDEN, HIDDEN)
        self.Ua = nn.Linear(HIDDEN, HIDDEN)
        self.Va = nn.Linear(HIDDEN, 1)

    def forward(self, query, keys, mask):
        scores = self.Va(torch.tanh(self.Wa(query) + self.Ua(keys)))
        scores = scores.squeeze(2).unsqueeze(1)
        scores = scores.masked_fill(mask.unsqueeze(1), float("-inf"))
        weights = F.softmax(scores, dim=-1)
        return torch.bmm(weights, keys), weights


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, HIDDEN)
        self.attention = Attention()
        self.cell = nn.GRUCell(2 * HIDDEN, HIDDEN)
        self.out = nn.Linear(HIDDEN, VOCAB)

    def forward(self, token, hidden, keys, mask):
        context, weights = self.attention(hidden.unsqueeze(1), keys, mask)
        hidden = self.cell(torch.cat((self.embedding(token), context.squeeze(1)), 1), hidden)
        return F.log_softmax(self.out(hidden), dim=-1), hidden, weights


def run(src, trg=None, steps=4):
    keys, hidden = encoder(src)
    hidden, mask = hidden[0], src == PAD
    token = torch.full((src.shape[0],), SOS, dtype=torch.long)
    outputs, maps = [], []
    for t in range(steps):
        logits, hidden, weights = decoder(token, hidden, keys, mask)
        outputs.append(logits)
        maps.append(weights)
        token = trg[:, t] if trg is not None else logits.argmax(1).detach()
    return torch.stack(outputs, dim=1), torch.cat(maps, dim=1)


rng = np.random.default_rng(8)
encoder, decoder = Encoder().double(), Decoder().double()
params = list(encoder.parameters()) + list(decoder.parameters())
with torch.no_grad():
    for p in params:
        p.copy_(torch.tensor(rng.uniform(-0.5, 0.5, p.shape)))
src = torch.tensor(rng.integers(2, VOCAB, (5, 4)))
src[0, 3] = PAD
trg = torch.flip(src, dims=[1])

optimizer = torch.optim.NAdam(params, lr=0.02)
criterion = nn.NLLLoss(ignore_index=PAD)
losses = []
for _ in range(4):
    outputs, maps = run(src, trg)
    loss = criterion(outputs.view(-1, VOCAB), trg.contiguous().view(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
with torch.no_grad():
    outputs, maps = run(src)
results = {"losses": losses, "maps": maps, "greedy": outputs.argmax(dim=2), "sum": maps.sum(-1)}
