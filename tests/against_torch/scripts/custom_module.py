"""Modules of one's own: parameters, buffers, lists and dictionaries of modules, hooks."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class MyLinear(nn.Module):
    __constants__ = ["in_features", "out_features"]

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        if bias:
            self.bias = nn.Parameter(torch.zeros(out_features))
        else:
            self.register_parameter("bias", None)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self):
        return f"in={self.in_features}, out={self.out_features}, bias={self.bias is not None}"


class RunningScale(nn.Module):
    def __init__(self, features, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                new = x.abs().mean(0)
                self.scale.mul_(1 - self.momentum).add_(new, alpha=self.momentum)
                self.steps += 1
        return x / (self.scale + 1e-5)


class Net(nn.Module):
    def __init__(self, widths=(5, 7, 7), kind="relu"):
        super().__init__()
        self.layers = nn.ModuleList(MyLinear(a, b) for a, b in zip(widths, widths[1:]))
        self.scales = nn.ModuleList([RunningScale(width) for width in widths[1:]])
        self.acts = nn.ModuleDict({"relu": nn.ReLU(), "swish": nn.SiLU()})
        self.gates = nn.ParameterList([nn.Parameter(torch.full((w,), 0.5)) for w in widths[1:]])
        self.kind = kind
        self.head = MyLinear(widths[-1], 2, bias=False)

    def forward(self, x):
        for layer, scale, gate in zip(self.layers, self.scales, self.gates):
            x = self.acts[self.kind](scale(layer(x))) * torch.sigmoid(gate)
        return self.head(x)


rng = np.random.default_rng(18)
net = Net(kind="swish")
for name, p in net.named_parameters():
    if name.endswith("weight"):
        p.data.copy_(torch.tensor(rng.normal(0, 0.5, p.shape)))

activations, shapes, norms = {}, [], []


def get_activation(name):
    def hook(model, input, output):
        activations[name] = output.detach()

    return hook


handle = net.layers[0].register_forward_hook(get_activation("first"))
net.head.register_forward_pre_hook(lambda module, args: shapes.append(tuple(args[0].shape)))
net.head.register_full_backward_hook(
    lambda module, grad_input, grad_output: norms.append(grad_output[0].norm().item())
)
x = torch.tensor(rng.normal(size=(9, 5)), dtype=torch.float32)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
losses = []
for _ in range(3):
    loss = net(x).square().sum(1).mean()
    net.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
handle.remove()
activations["before"] = activations["first"].clone()
out = net.eval()(x)

results = {
    "losses": losses,
    "activations": activations,
    "shapes": shapes,
    "norms": norms,
    "out": out.detach(),
    "repr": repr(net.head),
    "names": [name for name, _ in net.named_modules()],
    "buffers": dict(net.named_buffers()),
    "children": [type(child).__name__ for child in net.children()],
    "has": [hasattr(net, "head"), "relu" in net.acts, len(net.layers), net.head.bias is None],
    "state": net.state_dict(),
}
