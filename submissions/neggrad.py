"""Gradient ascent on the forget set alone ("NegGrad").

The loss on the forget set is driven up without any bound, so the model soon forgets too much:
it becomes worse on the forget set than a model that has never seen it, which an attacker sees
as easily as the opposite. In the challenge it scored near zero.

Hyperparameters
---------------
EPOCHS : passes over the forget set.
LEARNING_RATE, MOMENTUM : of SGD.
"""

import torch
from torch.nn.functional import cross_entropy

EPOCHS = 10
LEARNING_RATE = 1e-1
MOMENTUM = 0.9


def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device
    optimizer = torch.optim.SGD(net.parameters(), LEARNING_RATE, momentum=MOMENTUM, maximize=True)
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in forget:
            loss = cross_entropy(net(inputs.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval()
