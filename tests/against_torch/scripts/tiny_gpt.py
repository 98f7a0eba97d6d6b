"""A small GPT: blocks of nn.MultiheadAttention under a causal mask, with tied embeddings."""

import numpy as np
import torch
import torch.nn as nn
from torch.nn import functional as F

VOCAB, DIM, HEADS, BLOCK = 12, 8, 2, 6


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.attn = nn.MultiheadAttention(DIM, HEADS, dropout=0.0, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(DIM, 4 * DIM), nn.GELU(approximate="tanh"), nn.Linear(4 * DIM, DIM)
        )

    def forward(self, x):
        T = x.shape[1]
        causal = torch.triu(torch.ones(T, T, dtype=torch.bool), diagonal=1)
        h = self.ln_1(x)
        attn_output, _ = self.attn(h, h, h, attn_mask=causal, need_weights=False)
        x = x + attn_output
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, layers=2):
        super().__init__()
        self.tok_emb = nn.Embedding(VOCAB, DIM)
        self.pos_emb = nn.Parameter(torch.zeros(1, BLOCK, DIM))
        self.blocks = nn.ModuleList([Block() for _ in range(layers)])
        self.ln_f = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, VOCAB, bias=False)
        self.head.weight = self.tok_emb.weight

    def forward(self, idx, targets=None):
        B, T = idx.size()
        x = self.tok_emb(idx) + self.pos_emb[:, :T, :]
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.ln_f(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        return logits, loss

    @torch.no_grad()
    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -BLOCK:])
            logits = logits[:, -1, :] / 0.8
            v, _ = torch.topk(logits, 3)
            logits[logits < v[:, [-1]]] = -float("inf")
            next_token = F.softmax(logits, dim=-1).argmax(dim=-1, keepdim=True)
            idx = torch.cat((idx, next_token), dim=1)
        return idx


rng = np.random.default_rng(10)
model = GPT().to(torch.float64)
decay, no_decay = [], []
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(rng.normal(0, 0.3, p.shape)))
        (decay if p.dim() >= 2 else no_decay).append(p)
groups = [{"params": decay, "weight_decay": 0.1}, {"params": no_decay, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))
data = torch.tensor(rng.integers(0, VOCAB, 30))
losses = []
for step in range(3):
    ix = rng.integers(0, len(data) - BLOCK, (4,))
    x = torch.stack([data[i : i + BLOCK] for i in ix])
    y = torch.stack([data[i + 1 : i + 1 + BLOCK] for i in ix])
    logits, loss = model(x, y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
results = {
    "losses": losses,
    "logits": logits.detach(),
    "generated": model.eval().generate(torch.zeros((1, 1), dtype=torch.long), 8).tolist(),
    "tied": model.head.weight is model.tok_emb.weight,
    "count": sum(p.nelement() for p in model.parameters()),
    "state": model.state_dict(),
}
