"""EWC influence: what the model unlearns first when it is made to learn the failures.

Training examples that contradict the failures lose likelihood (Tanno et al. 2022):

    score(z) = log p(z | h) - log p(z | t)
    t = argmax log p(F | t) - N/2 (t - h)' Fisher (t - h) - DAMPING/2 |t - h|^2

with h the weights as they are, N the training examples, and the diagonal of their Fisher, which
holds t near h where the training set depends on it (elastic weight consolidation).

Hyperparameters
---------------
STEPS : of gradient ascent to t, each on all the failures.
LEARNING_RATE : of Adam, which takes the very different curvatures of the penalty in its stride.
DAMPING : lambda in the paper, which holds weights that the Fisher says nothing of.
"""

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

STEPS = 30
LEARNING_RATE = 1e-3
DAMPING = 0.1


def identify(net, train, failures, val):
    net.eval()
    device = next(net.parameters()).device
    images, labels = whole(train, device)
    before = losses(net, images, labels)
    start = {name: p.detach().clone() for name, p in net.named_parameters()}
    fisher = fisher_diagonal(net, start, images)
    wrong, true = whole(failures, device)
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    for _ in range(STEPS):
        weights = dict(net.named_parameters())
        objective = -cross_entropy(net(wrong), true, reduction="sum")
        objective = objective - penalty(weights, start, fisher, len(images))
        optimizer.zero_grad()
        (-objective).backward()
        optimizer.step()
    return losses(net, images, labels) - before


@torch.no_grad()
def losses(net, images, labels):
    return cross_entropy(net(images), labels, reduction="none")


def whole(loader, device):
    images, labels = zip(*((i, t) for i, t in loader), strict=True)
    return torch.cat(images).to(device), torch.cat(labels).to(device)


def penalty(weights, start, fisher, size):
    """N/2 (t - h)' Fisher (t - h) + DAMPING/2 |t - h|^2."""
    return sum(
        ((size * fisher[name] + DAMPING) * (weight - start[name]).square()).sum() / 2
        for name, weight in weights.items()
    )


def fisher_diagonal(net, weights, images):
    """Mean over images of the squared gradient, at labels drawn from the model's own beliefs."""

    def loss(weights, image, label):
        return cross_entropy(functional_call(net, weights, (image[None],)), label[None])

    with torch.no_grad():
        labels = net(images).softmax(1).multinomial(1).squeeze(1)
    gradients = vmap(grad(loss), in_dims=(None, 0, 0), chunk_size=256)
    return {name: g.square().mean(0) for name, g in gradients(weights, images, labels).items()}
