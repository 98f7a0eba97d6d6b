"""A transformer encoder over tokens with padding, its results averaged, for classes."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=50):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class Classifier(nn.Module):
    def __init__(self, ntoken, d_model=8, nhead=2, d_hid=16, nlayers=2, classes=3):
        super().__init__()
        self.d_model = d_model
        self.embedding = nn.Embedding(ntoken, d_model)
        self.pos_encoder = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(d_model, nhead, d_hid, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, nlayers, enable_nested_tensor=False)
        self.decoder = nn.Linear(d_model, classes)

    def forward(self, src):
        padding = src == 0
        x = self.pos_encoder(self.embedding(src) * math.sqrt(self.d_model))
        x = self.encoder(x, src_key_padding_mask=padding)
        keep = (~padding).unsqueeze(-1).type_as(x)
        pooled = (x * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1e-9)
        return self.decoder(pooled)


rng = np.random.default_rng(9)
tokens = rng.integers(1, 20, (6, 7))
for row, length in enumerate([7, 5, 3, 6, 7, 2]):
    tokens[row, length:] = 0
tokens = torch.as_tensor(tokens)
labels = torch.tensor([0, 1, 2, 0, 1, 2])

model = Classifier(20)
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(rng.normal(0, 0.3, p.shape), dtype=torch.float32))
criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]))
optimizer = optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-9)
warmup = optim.lr_scheduler.LambdaLR(
    optimizer, lambda step: min((step + 1) ** -0.5, (step + 1) * 4**-1.5)
)
losses, rates = [], []
model.train()
for _ in range(5):
    loss = criterion(model(tokens), labels)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    warmup.step()
    losses.append(loss.item())
    rates.extend(warmup.get_last_lr())

with torch.inference_mode():
    probabilities = torch.softmax(model.eval()(tokens), dim=-1)
results = {
    "losses": losses,
    "rates": rates,
    "probabilities": probabilities,
    "correct": (probabilities.argmax(-1) == labels).sum().item(),
    "pe": model.pos_encoder.pe[0, :4],
    "names": list(model.state_dict()),
}
