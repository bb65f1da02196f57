"""Forgetting under elastic weight consolidation: unlearn, but stay near (Tanno et al. 2022).

The loss of the forget set is maximised while a penalty holds the weights t where they were, h,
and the more so the more the retain set depends on them:

    loss(forget, t) - N/2 (t - h)' F (t - h) - DAMPING/2 |t - h|^2

with F the diagonal of the retain set's Fisher information, estimated at h, and N its size.

Hyperparameters
---------------
STEPS : of gradient ascent, each on one forget batch.
LEARNING_RATE : of Adam, which takes the very different curvatures of the penalty in its stride.
DAMPING : lambda in the paper, which holds weights that F says nothing of.
BATCHES : batches of the retain set that F is estimated on.
FLOATS : numbers that gradients of single examples may take in memory at a time.
"""

from itertools import islice

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

STEPS = 10
LEARNING_RATE = 3e-4
DAMPING = 0.1
BATCHES = 3
FLOATS = 2**27


def unlearning(net, retain, forget, val):
    net.eval()  # the running statistics stay: the ascent is on the weights alone
    fisher = fisher_diagonal(net, islice(retain, BATCHES))
    start = {name: p.detach().clone() for name, p in net.named_parameters()}
    device = next(net.parameters()).device
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    for _, (inputs, targets) in zip(range(STEPS), endless(forget), strict=False):
        # The objective's sum over the forget set, from a batch's mean.
        lost = len(forget.dataset) * cross_entropy(net(inputs.to(device)), targets.to(device))
        held = penalty(dict(net.named_parameters()), start, fisher, len(retain.dataset))
        optimizer.zero_grad()
        (held - lost).backward()
        optimizer.step()


def penalty(weights, start, fisher, size):
    """N/2 (t - h)' F (t - h) + DAMPING/2 |t - h|^2."""
    return sum(
        ((size * fisher[name] + DAMPING) * (weight - start[name]).square()).sum() / 2
        for name, weight in weights.items()
    )


def endless(loader):
    while True:
        yield from loader


def fisher_diagonal(net, batches):
    """Mean over examples of the squared gradient, at labels drawn from the model's own beliefs."""
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    buffers = dict(net.named_buffers())
    device = next(net.parameters()).device

    def loss(parameters, image, label):
        logits = functional_call(net, (parameters, buffers), (image[None],))
        return cross_entropy(logits, label[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))
    fisher = {name: torch.zeros_like(p) for name, p in parameters.items()}
    held = max(1, FLOATS // sum(p.numel() for p in parameters.values()))
    examples = 0
    for inputs, _ in batches:
        for images in inputs.to(device).split(held):
            with torch.no_grad():
                labels = net(images).softmax(1).multinomial(1).squeeze(1)
            for name, gradient in gradients(parameters, images, labels).items():
                fisher[name] += gradient.square().sum(0)
            examples += len(images)
    return {name: total / examples for name, total in fisher.items()}
