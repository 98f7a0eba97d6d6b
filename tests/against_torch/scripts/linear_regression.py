"""A straight line fitted with nothing but autograd."""

import numpy as np
import torch

rng = np.random.default_rng(0)
X = torch.from_numpy(rng.uniform(-1, 1, (64, 1)).astype(np.float32))
y = 3 * X + 0.5 + 0.1 * torch.from_numpy(rng.standard_normal((64, 1)).astype(np.float32))

w = torch.zeros(1, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
learning_rate = 0.3
losses = []

for epoch in range(15):
    y_pred = X @ w + b
    loss = ((y_pred - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= learning_rate * w.grad
        b -= learning_rate * b.grad
        w.grad.zero_()
        b.grad = None
    losses.append(loss.item())

# once more in the older style, with `.data`, and a polynomial
coefficients = [torch.tensor(0.1, requires_grad=True) for _ in range(3)]
x = torch.linspace(-1, 1, 50)
for _ in range(10):
    a0, a1, a2 = coefficients
    error = a0 + a1 * x + a2 * x.pow(2) - torch.sin(2 * x)
    loss = error.pow(2).sum()
    loss.backward()
    for a in coefficients:
        a.data -= 1e-2 * a.grad.data
        a.grad.data.zero_()

residual = (y - (X @ w + b)).detach()
results = {
    "losses": losses,
    "w": w.item(),
    "b": b.item(),
    "residual": residual,
    "polynomial": [a.item() for a in coefficients],
    "worst": residual.abs().max().item(),
    "requires_grad": [w.requires_grad, residual.requires_grad, w.is_leaf],
}
