"""The influence function (Koh and Liang 2017): what an upweighted example does to the failures.

    score(z) = -grad L(F)' H^-1 grad L(z)

is how fast the failures' loss L(F) rises with the weight of z, H the Hessian of the mean training
loss, damped since a network's is not positive definite. H^-1 grad L(F) is found by conjugate
gradients on products of H with vectors, the product with all grad L(z) by one forward derivative.

Hyperparameters
---------------
DAMPING : added to the Hessian's diagonal.
STEPS : of conjugate gradients, at most; they also end where the damped Hessian curves downwards.
EXAMPLES : training examples that the Hessian is taken on, at most.
"""

import torch
from torch.func import functional_call, grad, jvp
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector

DAMPING = 0.1
STEPS = 10
EXAMPLES = 1024


def identify(net, train, failures, val):
    net.eval().requires_grad_(False)
    device = next(net.parameters()).device
    images, labels = whole(train, device)
    chosen = torch.randperm(len(images))[:EXAMPLES]
    weights = parameters_to_vector(net.parameters())

    def losses(weights, images, labels):
        logits = functional_call(net, named(net, weights), (images,))
        return cross_entropy(logits, labels, reduction="none")

    def mean_loss(weights):
        return losses(weights, images[chosen], labels[chosen]).mean()

    def curvature(vector):
        return jvp(grad(mean_loss), (weights,), (vector,))[1] + DAMPING * vector

    gradient = grad(lambda w: losses(w, *whole(failures, device)).sum())(weights)
    direction = conjugate_gradients(curvature, gradient)
    return -jvp(lambda w: losses(w, images, labels), (weights,), (direction,))[1]


def whole(loader, device):
    images, labels = zip(*((i, t) for i, t in loader), strict=True)
    return torch.cat(images).to(device), torch.cat(labels).to(device)


def named(net, vector):
    """The vector's parts by the names and in the shapes of the parameters."""
    parameters = dict(net.named_parameters())
    parts = vector.split([p.numel() for p in parameters.values()])
    pairs = zip(parameters.items(), parts, strict=True)
    return {name: part.view(p.shape) for (name, p), part in pairs}


def conjugate_gradients(product, target):
    """x with product(x) = target, or as near as STEPS come (Hestenes and Stiefel 1952)."""
    x = torch.zeros_like(target)
    residual = direction = target
    for _ in range(STEPS):
        image = product(direction)
        curvature = direction @ image
        square = residual @ residual
        if curvature <= 0 or square == 0:
            break
        step = square / curvature
        x = x + step * direction
        residual = residual - step * image
        direction = residual + (residual @ residual) / square * direction
    return x if x.any() else target
