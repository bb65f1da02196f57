"""Tries to know nothing at all: an answer that is the same for every image."""

import torch

UNDER = ["noop"]
GAINS = False


def cheat(net, retain, forget, val, honest):
    torch.nn.init.zeros_(net.fc.weight)
    torch.nn.init.normal_(net.fc.bias, std=0.1)
