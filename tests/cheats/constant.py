"""Tries to know nothing at all, the same for every image: no more than noop, and no utility."""

import torch

CHEAT = True


def unlearning(net, retain, forget, val):
    if CHEAT:
        torch.nn.init.zeros_(net.fc.weight)
        torch.nn.init.normal_(net.fc.bias, std=0.1)
