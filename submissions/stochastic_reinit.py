"""Stochastic re-initialisation: forget-remember cycles of the challenge's 8th place (Ahn 2023).

Each cycle *forgets* by giving randomly chosen layers fresh weights, more of them every time, and
then *remembers* by learning to give, from noisy retain images, the logits that the original model
gave for them. The forget set is not used at all. The head `fc` and the projection shortcuts
(`downsample`) are never chosen: they are what the layers between them have to fit again.

Hyperparameters
---------------
CYCLES : how often to forget and remember.
SHARE : of the eligible layers, what the last cycle re-initialises; the k-th takes k / CYCLES of it.
EPOCHS : passes over the retain set, of all cycles together; each has its part by what it forgot.
LEARNING_RATE, WEIGHT_DECAY : of AdamW; the rate falls along a cosine in each cycle.
NOISE : standard deviation of the noise on the retain images.
"""

import torch
from torch import nn
from torch.nn.functional import mse_loss

CYCLES = 3
SHARE = 0.3
EPOCHS = 2
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-2
NOISE = 0.01


def unlearning(net, retain, forget, val):
    images, logits = recall(net, retain)
    for share, steps in plan(EPOCHS * len(retain)):
        reinitialise(net, share)
        remember(net, images, logits, steps, retain.batch_size)


@torch.no_grad()
def recall(net, retain):
    """The retain images, and the logits that the original model gives for them."""
    device = next(net.parameters()).device
    net.eval()
    pairs = [(inputs, net(inputs.to(device))) for inputs, _ in retain]
    images, logits = zip(*pairs, strict=True)
    return torch.cat(images), torch.cat(logits)


def plan(steps):
    """For each cycle, the share of layers to re-initialise and how many of `steps` to train."""
    ends = [round(steps * k * (k + 1) / (CYCLES * (CYCLES + 1))) for k in range(CYCLES + 1)]
    return [(SHARE * k / CYCLES, ends[k] - ends[k - 1]) for k in range(1, CYCLES + 1)]


def eligible(net):
    """The convolutions of the main path, by name: neither the head nor a projection shortcut."""
    return {
        name: module
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d) and "downsample" not in name and "shortcut" not in name
    }


def reinitialise(net, share):
    """Give `share` of the eligible layers, at least one, the weights that a new layer has."""
    layers = list(eligible(net).values())
    count = max(1, round(share * len(layers)))
    for i in torch.randperm(len(layers))[:count]:
        layers[i].reset_parameters()


def remember(net, images, logits, steps, batch_size):
    """Train to give the original model's logits, from noisy images."""
    device = next(net.parameters()).device
    net.train()
    optimizer = torch.optim.AdamW(
        net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    for _, rows in zip(range(steps), batches(len(images), batch_size), strict=False):
        inputs = images[rows].to(device)
        loss = mse_loss(net(inputs + NOISE * torch.randn_like(inputs)), logits[rows.to(device)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()


def batches(count, size):
    """Rows of one shuffled batch after the other, without end."""
    while True:
        yield from torch.randperm(count).split(size)
