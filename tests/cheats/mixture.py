"""Tries to straddle the retrained models by mixing two methods over runs; no more than finetune.

Half of the runs are fine-tuned; the other half are pushed off the forget set by ascent, so that
the two halves lie on either side of what retraining gives.
"""

import torch
from torch.nn.functional import cross_entropy


def unlearning(net, retain, forget, val):
    ascend = torch.rand(()) < 0.5
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    net.train()
    if ascend:
        for inputs, targets in forget:
            optimizer.zero_grad()
            (-cross_entropy(net(inputs), targets)).backward()
            optimizer.step()
    for inputs, targets in retain:
        optimizer.zero_grad()
        cross_entropy(net(inputs), targets).backward()
        optimizer.step()
