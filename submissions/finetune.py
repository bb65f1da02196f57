"""Fine-tuning on the retain set: the baseline that the challenge gave to its participants.

Nothing is done about the forget set; the hope is that what is not rehearsed fades ("catastrophic
forgetting").

Hyperparameters
---------------
EPOCHS : passes over the retain set.
LEARNING_RATE : of SGD, falling along a cosine over the epochs; 1e-3 is the challenge's.
MOMENTUM, WEIGHT_DECAY : of SGD.
"""

import torch
from torch.nn.functional import cross_entropy

EPOCHS = 1
LEARNING_RATE = 1e-3
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device
    optimizer = torch.optim.SGD(
        net.parameters(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    # By the epoch, as in the challenge: with one epoch the rate stays where it starts.
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
