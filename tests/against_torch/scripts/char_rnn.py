"""A character model: an LSTM whose state is carried from piece to piece of the text."""

import numpy as np
import torch
import torch.nn as nn

text = "to be or not to be that is the question whether tis nobler in the mind to suffer "
chars = sorted(set(text))
stoi = {ch: i for i, ch in enumerate(chars)}
data = torch.tensor([stoi[ch] for ch in text], dtype=torch.long)


class CharRNN(nn.Module):
    def __init__(self, vocab_size, embed_size=8, hidden_size=12, num_layers=2):
        super().__init__()
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.embed = nn.Embedding(vocab_size, embed_size)
        self.lstm = nn.LSTM(embed_size, hidden_size, num_layers, batch_first=True, dropout=0.0)
        self.fc = nn.Linear(hidden_size, vocab_size)

    def forward(self, x, hidden):
        out, hidden = self.lstm(self.embed(x), hidden)
        return self.fc(out), hidden

    def init_hidden(self, batch_size):
        weight = next(self.parameters())
        shape = (self.num_layers, batch_size, self.hidden_size)
        return weight.new_zeros(shape), weight.new_zeros(shape)


rng = np.random.default_rng(6)
model = CharRNN(len(chars))
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(rng.uniform(-0.4, 0.4, p.size()), dtype=p.dtype))

batch_size, seq_len = 4, 5
n = (len(data) - 1) // (batch_size * seq_len) * seq_len
xs = data[: batch_size * n].view(batch_size, n)
ys = data[1 : batch_size * n + 1].view(batch_size, n)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
losses, norms = [], []

for epoch in range(2):
    hidden = model.init_hidden(batch_size)
    for i in range(0, xs.size(1), seq_len):
        inputs, targets = xs[:, i : i + seq_len], ys[:, i : i + seq_len]
        hidden = tuple(h.detach() for h in hidden)
        output, hidden = model(inputs, hidden)
        loss = criterion(output.reshape(-1, len(chars)), targets.reshape(-1))
        model.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.5)
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm.item())

model.eval()
sample, (h, c) = [stoi["t"]], model.init_hidden(1)
with torch.no_grad():
    for _ in range(6):
        logits, (h, c) = model(torch.tensor([[sample[-1]]]), (h, c))
        sample.append(logits[0, -1].argmax().item())
perplexity = torch.exp(torch.tensor(losses[-1])).item()
results = {"losses": losses, "norms": norms, "sample": sample, "h": h, "perplexity": perplexity}
