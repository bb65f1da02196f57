"""NegGrad+: descent on the retain set and ascent on the forget set in one (Kurmanji et al. 2023).

Each step minimises

    BALANCE * loss(retain batch) - (1 - BALANCE) * loss(forget batch)

so that, unlike with ascent alone, what is to be kept holds the model together.

Hyperparameters
---------------
EPOCHS : passes over the retain set; the forget set is gone through as often as that takes.
BALANCE : weight of the retain loss; 1 is plain fine-tuning, 0 is NegGrad.
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY : of SGD; the rate falls along a cosine.
"""

import torch
from torch.nn.functional import cross_entropy

EPOCHS = 1
BALANCE = 0.8
LEARNING_RATE = 2e-1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device
    optimizer = torch.optim.SGD(
        net.parameters(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(retain))
    to_forget = endless(forget)
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            keep = cross_entropy(net(inputs.to(device)), targets.to(device))
            inputs, targets = next(to_forget)
            lose = cross_entropy(net(inputs.to(device)), targets.to(device))
            optimizer.zero_grad()
            (BALANCE * keep - (1 - BALANCE) * lose).backward()
            optimizer.step()
            schedule.step()
    net.eval()


def endless(loader):
    while True:
        yield from loader
