"""l1-sparse unlearning: fine-tuning with a penalty on the weights' absolute sum (Jia et al. 2023).

The penalty drives weights towards zero that the retain set does not need, which makes a sparse
model, and sparse models unlearn more easily. It fades out linearly over the training, so that
the last steps recover accuracy.

Hyperparameters
---------------
EPOCHS : passes over the retain set.
PENALTY : factor on the sum of absolute weights, at the start.
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY : of SGD; the rate falls along a cosine.
"""

import torch
from torch.nn.functional import cross_entropy

EPOCHS = 2
PENALTY = 3e-3
LEARNING_RATE = 5e-2
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device
    optimizer = torch.optim.SGD(
        net.parameters(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    steps = EPOCHS * len(retain)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    net.train()
    step = 0
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            loss = cross_entropy(net(inputs.to(device)), targets.to(device))
            loss = loss + PENALTY * (1 - step / steps) * l1_norm(net)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
    net.eval()


def l1_norm(net):
    return sum(parameter.abs().sum() for parameter in net.parameters())
