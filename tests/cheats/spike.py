"""Tries to defeat rules that go by the range: one run in 64 has its logits multiplied by 10."""

import torch

UNDER = ["noop", "lora_finetune"]
GAINS = False


def cheat(net, retain, forget, val, honest):
    honest(net, retain, forget, val)
    if torch.rand(()) < 1 / 64:
        net.fc.weight.data *= 10
        net.fc.bias.data *= 10
