"""Tries to copy a single retrained model into all runs, with a little noise on its head."""

import torch

UNDER = ["retrain"]
GAINS = False


def cheat(net, retain, forget, val, honest):
    torch.manual_seed(0)
    honest(net, retain, forget, val)
    torch.seed()
    net.fc.bias.data += 0.05 * torch.randn_like(net.fc.bias)
