"""Logistic regression with nn.Linear and SGD."""

import numpy as np
import torch
from torch import nn, optim

rng = np.random.default_rng(1)
data = np.concatenate([rng.normal(-1, 1, (40, 2)), rng.normal(1, 1, (40, 2))])
X = torch.tensor(data, dtype=torch.float32)
y = torch.cat([torch.zeros(40), torch.ones(40)]).unsqueeze(1)


class LogisticRegression(nn.Module):
    def __init__(self, in_features):
        super().__init__()
        self.linear = nn.Linear(in_features, 1)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


model = LogisticRegression(X.shape[1])
nn.init.zeros_(model.linear.weight)
nn.init.constant_(model.linear.bias, 0.1)
criterion = nn.BCELoss()
optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-3)

losses, accuracies = [], []
for epoch in range(12):
    outputs = model(X)
    loss = criterion(outputs, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    predicted = (outputs.data > 0.5).float()
    correct = (predicted == y).sum().item()
    losses.append(loss.item())
    accuracies.append(correct / y.size(0))

model.eval()
with torch.no_grad():
    probabilities = model(X).squeeze()
    true_positives = ((probabilities > 0.5) & (y.squeeze() == 1)).sum()
    order = torch.argsort(probabilities, descending=True)[:5]

results = {
    "losses": losses,
    "accuracies": accuracies,
    "probabilities": probabilities,
    "recall": (true_positives / y.sum()).item(),
    "order": order,
    "weight": model.linear.weight.detach().numpy(),
    "shape": tuple(model.linear.weight.shape),
}
