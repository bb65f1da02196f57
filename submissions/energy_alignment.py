"""Energy alignment: detrimental examples are mended instead of discarded (Huang et al. 2023).

The inputs of the forget set move down the model's free energy, E(x) = -logsumexp f(x), to where
inputs that it knows lie. There they get the label that the model's posterior prefers, and the last
layers are fine-tuned on the pairs.

Hyperparameters
---------------
STEPS, STEP_SIZE : of the descent of each input; each step changes a value by STEP_SIZE at most.
LAYERS : how many of the model's last top-level modules with weights are trained.
EPOCHS : passes over the moved examples.
LEARNING_RATE : of AdamW.
"""

import torch
from torch.nn.functional import cross_entropy

STEPS = 10
STEP_SIZE = 0.02
LAYERS = 2
EPOCHS = 5
LEARNING_RATE = 1e-3


def unlearning(net, retain, forget, val):
    net.eval()  # the running statistics stay those of the training set
    device = next(net.parameters()).device
    aligned = [align(net, inputs.to(device)) for inputs, _ in forget]
    weights = [p for layer in last_layers(net) for p in layer.parameters()]
    optimizer = torch.optim.AdamW(weights, LEARNING_RATE)
    for _ in range(EPOCHS):
        for i in torch.randperm(len(aligned)).tolist():
            inputs, labels = aligned[i]
            optimizer.zero_grad()
            cross_entropy(net(inputs), labels).backward()
            optimizer.step()


def align(net, inputs):
    """The inputs, moved down the energy, and the labels that the model then gives them."""
    inputs = inputs.clone()
    for _ in range(STEPS):
        inputs.requires_grad_()
        (slope,) = torch.autograd.grad(energy(net(inputs)).sum(), inputs)
        largest = slope.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
        inputs = (inputs - STEP_SIZE * slope / largest).detach()
    with torch.no_grad():
        return inputs, net(inputs).argmax(1)


def energy(logits):
    return -logits.logsumexp(1)


def last_layers(net):
    return [layer for layer in net.children() if any(True for _ in layer.parameters())][-LAYERS:]
