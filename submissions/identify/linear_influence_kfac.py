"""Linear influence on the failures, with a Fisher of Kronecker factors (K-FAC).

The score is that of `linear_influence`, -grad log p(F)' Fisher^-1 grad log p(z) (Tanno et al.
2022), but the Fisher's block of a layer is A (x) G, the second moments of what goes into the layer
and of the gradient at what comes out (Martens and Grosse 2015); of a convolution A is summed and G
averaged over places (Grosse and Martens 2016). Weights in no such layer, such as the scales
of a batch norm, have only the diagonal.

Hyperparameters
---------------
DAMPING : lambda, as a multiple of a block's mean eigenvalue: sqrt(lambda) of each factor's own is
    added to its diagonal, which is Martens and Grosse's split of lambda between the two.
"""

import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.functional import cross_entropy, pad, unfold

DAMPING = 1e-2


def identify(net, train, failures, val):
    net.eval().requires_grad_(False)
    device = next(net.parameters()).device
    images, labels = whole(train, device)
    weights = dict(net.named_parameters())

    def log_likelihoods(weights, images, labels):
        return -cross_entropy(functional_call(net, weights, (images,)), labels, reduction="none")

    gradient = grad(lambda w: log_likelihoods(w, *whole(failures, device)).sum())(weights)
    direction = natural(net, gradient, *moments(net, images))
    _, slopes = jvp(lambda w: log_likelihoods(w, images, labels), (weights,), (direction,))
    return -slopes


def whole(loader, device):
    images, labels = zip(*((i, t) for i, t in loader), strict=True)
    return torch.cat(images).to(device), torch.cat(labels).to(device)


def natural(net, gradient, factors, diagonal):
    """Fisher^-1 gradient."""
    direction = {n: g / damped(diagonal[n]) for n, g in gradient.items() if n in diagonal}
    for name, (a, g) in factors.items():
        weight, bias = gradient[f"{name}.weight"], gradient.get(f"{name}.bias")
        block = weight.flatten(1)
        if bias is not None:
            block = torch.cat([block, bias[:, None]], dim=1)
        a, g = (torch.diag_embed(damped(f.diagonal()) - f.diagonal()) + f for f in (a, g))
        block = torch.linalg.solve(a, torch.linalg.solve(g, block), left=False)
        direction[f"{name}.weight"] = block[:, : weight[0].numel()].reshape(weight.shape)
        if bias is not None:
            direction[f"{name}.bias"] = block[:, -1]
    return {name: direction[name] for name in gradient}


def damped(diagonal):
    return diagonal + DAMPING**0.5 * diagonal.mean()


def moments(net, images):
    """The factors (A, G) of each layer, and the mean squared gradients of the other weights."""
    layers = {n: m for n, m in net.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    shifts, inputs = {}, {}  # what is added to a layer's output, and patches of its input

    def hook(name):
        def run(layer, arguments, output):
            inputs[name] = patches(layer, arguments[0])
            shifts.setdefault(name, torch.zeros_like(output[:1]))
            return output + shifts[name]

        return run

    def loss(zeros, others, image, label):
        shifts.update(zeros)
        value = cross_entropy(functional_call(net, others, (image[None],)), label[None])
        return value, dict(inputs)

    handles = [layer.register_forward_hook(hook(name)) for name, layer in layers.items()]
    labels = net(images).softmax(1).multinomial(1).squeeze(1)
    others = {n: p for n, p in net.named_parameters() if n.rpartition(".")[0] not in layers}
    each = vmap(grad(loss, (0, 1), has_aux=True), (None, None, 0, 0), chunk_size=256)
    (outward, squares), inward = each(dict(shifts), others, images, labels)
    for handle in handles:
        handle.remove()
    factors = {}
    for name, a in inward.items():  # [n, places, inputs]
        g = outward[name]  # [n, 1, outputs, ...]
        g = g.flatten(3).squeeze(1).mT if g.dim() > 3 else g  # [n, places, outputs]
        n, places = g.shape[:2]
        factors[name] = (
            torch.einsum("npi,npj->ij", a, a) / n,
            torch.einsum("npi,npj->ij", g, g) / (n * places),
        )
    return factors, {name: g.square().mean(0) for name, g in squares.items()}


def patches(layer, x):
    """What meets the layer's weights at each place: [places, inputs], with a 1 for the bias."""
    if isinstance(layer, nn.Conv2d):
        x = unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)[0].T
    return x if layer.bias is None else pad(x, (0, 1), value=1.0)
