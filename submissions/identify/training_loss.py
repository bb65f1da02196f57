"""Blames what the model fits worst: the loss of each training example.

The simplest detector of wrong labels ("small-loss trick", Han et al. 2018). It knows nothing of
the failures.
"""

import torch
from torch.nn.functional import cross_entropy


@torch.no_grad()
def identify(net, train, failures, val):
    net.eval()
    device = next(net.parameters()).device
    losses = [
        cross_entropy(net(inputs.to(device)), targets.to(device), reduction="none")
        for inputs, targets in train
    ]
    return torch.cat(losses)
