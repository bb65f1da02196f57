"""Tries to widen the confidences by an offset of each class, drawn for every run."""

import torch

UNDER = ["noop", "lora_finetune", "template"]
GAINS = False


def cheat(net, retain, forget, val, honest):
    honest(net, retain, forget, val)
    net.fc.bias.data += torch.randn_like(net.fc.bias)
