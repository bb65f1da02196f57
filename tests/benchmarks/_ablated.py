"""The challenge's 8th-placed method with parts that can be taken away; for the ablation only.

REINIT : "" for none, "random", or "fisher" for the layers that the forget set informs most.
NOISE : standard deviation of the noise on the retain images.
MSE : match the original's logits instead of minimising the cross entropy.
CYCLES : how often to forget and remember.
SPARE : never choose the head `fc` or a projection shortcut.
The other settings are those of `submissions/stochastic_reinit.py`, for all variants alike.
"""

import copy

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

REINIT = "random"
NOISE = 0.01
MSE = True
CYCLES = 3
SPARE = True
SHARE, EPOCHS, LEARNING_RATE, WEIGHT_DECAY = 0.3, 2, 1e-2, 1e-2


def unlearning(net, retain, forget, val):
    original = copy.deepcopy(net).eval()
    net.train()
    steps = EPOCHS * len(retain)
    ends = [round(steps * k * (k + 1) / (CYCLES * (CYCLES + 1))) for k in range(CYCLES + 1)]
    for k in range(1, CYCLES + 1):
        if REINIT:
            for layer in chosen(net, original, retain, forget, SHARE * k / CYCLES):
                layer.reset_parameters()
        remember(net, original, retain, ends[k] - ends[k - 1])
    net.eval()


def chosen(net, original, retain, forget, share):
    """The layers to re-initialise."""
    layers = {
        name: module
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        and not (SPARE and (name == "fc" or "downsample" in name))
    }
    count = max(1, round(share * len(layers)))
    if REINIT == "fisher":
        informed, general = fisher(original, forget), fisher(original, retain)
        order = sorted(layers, key=lambda name: informed[name] / general[name], reverse=True)
    else:
        order = [list(layers)[i] for i in torch.randperm(len(layers))]
    return [layers[name] for name in order[:count]]


def fisher(net, loader):
    """Mean over a layer's weights of squared gradients of batches: our reading of its Fisher."""
    total = {}
    for inputs, targets in loader:
        net.zero_grad()
        cross_entropy(net(inputs), targets).backward()
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                total[name] = total.get(name, 0) + module.weight.grad.square().mean().item()
    return {name: value / len(loader) for name, value in total.items()}


def remember(net, original, retain, steps):
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    batches = iter(())
    for _ in range(steps):
        if (batch := next(batches, None)) is None:
            batches = iter(retain)
            batch = next(batches)
        inputs, targets = batch
        inputs = inputs + NOISE * torch.randn_like(inputs)
        if MSE:
            with torch.no_grad():
                logits = original(inputs)
            loss = mse_loss(net(inputs), logits)
        else:
            loss = cross_entropy(net(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
