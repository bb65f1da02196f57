"""Influence unlearning (IU): one Newton step that takes the forget set's influence away.

Leaving the forget set out changes the minimum by about (1/n) H^-1 g, where g is the gradient of
the summed loss of the forget set, n and H the size and the Hessian of the retain set (Koh and
Liang 2017; Izzo et al. 2021; as a baseline of Jia et al. 2023). H is replaced by the damped
empirical Fisher matrix DAMPING * I + mean(g_i g_i^T), as WoodFisher does (Singh and Alistarh
2020). It has the rank of its examples, so the Woodbury identity gives its inverse's product with
a vector exactly, from a linear system of one unknown per example.

Hyperparameters
---------------
SCALE : factor on the step; 1 is the theory's, which a network that is not convex bears badly.
DAMPING : added to the Fisher's diagonal, which bounds the step by SCALE * |g| / (n DAMPING).
EXAMPLES : retain examples in the Fisher, or as many as FLOATS allows.
FLOATS : numbers that their gradients may take in memory, where they all are at once.
"""

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

SCALE = 0.3
DAMPING = 1e-2
EXAMPLES = 256
FLOATS = 2**27


def unlearning(net, retain, forget, val):
    net.eval()
    forgotten = forget_gradient(net, forget) / len(retain.dataset)
    step = inverse_fisher_product(gradients(net, retain), forgotten)
    with torch.no_grad():
        weights = parameters_to_vector(net.parameters())
        vector_to_parameters(weights + SCALE * step, net.parameters())


def inverse_fisher_product(gradients, vector):
    """(DAMPING * I + G^T G / m)^-1 v for the gradients G [m, p] and a vector v [p]."""
    count = len(gradients)
    gram = gradients @ gradients.T
    gram.diagonal().add_(DAMPING * count)
    inner = torch.linalg.solve(gram, gradients @ vector)
    return (vector - gradients.T @ inner) / DAMPING


def forget_gradient(net, forget):
    """Gradient of the forget set's summed loss, as one vector."""
    device = next(net.parameters()).device
    total = 0
    for inputs, targets in forget:
        loss = cross_entropy(net(inputs.to(device)), targets.to(device), reduction="sum")
        total = total + parameters_to_vector(torch.autograd.grad(loss, list(net.parameters())))
    return total


def gradients(net, retain):
    """Gradients [m, p] of the loss of single retain examples."""
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    buffers = dict(net.named_buffers())
    device = next(net.parameters()).device

    def loss(parameters, image, label):
        logits = functional_call(net, (parameters, buffers), (image[None],))
        return cross_entropy(logits, label[None])

    size = sum(p.numel() for p in parameters.values())
    rows, wanted = [], max(1, min(EXAMPLES, FLOATS // size))
    for inputs, targets in retain:
        images, labels = inputs[:wanted].to(device), targets[:wanted].to(device)
        of_each = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, images, labels)
        rows.append(torch.cat([g.flatten(1) for g in of_each.values()], 1))
        wanted -= len(images)
        if not wanted:
            break
    return torch.cat(rows)
