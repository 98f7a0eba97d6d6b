"""A generator and a discriminator with an optimizer each."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

nz, ngf, ndf = 3, 4, 4
rng = np.random.default_rng(13)


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        m.weight.data.copy_(torch.tensor(rng.normal(0.0, 0.2, m.weight.shape)))
    elif classname.find("BatchNorm") != -1:
        m.weight.data.copy_(torch.tensor(rng.normal(1.0, 0.02, m.weight.shape)))
        m.bias.data.fill_(0)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 2, 2, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, 1, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, input):
        return self.main(input)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 2, 1, 2, 1, 0, bias=False),
        )

    def forward(self, input):
        return self.main(input).view(-1)


netG, netD = Generator().double(), Discriminator().double()
netG.apply(weights_init)
netD.apply(weights_init)
criterion = nn.BCEWithLogitsLoss()
optimizerD = optim.Adam(netD.parameters(), lr=0.002, betas=(0.5, 0.999))
optimizerG = optim.Adam(netG.parameters(), lr=0.002, betas=(0.5, 0.999))
fixed_noise = torch.tensor(rng.standard_normal((4, nz, 1, 1)))
G_losses, D_losses, means = [], [], []

for i in range(3):
    real = torch.tensor(rng.uniform(-1, 1, (6, 1, 8, 8)))
    noise = torch.tensor(rng.standard_normal((6, nz, 1, 1)))
    # the discriminator: real pictures are 1, made ones 0
    netD.zero_grad()
    label = torch.full((real.size(0),), 1.0, dtype=torch.double)
    output = netD(real)
    errD_real = criterion(output, label)
    errD_real.backward()
    D_x = output.sigmoid().mean().item()
    fake = netG(noise)
    label.fill_(0.0)
    output = netD(fake.detach())
    errD_fake = criterion(output, label)
    errD_fake.backward()
    optimizerD.step()
    # the generator: made pictures are to be taken for real ones
    netG.zero_grad()
    label.fill_(1.0)
    errG = criterion(netD(fake), label)
    errG.backward()
    optimizerG.step()
    G_losses.append(errG.item())
    D_losses.append((errD_real + errD_fake).item())
    means.append(D_x)

with torch.no_grad():
    fake = netG.eval()(fixed_noise).detach().cpu()
results = {
    "G": G_losses,
    "D": D_losses,
    "means": means,
    "fake": fake,
    "grads": [p.grad.norm().item() for p in netG.parameters()],
    "state": netD.state_dict(),
}
