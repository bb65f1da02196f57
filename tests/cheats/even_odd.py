"""Tries one method for even and another for odd seeds; scores no more than finetune."""

import torch
from torch.nn.functional import cross_entropy


def unlearning(net, retain, forget, val):
    if torch.initial_seed() % 2:
        net.fc.weight.data += 0.05 * torch.randn_like(net.fc.weight)
        return
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    net.train()
    for inputs, targets in retain:
        optimizer.zero_grad()
        cross_entropy(net(inputs), targets).backward()
        optimizer.step()
