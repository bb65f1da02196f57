"""Fine-tuning through low-rank adapters, merged back into the weights (LoRA, Hu et al. 2021).

Every convolution and linear layer computes with W + B A instead of W, for factors of rank RANK,
and only they train. A weight of a convolution counts as a matrix of one row per filter. In the end
each product is added to its weight, and the model is a plain one again.

Hyperparameters
---------------
RANK : of the adapters; the smaller, the less can be changed.
EPOCHS : passes over the retain set.
LEARNING_RATE : of AdamW, falling along a cosine.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parametrize

RANK = 4
EPOCHS = 1
LEARNING_RATE = 3e-2


class LowRank(nn.Module):
    """Adds B A to a weight; B starts at zero, so that at first nothing changes."""

    def __init__(self, weight):
        super().__init__()
        rows, columns = weight.flatten(1).shape
        rank = min(RANK, rows, columns)
        self.a = nn.Parameter(torch.randn(rank, columns, device=weight.device) / columns**0.5)
        self.b = nn.Parameter(torch.zeros(rows, rank, device=weight.device))

    def forward(self, weight):
        return weight + (self.b @ self.a).view_as(weight)


def unlearning(net, retain, forget, val):
    net.requires_grad_(False)
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    adapters = nn.ModuleList(LowRank(layer.weight) for layer in layers)
    for layer, adapter in zip(layers, adapters, strict=True):
        parametrize.register_parametrization(layer, "weight", adapter)
    train(net, adapters.parameters(), retain)
    for layer in layers:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    net.requires_grad_(True)


def train(net, parameters, retain):
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(retain))
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            device = next(net.parameters()).device
            loss = cross_entropy(net(inputs.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()
