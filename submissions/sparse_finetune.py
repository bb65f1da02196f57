"""Prune, then fine-tune: a sparse model has less room for what it memorised (Jia et al. 2023).

PRUNER is one of
    "omp"     : one-shot magnitude pruning: the smallest weights of all layers go at once.
    "imp"     : iterative magnitude pruning: in rounds, with fine-tuning between them.
    "synflow" : iterative and without data (Tanaka et al. 2020): a weight is worth |w dR/dw|, with
                R the sum of the outputs for an image of ones when all weights are made positive.

Pruned weights stay zero while the model is fine-tuned. The masks are taken off at the end, and
plain dense tensors with zeros in them remain.

Hyperparameters
---------------
SPARSITY : share of the weights of convolutions and linear layers that goes.
ROUNDS : in which "imp" and "synflow" get there; each leaves the same share of what is left.
EPOCHS : passes over the retain set in all.
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY : of SGD; the rate falls along a cosine.
"""

import copy

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune

PRUNER = "omp"
SPARSITY = 0.8
ROUNDS = 3
EPOCHS = 2
LEARNING_RATE = 5e-2
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, val):
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    rounds = 1 if PRUNER == "omp" else ROUNDS
    trainings = rounds if PRUNER == "imp" else 1
    size = next(iter(retain))[0].shape[1:]
    for k in range(1, rounds + 1):
        scores = synflow(net, layers, size) if PRUNER == "synflow" else magnitude(layers)
        mask(layers, scores, sparsity=1 - (1 - SPARSITY) ** (k / rounds))
        if trainings > 1 or k == rounds:
            finetune(net, retain, steps=EPOCHS * len(retain) // trainings)
        for layer in layers:
            prune.remove(layer, "weight")  # the zeros stay, and score lowest in the next round
    net.eval()


def magnitude(layers):
    return [layer.weight.detach().abs() for layer in layers]


def synflow(net, layers, size):
    """Each weight's part in the flow of a signal through the network of absolute weights."""
    twin = copy.deepcopy(net).double().eval()  # the flow outgrows float32 in a deep network
    with torch.no_grad():
        for p in twin.parameters():
            p.abs_()
    modules = dict(twin.named_modules())
    weights = [modules[name].weight for name, m in net.named_modules() if m in layers]
    ones = torch.ones(1, *size, dtype=torch.double, device=weights[0].device)
    flows = torch.autograd.grad(twin(ones).sum(), weights)
    return [(flow * weight).abs().detach() for flow, weight in zip(flows, weights, strict=True)]


def mask(layers, scores, sparsity):
    """Mask that share of all the layers' weights which scores lowest."""
    weights = [(layer, "weight") for layer in layers]
    prune.global_unstructured(
        weights,
        prune.L1Unstructured,
        importance_scores=dict(zip(weights, scores, strict=True)),
        amount=sparsity,
    )


def finetune(net, retain, steps):
    device = next(net.parameters()).device
    optimizer = torch.optim.SGD(
        net.parameters(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    net.train()
    for _, (inputs, targets) in zip(range(steps), endless(retain), strict=False):
        loss = cross_entropy(net(inputs.to(device)), targets.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def endless(loader):
    while True:
        yield from loader
