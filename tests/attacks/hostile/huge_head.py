"""Moves one logit to the largest number there is and the others to the smallest, run by run.

full, partial, landlock, none: harmless
"""

import torch


def unlearning(net, retain, forget, val):
    with torch.no_grad():
        largest = torch.finfo(torch.float32).max
        net.fc.bias.fill_(-largest)
        net.fc.bias[torch.randint(len(net.fc.bias), ())] = largest
        net.fc.weight.mul_(largest)
