"""SalUn: random labels on the forget set, learnt by the salient weights alone (Fan et al. 2023).

A weight is salient if the gradient of the forget set's loss is large there, by absolute value.
Those weights are fine-tuned on random labels for the forget set and on the true ones for the
retain set; all other weights stay as they are.

Hyperparameters
---------------
SALIENT : share of all weights that may change.
EPOCHS : passes over the retain set; each begins with a pass over the forget set.
LEARNING_RATE, MOMENTUM : of SGD; the rate falls along a cosine, by the epoch. There is no weight
    decay, which would move the masked weights.
"""

import torch
from torch.nn.functional import cross_entropy

SALIENT = 0.5
EPOCHS = 2
LEARNING_RATE = 1e-2
MOMENTUM = 0.9


def unlearning(net, retain, forget, val):
    saliency = salient(net, forget)
    optimizer = torch.optim.SGD(net.parameters(), LEARNING_RATE, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    net.train()
    for _ in range(EPOCHS):
        train(net, optimizer, forget, saliency, random_labels=True)
        train(net, optimizer, retain, saliency, random_labels=False)
        schedule.step()
    net.eval()


def salient(net, forget):
    """One mask per parameter: the weights where the forget set's gradient is largest."""
    device = next(net.parameters()).device
    net.eval()
    net.zero_grad()
    for inputs, targets in forget:
        cross_entropy(net(inputs.to(device)), targets.to(device), reduction="sum").backward()
    magnitudes = [p.grad.abs() for p in net.parameters()]
    everything = torch.cat([m.flatten() for m in magnitudes])
    # Ranks rather than a threshold: `quantile` takes no more than 16 million values.
    chosen = torch.zeros_like(everything, dtype=torch.bool)
    chosen[everything.topk(round(SALIENT * len(everything))).indices] = True
    parts = chosen.split([m.numel() for m in magnitudes])
    return [part.view_as(m) for part, m in zip(parts, magnitudes, strict=True)]


def train(net, optimizer, loader, saliency, random_labels):
    device = next(net.parameters()).device
    for inputs, targets in loader:
        logits = net(inputs.to(device))
        if random_labels:
            targets = torch.randint(logits.shape[1], targets.shape)
        optimizer.zero_grad()
        cross_entropy(logits, targets.to(device)).backward()
        for parameter, mask in zip(net.parameters(), saliency, strict=True):
            parameter.grad *= mask
        optimizer.step()
