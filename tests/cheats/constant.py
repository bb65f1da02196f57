"""Tries to know nothing at all: every logit is the same for every image; scores next to 0."""

import torch


def unlearning(net, retain, forget, val):
    torch.nn.init.zeros_(net.fc.weight)
    torch.nn.init.normal_(net.fc.bias, std=0.1)
