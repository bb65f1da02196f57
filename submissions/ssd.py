"""Selective synaptic dampening: shrink the weights that matter to forget most (Foster et al. 2023).

No training: a weight is dampened when its importance to the forget set exceeds SELECTION times
its importance to the whole training set, in proportion to how far it does. Importance is the
mean over examples of the squared gradient of the loss, the diagonal of the empirical Fisher.

Hyperparameters
---------------
SELECTION : alpha in the paper; the larger, the fewer weights are touched.
DAMPENING : lambda in the paper; a weight is multiplied by DAMPENING * (training / forget), if < 1.
BATCHES : batches of the retain set that importance is estimated on.
FLOATS : numbers that gradients of single examples may take in memory at a time.
"""

from itertools import islice

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

SELECTION = 10.0
DAMPENING = 1.0
BATCHES = 4
FLOATS = 2**27


def unlearning(net, retain, forget, val):
    net.eval()
    kept = importance(net, islice(retain, BATCHES))
    lost = importance(net, forget)
    share = len(forget.dataset) / (len(forget.dataset) + len(retain.dataset))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            training = share * lost[name] + (1 - share) * kept[name]
            parameter *= factor(training, lost[name])


def factor(training, forget):
    """What to multiply weights by, given their importance to the two sets; never above 1."""
    dampened = (DAMPENING * training / forget).clamp_max(1)
    return torch.where(forget > SELECTION * training, dampened, 1.0)


def importance(net, batches):
    """Mean over examples of the squared gradient of the loss."""
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    buffers = dict(net.named_buffers())
    device = next(net.parameters()).device

    def loss(parameters, image, label):
        logits = functional_call(net, (parameters, buffers), (image[None],))
        return cross_entropy(logits, label[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))
    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    held = max(1, FLOATS // sum(p.numel() for p in parameters.values()))
    examples = 0
    for inputs, targets in batches:
        batch = inputs.to(device).split(held), targets.to(device).split(held)
        for images, labels in zip(*batch, strict=True):
            for name, gradient in gradients(parameters, images, labels).items():
                total[name] += gradient.square().sum(0)
            examples += len(images)
    return {name: t / examples for name, t in total.items()}
