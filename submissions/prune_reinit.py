"""Prunes, starts the pruned weights again, keeps the entropy: 4th place (Oleszko 2023).

The smallest weights of all convolutions and linear layers, in one ranking, get fresh random
values, which removes most of what the network has memorised and moves it away from the original.
Then it is fine-tuned on the retain set, with a penalty on how far the entropy of each answer is
from that of the original's answer: the best guess of how sure a retrained model would be. The
forget set is not used at all.

The method is described in Sebastian Oleszko's write-up, kaggle.com/competitions/
neurips-2023-machine-unlearning/discussion/459148 (fifth on Kaggle's private leaderboard, fourth in
the end). His settings: MATCH 1, RARITY 0.1, and by the port of Cadet et al. (2024, arXiv
2410.01276, their PRMQ) fresh weights uniform within 1 / sqrt(inputs), zero for pruned biases, and
a constant rate. PRUNED (his 0.99) and the training (his by SGD at 5e-4 with momentum 0.9 and
weight decay 5e-4, for 3.2 epochs) were adapted, by a rough search on `digits` with another seed:
with 0.99 the small network recovers too little accuracy, and a fifth of a retraining's time is two
passes.

Hyperparameters
---------------
PRUNED : share of the weights and biases that are pruned.
EPOCHS : passes over the retain set.
LEARNING_RATE, WEIGHT_DECAY : of AdamW.
MATCH : weight of the mean squared difference of the entropies, in nats squared.
RARITY : a class with n images has the weight n^-RARITY in the cross entropy.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, log_softmax, mse_loss
from torch.nn.utils import prune

PRUNED = 0.9
EPOCHS = 2
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-2
MATCH = 1.0
RARITY = 0.1


def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device
    known = recall(net, retain)
    weights = known[1].bincount().clamp_min(1).pow(-RARITY)
    prune_and_reinitialise(net)
    optimizer = torch.optim.AdamW(
        net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    net.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(known[0])).split(retain.batch_size):
            images, targets, entropies = (column[rows].to(device) for column in known)
            optimizer.zero_grad()
            matched_loss(net(images), targets, weights.to(device), entropies).backward()
            optimizer.step()
    net.eval()


@torch.no_grad()
def recall(net, retain):
    """The retain images and targets, and the entropies of the original's answers to them."""
    device = next(net.parameters()).device
    net.eval()
    known = [(inputs, targets, entropy(net(inputs.to(device)))) for inputs, targets in retain]
    return tuple(torch.cat(column).cpu() for column in zip(*known, strict=True))


def matched_loss(logits, targets, weights, entropies):
    """Cross entropy with a weight for each class, and how far the entropies are from these."""
    own = weights[targets]
    losses = cross_entropy(logits, targets, reduction="none")
    return (own * losses).sum() / own.sum() + MATCH * mse_loss(entropy(logits), entropies)


def entropy(logits):
    """Entropies [B] of the answers, in nats."""
    logs = log_softmax(logits, dim=1)
    return -(logs.exp() * logs).sum(1)


@torch.no_grad()
def prune_and_reinitialise(net):
    """Fresh values for the smallest weights, zero for the biases among them."""
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    tensors = [(m, n) for m in layers for n, p in m.named_parameters(recurse=False)]
    prune.global_unstructured(tensors, prune.L1Unstructured, amount=PRUNED)
    for layer, name in tensors:
        pruned = getattr(layer, f"{name}_mask") == 0
        prune.remove(layer, name)
        if name == "weight":
            bound = layer.weight[0].numel() ** -0.5
            layer.weight[pruned] = torch.empty_like(layer.weight).uniform_(-bound, bound)[pruned]
