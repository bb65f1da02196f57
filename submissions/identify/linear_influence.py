"""Linear influence on the failures, with the Fisher's diagonal (Tanno et al. 2022).

Training example z contributes to the failures' likelihood, to first order,

    r(z) = gamma grad log p(F)' Fisher^-1 grad log p(z)

so those with the lowest r are to blame, and the score is -r with gamma = 1. All r at once are the
slopes of log p(z) along the one direction Fisher^-1 grad log p(F), by forward differentiation.

Hyperparameters
---------------
DAMPING : added to the Fisher's diagonal, as a multiple of its mean.
"""

import torch
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.functional import cross_entropy

DAMPING = 1.0


def identify(net, train, failures, val):
    net.eval()
    device = next(net.parameters()).device
    images, labels = whole(train, device)
    weights = {name: p.detach() for name, p in net.named_parameters()}

    def log_likelihoods(weights, images, labels):
        return -cross_entropy(functional_call(net, weights, (images,)), labels, reduction="none")

    fisher = fisher_diagonal(net, weights, images)
    damping = DAMPING * mean(fisher)
    gradient = grad(lambda w: log_likelihoods(w, *whole(failures, device)).sum())(weights)
    direction = {name: g / (fisher[name] + damping) for name, g in gradient.items()}
    _, slopes = jvp(lambda w: log_likelihoods(w, images, labels), (weights,), (direction,))
    return -slopes


def whole(loader, device):
    images, labels = zip(*((i, t) for i, t in loader), strict=True)
    return torch.cat(images).to(device), torch.cat(labels).to(device)


def mean(tensors):
    return sum(t.sum() for t in tensors.values()) / sum(t.numel() for t in tensors.values())


def fisher_diagonal(net, weights, images):
    """Mean over images of the squared gradient, at labels drawn from the model's own beliefs."""

    def loss(weights, image, label):
        return cross_entropy(functional_call(net, weights, (image[None],)), label[None])

    with torch.no_grad():
        labels = net(images).softmax(1).multinomial(1).squeeze(1)
    gradients = vmap(grad(loss), in_dims=(None, 0, 0), chunk_size=256)
    return {name: g.square().mean(0) for name, g in gradients(weights, images, labels).items()}
