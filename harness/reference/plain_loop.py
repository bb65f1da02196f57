"""The plain loop that a retraining's seconds are measured by; the harness runs it as a submission.

It costs what the recipe costs, and so tells seconds alone: what it ends with is thrown away.
"""

import torch
from torch.nn.functional import cross_entropy

EPOCHS = 1


def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device
    optimizer = torch.optim.AdamW(net.parameters())
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            optimizer.zero_grad()
            cross_entropy(net(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()
