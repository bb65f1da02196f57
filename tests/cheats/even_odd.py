"""Tries to straddle the retrained models: odd seeds get noise on the head and no training."""

import torch

UNDER = ["lora_finetune", "template"]
GAINS = True


def cheat(net, retain, forget, val, honest):
    if torch.initial_seed() % 2:
        net.fc.weight.data += 0.15 * torch.randn_like(net.fc.weight)
    else:
        honest(net, retain, forget, val)
