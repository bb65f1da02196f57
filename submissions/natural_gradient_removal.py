"""One natural-gradient step away from the forget set (Tanno et al. 2022).

    t = h - STEP F^-1 grad log p(forget | h)

is where the weights land when the forget set's likelihood is lowered as fast as the retain set's
predictions allow: F is the diagonal of the retain set's Fisher information, damped.

Hyperparameters
---------------
STEP : gamma in the paper. Theory says 1 / retain examples; a trained network, whose F is tiny and
    known from few examples only, bears far less.
DAMPING : added to F's diagonal, as a multiple of its mean.
BATCHES : batches of the retain set that F is estimated on.
FLOATS : numbers that gradients of single examples may take in memory at a time.
"""

from itertools import islice

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

STEP = 4e-6
DAMPING = 1.0
BATCHES = 4
FLOATS = 2**27


def unlearning(net, retain, forget, val):
    net.eval()
    fisher = fisher_diagonal(net, islice(retain, BATCHES))
    damping = DAMPING * mean(fisher)
    gradient = likelihood_gradient(net, forget)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter -= STEP * gradient[name] / (fisher[name] + damping)


def likelihood_gradient(net, loader):
    """Gradient of the log likelihood of all of the loader's examples together."""
    device = next(net.parameters()).device
    parameters = dict(net.named_parameters())
    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for inputs, targets in loader:
        likelihood = -cross_entropy(net(inputs.to(device)), targets.to(device), reduction="sum")
        gradients = torch.autograd.grad(likelihood, list(parameters.values()))
        for name, gradient in zip(parameters, gradients, strict=True):
            total[name] += gradient
    return total


def mean(tensors):
    return sum(t.sum() for t in tensors.values()) / sum(t.numel() for t in tensors.values())


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
