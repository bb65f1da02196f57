"""Tries to straddle the retrained models: half of the runs are left as the original is."""

import torch

UNDER = ["lora_finetune", "template"]
GAINS = True


def cheat(net, retain, forget, val, honest):
    if torch.rand(()) < 0.5:
        honest(net, retain, forget, val)
