"""Fine-tuning on the retain set, then Gaussian noise on every weight.

The noise makes runs differ, so that an attacker sees a distribution rather than a point; it is
the simplest of the ways to blur what fine-tuning has left.

Hyperparameters
---------------
EPOCHS, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY : of the fine-tuning, as in the challenge's baseline.
NOISE : standard deviation of what is added to every parameter at the end.
"""

import torch
from torch.nn.functional import cross_entropy

EPOCHS = 1
LEARNING_RATE = 1e-3
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
NOISE = 1e-3


def unlearning(net, retain, forget, val):
    finetune(net, retain)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += NOISE * torch.randn_like(parameter)


def finetune(net, retain):
    device = next(net.parameters()).device
    optimizer = torch.optim.SGD(
        net.parameters(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            loss = cross_entropy(net(inputs.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    net.eval()
