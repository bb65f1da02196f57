"""Tries to widen the confidences by a temperature, drawn for every run."""

import torch

UNDER = ["noop", "lora_finetune", "template"]
GAINS = False


def cheat(net, retain, forget, val, honest):
    honest(net, retain, forget, val)
    factor = torch.exp(0.3 * torch.randn(()))
    net.fc.weight.data *= factor
    net.fc.bias.data *= factor
