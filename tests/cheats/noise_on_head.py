"""Tries to widen the confidences by noise on the weights of the head."""

import torch

UNDER = ["noop", "lora_finetune", "template"]
GAINS = True


def cheat(net, retain, forget, val, honest):
    honest(net, retain, forget, val)
    net.fc.weight.data += 0.15 * torch.randn_like(net.fc.weight)
