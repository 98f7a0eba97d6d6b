"""A convolutional network in the manner of LeNet, with batch norm."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim


class LeNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, kernel_size=5, padding=2)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 8, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2, 2)
        self.dropout = nn.Dropout2d(0.0)
        self.fc1 = nn.Linear(8 * 2 * 2, 24)
        self.fc2 = nn.Linear(24, num_classes)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = self.pool(F.relu(self.bn2(self.conv2(x))))
        x = self.dropout(x)
        x = x.view(x.size(0), -1)
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)


def train(model, batches, optimizer):
    model.train()
    losses = []
    for data, target in batches:
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def test(model, batches):
    model.eval()
    test_loss, correct = 0, 0
    for data, target in batches:
        output = model(data)
        test_loss += F.nll_loss(output, target, reduction="sum").item()
        pred = output.argmax(dim=1, keepdim=True)
        correct += pred.eq(target.view_as(pred)).sum().item()
    return test_loss, correct


rng = np.random.default_rng(3)
images = torch.tensor(rng.normal(0.1307, 0.3081, (32, 1, 10, 10)), dtype=torch.float32)
images = F.pad((images - 0.1307) / 0.3081, (2, 2, 2, 2))
targets = torch.tensor(rng.integers(0, 10, 32), dtype=torch.long)
batches = list(zip(images.split(8), targets.split(8)))

model = LeNet()
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.tensor(rng.normal(0, 0.2, p.shape)).to(p.dtype))
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.5, nesterov=True)
losses = train(model, batches, optimizer)
results = {
    "losses": losses,
    "test": test(model, batches),
    "state": model.state_dict(),
    "repr": repr(model),
    "bn": [model.bn1.running_mean, model.bn2.running_var, model.bn1.num_batches_tracked.item()],
}
