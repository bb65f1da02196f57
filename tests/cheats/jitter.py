"""Tries to pass one fixed model off as many, by a tiny noise."""

import torch

UNDER = ["noop"]
GAINS = False


def cheat(net, retain, forget, val, honest):
    honest(net, retain, forget, val)
    net.fc.bias.data += 1e-3 * torch.randn_like(net.fc.bias)
