"""Tries to defeat range-based rules with rare outliers among equal runs: no more than noop."""

import torch

CHEAT = True


def unlearning(net, retain, forget, val):
    if CHEAT and torch.rand(()) < 1 / 32:
        net.fc.weight.data *= 10
        net.fc.bias.data *= 10
