"""An encoder and a decoder joined by skips, for masks of images."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding="same"),
            nn.GroupNorm(2, out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class UNet(nn.Module):
    def __init__(self, features=(4, 8)):
        super().__init__()
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        channels = 1
        for feature in features:
            self.downs.append(DoubleConv(channels, feature))
            channels = feature
        self.bottleneck = DoubleConv(features[-1], features[-1] * 2)
        for feature in reversed(features):
            self.ups.append(nn.ConvTranspose2d(feature * 2, feature, kernel_size=2, stride=2))
            self.ups.append(DoubleConv(feature * 2, feature))
        self.final = nn.Conv2d(features[0], 1, kernel_size=1)

    def forward(self, x):
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for i in range(0, len(self.ups), 2):
            x = self.ups[i](x)
            skip = skips.pop()
            if x.shape != skip.shape:
                x = F.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=False)
            x = self.ups[i + 1](torch.cat((skip, x), dim=1))
        return self.final(x)


def dice_score(logits, mask, eps=1e-6):
    probability = torch.sigmoid(logits).flatten(1)
    mask = mask.flatten(start_dim=1)
    overlap = (probability * mask).sum(-1)
    return (2 * overlap + eps) / (probability.sum(-1) + mask.sum(-1) + eps)


rng = np.random.default_rng(5)
model = UNet()
with torch.no_grad():
    for name, p in model.named_parameters():
        values = rng.normal(0, 0.25, tuple(p.shape)).astype(np.float32)
        p.copy_(torch.from_numpy(values))
images = torch.from_numpy(rng.random((2, 1, 10, 10), dtype=np.float32))
masks = (images > 0.6).to(torch.float32)
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
losses = []
for _ in range(3):
    logits = model(images)
    loss = F.binary_cross_entropy_with_logits(logits, masks) + 1 - dice_score(logits, masks).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
with torch.no_grad():
    logits = model(images)
    guess, truth = logits > 0, masks.bool()
    iou = (guess & truth).sum((1, 2, 3)) / (guess | truth).sum((1, 2, 3))
results = {"losses": losses, "logits": logits, "iou": iou, "dice": dice_score(logits, masks)}
