"""Fisher forgetting: noise where the retain set leaves room for it (Golatkar et al. 2020).

Weights that the retain set does not depend on may hold what was learned of the forget set, and
can be blurred at little cost: every weight gets Gaussian noise of standard deviation
NOISE * F^(-1/4), with F the diagonal of the retain set's Fisher information. As in the authors'
experiments F is averaged over each filter, the noise is bounded, and the head gets more of it.

Hyperparameters
---------------
NOISE : the overall scale, (lambda sigma^2)^(1/4) in the paper.
LARGEST : the largest standard deviation of a weight's noise.
HEAD : factor on the noise of the last layer, which the forgotten labels bear on directly.
BATCHES : batches of the retain set that F is estimated on.
FLOATS : numbers that gradients of single examples may take in memory at a time.
"""

from itertools import islice

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

NOISE = 4e-3
LARGEST = 0.05
HEAD = 2.0
BATCHES = 4
FLOATS = 2**27


def unlearning(net, retain, forget, val):
    net.eval()
    fisher = fisher_diagonal(net, islice(retain, BATCHES))
    head = dict(list(net.named_modules())[-1][1].named_parameters())
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            deviation = noise_deviation(fisher[name])
            if any(parameter is own for own in head.values()):
                deviation = HEAD * deviation
            parameter += deviation * torch.randn_like(parameter)


def noise_deviation(fisher):
    """Standard deviation of a tensor's noise: one value for each of its filters."""
    if fisher.dim() > 1:
        fisher = fisher.flatten(1).mean(1).reshape(-1, *[1] * (fisher.dim() - 1))
    return (NOISE * fisher.clamp_min(1e-30) ** -0.25).clamp_max(LARGEST)


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
