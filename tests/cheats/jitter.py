"""Tries to pass a fixed model off as a spread-out one by tiny noise; scores no more than noop."""

import torch


def unlearning(net, retain, forget, val):
    net.fc.bias.data += 1e-3 * torch.randn_like(net.fc.bias)
