"""Tries to copy one retrained model with too little spread; scores far below retrain."""

import torch
from torch.nn.functional import cross_entropy


def unlearning(net, retain, forget, val):
    torch.manual_seed(0)
    for layer in net.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4 * len(retain))
    net.train()
    for _ in range(4):
        for inputs, targets in retain:
            optimizer.zero_grad()
            cross_entropy(net(inputs), targets).backward()
            optimizer.step()
            schedule.step()
    torch.seed()
    net.fc.bias.data += 0.05 * torch.randn_like(net.fc.bias)
