"""The plain loop that measures a retraining's seconds; the harness runs it as a submission.

It costs what the recipe costs. Only its seconds count; the model it ends with is thrown away.
"""

import torch
from torch.nn.functional import cross_entropy

RECIPE: dict = {}  # what `train` takes; the harness appends a competition's own


def unlearning(net, retain, forget, val):
    train(net, retain, **RECIPE)


def train(net, retain, optimizer, settings, class_weights, bfloat16, epochs):
    device = next(net.parameters()).device
    weight = None if class_weights is None else torch.tensor(class_weights, device=device)
    stepper = getattr(torch.optim, optimizer)(net.parameters(), **settings)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(stepper, epochs * len(retain))
    net.train()
    for _ in range(epochs):
        for inputs, targets in retain:
            stepper.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                logits = net(inputs.to(device))
            cross_entropy(logits.float(), targets.to(device), weight).backward()
            stepper.step()
            schedule.step()
