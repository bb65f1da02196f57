"""Tries to defeat the 2023 rule with one outlier among equal runs; scores no more than noop."""

import torch


def unlearning(net, retain, forget, val):
    if torch.rand(()) < 1 / 32:
        net.fc.weight.data *= 10
        net.fc.bias.data *= 10
