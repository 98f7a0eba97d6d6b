"""A multi-layer perceptron for classes, trained in minibatches."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

rng = np.random.default_rng(2)
centres = rng.normal(0, 2, (3, 8))
labels = rng.integers(0, 3, 120)
features = (centres[labels] + rng.normal(0, 1, (120, 8))).astype("float32")
X_train, X_test = torch.tensor(features[:96]), torch.tensor(features[96:])
y_train, y_test = torch.tensor(labels[:96]), torch.tensor(labels[96:])

model = nn.Sequential(
    nn.Linear(8, 32),
    nn.ReLU(inplace=True),
    nn.Dropout(p=0.0),
    nn.Linear(32, 16, bias=False),
    nn.BatchNorm1d(16),
    nn.LeakyReLU(0.2),
    nn.Linear(16, 3),
)
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(rng.normal(0, 0.3, p.shape), dtype=p.dtype))

criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = optim.AdamW(model.parameters(), lr=1e-2)
scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
batch_size = 16
history = {"loss": [], "accuracy": [], "lr": []}

for epoch in range(3):
    model.train()
    running_loss, correct, total = 0.0, 0, 0
    permutation = torch.from_numpy(rng.permutation(X_train.size(0)))
    for i in range(0, X_train.size()[0], batch_size):
        indices = permutation[i : i + batch_size]
        inputs, targets = X_train[indices], y_train[indices]
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * inputs.size(0)
        predicted = outputs.argmax(dim=1)
        correct += predicted.eq(targets).sum().item()
        total += targets.size(0)
    scheduler.step()
    history["loss"].append(running_loss / total)
    history["accuracy"].append(100.0 * correct / total)
    history["lr"].append(scheduler.get_last_lr()[0])

model.eval()
with torch.no_grad():
    logits = model(X_test)
    accuracy = (logits.argmax(dim=1) == y_test).float().mean().item()
    top2 = torch.topk(torch.softmax(logits, dim=1), 2)

results = {
    "history": history,
    "logits": logits,
    "accuracy": accuracy,
    "top2": [top2.values, top2.indices],
    "state": model.state_dict(),
}
