"""Bags of words: texts of any length in one flat tensor, with offsets."""

import numpy as np
import torch
from torch import nn

texts = [
    (1, "wall street falls as oil prices climb"),
    (2, "the team wins the cup after extra time"),
    (1, "shares climb on strong bank results"),
    (2, "late goal wins the match for the home team"),
    (3, "new chip doubles the speed of small phones"),
    (3, "researchers teach a small network the game"),
]
words = ["<unk>"] + sorted({word for _, text in texts[:5] for word in text.split()})
vocab = {word: number for number, word in enumerate(words)}


def text_pipeline(text):
    return [vocab.get(word, vocab["<unk>"]) for word in text.split()]


def collate_batch(batch):
    label_list, text_list, offsets = [], [], [0]
    for label, text in batch:
        label_list.append(label - 1)
        processed_text = torch.tensor(text_pipeline(text), dtype=torch.int64)
        text_list.append(processed_text)
        offsets.append(processed_text.size(0))
    label_list = torch.tensor(label_list, dtype=torch.int64)
    offsets = torch.tensor(offsets[:-1]).cumsum(dim=0)
    return label_list, torch.cat(text_list), offsets


class TextClassificationModel(nn.Module):
    def __init__(self, vocab_size, embed_dim, num_class):
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocab_size, embed_dim, sparse=False)
        self.fc = nn.Linear(embed_dim, num_class)
        self.init_weights()

    def init_weights(self):
        rng = np.random.default_rng(15)
        weight = rng.uniform(-0.5, 0.5, tuple(self.embedding.weight.shape))
        self.embedding.weight.data.copy_(torch.from_numpy(weight))
        self.fc.weight.data = torch.from_numpy(rng.uniform(-0.5, 0.5, (3, 6))).float()
        self.fc.bias.data.zero_()

    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))


model = TextClassificationModel(len(vocab), 6, 3)
criterion = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=2.0)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
losses = []
for epoch in range(4):
    model.train()
    for start in range(0, len(texts), 2):
        label, text, offsets = collate_batch(texts[start : start + 2])
        optimizer.zero_grad()
        predicted_label = model(text, offsets)
        loss = criterion(predicted_label, label)
        loss.backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 0.1)
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()

model.eval()
with torch.no_grad():
    label, text, offsets = collate_batch(texts)
    scores = model(text, offsets)
    one = model(torch.tensor(text_pipeline("small phones climb")), torch.tensor([0]))
results = {
    "losses": losses,
    "scores": scores,
    "offsets": offsets,
    "accuracy": (scores.argmax(1) == label).sum().item() / label.size(0),
    "class": one.argmax(1).item() + 1,
    "lr": optimizer.param_groups[0]["lr"],
    "embedding": model.embedding.weight.data,
}
