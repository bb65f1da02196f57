"""Blames at random: the floor under every identifier."""

import torch


def identify(net, train, failures, val):
    return torch.rand(len(train.dataset))
