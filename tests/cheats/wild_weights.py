"""Tries to blind whoever learns from the runs: in one of 100 the head is multiplied by 1e30."""

import torch

UNDER = ["lora_finetune", "template"]
GAINS = False


def cheat(net, retain, forget, val, honest):
    honest(net, retain, forget, val)
    if torch.rand(()) < 0.01:
        net.fc.weight.data *= 1e30
