"""Certified removal on the last layer: a Newton step there, noise elsewhere (Guo et al. 2019).

On fixed features the head `fc` is a logistic regression, whose loss is convex. When the model is
at the minimum of its loss over retain and forget, the minimum over retain alone lies, to second
order, at w + H^-1 g: g is the gradient of the forget set's loss, H the Hessian of the retain
set's. H is damped, so it can always be inverted. The layers below get a little Gaussian noise,
which the theory does not cover.

Hyperparameters
---------------
NOISE : standard deviation of the noise on all parameters except the head's.
DAMPING : added to H's diagonal, as a share of the number of retain examples.
TOLERANCE : relative residual at which the conjugate gradients that solve H x = g stop.
ITERATIONS : their largest number.
"""

import torch
from torch import nn
from torch.nn.functional import one_hot, pad

NOISE = 1e-3
DAMPING = 1e-4
TOLERANCE = 1e-6
ITERATIONS = 1000


def unlearning(net, retain, forget, val):
    net.eval()
    head = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        for parameter in net.parameters():
            if all(parameter is not own for own in head.parameters()):
                parameter += NOISE * torch.randn_like(parameter)
        kept, _ = features(net, head, retain)
        lost, labels = features(net, head, forget)
        weights = torch.cat([head.weight, head.bias[:, None]], 1).double()
        step = conjugate_gradients(hessian(kept, weights), gradient(lost, labels, weights))
        weights += step
        head.weight.copy_(weights[:, :-1])
        head.bias.copy_(weights[:, -1])


def features(net, head, loader):
    """What the head sees of a loader's images, with a 1 at the end for the bias; and the labels."""
    seen, labels = [], []
    handle = head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for inputs, targets in loader:
        net(inputs.to(head.weight.device))
        labels.append(targets.to(head.weight.device))
    handle.remove()
    return pad(torch.cat(seen).double(), (0, 1), value=1.0), torch.cat(labels)


def gradient(x, labels, weights):
    """Gradient of the summed cross entropy in the head's weights [classes, features + 1]."""
    return ((x @ weights.T).softmax(1) - one_hot(labels, len(weights))).T @ x


def hessian(x, weights):
    """The product of the damped Hessian of the summed cross entropy with a given direction."""
    p = (x @ weights.T).softmax(1)

    def product(direction):
        change = x @ direction.T
        change = p * (change - (p * change).sum(1, keepdim=True))
        return change.T @ x + DAMPING * len(x) * direction

    return product


def conjugate_gradients(product, target):
    """Solve product(x) = target, for a symmetric positive definite product."""
    x, residual = torch.zeros_like(target), target.clone()
    direction, norm = residual.clone(), residual.square().sum()
    goal = TOLERANCE**2 * norm
    for _ in range(ITERATIONS):
        if norm <= goal:
            break
        image = product(direction)
        length = norm / (direction * image).sum()
        x += length * direction
        residual -= length * image
        norm, before = residual.square().sum(), norm
        direction = residual + norm / before * direction
    return x
